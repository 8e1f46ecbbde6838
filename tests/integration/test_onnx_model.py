"""The default engine: real files through real onnxruntime. tests/data/make_tiny_llama.py made the reference."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.core.errors import InvalidFile, UnsupportedModel
from bakeoff.engines import onnx_llama, onnx_model
from bakeoff.engines.onnx_model import CHUNK_TOKENS, OnnxModel
from bakeoff.engines.safetensors_file import map_tensors

TINY = Path(__file__).parents[1] / "data" / "tiny_llama"
VOCABULARY = 128
CONTEXT = 1024
PROMPT_LENGTHS = (1, 7, 33)


def write_safetensors(path: Path, tensors: dict[str, np.ndarray], dtype: str) -> None:
    header, blobs, offset = {}, [], 0
    for name, array in tensors.items():
        blob = array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + b"".join(blobs))


def widened() -> dict[str, np.ndarray]:
    """The tiny model's bfloat16 weights as float32."""
    return {
        name: (tensor.data.astype(np.uint32) << 16).view(np.float32).reshape(tensor.data.shape)
        for name, tensor in map_tensors(TINY).items()
    }


def folder_with(folder: Path, config: dict[str, Any] | None = None, *, drop: tuple[str, ...] = ()) -> Path:
    """A copy of the tiny model whose config.json is changed."""
    shutil.copytree(TINY, folder)
    found = json.loads((folder / "config.json").read_text()) | (config or {})
    (folder / "config.json").write_text(json.dumps({key: value for key, value in found.items() if key not in drop}))
    return folder


def f32_folder(folder: Path, tensors: dict[str, np.ndarray], config: dict[str, Any] | None = None) -> Path:
    folder_with(folder, config)
    write_safetensors(folder / "model.safetensors", tensors, "F32")
    return folder


@pytest.fixture(scope="module")
def model():
    loaded = OnnxModel.load(TINY, threads=1)
    yield loaded
    loaded.close()


@pytest.fixture(autouse=True)
def empty(model):
    model.keep([])


def random_prompts(rng: np.random.Generator, count: int, longest: int) -> list[list[int]]:
    return [rng.integers(0, VOCABULARY, rng.integers(1, longest)).tolist() for _ in range(count)]


def against_reference(model: OnnxModel) -> float:
    tokens, expected = np.load(TINY / "tokens.npy"), np.load(TINY / "logits.npy")
    prompts = [tokens[row, :length].tolist() for row, length in enumerate(PROMPT_LENGTHS)]
    computed = [model.prefill(prompts)]
    for step in range(expected.shape[1] - 1):
        given = [int(tokens[row, length + step]) for row, length in enumerate(PROMPT_LENGTHS)]
        computed.append(model.decode(given))
    return float(np.abs(np.stack(computed, axis=1) - expected).max())


def test_logits_equal_transformers_reference(model):
    assert np.ptp(np.load(TINY / "logits.npy")) > 5  # a reference of zeros would agree with much
    assert against_reference(model) < 1e-4


def test_projections_that_are_too_large_to_be_stacked_give_the_reference_too(monkeypatch):
    monkeypatch.setattr(onnx_llama, "STACKED_PARAMETERS", 0)
    assert against_reference(OnnxModel.load(TINY, threads=1)) < 1e-4


@pytest.mark.parametrize(("dtype", "word"), [(np.float32, "F32"), (np.float16, "F16")])
def test_other_weight_types_give_the_reference_too(tmp_path, dtype, word):
    folder = folder_with(tmp_path / "m")
    narrow = {name: array.astype(dtype) for name, array in widened().items()}
    write_safetensors(folder / "model.safetensors", narrow, word)
    assert against_reference(OnnxModel.load(folder, threads=1)) < 2e-3


def test_shards_give_the_same_bits(model, tmp_path):
    folder = folder_with(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    names = sorted(widened())
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, members in shards.items():
        write_safetensors(folder / file, {name: map_tensors(TINY)[name].data for name in members}, "BF16")
    index = {"weight_map": {name: file for file, members in shards.items() for name in members}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    prompt = [[3, 1, 4, 1, 5]]
    assert np.array_equal(OnnxModel.load(folder, threads=1).prefill(prompt), model.prefill(prompt))


def test_unaligned_weights_are_read(tmp_path):
    folder = f32_folder(tmp_path / "m", widened())
    content = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    padding = b" " * ((2 - length) % 4 or 4)
    shifted = (length + len(padding)).to_bytes(8, "little") + content[8 : 8 + length] + padding + content[8 + length :]
    (folder / "model.safetensors").write_bytes(shifted)
    assert against_reference(OnnxModel.load(folder, threads=1)) < 1e-4


def test_biases_and_a_tied_embedding_change_the_logits_as_they_should(tmp_path):
    """A bias of zeros changes nothing; an untied head equal to the embedding is a tied one."""
    tensors = widened()
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    plain = OnnxModel.load(f32_folder(tmp_path / "plain", tensors), threads=1)
    for part, width in (("q", 64), ("k", 32), ("v", 32)):
        tensors[f"model.layers.0.self_attn.{part}_proj.bias"] = np.zeros(width, dtype=np.float32)
    zero = OnnxModel.load(f32_folder(tmp_path / "zero", tensors), threads=1)
    tensors["model.layers.0.self_attn.v_proj.bias"] = np.ones(32, dtype=np.float32)
    shifted = OnnxModel.load(f32_folder(tmp_path / "shifted", tensors), threads=1)
    del tensors["lm_head.weight"], tensors["model.layers.0.self_attn.v_proj.bias"]
    tied = OnnxModel.load(f32_folder(tmp_path / "tied", tensors, {"tie_word_embeddings": True}), threads=1)
    logits = [each.prefill([[9, 8, 7]]) for each in (plain, zero, shifted, tied)]
    assert np.allclose(logits[0], logits[1], atol=1e-5)
    assert np.abs(logits[0] - logits[2]).max() > 0.1
    assert np.allclose(logits[0], logits[3], atol=1e-5)
    assert tied.facts().parameters == plain.facts().parameters - VOCABULARY * 48 + 64 + 32


def test_ragged_prefill_equals_single_prefills(model):
    rng = np.random.default_rng(1)
    prompts = random_prompts(rng, 12, 200)
    together = model.prefill(prompts)
    model.keep([])
    for prompt, logits in zip(prompts, together, strict=True):
        assert np.array_equal(model.prefill([prompt])[0], logits)


@pytest.mark.parametrize(
    ("threads", "trials", "longest", "stacked"), [(1, 40, 140, 1), (2, 40, 140, 1), (2, 20, 140, 0), (2, 6, 900, 1)]
)
def test_bits_do_not_depend_on_the_rest_of_the_batch(threads, trials, longest, stacked, monkeypatch):
    """Rows join, leave and change places at random; each row's history equals its lone run on one thread."""
    monkeypatch.setattr(onnx_llama, "STACKED_PARAMETERS", stacked * onnx_llama.STACKED_PARAMETERS)
    rng = np.random.default_rng(threads)
    batched, lone = OnnxModel.load(TINY, threads), OnnxModel.load(TINY, 1)
    compared = largest = 0
    for _ in range(trials):
        histories = random_schedule(batched, rng, longest)
        batched.keep([])
        for prompt, tokens, seen in histories:
            lone.keep([])
            expected = [lone.prefill([prompt])[0], *(lone.decode([token])[0] for token in tokens)]
            assert np.array_equal(np.stack(seen), np.stack(expected))
            compared += len(seen)
        largest = max(largest, len(histories))
    assert compared > 50 * trials
    assert largest > 8


def random_schedule(
    model: OnnxModel, rng: np.random.Generator, longest: int
) -> list[tuple[list[int], list[int], list[Any]]]:
    """Run one; return each row's prompt, tokens and logits."""
    histories: list[tuple[list[int], list[int], list[Any]]] = []
    live: list[int] = []
    for step in range(12):
        if step < 9 and rng.random() < 0.6:
            prompts = random_prompts(rng, int(rng.choice([1, 1, 2, 3, 5, 9, 16])), longest)
            if len(prompts) > 1:
                prompts[-1] = prompts[0]
            for prompt, logits in zip(prompts, model.prefill(prompts), strict=True):
                live.append(len(histories))
                histories.append((prompt, [], [logits]))
        if live:
            tokens = rng.integers(0, VOCABULARY, len(live)).tolist()
            for row, token, logits in zip(live, tokens, model.decode(tokens), strict=True):
                histories[row][1].append(token)
                histories[row][2].append(logits)
            kept = [row for row in range(len(live)) if rng.random() < 0.8]
            if rng.random() < 0.3:
                kept = rng.permutation(kept).astype(int).tolist()
            model.keep(kept)
            live = [live[row] for row in kept]
    assert model.rows == len(live)
    return histories


def test_a_row_may_be_kept_twice(model):
    """One prefill serves several continuations."""
    model.prefill([[5, 6, 7], [8, 9]])
    model.keep([1, 0, 0])
    logits = model.decode([1, 2, 2])
    assert model.rows == 3
    assert np.array_equal(logits[1], logits[2])
    model.keep([])
    model.prefill([[5, 6, 7]])
    assert np.array_equal(model.decode([2])[0], logits[1])


def test_a_prompt_of_several_chunks_is_one_prompt(model, monkeypatch):
    prompt = np.random.default_rng(3).integers(0, VOCABULARY, CHUNK_TOKENS + 40).tolist()
    chunked = model.prefill([prompt])
    monkeypatch.setattr(onnx_model, "CHUNK_TOKENS", CONTEXT)
    assert np.abs(model.prefill([prompt]) - chunked).max() < 1e-4


def test_returned_logits_are_the_callers_own(model):
    model.prefill([[1, 2]])
    first = model.decode([3])
    before = first.copy()
    model.decode([4])
    assert np.array_equal(first, before)


def test_misuse_is_refused_and_leaves_the_rows_alone(model):
    model.prefill([[1, 2, 3]])
    for prompts in ([[4], []], [[VOCABULARY]], [[-1]], [[0] * (CONTEXT + 1)]):
        with pytest.raises(ValueError, match=r"position|vocabulary"):
            model.prefill(prompts)
    for tokens in ([], [1, 2], [VOCABULARY]):
        with pytest.raises(ValueError, match=r"tokens for|vocabulary"):
            model.decode(tokens)
    with pytest.raises(IndexError):
        model.keep([1])
    assert model.rows == 1
    after = model.decode([7])
    model.keep([])
    model.prefill([[1, 2, 3]])
    assert np.array_equal(model.decode([7]), after)


def test_a_full_context_is_an_error_not_a_wrong_answer(model):
    model.prefill([[0] * CONTEXT])
    with pytest.raises(ValueError, match="the context holds 1024"):
        model.decode([1])


def test_facts_and_memory(model):
    facts = model.facts()
    parameters = sum(array.size for array in widened().values())
    assert (facts.engine, facts.device, facts.dtype) == ("onnx", "cpu", "float32")
    assert (facts.context_length, facts.vocab_size, facts.parameters) == (CONTEXT, VOCABULARY, parameters)
    assert facts.weight_bytes == 4 * parameters
    small = OnnxModel.load(TINY, threads=1)
    before = small.memory_bytes()
    small.prefill([[1]] * 4)
    # 2 planes a layer, 2 layers, 2 heads of 16 float32: 512 bytes a position; three more slots of 256 positions.
    assert small.memory_bytes() - before == 3 * 256 * 512
    small.close()
    with pytest.raises(ValueError, match="closed"):
        small.prefill([[1]])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel"),
        ({"architectures": None}, "none named"),
        ({"hidden_act": "gelu"}, "activation gelu"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}}, "rotary scaling yarn"),
        ({"sliding_window": 64}, "sliding window of 64"),
        ({"partial_rotary_factor": 0.5}, "partial rotary"),
        ({"head_dim": 12}, "head size 12"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
    ],
)
def test_what_it_cannot_compute_is_refused(tmp_path, change, named):
    with pytest.raises(UnsupportedModel, match=named) as refused:
        OnnxModel.load(folder_with(tmp_path / "m", change), threads=1)
    assert refused.value.hint


def test_the_older_spelling_of_rotary_settings(tmp_path, model):
    scaling = {"type": "linear", "factor": 2.0}
    old = folder_with(tmp_path / "old", {"rope_theta": 5e3, "rope_scaling": scaling}, drop=("rope_parameters",))
    new = {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e3}}
    prompt = [list(range(60))]
    logits = OnnxModel.load(old, 1).prefill(prompt)
    assert np.array_equal(logits, OnnxModel.load(folder_with(tmp_path / "new", new), 1).prefill(prompt))
    assert np.abs(logits - model.prefill(prompt)).max() > 0.1


def test_broken_files_are_named(tmp_path):
    def refusal(folder: Path) -> str:
        with pytest.raises(InvalidFile) as refused:
            OnnxModel.load(folder, threads=1)
        return refused.value.message

    weights = "model.safetensors"
    content = (TINY / weights).read_bytes()
    for name, broken in {
        "empty": b"",
        "garbage": b"\xff" * 64,
        "no_json": (8).to_bytes(8, "little") + b"not json" + bytes(64),
        "cut": content[:-1000],
        "cut_header": content[:100],
    }.items():
        folder = folder_with(tmp_path / name)
        (folder / weights).write_bytes(broken)
        assert str(folder / weights) in refusal(folder), name
    missing = folder_with(tmp_path / "missing", {"num_hidden_layers": 3})
    assert "model.layers.2.self_attn.q_proj.weight: no such tensor" in refusal(missing)
    surplus = folder_with(tmp_path / "surplus", {"num_hidden_layers": 1})
    assert "num_hidden_layers: is 1, and the weights have 2 layers" in refusal(surplus)
    wrong = folder_with(tmp_path / "wrong", {"vocab_size": 200})
    assert "model.embed_tokens.weight: shape [128, 48]" in refusal(wrong)
    assert "hidden_size" in refusal(folder_with(tmp_path / "field", drop=("hidden_size",)))
    (folder_with(tmp_path / "none") / weights).unlink()
    assert weights in refusal(tmp_path / "none")
    index = {"weight_map": {"model.norm.weight": "../secret.safetensors"}}
    (tmp_path / "none" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "is a path" in refusal(tmp_path / "none")


def test_another_device_is_refused():
    assert onnx_model.load(TINY, "cpu", 1).rows == 0
    with pytest.raises(UnsupportedModel, match="not on mps"):
        onnx_model.load(TINY, "mps", 1)


def test_nothing_is_reported_to_anyone(tmp_path):
    """Official onnxruntime builds keep a device identifier and a queue of events in the home folder unless told not to."""
    program = (
        "import sys; from pathlib import Path; from bakeoff.engines.onnx_model import OnnxModel;"
        "OnnxModel.load(Path(sys.argv[1]), 1).prefill([[1, 2]])"
    )
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    source = Path(onnx_model.__file__).parents[2]
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(source)}
    subprocess.run([sys.executable, "-c", program, str(TINY)], env=environment, check=True, timeout=60)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Qwen3", "Mistral"])
def test_logits_equal_transformers(tmp_path, kind):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    llama3 = {
        "rope_type": "llama3",
        "rope_theta": 5e3,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    extra = {
        "Llama": {"rope_parameters": llama3, "attention_bias": True, "mlp_bias": True},
        "Qwen2": {"tie_word_embeddings": True},
        "Qwen3": {},
        "Mistral": {"sliding_window": None},
    }[kind]
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=100,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32 if kind == "Qwen3" else 16,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
        **extra,
    )
    torch.manual_seed(1)
    reference = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    for name, parameter in reference.named_parameters():
        if "bias" in name or "norm" in name:
            torch.nn.init.normal_(parameter, 1.0, 0.3)
    reference.save_pretrained(tmp_path, max_shard_size="100KB")
    model = OnnxModel.load(tmp_path, threads=1)
    prompts = random_prompts(np.random.default_rng(2), 4, 300)
    token = 11
    for logits, tail in ((model.prefill(prompts), []), (model.decode([token] * 4), [token])):
        for row, prompt in enumerate(prompts):
            with torch.no_grad():
                expected = reference(torch.tensor([prompt + tail])).logits[0, -1].numpy()
            assert np.abs(logits[row] - expected).max() < 2e-3
