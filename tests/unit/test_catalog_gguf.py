"""GGUF headers: exact facts of right files, and a named error for every wrong one, quickly."""

import os
import shutil
import struct
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakeoff.catalog.digests import files_of
from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.local_files import list_cache, list_folder
from bakeoff.catalog.references import look_again, resolve
from bakeoff.core.errors import InvalidFile, UnknownModel, UnsupportedModel
from made_gguf import ARRAY, F32, KEYS, STRING, TENSORS, U32, header, split_gguf, text, write_gguf


def refusal(file) -> str:
    with pytest.raises(InvalidFile) as refused:
        read_gguf(file)
    assert str(file) in refused.value.message
    return refused.value.message


def test_the_facts_of_a_file(tmp_path):
    found = read_gguf(write_gguf(tmp_path / "m.gguf"))
    assert found.architecture == "llama"
    assert found.parameters == 64 * 10 + 64
    assert found.weight_bytes == 20 * 34 + 64 * 4
    assert (found.quantisation, found.context_length, found.licence) == ("Q8_0", 1024, "apache-2.0")
    assert found.chat_template == "{{ messages }}"
    assert found.facts() == {
        "model_type": "llama",
        "param_count": 64 * 10 + 64,
        "vocab_size": 10,
        "tie_word_embeddings": True,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_size": 64,
        "max_position_embeddings": 1024,
    }


def test_a_licence_that_is_other_goes_by_its_name(tmp_path):
    other = KEYS | {"general.license": "other"}
    assert read_gguf(write_gguf(tmp_path / "a.gguf", other)).licence == "other"
    named = other | {"general.license.name": "lfm1.0"}
    assert resolve(str(write_gguf(tmp_path / "b.gguf", named))).licence == "lfm1.0"


def test_what_a_file_does_not_say_is_none_or_seen_in_its_tensors(tmp_path):
    tensors = {"big": ("Q4_K", (256, 40)), "small": ("F32", (64,))}
    found = read_gguf(write_gguf(tmp_path / "m.gguf", {"general.architecture": "llama"}, tensors))
    assert (found.quantisation, found.context_length, found.licence, found.chat_template) == ("Q4_K", None, None, None)
    assert found.facts() == {"model_type": "llama", "param_count": 256 * 40 + 64, "tie_word_embeddings": True}
    layers = {**KEYS, "general.file_type": 999, "llama.attention.head_count_kv": [2, 0, 4]}
    found = read_gguf(write_gguf(tmp_path / "n.gguf", layers, TENSORS))
    assert found.quantisation == "Q8_0"
    assert found.facts()["num_key_value_heads"] == 4
    assert found.facts()["layer_types"] == ["full_attention", "mamba", "full_attention"]


def test_a_reference_to_a_file(tmp_path):
    file = write_gguf(tmp_path / "My.Model-Q8_0.GGUF")
    spec = resolve(str(file))
    assert (spec.source, spec.name, spec.location) == ("gguf", "My.Model-Q8_0", str(file))
    assert (spec.parameters, spec.weight_bytes, spec.quantisation) == (704, 936, "Q8_0")
    assert (spec.architecture, spec.context_length, spec.licence) == ("llama", 1024, "apache-2.0")
    assert spec.is_ours_to_run
    raw = bytearray(file.read_bytes())
    raw[-40] ^= 1  # a weight
    file.write_bytes(raw)
    assert look_again(spec).digest != spec.digest
    with pytest.raises(UnknownModel, match="no such GGUF file"):
        resolve(str(tmp_path / "other.gguf"))


@pytest.mark.parametrize(
    ("keys", "named"),
    [({"split.count": 3}, "one of 3 parts"), ({"general.type": "adapter"}, "type 'adapter'")],
)
def test_files_that_are_no_whole_model_are_refused(tmp_path, keys, named):
    with pytest.raises(UnsupportedModel, match=named) as refused:
        resolve(str(write_gguf(tmp_path / "m.gguf", KEYS | keys)))
    assert refused.value.hint


@pytest.mark.parametrize("first_tensors", [0, 1])
def test_a_model_in_two_files_is_one(tmp_path, first_tensors):
    whole = write_gguf(tmp_path / "big.gguf")
    first, second = split_gguf(whole, tmp_path, first_tensors)
    assert read_gguf(first).facts() == read_gguf(whole).facts()
    spec, of_one = resolve(str(first)), resolve(str(whole))
    assert (spec.parameters, spec.weight_bytes) == (of_one.parameters, of_one.weight_bytes) == (704, 936)
    assert [model.parameters for model in list_folder(tmp_path).found] == [704, 704]  # in two, and in one
    assert files_of(spec) == [first, second]
    with pytest.raises(UnsupportedModel, match="not the first") as refused:
        resolve(str(second))
    assert "name the first" in refused.value.hint
    raw = bytearray(second.read_bytes())
    raw[-40] ^= 1  # a weight
    second.write_bytes(raw)
    assert look_again(spec).digest != spec.digest


def test_a_part_that_is_missing_or_another_models_is_told(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    first, second = split_gguf(write_gguf(tmp_path / "m.gguf"), folder, 1)
    shutil.copy(first, second)
    with pytest.raises(InvalidFile, match="another part"):
        read_gguf(first)
    second.unlink()
    with pytest.raises(InvalidFile, match="m-00002-of-00002"):
        read_gguf(first)
    told = list_folder(folder)
    assert not told.found
    assert "m-00002-of-00002" in told.warnings[0]
    split_gguf(tmp_path / "m.gguf", folder, 1)
    first.unlink()
    told = list_folder(folder)
    assert not told.found
    assert "m-00002-of-00002" in told.warnings[0]


def test_a_name_that_only_looks_like_a_part_s_is_none(tmp_path):
    write_gguf(tmp_path / "best-of-breed.gguf")
    write_gguf(tmp_path / "m-00001-of-00002.gguf", KEYS | {"general.name": "another"})
    assert sorted(model.name for model in list_folder(tmp_path).found) == ["best-of-breed", "m-00001-of-00002"]
    assert resolve(str(tmp_path / "m-00001-of-00002.gguf")).parameters == 704


def test_the_cache_has_gguf_files_in_folders_and_beside_a_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--org--model-GGUF" / "snapshots" / "0123abc"
    (snapshot / "Q4_K_M").mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    write_gguf(snapshot / "plain.gguf")
    write_gguf(tmp_path / "big.gguf")
    split_gguf(tmp_path / "big.gguf", snapshot / "Q4_K_M", 1)
    (snapshot / "cut.gguf").symlink_to(tmp_path / "nowhere")
    told = list_cache()
    assert {model.name: model.parameters for model in told.found} == {"big-00001-of-00002": 704, "plain": 704}
    (warning,) = told.warnings
    assert "cut.gguf" in warning


HUGE = 1 << 60
ODD_VALUES = {
    "a text of 2^60 bytes": struct.pack("<IQ", STRING, HUGE),
    "2^60 texts": struct.pack("<IIQ", ARRAY, STRING, HUGE),
    "2^60 numbers": struct.pack("<IIQ", ARRAY, U32, HUGE),
    "2^64 - 1 numbers": struct.pack("<IIQ", ARRAY, U32, (1 << 64) - 1),
    "arrays of arrays": struct.pack("<I", ARRAY) * 2000,
    "an unknown type": struct.pack("<II", 77, 0),
    "an array of an unknown type": struct.pack("<IIQ", ARRAY, 77, 1),
    "half a text in an array": struct.pack("<IIQ", ARRAY, STRING, 2) + text("a") + struct.pack("<Q", HUGE),
}


@pytest.mark.parametrize("odd", ODD_VALUES.values(), ids=ODD_VALUES)
def test_hostile_values_end_in_an_error(tmp_path, odd):
    started = time.perf_counter()
    refusal(write_gguf(tmp_path / "m.gguf", KEYS | {"x": odd}))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("counts", [{"n_keys": HUGE}, {"n_tensors": HUGE}, {"n_keys": 1 << 15}, {"n_tensors": 1 << 15}])
def test_hostile_counts_end_in_an_error(tmp_path, counts):
    refusal(write_gguf(tmp_path / "m.gguf", **counts))


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({"t": ("F32", (HUGE, HUGE))}, "its tensors need"),
        ({"t": ("F32", ())}, "0 dimensions"),
        ({"t": ("F32", (2,) * 5)}, "5 dimensions"),
        ({"t": ("Q4_K", (100,))}, "the shape"),
        ({"t": ("F32", (4, 0))}, "the shape"),
        ({}, "holds no weights"),
    ],
)
def test_hostile_tensors_end_in_an_error(tmp_path, tensors, named):
    file = tmp_path / "m.gguf"
    file.write_bytes(header(KEYS, tensors) + bytes(4096))
    assert named in refusal(file)


@pytest.mark.parametrize(
    ("odd", "named"),
    [
        ({"magic": b"GGML"}, "does not begin with GGUF"),
        ({"version": 1}, "version 1"),
        ({"version": 3 << 24}, "big-endian version 3"),
        ({"keys": {}}, "names no architecture"),
        ({"keys": {"general.architecture": 5}}, "names no architecture"),
        ({"keys": KEYS | {"general.alignment": 0}}, "general.alignment 0"),
    ],
)
def test_other_files_are_told_apart(tmp_path, odd, named):
    assert named in refusal(write_gguf(tmp_path / "m.gguf", **odd))


def test_a_sparse_file_of_zeros_is_no_long_read(tmp_path):
    """Its counts fit the file's length: 2^30 empty texts, each 8 bytes."""
    file = tmp_path / "m.gguf"
    file.write_bytes(header(KEYS | {"x": struct.pack("<IIQ", ARRAY, STRING, 1 << 30)}))
    os.truncate(file, 1 << 34)
    started = time.perf_counter()
    refusal(file)
    assert time.perf_counter() - started < 1


def test_ten_thousand_lists_do_not_fill_the_memory(tmp_path):
    """Each is short enough to be kept, and together they would take a gigabyte."""
    lists = {f"x.{n}": struct.pack("<IIQ", ARRAY, F32, 4096) + bytes(4 * 4096) for n in range(2000)}
    file = write_gguf(tmp_path / "m.gguf", {**lists, **KEYS})
    tracemalloc.start()
    found = read_gguf(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.context_length == 1024
    assert peak < 64 << 20


def test_a_real_vocabulary_is_passed_over_quickly(tmp_path):
    """As many pieces as Qwen's has, with a score and a type each: the library gguf takes seconds, and keeps them all."""
    pieces = b"".join(text(f"piece-{n}") for n in range(152_000))
    keys = KEYS | {
        "tokenizer.ggml.tokens": struct.pack("<IIQ", ARRAY, STRING, 152_000) + pieces,
        "tokenizer.ggml.scores": struct.pack("<IIQ", ARRAY, F32, 152_000) + bytes(4 * 152_000),
    }
    file = write_gguf(tmp_path / "m.gguf", keys)
    taken = []
    for _ in range(7):
        started = time.process_time()
        found = read_gguf(file)
        taken.append(time.process_time() - started)
    assert found.context_length == 1024
    assert "tokenizer.ggml.tokens" not in found.metadata
    assert min(taken) < 0.5  # about 0.05 where nothing else runs; benchmarks/results/fit.md has the figure


def test_what_is_no_file_is_refused(tmp_path):
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    assert "no regular file" in refusal(pipe)
    assert "cannot be read" in refusal(tmp_path / "none.gguf")
    assert "is 0 bytes long" in refusal(_empty(tmp_path / "empty.gguf"))


def _empty(file):
    file.write_bytes(b"")
    return file


def test_every_truncation_is_an_error(tmp_path):
    whole = write_gguf(tmp_path / "m.gguf").read_bytes()
    read_gguf(tmp_path / "m.gguf")
    file = tmp_path / "cut.gguf"
    # The file ends with 256 bytes of float32, which have no padding after them.
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        refusal(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=1000, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_are_facts_or_an_error_and_never_anything_else(tmp_path, flips):
    raw = bytearray(write_gguf(tmp_path / "m.gguf").read_bytes())
    for at, byte in flips:
        raw[at % len(raw)] = byte
    (tmp_path / "m.gguf").write_bytes(raw)
    try:
        found = read_gguf(tmp_path / "m.gguf")
    except InvalidFile:
        return
    assert found.weight_bytes <= len(raw)
    assert found.quantisation
    found.facts()
