"""`compare` claims no more of a pair than its run did."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from bakeoff.core.records import Comparison
from bakeoff.decide.contest import Cell
from bakeoff.decide.duel import duel
from bakeoff.decide.table import BriefUnit
from bakeoff.decide.versus import Versus
from bakeoff.report.duel import print_duel


def page(own: Comparison | None, shown_ahead: str | None = None) -> str:
    briefs = [BriefUnit(id=f"b{i}", content_type="tweet", cluster=None) for i in range(60)]
    generator = np.random.default_rng(1)
    cells = {
        (name, brief.id): Cell(float(np.clip(mean + generator.normal(), 0, 10)), failed=False)
        for name, mean in (("ann", 7.0), ("bob", 5.0))
        for brief in briefs
    }
    out = io.StringIO()
    versus = Versus(
        run_id="r",
        mode="race",
        a="ann",
        b="bob",
        duel=duel("ann", "bob", briefs, cells),
        run_comparison=own,
        shown_ahead=shown_ahead,
        pairs=(),
        content_types=("tweet",),
    )
    print_duel(versus, Console(file=out, width=200))
    return out.getvalue()


def said_by_run(low: float, high: float, p_adjusted: float | None = None) -> Comparison:
    return Comparison(
        a="ann", b="bob", difference=1.0, low=low, high=high, briefs=60, method="race-t-mixture", p_adjusted=p_adjusted
    )


def test_a_difference_that_the_run_showed_is_claimed() -> None:
    text = page(said_by_run(0.2, 1.8), "ann")
    assert "ann is better than bob" in text
    assert "The rule score prefers what people preferred in" in text
    assert "by content type: tweet 30 % [7, 70] of 5" in text


@pytest.mark.parametrize("own", [None, said_by_run(-0.2, 2.2), said_by_run(0.1, 1.9, 0.2), said_by_run(0.2, 1.8)])
def test_one_that_it_did_not_show_is_not(own: Comparison | None) -> None:
    """An interval above 0 is no claim: that of a race is of one pair out of many."""
    text = page(own)
    assert "is better than" not in text
    assert "the run did not tell them apart" in text
