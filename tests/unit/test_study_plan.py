"""What a run will do follows from its plan alone, and stays the same tomorrow."""

from __future__ import annotations

import itertools
from collections import Counter
from itertools import groupby

import pytest

from bakeoff.core.spec import Sampling
from bakeoff.study.plan import (
    Plan,
    choose_briefs,
    count_alone,
    count_unfinished,
    plan_blocks,
    plan_trials,
    plan_windows,
    trial_seed,
)
from sample_runs import make_plan, make_suite

GOLDEN_SEED = 1323290832
GOLDEN_KEYS = ["025c61f50c19ee5d", "818d502eda3f693f"]


def keys(plan: Plan) -> set[str]:
    return {trial.key for trials in plan_trials(plan).values() for trial in trials}


def test_any_prefix_is_balanced_over_content_types() -> None:
    suite = make_suite(30)
    types = {brief.id: brief.content_type for brief in suite.briefs}
    chosen = choose_briefs(suite.briefs, None, seed=3)
    assert sorted(chosen) == sorted(types)
    for length in range(1, 31):
        counts = Counter(types[brief_id] for brief_id in chosen[:length])
        assert max(counts.values()) - min(counts.get(name, 0) for name in set(types.values())) <= 1
        assert choose_briefs(suite.briefs, length, seed=3) == chosen[:length]


def test_a_type_with_few_briefs_ends_early_and_the_others_go_on() -> None:
    suite = make_suite(30)
    few = [brief for brief in suite.briefs if brief.content_type != "tweet"] + [suite.briefs[0]]
    assert sorted(choose_briefs(few, None, seed=0)) == sorted(brief.id for brief in few)


def test_the_seed_changes_the_order_of_briefs() -> None:
    briefs = make_suite(30).briefs
    assert choose_briefs(briefs, None, 1) == choose_briefs(briefs, None, 1)
    assert choose_briefs(briefs, None, 1) != choose_briefs(briefs, None, 2)


def test_keys_are_unique_and_stable() -> None:
    plan = make_plan(6, top="replicates: 2\n")
    trials = [trial for own in plan_trials(plan).values() for trial in own]
    assert len(trials) == 2 * 6 * 2
    assert len({trial.key for trial in trials}) == len(trials)
    # A changed value here means that stored runs cannot be resumed by this version.
    assert trial_seed(0, "b0", 0) == GOLDEN_SEED
    first = {trial.brief: trial.key for trial in plan_trials(make_plan(3))["ann"]}
    assert [first["b0"], first["b1"]] == GOLDEN_KEYS


def test_seeds_are_shared_by_candidates_and_differ_otherwise() -> None:
    plan = make_plan(6, top="replicates: 3\n")
    ann, bob = plan_trials(plan).values()
    assert [(trial.brief, trial.replicate, trial.seed) for trial in ann] == [
        (trial.brief, trial.replicate, trial.seed) for trial in bob
    ]
    assert len({trial.seed for trial in ann}) == len(ann)
    assert all(0 <= trial.seed < 2**31 for trial in ann)


def test_replicates_come_one_after_another() -> None:
    trials = plan_trials(make_plan(4, top="replicates: 3\n"))["ann"]
    assert [trial.replicate for trial in trials] == [0] * 4 + [1] * 4 + [2] * 4


def test_whatever_determines_a_text_is_in_its_key() -> None:
    plan = make_plan(3)
    (one, two) = plan.candidates
    suite = plan.suite
    brief = suite.briefs[0]
    hotter = one.model_copy(update={"sampling": Sampling(temperature=1.5)})
    other_model = one.model_copy(update={"model": one.model.model_copy(update={"digest": "d2"})})
    changed = {
        "sampling": plan.model_copy(update={"candidates": (hotter, two)}),
        "model": plan.model_copy(update={"candidates": (other_model, two)}),
        "engine": plan.model_copy(update={"candidates": (one.model_copy(update={"engine": "other"}), two)}),
        "seed": plan.model_copy(update={"seed": 1}),
        "system prompt": plan.model_copy(update={"suite": suite.model_copy(update={"system_prompt": "Be brief."})}),
        **{
            name: plan.model_copy(
                update={"suite": suite.model_copy(update={"briefs": [brief.model_copy(update=new), *suite.briefs[1:]]})}
            )
            for name, new in {"prompt": {"prompt": "Other."}, "source": {"source": "S"}}.items()
        },
    }
    same = keys(plan)
    shared = {"sampling": 3, "model": 3, "engine": 3, "seed": 0, "system prompt": 0, "prompt": 4, "source": 4}
    for name, other in changed.items():
        assert len(keys(other) & same) == shared[name], name


def test_what_does_not_change_a_text_does_not_change_its_key() -> None:
    plan = make_plan(3)
    assert keys(plan.model_copy(update={"concurrency": 1, "run_id": "other"})) == keys(plan)
    assert keys(plan.model_copy(update={"brief_ids": tuple(reversed(plan.brief_ids))})) == keys(plan)


@pytest.mark.parametrize(("trials", "alone"), [(0, 0), (3, 3), (10, 10), (34, 10), (35, 15), (84, 20), (175, 25)])
def test_windows_written_alone_are_few_and_spread(trials: int, alone: int) -> None:
    windows = plan_windows(trials, 20, taking_turns=True)
    assert [window.low for window in windows[1:]] == [window.high for window in windows[:-1]]
    assert sum(window.high - window.low for window in windows) == trials
    assert count_alone(trials, 20, taking_turns=True) == alone
    in_one_go = plan_windows(trials, 20, taking_turns=False)
    assert count_alone(trials, 20, taking_turns=False) == min(trials, 10)
    assert [window.high - window.low for window in in_one_go if window.alone] == [2] * min(5, trials // 2) + [1] * (
        trials == 3
    )
    assert sum(window.high - window.low for window in in_one_go) == trials
    starts = [window.low for window in windows if window.alone]
    assert starts[:2] == [0, 5][: len(starts)]
    if alone == 25:
        assert starts[2:] == [50, 95, 140]
        assert max(window.high - window.low for window in windows) == 20


def test_replicates_are_written_side_by_side_and_not_alone_while_a_new_brief_is_left() -> None:
    blocks = [
        block
        for block in plan_blocks(make_plan(60, top="replicates: 3\n"), set(), together=True)
        if block.candidate == "ann"
    ]
    alone = [trial for block in blocks if block.concurrency == 1 for trial in block.trials]
    assert [trial.replicate for trial in alone] == [0] * 25
    beside = [trial.brief for block in blocks if block.concurrency > 1 for trial in block.trials]
    stretches = [len(list(same)) for _, same in groupby(beside)]
    assert sum(stretches) == 180 - 25
    assert set(stretches) == {2, 3}  # two of a brief whose first was written alone


def test_timing_trials_run_alone_and_first() -> None:
    plan = make_plan(40, concurrency=8)
    for together in (True, False):
        alone = dict.fromkeys(("ann", "bob"), 0)
        for block in plan_blocks(plan, set(), together=together):
            assert block.concurrency in {1, 8}
            if block.concurrency == 1:
                alone[block.candidate] += len(block.trials)
        assert alone == dict.fromkeys(("ann", "bob"), 15 if together else 10)


def test_candidates_take_turns_only_when_all_fit_together() -> None:
    plan = make_plan(60)
    apart = [block.candidate for block in plan_blocks(plan, set(), together=False)]
    assert sum(a != b for a, b in itertools.pairwise(apart)) == 1
    turns = [block.candidate for block in plan_blocks(plan, set(), together=True)]
    assert all({turns[i], turns[i + 1]} == {"ann", "bob"} for i in range(0, len(turns), 2))


def test_a_plan_survives_json() -> None:
    plan = make_plan(
        3, top="weights: {tweet: {length_quality: 2}}\ncontent_types: {X: {soft_words: [3, 9]}}\nreplicates: 2\n"
    )
    again = Plan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan
    assert keys(again) == keys(plan)
    assert again.suite.hash == plan.suite.hash


def test_a_lone_candidates_work_is_not_cut_and_turns_are_long_enough_to_fill_the_flight() -> None:
    lone = list(plan_blocks(make_plan(100, ("ann",), concurrency=4), set(), together=True))
    assert [(block.concurrency, len(block.trials)) for block in lone] == [(1, 10), (4, 90)]
    pair = list(plan_blocks(make_plan(150, concurrency=32), set(), together=True))
    assert {len(block.trials) for block in pair} == {5, 64, 2}
    apart = list(plan_blocks(make_plan(100), set(), together=False))
    assert [len(block.trials) for block in apart] == [10, 90] * 2


def test_counting_what_is_left_needs_no_trials_of_a_new_run() -> None:
    plan = make_plan(12, top="replicates: 2\n")
    trials = plan_trials(plan)
    assert count_unfinished(plan, ()) == {name: len(own) for name, own in trials.items()} == {"ann": 24, "bob": 24}
    assert count_unfinished(plan, {trials["ann"][3].key, "unknown"}) == {"ann": 23, "bob": 24}
