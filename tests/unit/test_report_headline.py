"""What is said of a decision holds against those that it names: not against who does not qualify, or was withdrawn."""

from __future__ import annotations

from typing import Any

import pytest

from bakeoff.cli.serving_words import how_sure as served
from bakeoff.report.headline import headline
from bakeoff.report.page.quality import verdict_words
from bakeoff.report.page.story import how_sure, leads_of, outcome_words
from bakeoff.report.text import _how_sure as in_table


def document(outcome: str = "winner", *, race: Any = None, pairs: tuple[Any, ...] = (), **decision: Any) -> Any:
    route = {"candidate": "ann", "outcome": outcome, "reasons": [], **decision}
    made = {"outcome": outcome, "choice": "ann", "leader": "ann", "equivalent": [], "reasons": [], **decision}
    return {
        "decision": made,
        "routes": {"tweet": route},
        "candidates": [{"id": name} for name in ("ann", "bob", "cid")],
        "comparisons": list(pairs),
        "eps": 0.3,
        "mode": "race" if race else "fixed",
        "race": race,
        "suite": {"families": 40},
    }


def pair(low: float, high: float, b: str = "bob", p: float | None = None) -> dict[str, Any]:
    middle = (low + high) / 2
    return {"a": "ann", "b": b, "difference": middle, "low": low, "high": high, "p_adjusted": p, "level": 0.95}


def verdicts(found: Any) -> dict[str, str]:
    return {lead.behind: verdict_words(lead, found) for lead in leads_of("ann", found["comparisons"])}


def test_a_winner_beats_those_that_qualify() -> None:
    assert headline(document()) == "Run ann: it beats every other candidate."
    some = document(excluded=["bob"])
    assert headline(some) == "Run ann: it beats every other candidate that qualifies."
    assert "against every other one that qualifies." in how_sure(some)
    assert outcome_words(some["routes"]["tweet"], some) == "beats all others that qualify"
    assert in_table(some["routes"]["tweet"], some) == "beats all that qualify"
    assert served("ann", some["decision"], some) == "beats all others that qualify"


def test_the_best_of_those_left_is_called_so() -> None:
    race = {"evidence": "strict", "overall": {"outcome": "best_within_eps", "survivors": ["ann"], "eliminations": []}}
    some = document("best_within_eps", withdrawn=["bob"], race=race)
    assert headline(some) == (
        "Run ann: no other that was left is better by more than 0.3 points; nothing is shown about bob, withdrawn."
    )
    assert "any other that was left may be level" in how_sure(some)
    assert "About bob, withdrawn, nothing is shown." in how_sure(some)
    assert in_table(some["routes"]["tweet"], some) == "as overall", "for this type alone nothing is shown against bob"
    assert outcome_words(some["routes"]["tweet"], some) == "none of those left better by more than 0.3"


def test_an_interval_above_zero_is_no_evidence_in_a_race() -> None:
    """Of six equal models the leader's interval over some rival excludes 0 in 17 % of races."""
    overall = {"outcome": "no_clear_winner", "survivors": ["ann", "bob"], "eliminations": []}
    race = {"evidence": "standard", "overall": overall}
    pairs = (pair(0.2, 1.0), pair(-0.2, 1.0, "cid"))
    assert verdicts(document(race=race, pairs=pairs)) == {"bob": "not told apart", "cid": "not told apart"}
    overall["eliminations"] = [{"candidate": "cid", "by": "ann"}, {"candidate": "bob", "by": "cid"}]
    found = verdicts(document(race=race, pairs=pairs))
    assert found == {"bob": "shown to be behind another", "cid": "shown to be behind"}


@pytest.mark.parametrize(("p", "expected"), [(0.01, "shown to be behind"), (0.2, "not told apart")])
def test_a_fixed_number_of_briefs_is_told_by_holm(p: float, expected: str) -> None:
    assert verdicts(document(pairs=(pair(0.2, 1.0, p=p),))) == {"bob": expected}


def test_who_is_within_eps_is_told_of_those_that_the_decision_holds_against() -> None:
    pairs = (pair(-0.2, 0.4, p=0.4), pair(-0.2, 0.4, "cid", p=0.4))
    found = verdicts(document("best_within_eps", pairs=pairs, excluded=["cid"]))
    assert found == {"bob": "the other is better by less than 0.3, if at all", "cid": "not told apart"}
