"""Weights that are not those of their config.json: transformers makes up or leaves out, and only warns. We refuse."""

import json

import pytest

pytest.importorskip("torch", reason="the extra [transformers] is not installed")
pytest.importorskip("transformers", reason="the extra [transformers] is not installed")

import torch

from bakeoff.core.errors import InvalidFile
from bakeoff.engines.transformers_checkpoint import open_checkpoint
from tiny_model import make_tiny_model


@pytest.fixture
def folder(tmp_path):
    return make_tiny_model(tmp_path / "tiny", layers=3)


def change(folder, **values):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def refusal(folder):
    with pytest.raises(InvalidFile) as refused:
        open_checkpoint(folder).read(torch.float32)
    return refused.value


def test_the_weights_of_their_config_are_read(folder):
    assert open_checkpoint(folder).read(torch.float32).config.num_hidden_layers == 3


def test_layers_that_are_missing_are_not_made_up(folder):
    change(folder, num_hidden_layers=4)
    problems = refusal(folder).problems
    assert all(problem.field.startswith("model.layers.3.") for problem in problems)
    assert {problem.wrong for problem in problems} == {"is not among the weights"}


def test_layers_too_many_are_not_left_out(folder):
    change(folder, num_hidden_layers=2)
    problems = refusal(folder).problems
    assert all(problem.field.startswith("model.layers.2.") for problem in problems)
    assert {problem.wrong for problem in problems} == {"config.json has 2 layers"}


def test_another_shape_is_told_with_both(folder):
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    change(folder, vocab_size=vocabulary + 7)
    (problem,) = [each for each in refusal(folder).problems if "embed" in each.field]
    assert (problem.wrong, problem.expected) == (f"shape [{vocabulary}, 64]", f"shape [{vocabulary + 7}, 64]")


def test_a_model_that_takes_no_cache_is_refused_and_not_computed_wrongly():
    from bakeoff.core.errors import UnsupportedModel
    from bakeoff.engines.torch_kv import cache_argument

    class Old:
        def forward(self, input_ids, past_key_values=None): ...

    class New:
        def forward(self, input_ids, cache=None): ...

    class Neither:
        def forward(self, input_ids): ...

    assert (cache_argument(Old()), cache_argument(New())) == ("past_key_values", "cache")
    with pytest.raises(UnsupportedModel, match="Neither takes no key-value cache"):
        cache_argument(Neither())
