"""The check for engine authors: it passes what is right, and finds what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from bakeoff.engines import onnx_model
from bakeoff.engines.conformance import EngineBroken, check_engine
from tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), seed=3)


class Spoilt:
    """The onnx engine with one fault. `name` says which."""

    def __init__(self, model, name):
        self._model, self._name = model, name

    @classmethod
    def loader(cls, name):
        def load(folder, device, threads):
            if name == "any device":
                device = None
            return cls(onnx_model.load(folder, device, threads), name)

        return load

    @property
    def rows(self):
        return self._model.rows + (self._name == "miscounts")

    def prefill(self, prompts):
        if self._name == "pads":  # with what rows see: a token in front of those that are shorter
            longest = max(map(len, prompts))
            prompts = [[1] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        if self._name == "forgives":
            prompts = [[token % 400 for token in prompt] or [0] for prompt in prompts]
        if self._name == "leaves rows behind":
            return np.concatenate([self._model.prefill([prompt]) for prompt in prompts])
        logits = self._model.prefill(prompts)
        return logits[:, :-1] if self._name == "cuts" else logits

    def decode(self, tokens):
        logits = self._model.decode(tokens)
        if self._name == "shares":  # everybody gets the first row's
            return np.repeat(logits[:1], len(tokens), axis=0)
        return logits * np.float32(np.nan) if self._name == "overflows" else logits

    def keep(self, rows):
        if self._name == "sorts":
            rows = sorted(rows)
        self._model.keep([row for row in rows if self._name != "keeps anything" or row < self.rows])

    def facts(self):
        facts = self._model.facts()
        return replace(facts, device="") if self._name == "knows no device" else facts

    def memory_bytes(self):
        return 0 if self._name == "weighs nothing" else None

    def close(self):
        self._model.close()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("any device", "a device that is not there was taken"),
        ("miscounts", "1 rows before anything was asked for"),
        ("pads", "three prompts at once: row 1 differs from what it is alone"),
        ("forgives", "an empty prompt was taken"),
        ("leaves rows behind", "an empty prompt was refused, and left 1 rows behind"),
        ("cuts", "logits have the shape"),
        ("shares", "after one more token: row 1 differs"),
        ("overflows", "after one more token: logits are not finite"),
        ("sorts", "after rows left and changed places: row 0 differs"),
        ("keeps anything", "keep([1]) of 1 rows was taken"),
        ("knows no device", "facts().device is ''"),
        ("weighs nothing", "memory_bytes() is 0"),
    ],
)
def test_a_fault_is_found_and_named(folder, fault, message):
    with pytest.raises(EngineBroken) as caught:
        check_engine(Spoilt.loader(fault), folder)
    assert message in caught.value.message


def test_what_is_right_passes(folder):
    assert check_engine(onnx_model.load, folder) == onnx_model.load(folder, None, 1).facts()
    assert check_engine(Spoilt.loader("no fault"), folder).device == "cpu"
