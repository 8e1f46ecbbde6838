"""Whatever an endpoint or a worker does, in whatever order: each planned trial is stored exactly once, or its candidate was
given up.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.core.clock import HandClock
from bakeoff.core.errors import (
    AnswerEmpty,
    BakeoffError,
    EndpointBusy,
    EndpointError,
    EndpointFailed,
    EndpointGarbage,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
    WorkerDied,
    WorkerLost,
    WorkerNotStarted,
)
from bakeoff.core.records import Generation, RunEvent
from bakeoff.store.db import Store
from bakeoff.study.plan import Trial, plan_trials
from bakeoff.study.pulse import GONE
from bakeoff.study.retries import Patience
from bakeoff.study.runner import MAX_DEATHS, Runner
from bakeoff.study.writers import Message
from sample_runs import make_plan

ERRORS: tuple[EndpointError | None, ...] = (
    None,
    None,
    AnswerEmpty("nothing"),
    EndpointBusy("429", retry_after_s=1.0),
    EndpointFailed("500"),
    EndpointGarbage("html"),
    EndpointRefused("400"),
    EndpointTimeout("slow"),
    EndpointUnreachable("gone"),
)


DEATHS: tuple[BakeoffError | None, ...] = (
    *[None] * 8,
    EndpointFailed("500"),
    WorkerDied("killed"),
    WorkerLost("its node is gone"),
    WorkerNotStarted("none is left"),
)


class Moody:
    """A writer that follows a list of moods, request by request, and stays in the last one."""

    loads = ()

    def __init__(self, moods: Sequence[BakeoffError | None], clock: HandClock) -> None:
        self._moods = moods
        self._clock = clock
        self.requests = 0

    async def open(self) -> None:
        pass

    async def measure(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        mood = self._moods[min(self.requests, len(self._moods) - 1)]
        self.requests += 1
        self._clock.advance(0.1)
        await asyncio.sleep(0)
        if mood is not None:
            raise mood
        return trial.generation(text="text", finish_reason="stop", concurrency=concurrency)


class Silent:
    """A progress that counts events."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self.texts = 0

    def turn(self, candidate: str) -> None:
        pass

    def finished(self, generation: Generation) -> None:
        self.texts += 1

    def told(self, event: RunEvent) -> None:
        self.events.append(event)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(ERRORS), min_size=1, max_size=80), st.integers(1, 8))
def test_every_trial_is_stored_once_or_its_candidate_was_given_up(
    moods: list[EndpointError | None], concurrency: int
) -> None:
    plan = make_plan(24, ("ann",), concurrency=concurrency)
    clock, heard = HandClock(datetime(2026, 1, 1, tzinfo=UTC)), Silent()
    writer = Moody(moods, clock)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open_folder(Path(folder))
        store.add_run(plan.run_id, "s", "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
        asyncio.run(Runner(plan, store, {"ann": writer}, heard, clock, Patience()).run(together=True))
        stored = store.generations(plan.run_id)
        events = store.events(plan.run_id)
        store.close()
    planned = {trial.key for trial in plan_trials(plan)["ann"]}
    assert {generation.trial for generation in stored} <= planned
    assert len(stored) == heard.texts
    gone = [event for event in events if event.kind == GONE]
    assert len(gone) <= 1
    assert bool(gone) == (len(stored) < len(planned))
    # Requests that are accounted for: those of stored texts, and where nobody was given up nothing but questions beside.
    asked = sum(generation.attempts for generation in stored)
    assert all(len(generation.retried) == generation.attempts - 1 for generation in stored)
    assert asked <= writer.requests
    # Silence alone gives up: at least two unanswered questions, and a minute; or a refusal of what was written before.
    if gone:
        refused = "its first text, which it wrote before, is refused" in gone[0].message
        assert clock.monotonic_s() >= 60 or refused
        assert not refused or any(isinstance(mood, EndpointRefused) for mood in moods)
        assert isinstance(moods[min(writer.requests, len(moods)) - 1], EndpointError)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(DEATHS), min_size=1, max_size=60), st.integers(1, 8))
def test_a_worker_that_dies_costs_no_text_that_was_not_its_end_each_time(
    moods: list[BakeoffError | None], concurrency: int
) -> None:
    plan = make_plan(24, ("ann",), concurrency=concurrency)
    planned = {trial.key for trial in plan_trials(plan)["ann"]}
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open_folder(Path(folder))
        store.add_run(plan.run_id, "s", "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
        clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
        asyncio.run(Runner(plan, store, {"ann": Moody(moods, clock)}, Silent(), clock, Patience()).run(together=True))
        first, events = store.generations(plan.run_id), [event.kind for event in store.events(plan.run_id)]
        asyncio.run(Runner(plan, store, {"ann": Moody([None], clock)}, Silent(), clock, Patience()).run(together=True))
        second = store.generations(plan.run_id)
        store.close()
    died = events.count("worker_died")
    assert events.count(GONE) <= 1
    assert died < MAX_DEATHS or GONE in events
    assert len(first) == len(planned) or GONE in events
    of_deaths = [made for made in first if made.error_kind == "worker_died" and set(made.retried) == {"worker_died"}]
    assert all(made.attempts == MAX_DEATHS for made in of_deaths)
    assert {made.trial for made in second} == planned
    kept = {made.trial: made for made in second}
    assert all(kept[made.trial] == made for made in first)
