"""`bakeoff convert` as a user meets it, without llama.cpp: files that our reader knows, and refusals that leave nothing."""

import json
import subprocess
import sys

import pytest

from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.references import bundled_folder, resolve
from bakeoff.core.errors import UsageError
from bakeoff.core.installing import install_command
from bakeoff.engines.conversion import FORMATS, convert
from bakeoff.engines.gguf_convert import write_model
from bakeoff.engines.local import find_engine, inspect_engine
from bakeoff_command import Workspace
from tiny_model import make_tiny_model

GGUF = FORMATS["gguf"]


@pytest.fixture
def folder(tmp_path):
    return make_tiny_model(tmp_path / "tiny")


def refusal(folder, out, kind=None):
    with pytest.raises(UsageError) as refused:
        convert(resolve(str(folder)), GGUF, kind, out, replace=False)
    return f"{refused.value.message}\n{refused.value.hint}"


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_a_bundled_model_in_every_type_of_our_own(tmp_path):
    workspace = Workspace(tmp_path)
    sizes = {}
    for kind in ("f32", "F16", "bf16", "q8_0"):
        done = workspace.call(
            "convert", "bundled:technical", "--to", "gguf", "--quantise", kind, "--out", f"{kind}.gguf"
        )
        assert done.returncode == 0, done.stderr
        assert f"bakeoff run --models bundled:technical,{kind}.gguf" in done.stdout
        runs_here = inspect_engine(find_engine("llamacpp")).available
        assert ("the engine llamacpp is not installed here" in done.stdout) != runs_here
        spec = resolve(str(tmp_path / f"{kind}.gguf"))
        assert (spec.quantisation, spec.architecture) == (kind.upper(), "llama")
        assert spec.weights_digest == resolve("bundled:technical").digest != spec.digest
        sizes[kind] = spec.weight_bytes
    source = resolve("bundled:technical")
    assert (spec.parameters, spec.context_length, spec.licence) == (
        source.parameters,
        source.context_length,
        source.licence,
    )
    header = read_gguf(tmp_path / "q8_0.gguf")
    assert header.text("general.name") == "technical"
    assert header.chat_template
    assert sizes["f32"] > 1.9 * sizes["F16"]
    assert sizes["F16"] > 1.8 * sizes["q8_0"]


def test_weights_are_stored_as_they_are_unless_said_otherwise(folder, tmp_path):
    assert convert(resolve(str(folder)), GGUF, None, tmp_path / "m.gguf", replace=False) == ()
    assert read_gguf(tmp_path / "m.gguf").quantisation == "F32"
    half = bundled_folder() / "social"
    convert(resolve("bundled:social"), GGUF, None, tmp_path / "s.gguf", replace=False)
    stored = json.loads((half / "config.json").read_text())["dtype"]
    assert read_gguf(tmp_path / "s.gguf").quantisation == {"float16": "F16", "bfloat16": "BF16"}[stored]


def test_what_is_there_is_replaced_only_when_told_to(folder, tmp_path):
    out = tmp_path / "m.gguf"
    out.write_bytes(b"mine")
    assert "m.gguf is there\nname another file, or add --replace" in refusal(folder, out)
    assert out.read_bytes() == b"mine"
    convert(resolve(str(folder)), GGUF, "q8_0", out, replace=True)
    assert read_gguf(out).quantisation == "Q8_0"
    assert "is a folder that is there" in refusal(folder, tmp_path)
    assert "is no folder" in refusal(folder, tmp_path / "none" / "m.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.gguf", "tiny"]


def test_no_folder_goes_for_a_file_whatever_is_said(folder, tmp_path):
    """--replace once removed whatever folder was named, the model's own parent among them."""
    models, other = tmp_path, tmp_path / "others"
    (other / "weights").mkdir(parents=True)
    for out, words in ((models, "holds, the model"), (folder, "is, or holds"), (other, "does not replace")):
        with pytest.raises(UsageError, match=words):
            convert(resolve(str(folder)), GGUF, "q8_0", out, replace=True)
    assert resolve(str(folder)).parameters
    assert (other / "weights").is_dir()


def test_a_gguf_file_is_not_converted_again(folder, tmp_path):
    write_model(folder, tmp_path / "m.gguf", "f32")
    with pytest.raises(UsageError, match="only a model folder can be converted"):
        convert(resolve(str(tmp_path / "m.gguf")), GGUF, "q8_0", tmp_path / "n.gguf", replace=False)


def test_models_that_would_be_computed_otherwise_are_refused(folder, tmp_path):
    out = tmp_path / "m.gguf"
    change(folder / "config.json", hidden_act="gelu")
    assert "cannot be made a GGUF file" in refusal(folder, out)
    change(folder / "config.json", hidden_act="silu", intermediate_size=64)
    assert "shape" in refusal(folder, out)
    assert "GGUF files of type q9 are not made here\ntypes: f32," in refusal(folder, out, "q9")
    assert list(tmp_path.glob(".convert-*")) == []
    assert not out.exists()


@pytest.mark.parametrize(
    ("part", "value", "named"),
    [
        ("pre_tokenizer", {"type": "Whitespace"}, "in a way that has no name there"),
        (
            "pre_tokenizer",
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "no name there",
        ),
        ("normalizer", {"type": "Lowercase"}, "changes text before it cuts it"),
        ("model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "no byte-level BPE"),
    ],
)
def test_tokenizers_that_llama_cpp_would_read_otherwise_are_refused(folder, tmp_path, part, value, named):
    change(folder / "tokenizer.json", **{part: value})
    said = refusal(folder, tmp_path / "m.gguf")
    assert named in said
    assert str(folder / "tokenizer.json") in said


def test_a_token_that_looks_at_its_neighbours_is_refused(folder, tmp_path):
    described = json.loads((folder / "tokenizer.json").read_text())
    described["added_tokens"][1]["rstrip"] = True
    (folder / "tokenizer.json").write_text(json.dumps(described))
    assert "'<|system|>' looks at what is beside it" in refusal(folder, tmp_path / "m.gguf")


def test_a_number_too_large_for_float16_is_named(tmp_path):
    folder = make_tiny_model(tmp_path / "big")
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-4:] = b"\0\0\x80\x49"  # 1048576, the last number of the last norm: stored as float32 in any case
    length = int.from_bytes(raw[:8], "little")
    raw[8 + length : 12 + length] = b"\0\0\x80\x49"  # the first number of the embedding
    (folder / "model.safetensors").write_bytes(raw)
    said = refusal(folder, tmp_path / "m.gguf", "f16")
    assert "model.embed_tokens.weight" in said
    assert "65504" in said
    convert(resolve(str(folder)), GGUF, "bf16", tmp_path / "m.gguf", replace=False)


def test_without_llama_cpp_its_types_name_the_command_that_adds_it(folder, tmp_path):
    program = (
        "import sys; sys.modules['llama_cpp'] = None; "  # as where it is not installed
        "from bakeoff.engines.gguf_convert import main; main()"
    )
    arguments = ["--model", str(folder), "--out", str(tmp_path / "m.gguf"), "--kind", "q4_k_m"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert (done.returncode, said["error"]) == (2, "MissingDependency")
    assert "q4_k_m is made by llama.cpp" in said["message"]
    assert said["hint"] == install_command("llamacpp")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]
