"""Who was shown to be better: by what allows for all pairs, and never by the interval of one pair out of many."""

from __future__ import annotations

from typing import Any

import pytest

from bakeoff.decide.shown import shown_ahead


def pair(low: float, high: float, p: float | None = None) -> dict[str, Any]:
    return {"a": "ann", "b": "bob", "low": low, "high": high, "p_adjusted": p, "level": 0.95}


def race(
    outcome: str = "no_clear_winner", survivors: tuple[str, ...] = (), outs: tuple[tuple[str, str], ...] = ()
) -> Any:
    eliminations = [{"candidate": name, "by": by} for name, by in outs]
    return {"race": {"overall": {"outcome": outcome, "survivors": survivors, "eliminations": eliminations}}}


@pytest.mark.parametrize(
    ("p", "low", "high", "expected"),
    [(0.01, 0.2, 1.0, "ann"), (0.01, -1.0, -0.2, "bob"), (0.2, 0.2, 1.0, None), (None, 0.2, 1.0, None)],
)
def test_a_fixed_number_of_briefs_goes_by_holm(p: float | None, low: float, high: float, expected: str | None) -> None:
    assert shown_ahead(pair(low, high, p), {"race": None}) == expected
    assert shown_ahead(pair(low, high, p), {}) == expected


def test_a_race_goes_by_eliminations_and_its_winner_and_not_by_an_interval() -> None:
    assert shown_ahead(pair(0.2, 1.0), race()) is None
    assert shown_ahead(pair(0.2, 1.0), race("best_within_eps", ("ann", "bob"))) is None
    assert shown_ahead(pair(-0.1, 1.0), race(outs=(("bob", "ann"),))) == "ann"
    assert shown_ahead(pair(-0.1, 1.0), race(outs=(("ann", "bob"),))) == "bob"
    assert shown_ahead(pair(0.2, 1.0), race(outs=(("bob", "cid"),))) is None
    assert shown_ahead(pair(-0.1, 1.0), race("winner", ("bob",), (("ann", "cid"),))) == "bob"
