"""Which candidates are let in by their memory, and what is learnt from those that ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.catalog.calibration import FEWEST, Observation
from bakeoff.core.errors import DoesNotFit
from bakeoff.core.spec import Sampling
from bakeoff.machine.budget import Budget
from bakeoff.study.admission import Budgets, check_fit, expected_place
from bakeoff.study.preflight import make_candidates

TINY = str(Path(__file__).parents[1] / "data" / "tiny_llama")
CANDIDATES = make_candidates([TINY, f"onnx+{TINY}"], Sampling())


def budgets(value: int | None) -> Budgets:
    return Budgets(Budget(value=value, source="set by hand"))


def test_together_one_by_one_and_not_at_all() -> None:
    fit = check_fit(CANDIDATES, budgets(None), 4)
    assert fit.together
    one, two = (need.high for need in fit.needs.values())
    assert one == two
    assert check_fit(CANDIDATES, budgets(2 * one), 4).together
    assert not check_fit(CANDIDATES, budgets(2 * one - 1), 4).together
    with pytest.raises(DoesNotFit, match="set by hand") as caught:
        check_fit(CANDIDATES, budgets(one - 1), 4)
    assert caught.value.exit_code == 2
    # More texts in flight, more cache.
    assert check_fit(CANDIDATES, budgets(None), 16).needs[TINY].kv_bytes > fit.needs[TINY].kv_bytes


def test_what_was_measured_here_moves_the_upper_end() -> None:
    seen = [
        Observation(
            model=str(number), engine="onnx", where="cpu", predicted_bytes=100, margin_bytes=10, measured_bytes=130
        )
        for number in range(FEWEST)
    ]
    plain, learnt = (check_fit(CANDIDATES, budgets(None), 4, loads).needs[TINY] for loads in ((), seen))
    assert learnt.high - learnt.estimate == 3 * (plain.high - plain.estimate)


def test_where_a_worker_is_expected_to_compute() -> None:
    card = Budgets(Budget(value=1, source="s"), Budget(value=2, source="card"))
    folder, *_ = CANDIDATES
    torch = folder.model_copy(update={"engine": "transformers"})
    assert expected_place(folder, card) == "cpu"
    assert expected_place(torch, card) == "accelerator"
    assert expected_place(torch.model_copy(update={"device": "cpu:0"}), card) == "cpu"
    assert expected_place(torch, budgets(None)) == "cpu"
    assert card.of("accelerator").source == "card"
