"""The transformers engine: the numbers of the onnx engine, row by row, whatever joins and leaves."""

import numpy as np
import pytest

from tiny_model import make_tiny_model

pytest.importorskip("torch", reason="the extra [transformers] is not installed")
pytest.importorskip("transformers", reason="the extra [transformers] is not installed")

from bakeoff.core.errors import InvalidFile, UnsupportedModel
from bakeoff.engines import onnx_model, transformers_model


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


def test_greedy_text_is_the_onnx_engines(folder):
    prompts = [[10, 11, 12], [20] * 17, [30, 31], list(range(40, 60))]
    model = transformers_model.load(folder, "cpu", 1)
    crowd = greedy(model, prompts, 24)
    assert crowd == greedy(onnx_model.load(folder, None, 1), prompts, 24)
    assert crowd == [greedy(model, [prompt], 24)[0] for prompt in prompts]
    assert model.rows == 0


def test_logits_agree_in_a_ragged_batch(folder):
    ours, theirs = transformers_model.load(folder, None, 1), onnx_model.load(folder, None, 1)
    steps = [("prefill", [[5, 6, 7], [9] * 20]), ("decode", [1, 2]), ("prefill", [[8]]), ("decode", [3, 4, 5])]
    for name, argument in steps:
        a, b = getattr(ours, name)(argument), getattr(theirs, name)(argument)
        assert np.abs(a - b).max() < 1e-3
    for model in (ours, theirs):
        model.keep([2, 0])
    assert np.abs(ours.decode([6, 7]) - theirs.decode([6, 7])).max() < 1e-3


def test_facts_are_those_of_the_tensors(folder):
    facts = transformers_model.load(folder, None, 1).facts()
    assert (facts.device, facts.dtype, facts.vocab_size, facts.context_length) == ("cpu", "float32", 400, 2048)
    assert facts.weight_bytes == 4 * facts.parameters == 4 * onnx_model.load(folder, None, 1).facts().parameters


def test_what_cannot_be_loaded_is_said_and_nothing_is_fetched(folder, tmp_path):
    with pytest.raises(UnsupportedModel, match="'tpu' is not here"):
        transformers_model.load(folder, "tpu", 1)
    with pytest.raises(InvalidFile, match=r"config\.json"):
        transformers_model.load(tmp_path, None, 1)
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UnsupportedModel, match="unheard_of"):
        transformers_model.load(tmp_path, None, 1)
