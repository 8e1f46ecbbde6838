"""How a race is cut into laps: families whole, types in turn, every wanted text once, few reloads."""

from __future__ import annotations

from collections import Counter

import pytest

from bakeoff.study.laps import LAP, divide, draw_families, lap_blocks, lap_size, left_over
from bakeoff.study.plan import choose_briefs, trials_for
from bakeoff.study.suite import Brief
from sample_runs import make_plan, make_suite


def test_families_stay_whole_and_types_take_turns() -> None:
    suite = make_suite(40)
    families = draw_families(suite.briefs, seed=1)
    assert sorted(brief.id for family in families for brief in family) == sorted(brief.id for brief in suite.briefs)
    assert all(len({brief.family for brief in family}) == 1 for family in families)
    kinds = [family[0].content_type for family in families]
    for length in range(2, len(kinds)):
        counts = Counter(kinds[:length])
        assert max(counts.values()) - min(counts.get(kind, 0) for kind in set(kinds)) <= 1
    assert draw_families(suite.briefs, seed=2) != families


@pytest.mark.parametrize(("briefs", "spare"), [(38, 0), (40, 5), (120, 15), (300, 30)])
def test_a_quarter_is_held_back_but_not_of_a_small_suite(briefs: int, spare: int) -> None:
    suite = make_suite(briefs)
    families = {brief.id: brief.family for brief in suite.briefs}
    racing, held_back = divide(suite.briefs, seed=0)
    assert len({families[brief] for brief in held_back}) == spare
    assert not {families[brief] for brief in racing} & {families[brief] for brief in held_back}
    assert sorted((*racing, *held_back)) == sorted(families)


def test_whatever_the_race_has_seen_and_whatever_confirms_it_is_made_up_as_the_suite_is() -> None:
    """30 tweets and 90 e-mails: a race that took tweets and e-mails in turn answered for half and half."""
    briefs = uneven_suite(tweets=30, emails=90)
    kinds = {brief.id: brief.content_type for brief in briefs}
    racing, held_back = divide(briefs, seed=0)
    assert Counter(kinds[name] for name in held_back) == {"tweet": 7, "business_email": 23}
    for length in range(1, len(racing) + 1):
        tweets = sum(kinds[name] == "tweet" for name in racing[:length])
        assert abs(tweets - length / 4) < 1
    chosen = choose_briefs(briefs, 60, seed=0)
    assert Counter(kinds[name] for name in chosen) == {"tweet": 15, "business_email": 45}
    fresh = left_over(briefs, chosen, seed=0)
    assert Counter(kinds[name] for name in fresh) == {"tweet": 5, "business_email": 15}


def uneven_suite(tweets: int, emails: int) -> list[Brief]:
    """A brief is its own family here."""
    counts = {"tweet": tweets, "business_email": emails}
    return [
        Brief(id=f"{kind}-{number}", content_type=kind, prompt=f"{kind} {number}")
        for kind, count in counts.items()
        for number in range(count)
    ]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_lap_writes_every_wanted_text_once(together: bool, number: int) -> None:
    plan = make_plan(40, top="replicates: 2\n")
    wanted = {"ann": plan.brief_ids[:17], "bob": plan.brief_ids[3:9]}
    blocks = list(lap_blocks(plan, number, wanted, set(), together=together, loaded="bob"))
    for name, ids in wanted.items():
        briefs = [brief for brief in plan.briefs() if brief.id in ids]
        expected = {trial.key for trial in trials_for(plan, plan.candidate(name), briefs)}
        made = [trial.key for block in blocks if block.candidate == name for trial in block.trials]
        assert sorted(made) == sorted(expected)
    alone = Counter(block.candidate for block in blocks for _ in block.trials if block.concurrency == 1)
    assert alone["ann"] == {0: 10, 1: 5, 7: 0}[number]
    if not together:
        order = [block.candidate for block in blocks]
        assert order == sorted(order, key=lambda name: name != "bob"), "one load each, and none for who is there"
    done = {trial.key for trial in blocks[0].trials}
    rest = [t.key for b in lap_blocks(plan, number, wanted, done, together=together) for t in b.trials]
    assert not done & set(rest)
    assert len(rest) + len(done) == 2 * (17 + 6)


def test_windows_of_different_laps_are_different() -> None:
    plan = make_plan(40)
    wanted = {"ann": plan.brief_ids[:12]}
    marks = [
        {mark for block in lap_blocks(plan, number, wanted, set(), together=True) for _, mark in block.work}
        for number in range(3)
    ]
    assert not marks[0] & marks[1]
    assert not marks[1] & marks[2]


def test_a_lap_is_longer_where_loading_costs() -> None:
    assert lap_size(40.0, 1.0, together=True) == LAP
    assert lap_size(40.0, 0.0, together=False) == LAP
    size = lap_size(40.0, 2.0, together=False)
    assert 40.0 / (40.0 + size * 2.0) <= 0.2
    assert lap_size(40.0, 1000.0, together=False) == LAP


@pytest.mark.parametrize(("count", "spare"), [(12, 0), (40, 13), (120, 30), (300, 0)])
def test_what_is_left_over_confirms_if_it_is_enough(count: int, spare: int) -> None:
    suite = make_suite(300)
    families = {brief.id: brief.family for brief in suite.briefs}
    chosen = tuple(brief.id for family in draw_families(suite.briefs, seed=1) for brief in family)[: 2 * count]
    taken = {families[brief] for brief in chosen}
    assert len(taken) == min(count, 150)
    fresh = {families[brief] for brief in left_over(suite.briefs, chosen, seed=0)}
    assert not fresh & taken
    assert len(fresh) == spare
