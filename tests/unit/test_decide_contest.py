"""The races of a run: who must write what, who is out of what, and what was shown when."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.decide.cells import cells_of
from bakeoff.decide.contest import OVERALL, Cell, Contest
from bakeoff.decide.race_decision import decide_raced, route_raced
from bakeoff.decide.raced import analyse_raced, race_facts
from bakeoff.decide.table import BriefUnit
from bakeoff.stats.race import Race
from made_generations import columns_of
from made_runs import make_briefs, make_run

TYPES = ("tweet", "business_email")
NAMES = ("good", "poor", "special")


def scores_of(briefs: list[BriefUnit], means: dict[str, dict[str, float]], seed: int = 1, sd: float = 1.0):
    """Scores by candidate, in the order of the briefs."""
    generator = np.random.default_rng(seed)
    return {
        name: [float(np.clip(by[brief.content_type] + generator.normal(0, sd), 0.5, 10)) for brief in briefs]
        for name, by in means.items()
    }


def cells(briefs, table):
    return {
        (name, brief.id): Cell(value, failed=False)
        for name, values in table.items()
        for brief, value in zip(briefs, values, strict=True)
    }


MEANS = {
    "good": {"tweet": 8.0, "business_email": 8.0},
    "poor": {"tweet": 4.0, "business_email": 4.0},
    "special": {"tweet": 1.0, "business_email": 9.5},
}


@pytest.fixture
def briefs():
    return make_briefs(80, TYPES)


def write_all(contest, known, families=4):
    """Play like a run: only what is wanted is written."""
    there = {}
    while wanted := contest.wanted(families):
        for candidate, ids in wanted.items():
            there.update({(candidate, brief): known[candidate, brief] for brief in ids})
        contest.advance(there)
    return there


def test_a_specialist_goes_on_where_it_is_good_and_only_there(briefs):
    close = {**MEANS, "special": {"tweet": 1.0, "business_email": 8.7}}
    contest = Contest(NAMES, briefs, eps=0.3)
    there = write_all(contest, cells(briefs, scores_of(briefs, close, sd=0.7)))
    types = {brief.id: brief.content_type for brief in briefs}
    assert contest.over
    written = {name: [types[brief] for candidate, brief in there if candidate == name] for name in NAMES}
    assert len(there) < 2 * len(briefs)
    assert contest.verdict("business_email").equivalent == ("special",)
    assert written["special"].count("business_email") > written["special"].count("tweet")
    assert "special" not in contest.verdict("tweet").survivors
    assert contest.verdict().leader == "good"


def test_nobody_is_asked_for_what_counts_nowhere(briefs):
    known = cells(briefs, scores_of(briefs, MEANS, sd=0.7))
    contest = Contest(NAMES, briefs, eps=0.3)
    there = {}
    while wanted := contest.wanted(1):
        for candidate, ids in wanted.items():
            for brief in ids:
                assert (candidate, brief) not in there
                there[candidate, brief] = known[candidate, brief]
        contest.advance(there)
    counted = {
        (candidate, brief.id) for by in contest.counted.values() for candidate, own in by.items() for brief in own
    }
    assert counted == set(there)
    assert race_facts(contest).briefs_raced == len(there)


@given(st.integers(0, 1000), st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_verdicts_do_not_depend_on_how_the_run_was_cut(seed, families):
    briefs = make_briefs(48, TYPES, per_family=2)
    known = cells(briefs, scores_of(briefs, MEANS, seed=seed, sd=2.0))
    one, other = (Contest(NAMES, briefs, eps=0.3) for _ in range(2))
    write_all(one, known, families)
    other.advance(known)
    assert race_facts(one) == race_facts(other)


def test_content_types_share_the_error_budget(briefs):
    contest = Contest(NAMES, briefs, eps=0.3)
    assert contest.races[OVERALL].level == 0.95
    assert contest.races["tweet"].level == pytest.approx(0.975)
    assert contest.races["tweet"].cap == 40


def test_one_content_type_has_one_race():
    briefs = make_briefs(20)
    contest = Contest(NAMES, briefs, eps=0.3)
    assert list(contest.races) == [OVERALL]
    assert contest.race_of("tweet") is contest.races[OVERALL]


def test_who_writes_no_more_is_withdrawn_and_not_beaten(briefs):
    table = scores_of(briefs, dict.fromkeys(NAMES, MEANS["good"]), sd=0.1)
    known = {key: cell for key, cell in cells(briefs, table).items() if key[0] != "poor" or key[1] in {"b0", "b1"}}
    contest = Contest(NAMES, briefs, eps=0.3)
    assert contest.advance(known) == []
    assert not contest.over
    contest.advance(known, gone=["poor"])
    assert contest.over
    assert contest.lost == {"poor": ("b2",)}
    assert all("poor" in race.withdrawn for race in contest.races.values())
    assert not any(out.model == "poor" for race in contest.races.values() for out in race.eliminations)


def concluded(briefs, table, held_back=(), fresh=None):
    contest = Contest(tuple(table), briefs, eps=0.3)
    generations, scores = make_run(briefs, table)
    if held_back:
        more, marks = make_run(held_back, fresh)
        generations, scores = generations + more, scores + marks
    columns = columns_of(generations, scores)
    contest.advance(cells_of(columns, 1))
    assert contest.over
    analysis = analyse_raced(contest, held_back, columns)
    decision = decide_raced(contest, analysis.overall)
    return contest, analysis, decision, route_raced(contest, analysis, decision)


def test_the_chosen_ones_score_is_that_of_fresh_briefs(briefs):
    table = scores_of(briefs, {"good": MEANS["good"], "poor": MEANS["poor"]})
    held_back = [BriefUnit(f"h{i}", TYPES[i % 2]) for i in range(20)]
    fresh = {"good": [6.0] * 20}
    _, analysis, decision, routes = concluded(briefs, table, held_back, fresh)
    good = analysis.overall.result("good")
    assert decision.choice == "good"
    assert good.in_selection is not None
    assert good.quality.estimate == pytest.approx(6.0)
    assert good.quality.briefs == 20
    assert good.generations == 100
    assert good.in_selection.estimate > 7
    assert analysis.overall.result("poor").in_selection is None
    assert any("that did not choose it" in reason for reason in decision.reasons)
    assert all(route.evidence.briefs == 10 for route in routes.values())


def test_without_held_back_briefs_the_winners_curse_is_told(briefs):
    table = scores_of(briefs, {"good": MEANS["good"], "poor": MEANS["poor"]})
    _, analysis, _, _ = concluded(briefs, table)
    assert any("too good" in note for note in analysis.notes)


def test_a_lead_that_is_not_shown_is_not_called_level_where_its_interval_lies_above_zero():
    briefs = make_briefs(40)
    found = []
    for seed in range(12):
        means = {name: {"tweet": 7.0 - 0.15 * place} for place, name in enumerate("abcdef")}
        _, _, decision, _ = concluded(briefs, scores_of(briefs, means, seed=seed))
        if decision.outcome == "no_clear_winner":
            found += [reason for reason in decision.reasons if re.match("not (shown|told apart): ", reason)]
    lows = {reason: float(re.search(r"\[(-?[\d.]+),", reason)[1]) for reason in found}
    assert {reason.startswith("not shown") for reason, low in lows.items() if low > 0} == {True}
    assert {reason.startswith("not told apart") for reason, low in lows.items() if low < 0} == {True}


def test_equals_are_not_told_apart_and_more_briefs_are_asked_for(briefs):
    table = scores_of(briefs, dict.fromkeys(NAMES, MEANS["good"]), sd=1.8)
    contest, _, decision, routes = concluded(briefs, table)
    assert decision.outcome == "no_clear_winner"
    assert decision.choice is None
    assert any("further briefs" in reason for reason in decision.reasons)
    assert all(route.candidate in NAMES for route in routes.values())
    assert contest.verdict().ending in {"futile", "cap"}


def test_a_failed_text_counts_as_floored_though_its_family_scores_more():
    briefs = make_briefs(4, per_family=2)
    contest = Contest(("a", "b"), briefs, eps=0.3)
    made = cells(briefs, {"a": [8.0] * 4, "b": [7.0] * 4})
    made["a", "b0"] = Cell(0.0, failed=True)
    contest.advance(made)
    assert contest.races[OVERALL].floored


def test_replicates_that_are_not_all_there_make_no_cell():
    briefs = make_briefs(2)
    generations, scores = make_run(briefs, {"a": [8.0, None]})
    columns = columns_of(generations, scores)
    assert cells_of(columns, 1) == {("a", "b0"): Cell(8.0, failed=False), ("a", "b1"): Cell(0.0, failed=True)}
    assert cells_of(columns, 2) == {}
    assert ("a", "b0") not in cells_of(columns, 2)
    assert not {("a", "b2"), ("b", "b0")} & set(cells_of(columns, 1))


def test_a_withdrawal_claims_nothing():
    race = Race(("a", "b"), cap=40)
    for _ in range(6):
        race.add({"a": 8.0, "b": 5.0})
    assert race.is_behind("b", "a")
    assert not race.is_behind("a", "b")
    race.withdraw("b")
    assert race.verdict.outcome == "no_clear_winner"
    assert race.verdict.ending == "withdrawn"
    with pytest.raises(ValueError, match="not in the race"):
        race.withdraw("b")
