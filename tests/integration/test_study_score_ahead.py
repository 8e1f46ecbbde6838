"""The process that scores while texts are still being written: what it stores, and that nothing depends on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bakeoff.core.records import Generation
from bakeoff.score.composite import score_generation
from bakeoff.store.db import Store
from bakeoff.study import score_ahead
from bakeoff.study.conclude import conclude
from bakeoff.study.plan import Plan, plan_trials
from bakeoff.study.score_ahead import ScoringAhead, is_worth_it
from bakeoff.study.scorers import RULES
from sample_runs import make_plan

BRIEFS = 24


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open_folder(tmp_path)


def written(store: Store, plan: Plan) -> list[Generation]:
    """Store a plan with all its texts, and one failure."""
    trials = [trial for each in plan_trials(plan).values() for trial in each]
    texts = [
        trial.generation(text=f"Our doors open on 14 March, number {i}. Come!", finish_reason="stop", concurrency=1)
        for i, trial in enumerate(trials[1:])
    ]
    failed = trials[0].generation(text=None, finish_reason="error", error_kind="timeout", error="late", concurrency=1)
    store.add_run(plan.run_id, "small", "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    store.add_generations(plan.run_id, [failed, *texts])
    return [failed, *texts]


def test_what_it_is_told_of_is_scored_as_at_the_end_of_a_run(store: Store, tmp_path: Path) -> None:
    plan = make_plan(BRIEFS)
    generations = written(store, plan)

    async def score() -> None:
        ahead = await ScoringAhead.start(tmp_path)
        ahead.begin(store, plan.run_id)
        ahead.score(generations[:5])
        ahead.score(generations[5:20])
        await ahead.finish()

    asyncio.run(score())
    assert (tmp_path / "scoring.log").read_text() == ""
    briefs = {brief.id: brief for brief in plan.briefs()}
    expected = {
        made.trial: score_generation(made, plan.suite.checks(briefs[made.brief]), plan.suite.weights)
        for made in generations
    }
    ahead = store.scores(plan.run_id, RULES)
    assert {score.trial for score in ahead} == {made.trial for made in generations[:20]}
    assert all(score == expected[score.trial] for score in ahead)
    conclude(plan, store, complete=True)
    assert {score.trial: score for score in store.scores(plan.run_id, RULES)} == expected


def test_killed_it_leaves_its_work_to_the_end_of_the_run(store: Store, tmp_path: Path) -> None:
    plan = make_plan(BRIEFS)
    generations = written(store, plan)

    async def score() -> None:
        ahead = await ScoringAhead.start(tmp_path)
        ahead.begin(store, plan.run_id)
        await ahead.stop()
        for _ in range(20):  # into the pipe of a process that is gone
            ahead.score(generations)
        await ahead.finish()

    asyncio.run(score())
    conclude(plan, store, complete=True)
    assert len(store.scores(plan.run_id, RULES)) == len(generations)


def test_a_run_that_ended_before_its_first_text_leaves_nothing(tmp_path: Path) -> None:
    async def start() -> None:
        await (await ScoringAhead.start(tmp_path)).finish()

    asyncio.run(start())
    assert (tmp_path / "scoring.log").read_text() == ""


def test_only_many_texts_of_endpoints_are_scored_ahead() -> None:
    plan = make_plan(3)
    assert is_worth_it(plan, score_ahead.AT_LEAST)
    assert not is_worth_it(plan, score_ahead.AT_LEAST - 1)
    ours = plan.candidates[0]
    ours = ours.model_copy(update={"model": ours.model.model_copy(update={"source": "bundled"})})
    assert not is_worth_it(plan.model_copy(update={"candidates": (ours, plan.candidates[1])}), 10_000)
