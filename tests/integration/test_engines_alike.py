"""Every engine that runs a model by itself: the numbers of the onnx engine, row by row, whatever joins and leaves."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from bakeoff.core.errors import InvalidFile, UnsupportedModel
from bakeoff.engines import onnx_model
from bakeoff.engines.conformance import check_engine
from bakeoff.engines.local import find_engine, inspect_engine
from bakeoff.engines.text import TextCodec
from tiny_model import make_tiny_model

BUNDLED = Path(onnx_model.__file__).parents[1] / "bundled" / "models"
BRIEFS = (
    "Write a LinkedIn post about our new data pipeline for retail teams.",
    "Write an e-mail to Anna about the launch of Nimbus.",
    "Write a tweet on remote work.",
)


@pytest.fixture(scope="module", params=["transformers", "mlx"])
def engine(request):
    state = inspect_engine(find_engine(request.param))
    if not state.available:
        pytest.skip(f"{state.reason} ({state.install})")
    return importlib.import_module(f"bakeoff.engines.{request.param}_model")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), seed=3)


def greedy(model, prompts, tokens):
    """Return each prompt's continuation; prompts join one by one, every third step."""
    texts, active, waiting = {}, [], list(enumerate(prompts))
    while waiting or active:
        if waiting:
            number, prompt = waiting.pop(0)
            texts[number] = [int(model.prefill([prompt])[0].argmax())]
            active.append(number)
        for _ in range(3):
            logits = model.decode([texts[number][-1] for number in active])
            for number, row in zip(active, logits, strict=True):
                texts[number].append(int(row.argmax()))
            kept = [index for index, number in enumerate(active) if len(texts[number]) < tokens]
            model.keep(kept)
            active = [active[index] for index in kept]
            if not active:
                break
    return [texts[number] for number in range(len(prompts))]


def test_greedy_text_is_the_onnx_engines(engine, folder):
    prompts = [[10, 11, 12], [20] * 17, [30, 31], list(range(40, 60)), [7]]
    model = engine.load(folder, "cpu", 1)
    crowd = greedy(model, prompts, 24)
    assert crowd == greedy(onnx_model.load(folder, None, 1), prompts, 24)
    assert crowd == [greedy(model, [prompt], 24)[0] for prompt in prompts]
    assert model.rows == 0


@pytest.mark.parametrize("name", ["generalist", "technical"])
def test_a_bundled_model_writes_what_it_writes_with_onnx(engine, name, monkeypatch):
    """Weights of half precision, computed in float32 by all; alone and in company."""
    for variable in ("BAKEOFF_TORCH_DTYPE", "BAKEOFF_MLX_DTYPE"):
        monkeypatch.setenv(variable, "float32")
    codec = TextCodec.load(BUNDLED / name)
    prompts = [codec.encode_chat([{"role": "user", "content": brief}]) for brief in BRIEFS]
    model = engine.load(BUNDLED / name, "cpu", 1)
    assert model.facts().dtype == "float32"
    crowd = greedy(model, prompts, 40)
    assert crowd == greedy(onnx_model.load(BUNDLED / name, None, 1), prompts, 40)
    assert crowd[0] == greedy(model, prompts[:1], 40)[0]


def test_the_check_for_engine_authors_passes(engine, folder):
    assert check_engine(engine.load, folder, "cpu").device == "cpu"


def test_logits_agree_in_a_ragged_batch(engine, folder):
    ours, theirs = engine.load(folder, "cpu", 1), onnx_model.load(folder, None, 1)
    steps = [("prefill", [[5, 6, 7], [9] * 20]), ("decode", [1, 2]), ("prefill", [[8]]), ("decode", [3, 4, 5])]
    for name, argument in steps:
        a, b = getattr(ours, name)(argument), getattr(theirs, name)(argument)
        assert np.abs(a - b).max() < 1e-3
    for model in (ours, theirs):
        model.keep([2, 0])
    assert np.abs(ours.decode([6, 7]) - theirs.decode([6, 7])).max() < 1e-3


def test_facts_are_those_of_the_tensors(engine, folder):
    facts = engine.load(folder, "cpu", 1).facts()
    assert (facts.device, facts.dtype, facts.vocab_size, facts.context_length) == ("cpu", "float32", 400, 2048)
    assert facts.weight_bytes == 4 * facts.parameters == 4 * onnx_model.load(folder, None, 1).facts().parameters


def test_what_cannot_be_loaded_is_said_and_nothing_is_fetched(engine, folder, tmp_path):
    with pytest.raises(UnsupportedModel, match="'tpu' is not here"):
        engine.load(folder, "tpu", 1)
    with pytest.raises(InvalidFile, match=r"config\.json"):
        engine.load(tmp_path, "cpu", 1)
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(UnsupportedModel, match="unheard_of"):
        engine.load(tmp_path, "cpu", 1)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UnsupportedModel, match="cannot load it"):
        engine.load(tmp_path, "cpu", 1)


def test_a_prompt_is_computed_once_for_all_that_ask_for_it(engine, folder):
    model = engine.load(folder, "cpu", 1)
    prompt, other = list(range(50, 90)), [7, 8, 9]
    first = model.prefill([prompt, other, prompt])
    assert np.array_equal(first[0], first[2])
    model.decode([3, 4, 3])
    late = model.prefill([prompt])  # while the first one is two tokens further
    assert np.array_equal(late[0], first[0])
    together = model.decode([5, 6, 5, 3])
    alone = engine.load(folder, "cpu", 1)
    for tokens, row in (([3, 5], 0), ([4, 6], 1), ([3, 5], 2), ([3], 3)):
        alone.prefill([other if row == 1 else prompt])
        for token in tokens:
            logits = alone.decode([token])
        alone.keep([])
        assert np.abs(logits[0] - together[row]).max() < 1e-3


def test_rows_keep_their_own_text_through_many_joins_and_leaves(engine, folder):
    """Random traffic: the cache's window moves, grows and closes ranks; every row's logits stay those it has alone."""
    rng = np.random.default_rng(4)
    model, alone = engine.load(folder, "cpu", 1), engine.load(folder, "cpu", 1)
    rows: list[list[int]] = []  # prompt, then what was appended
    for _ in range(40):
        if len(rows) < 6 and rng.random() < 0.6:
            new = [rng.integers(5, 399, int(rng.integers(1, 120))).tolist() for _ in range(int(rng.integers(1, 4)))]
            model.prefill(new)
            rows += new
        elif rows:
            order = rng.permutation(len(rows))[: int(rng.integers(0, len(rows) + 1))].tolist()
            model.keep(order)
            rows = [rows[index] for index in order]
        for _ in range(int(rng.integers(0, 30))):
            if rows:
                tokens = rng.integers(5, 399, len(rows)).tolist()
                logits = model.decode(tokens)
                rows = [[*row, token] for row, token in zip(rows, tokens, strict=True)]
        assert model.rows == len(rows)
        if rows:
            tokens = rng.integers(5, 399, len(rows)).tolist()
            logits = model.decode(tokens)
            rows = [[*row, token] for row, token in zip(rows, tokens, strict=True)]
            check = int(rng.integers(len(rows)))
            assert np.abs(alone.prefill([rows[check]])[0] - logits[check]).max() < 2e-3
            alone.keep([])


def test_the_cache_holds_little_more_than_it_needs(engine, folder):
    model = engine.load(folder, "cpu", 1)
    before = model.memory_bytes()
    model.prefill([[5] * 30] * 8)
    for _ in range(200):
        model.decode([6] * 8)
    per_token = 2 * 2 * 2 * 16 * 4  # layers, keys and values, heads, size, bytes
    needed = 8 * 230 * per_token
    assert 0.9 * needed < model.memory_bytes() - before < 1.6 * needed


def test_a_prompt_that_cannot_be_computed_leaves_the_other_rows_alone(engine, folder):
    model = engine.load(folder, "cpu", 1)
    first = model.prefill([[5, 6, 7]])
    with pytest.raises(ValueError, match="outside the vocabulary"):
        model.prefill([[8] * 50, [100_000]])
    assert model.rows == 1
    again = model.prefill([[5, 6, 7]])
    assert np.abs(first - again).max() < 1e-4


def test_a_look_says_what_the_facts_say_till_something_moves(engine, folder):
    model = engine.load(folder, "cpu", 1)
    model.prefill([[10, 11, 12]])
    facts = model.facts()
    assert model.look() == (facts.device, facts.dtype, ())
    if engine.__name__.endswith("transformers_model"):
        torch = importlib.import_module("torch")
        norm = model._model.model.norm
        norm.weight.data = norm.weight.data.to(torch.float64)
        assert model.look().dtype == " + ".join(sorted({facts.dtype, "float64"}))
        norm.weight = torch.nn.Parameter(norm.weight.to("meta"))
        assert model.look().device == "cpu + meta"
    else:
        mx = importlib.import_module("mlx.core")
        norm = model._model.model.norm
        norm.weight = norm.weight.astype(mx.float16)
        assert model.look().dtype == " + ".join(sorted({facts.dtype, "float16"}))
    model.close()
