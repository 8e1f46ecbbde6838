"""The llamacpp engine: the numbers of the onnx engine on the same weights, row by row, whatever joins and leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.references import bundled_folder
from bakeoff.core.errors import InvalidFile, UnsupportedModel, UsageError
from bakeoff.engines import onnx_model
from bakeoff.engines.gguf_convert import write_model
from bakeoff.engines.gguf_file import write_gguf
from bakeoff.engines.gguf_weights import read_llama, read_tensors, size_keys
from bakeoff.engines.text import TextCodec
from bakeoff.machine.accelerators import CUDA_CONTEXT_BYTES
from made_gguf import split_gguf
from tiny_model import make_tiny_model

pytest.importorskip("llama_cpp", reason="the extra [llamacpp] is not installed")

from bakeoff.engines import llamacpp_context, llamacpp_library, llamacpp_model

TINY = Path(__file__).parents[1] / "data" / "tiny_llama"
TINY_VOCABULARY, TINY_CONTEXT = 128, 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), seed=3)


@pytest.fixture(scope="module")
def file(folder):
    write_model(folder, folder / "m.gguf", "f32")
    return folder / "m.gguf"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """The bundled generalist in several types."""
    out = tmp_path_factory.mktemp("bundled")
    for kind in ("f32", "q8_0"):
        write_model(bundled_folder() / "generalist", out / f"{kind}.gguf", kind)
    return out


@pytest.fixture
def exact(monkeypatch):
    """Attention in float32 throughout, as the onnx engine computes it."""
    monkeypatch.setenv(llamacpp_context.CACHE_VARIABLE, "f32")


@pytest.fixture(scope="module")
def model(file):
    loaded = llamacpp_model.load(file, None, 1)
    yield loaded
    loaded.close()


@pytest.fixture(autouse=True)
def empty(model):
    model.keep([])


def test_a_model_in_two_files_is_run_by_its_first(file, model, tmp_path):
    first, _ = split_gguf(file, tmp_path, 5)
    loaded = llamacpp_model.load(first, None, 1)
    try:
        assert loaded.facts().parameters == model.facts().parameters == read_gguf(first).parameters
        prompt = [[1, 5, 9, 20]]
        assert np.array_equal(loaded.prefill(prompt), model.prefill(prompt))
    finally:
        loaded.close()


def forced(model, prompts, continuations):
    """Return logits (steps + 1, rows, vocab) while every row is given its continuation."""
    logits = [model.prefill(prompts)]
    logits += [model.decode(list(step)) for step in zip(*continuations, strict=True)]
    model.keep([])
    return np.stack(logits)


def test_logits_are_those_of_the_transformers_reference(tmp_path, exact):
    spec = read_llama(TINY)
    tokens = [f"t{number}" for number in range(TINY_VOCABULARY)]
    vocabulary = {"model": "gpt2", "pre": "gpt-2", "tokens": tokens, "token_type": [1] * len(tokens), "merges": ["t 1"]}
    keys = size_keys(spec, "f32") | {f"tokenizer.ggml.{key}": value for key, value in vocabulary.items()}
    write_gguf(tmp_path / "m.gguf", keys, read_tensors(TINY, spec, "f32"))
    model = llamacpp_model.load(tmp_path / "m.gguf", None, 1)
    given, expected = np.load(TINY / "tokens.npy"), np.load(TINY / "logits.npy")
    lengths, steps = (1, 7, 33), expected.shape[1] - 1
    prompts = [given[row, :length].tolist() for row, length in enumerate(lengths)]
    continuations = [given[row, length : length + steps].tolist() for row, length in enumerate(lengths)]
    computed = forced(model, prompts, continuations).swapaxes(0, 1)
    assert np.ptp(expected) > 5
    assert np.abs(computed - expected).max() < 1e-3
    model.prefill([[0] * TINY_CONTEXT])
    with pytest.raises(ValueError, match="the context holds 1024"):
        model.decode([1])
    model.close()


def bundled_prompts(codec):
    texts = ("Write a post about rye bread", "Hello", "A mail to Anna: order 4711 is late. Be polite, three sentences.")
    return [codec.encode_chat([{"role": "user", "content": text}]) for text in texts]


def test_a_bundled_model_writes_the_same_as_on_onnx(bundled, exact):
    folder = bundled_folder() / "generalist"
    reference, codec = onnx_model.load(folder, None, 1), TextCodec.load(folder)
    model = llamacpp_model.load(bundled / "f32.gguf", None, 1)
    prompts = bundled_prompts(codec)
    logits = reference.prefill(prompts)
    written = [logits.argmax(axis=1)]
    theirs = [logits]
    for _ in range(60):
        logits = reference.decode(written[-1].tolist())
        theirs.append(logits)
        written.append(logits.argmax(axis=1))
    continuations = np.array(written[:-1]).T.tolist()
    ours = forced(model, prompts, continuations)
    assert np.abs(ours - np.array(theirs)).max() < 1e-3  # of a range of 46
    assert np.array_equal(ours.argmax(axis=2), np.array(written))
    # As llama.cpp computes by default, and from a file of a quarter of the size.
    model.close()
    os.environ.pop(llamacpp_context.CACHE_VARIABLE)
    for kind, apart, equal in (("f32", 0.1, 0.99), ("q8_0", 2.0, 0.9)):
        model = llamacpp_model.load(bundled / f"{kind}.gguf", None, 1)
        ours = forced(model, prompts, continuations)
        difference = np.abs(ours - np.array(theirs)).max()
        assert 0 < difference < apart
        assert (ours.argmax(axis=2) == np.array(written)).mean() >= equal
        model.close()


def test_rows_join_leave_and_change_places(file, folder, exact):
    """A random schedule on both engines; every row's logits agree at every step."""
    ours, theirs = llamacpp_model.load(file, None, 1), onnx_model.load(folder, None, 1)
    vocab, rng = ours.facts().vocab_size, np.random.default_rng(7)
    most = compared = 0
    prompts = [rng.integers(0, vocab, rng.integers(1, 400)).tolist() for _ in range(6)]
    for _ in range(60):
        if ours.rows < 20 and rng.random() < 0.4:
            some = [prompts[index] for index in rng.integers(0, len(prompts), rng.integers(1, 6))]
            assert np.abs(ours.prefill(some) - theirs.prefill(some)).max() < 2e-3
        if ours.rows:
            tokens = rng.integers(0, vocab, ours.rows).tolist()
            assert np.abs(ours.decode(tokens) - theirs.decode(tokens)).max() < 2e-3
            compared += len(tokens)
            most = max(most, len(tokens))
            kept = rng.permutation([row for row in range(len(tokens)) if rng.random() < 0.85]).astype(int).tolist()
            ours.keep(kept)
            theirs.keep(kept)
        assert ours.rows == theirs.rows
    assert compared > 200
    assert most > 10
    ours.close()


def test_a_prompt_is_computed_once_even_while_its_first_row_runs_on(model, monkeypatch):
    computed = []
    original = llamacpp_context.LlamaContext.compute
    monkeypatch.setattr(
        llamacpp_context.LlamaContext,
        "compute",
        lambda context, spans: computed.extend(spans) or original(context, spans),
    )
    prompt = list(range(30, 60))
    first = model.prefill([prompt, prompt, [7, 8]])
    assert np.array_equal(first[0], first[1])
    model.decode([1, 2, 3])
    again = model.prefill([prompt])
    assert np.array_equal(again[0], first[0])
    assert sum(list(span.tokens) == prompt for span in computed) == 1
    model.keep([3, 1])  # the row whose cache the newest one borrows is gone
    continued = model.decode([1, 5])
    model.keep([])
    alone = model.prefill([prompt]), model.decode([1])
    assert np.abs(continued[0] - alone[1][0]).max() < 0.02


def test_a_row_may_be_kept_twice(model):
    model.prefill([[5, 6, 7], [8, 9]])
    model.keep([1, 0, 0])
    logits = model.decode([1, 2, 2])
    assert model.rows == 3
    assert np.array_equal(logits[1], logits[2])


def test_what_a_row_was_survives_a_larger_cache(model):
    """More rows and longer rows than the context was made for."""
    expected = [model.prefill([[3, 4, 5]]), model.decode([6]), model.decode([7])]
    model.keep([])
    grown = llamacpp_model.load(model._file, None, 1)
    before = grown.memory_bytes()
    found = [grown.prefill([[3, 4, 5]])]
    found.append(grown.decode([6]))
    grown.prefill([[9] * 10] * 4 + [[8] * 3])
    grown.prefill([[1] * 700])
    assert grown.memory_bytes() > before
    assert grown.rows == 7
    found.append(grown.decode([7] + [2] * 6)[:1])
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours - theirs).max() < 0.02
    grown.close()


def test_a_long_prompt_is_one_prompt(model):
    rng = np.random.default_rng(2)
    prompt = rng.integers(0, model.facts().vocab_size, 1500).tolist()
    whole = model.prefill([prompt])
    model.keep([])
    together = model.prefill([prompt[:900], prompt, prompt[:700]])  # more than is handed over at once
    assert np.abs(together[1] - whole[0]).max() < 0.05 * np.ptp(whole)


def test_misuse_is_refused_and_leaves_the_rows_alone(model):
    vocab, context = model.facts().vocab_size, model.facts().context_length
    model.prefill([[1, 2, 3]])
    for prompts in ([[4], []], [[vocab]], [[-1]], [[0] * (context + 1)], [[1]] * 300):
        with pytest.raises(ValueError, match=r"position|vocabulary|sequences"):
            model.prefill(prompts)
    for tokens in ([], [1, 2], [vocab]):
        with pytest.raises(ValueError, match=r"tokens for|vocabulary"):
            model.decode(tokens)
    with pytest.raises(IndexError):
        model.keep([1])
    assert model.rows == 1
    after = model.decode([7])
    model.keep([])
    model.prefill([[1, 2, 3]])
    assert np.array_equal(model.decode([7]), after)


def test_facts_and_memory(model, file):
    facts = model.facts()
    assert (facts.engine, facts.device, facts.dtype, facts.fallbacks) == ("llamacpp", "cpu", "float32", ())
    assert facts.context_length == 2048
    assert facts.weight_bytes == 4 * facts.parameters
    assert facts.kernels == "flash attention, f16 cache"
    small = llamacpp_model.load(file, "cpu", 1)
    before = small.memory_bytes()
    assert before > facts.weight_bytes
    small.prefill([[1]] * 4)
    # 2 layers, keys and values of 2 heads of 16, float16: 256 bytes a position; three more rows of 256.
    assert small.memory_bytes() - before >= 3 * 256 * 256
    before, small._device = small.memory_bytes(), "cuda"
    assert small.memory_bytes() == before + CUDA_CONTEXT_BYTES
    codec = small.codec()
    small.close()
    for use in (lambda: small.prefill([[1]]), lambda: codec.encode("a")):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_another_device_is_refused(file):
    with pytest.raises(UnsupportedModel, match="built here for cpu, and the device asked for is mps"):
        llamacpp_model.load(file, "mps", 1)


def test_an_unknown_cache_is_refused(file, monkeypatch):
    monkeypatch.setenv(llamacpp_context.CACHE_VARIABLE, "f8")
    with pytest.raises(UsageError, match="BAKEOFF_LLAMACPP_CACHE is 'f8'"):
        llamacpp_model.load(file, None, 1)


def test_nothing_is_printed_while_a_file_loads(file):
    program = (
        "import sys; from pathlib import Path; from bakeoff.engines.llamacpp_model import load;"
        "m = load(Path(sys.argv[1]), None, 1); m.prefill([[1, 2]]); m.decode([3]); m.close()"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_files_that_llama_cpp_cannot_run_are_named(file, folder, tmp_path):
    raw = file.read_bytes()

    def refusal(content: bytes, error=InvalidFile) -> str:
        broken = tmp_path / "broken.gguf"
        broken.write_bytes(content)
        with pytest.raises(error) as refused:
            llamacpp_model.load(broken, None, 1)
        assert str(broken) in refused.value.message
        return refused.value.message

    assert "tensors need" in refusal(raw[:-1000])
    assert "does not begin with GGUF" in refusal(b"\xff" * 64)
    assert "blk.1.attn_q.weight" in refusal(raw.replace(b"blk.1.attn_q.weight", b"blk.1.attn_Q.weight"))
    assert "unknown model architecture" in refusal(
        raw.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0zzama"), UnsupportedModel
    )
    assert "no tokenizer" in refusal(raw.replace(b"tokenizer.ggml.model", b"tokenizer.ggml.xodel"), UnsupportedModel)
    with pytest.raises(UnsupportedModel, match="this is a folder"):
        llamacpp_model.load(folder, None, 1)


def test_what_llama_cpp_said_on_a_mac_is_read():
    said = json.loads((TINY.parent / "apple" / "recordings.json").read_text(encoding="utf-8"))["llamacpp"]["output"]
    buffers = llamacpp_library.read_buffers([(2, line) for line in said.splitlines()])
    assert [(buffer.name, buffer.use) for buffer in buffers] == [("CPU_Mapped", "model"), ("MTL0_Mapped", "model")]
    assert buffers[1].size == round(14803.73 * 2**20)
    assert llamacpp_library.find_device(buffers) == "mps"
