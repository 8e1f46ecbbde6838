"""The races of a run: who must write what, who is out of what, and what was shown when."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.decide.cells import cells_of
from bakeoff.decide.confirmation import worth_confirming
from bakeoff.decide.contest import OVERALL, Cell, Contest
from bakeoff.decide.decision import Requirements
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
    assert good.in_selection.quality.estimate > 7
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


def test_a_type_is_not_told_by_fewer_fresh_families_than_say_anything():
    briefs = make_briefs(160, TYPES)
    table = scores_of(briefs, {"good": dict.fromkeys(TYPES, 7.4), "poor": dict.fromkeys(TYPES, 7.0)}, sd=0.9)
    held_back = [BriefUnit(f"h{i}", TYPES[i % 2]) for i in range(16)]
    contest, analysis, _, routes = concluded(briefs, table, held_back, {"good": [10.0] * 16})
    assert contest.verdict("tweet").briefs > 15
    assert analysis.overall.result("good").quality.briefs == 16
    assert {route.candidate for route in routes.values()} == {"good"}
    assert all(route.evidence.briefs > 15 for route in routes.values()), (
        "eight texts of 10 have a lower bound of 5.8 here"
    )
    families = contest.families_of_types()
    assert worth_confirming({"good": TYPES, "poor": ("tweet",)}, held_back, families) == {"good": TYPES}
    assert worth_confirming({"poor": ("tweet",)}, held_back, {"tweet": 7}) == {"poor": ("tweet",)}


def test_what_is_required_is_not_held_against_a_few_fresh_briefs():
    """Five held-back families of a type made every threshold above 3.5 fail, and a beaten rival serve."""
    briefs = make_briefs(160, TYPES)
    table = scores_of(briefs, {"good": dict.fromkeys(TYPES, 8.6), "poor": dict.fromkeys(TYPES, 6.5)}, sd=0.9)
    held_back = [BriefUnit(f"h{i}", TYPES[i % 2]) for i in range(10)]
    wanted = Requirements(threshold=4.5)
    contest, analysis, _, _ = concluded(briefs, table, held_back, {"good": [8.6] * 10})
    decision = decide_raced(contest, analysis.overall, requirements=wanted)
    assert (decision.outcome, decision.choice, decision.excluded) == ("winner", "good", ())
    for name, section in analysis.by_content_type.items():
        good = section.result("good")
        assert good.altogether.quality.clusters == contest.verdict(name).briefs + 5
        assert good.measured.quality.low < 4.5 < good.altogether.quality.low
    routes = route_raced(contest, analysis, decision, requirements=wanted)
    assert {(route.candidate, route.outcome) for route in routes.values()} == {("good", "winner")}


def test_fresh_briefs_that_do_not_show_what_is_required_are_told_and_put_no_other_first():
    briefs = make_briefs(160)
    table = scores_of(briefs, {"good": {"tweet": 7.6}, "poor": {"tweet": 7.2}}, sd=0.9)
    held_back = [BriefUnit(f"h{i}", "tweet") for i in range(20)]
    contest, analysis, _, _ = concluded(briefs, table, held_back, {"good": [7.0] * 20})
    decision = decide_raced(contest, analysis.overall, requirements=Requirements(threshold=6.8))
    assert decision.choice == "good"
    assert any(
        re.match(r"not confirmed: on the 20 briefs .* is not surely above 6.8", told) for told in decision.reasons
    )


def test_the_best_of_those_left_is_called_so_where_one_was_withdrawn():
    """b is given up while it is far ahead: a is the best of those left, and nothing is shown about b."""
    briefs = make_briefs(60)
    table = scores_of(briefs, {"a": {"tweet": 7.0}, "b": {"tweet": 9.5}, "c": {"tweet": 4.0}}, sd=0.5)
    known = {key: cell for key, cell in cells(briefs, table).items() if key[0] != "b" or key[1] in {"b0", "b1", "b2"}}
    contest = Contest(tuple(table), briefs, eps=0.3)
    contest.advance(known)
    contest.advance(known, gone=["b"])
    lost = set(contest.lost["b"])
    made = {
        name: [None if brief.id in lost else value for brief, value in zip(briefs, own, strict=True)]
        if name == "b"
        else own
        for name, own in table.items()
    }
    analysis = analyse_raced(contest, (), columns_of(*make_run(briefs, made)))
    decision = decide_raced(contest, analysis.overall, requirements=Requirements(excluded={"b": "it was given up"}))
    assert (decision.outcome, decision.choice, decision.withdrawn) == ("best_within_eps", "a", ("b",))
    assert (
        "every other that was left in the race (nothing is shown about b, withdrawn) is shown not to be better"
        in " ".join(decision.reasons)
    )
    assert not any(reason.startswith("every other is") for reason in decision.reasons)


def test_nobody_that_was_withdrawn_is_said_to_lead():
    briefs = make_briefs(120, TYPES)
    means = {
        "a": {"tweet": 8.5, "business_email": 8.5},
        "b": {"tweet": 7.8, "business_email": 5.0},
        "c": {"tweet": 8.0, "business_email": 4.0},
    }
    told = []
    for seed in range(6):
        contest, analysis, decision, _ = concluded(briefs, scores_of(briefs, means, seed=seed))
        out = Requirements(excluded={"a": "it may not be used"})
        for name, route in route_raced(contest, analysis, decision, requirements=out).items():
            verdict = contest.verdict(name)
            if route.outcome == "none_qualified":
                assert route.candidate is None
            elif route.candidate != verdict.leader:
                told += [reason for reason in route.reasons if " serves: " in reason]
    assert not any("it leads here" in reason for reason in told)
    assert any("the next that qualifies" in reason for reason in told)


def test_fresh_texts_that_are_gated_are_told_in_the_share_that_is_quoted():
    briefs = make_briefs(40)
    held_back = [BriefUnit(f"h{i}", "tweet") for i in range(20)]
    generations, scores = make_run(briefs, scores_of(briefs, {"good": {"tweet": 8.0}, "poor": {"tweet": 4.0}}))
    more, marks = make_run(held_back, {"good": [3.0] * 20}, gated=("good",))
    columns = columns_of(generations + more, scores + marks)
    contest = Contest(("good", "poor"), briefs, eps=0.3)
    contest.advance(cells_of(columns, 1))
    analysis = analyse_raced(contest, held_back, columns)
    good = analysis.overall.result("good")
    assert (good.publishable_rate.estimate, good.publishable_rate.briefs) == (0.0, 20)
    assert good.in_selection.publishable_rate.estimate == 1.0
    assert good.gated == 20
    decision = decide_raced(contest, analysis.overall)
    assert any("not confirmed" in told and "none of its texts is publishable" in told for told in decision.reasons)
