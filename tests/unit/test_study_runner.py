"""The retry policy, and that every planned trial ends in exactly one stored generation whatever writers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bakeoff.core.clock import HandClock
from bakeoff.core.errors import (
    AnswerEmpty,
    AnswerNull,
    AnswerRefused,
    AnswerWithoutText,
    BakeoffError,
    DeviceChanged,
    EndpointBusy,
    EndpointDenied,
    EndpointError,
    EndpointFailed,
    EndpointGarbage,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
    StoreError,
    TextMissing,
    WorkerDied,
    WorkerLost,
    WorkerNotStarted,
)
from bakeoff.core.records import Generation, WorkerLoad
from bakeoff.engines.deadlines import FIRST_TOKEN_VARIABLE
from bakeoff.measure.energy import EnergyWindow, Reading
from bakeoff.store.db import Store
from bakeoff.study.energy_watch import EnergyWatch
from bakeoff.study.plan import Plan, Trial, plan_trials
from bakeoff.study.pulse import GONE, IN_DOUBT
from bakeoff.study.retries import Patience
from bakeoff.study.run_folder import run_folder
from bakeoff.study.runner import MAX_DEATHS, Beside, Runner, messages_for
from bakeoff.study.writers import Message
from heard import Heard
from sample_runs import make_plan, make_suite

PATIENCE = Patience(backoff_s=1.0, longest_wait_s=100.0, give_up_s=60.0)


class ScriptedWriter:
    """Does for each try of a trial what `script(trial, attempt)` says: raises it, or writes."""

    loads: tuple[WorkerLoad, ...] = ()

    def __init__(self, script: Callable[[Trial, int], BaseException | None]) -> None:
        self._script = script
        self.tries: dict[str, int] = {}
        self.first_token_s: dict[int, set[float | None]] = {}
        self.opened = self.closed = self.measured = self.in_flight = self.most_in_flight = 0

    async def open(self) -> None:
        self.opened += 1

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        self.first_token_s.setdefault(concurrency, set()).add(first_token_s)
        self.tries[trial.key] = attempt = self.tries.get(trial.key, 0) + 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            error = self._script(trial, attempt)
            if error is not None:
                raise error
            return trial.generation(
                text=f"{messages[-1]['content'][:5]}", finish_reason="stop", concurrency=concurrency
            )
        finally:
            self.in_flight -= 1

    async def measure(self) -> None:
        self.measured += 1

    async def close(self) -> None:
        self.closed += 1


def well(_trial: Trial, _attempt: int) -> None:
    return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open_folder(tmp_path)
    yield made
    made.close()


def begin(
    store: Store, plan: Plan, **scripts: Callable[[Trial, int], BaseException | None]
) -> tuple[Runner, dict[str, ScriptedWriter], Heard]:
    writers = {candidate.id: ScriptedWriter(scripts.get(candidate.id, well)) for candidate in plan.candidates}
    heard = Heard()
    if store.run(plan.run_id) is None:
        store.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    return Runner(plan, store, writers, heard, HandClock(datetime(2026, 1, 1, tzinfo=UTC)), PATIENCE), writers, heard


def planned(plan: Plan) -> set[str]:
    return {trial.key for own in plan_trials(plan).values() for trial in own}


def stored(store: Store, plan: Plan, candidate: str) -> list[Generation]:
    return [generation for generation in store.generations(plan.run_id) if generation.candidate == candidate]


def check_complete(store: Store, plan: Plan, heard: Heard) -> None:
    generations = store.generations(plan.run_id)
    assert {generation.trial for generation in generations} == planned(plan)
    assert len(generations) == len(planned(plan)) == len(heard.texts)


@pytest.mark.parametrize("together", [True, False])
def test_every_trial_is_stored_once(store: Store, together: bool) -> None:
    plan = make_plan(40, top="replicates: 2\n", concurrency=5)
    runner, writers, heard = begin(store, plan)
    asyncio.run(runner.run(together=together))
    check_complete(store, plan, heard)
    assert all(writer.most_in_flight == 5 for writer in writers.values())
    assert {generation.concurrency for generation in store.generations(plan.run_id)} == {1, 5}
    assert {generation.attempts for generation in store.generations(plan.run_id)} == {1}


def test_a_run_goes_on_where_it_stopped(store: Store) -> None:
    plan = make_plan(12)
    done = [trial for own in plan_trials(plan).values() for trial in own][::2]
    runner, writers, _ = begin(store, plan)
    for trial in done:
        store.add_generation(plan.run_id, trial.generation(text="old", finish_reason="stop"))
    asyncio.run(runner.run(together=True))
    assert {generation.trial for generation in store.generations(plan.run_id)} == planned(plan)
    tried = {key for writer in writers.values() for key in writer.tries}
    assert tried == planned(plan) - {trial.key for trial in done}
    assert sum(generation.text == "old" for generation in store.generations(plan.run_id)) == len(done)


EVERY = [
    (EndpointRefused("no such model"), 1),
    (EndpointTimeout("slow"), 2),
    (EndpointTimeout("too long", final=True), 1),
    (EndpointGarbage("html"), 3),
    (EndpointFailed("500"), 4),
    (EndpointUnreachable("gone"), 4),
    (EndpointBusy("queue full", retry_after_s=0.0), 15),  # over 5 minutes: others are answered, it never is
    (AnswerEmpty("nothing"), 1),
    (AnswerNull("null"), 1),
    (AnswerRefused("I cannot"), 1),
    (TextMissing("not in the file"), 1),
]


@pytest.mark.parametrize(("error", "attempts"), EVERY)
def test_errors_of_one_text_are_recorded_and_every_retry_with_its_reason(
    store: Store, error: EndpointError, attempts: int
) -> None:
    plan = make_plan(12)
    runner, writers, heard = begin(store, plan, ann=lambda trial, _attempt: error if trial.brief == "b3" else None)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    (failed,) = [generation for generation in store.generations(plan.run_id) if generation.failed]
    assert (failed.candidate, failed.brief, failed.text, failed.finish_reason) == ("ann", "b3", None, "error")
    assert (failed.error_kind, failed.error, failed.attempts) == (error.kind, error.message, attempts)
    assert failed.retried == (error.kind,) * (attempts - 1)
    assert writers["ann"].tries[failed.trial] == attempts


DENIED = [EndpointDenied("401", "check the API key", 401), DeviceChanged("on cpu")]


@pytest.mark.parametrize("error", DENIED)
def test_a_candidate_that_is_denied_is_given_up_with_the_first_refusal_and_keeps_its_texts(
    store: Store, error: EndpointError
) -> None:
    plan = make_plan(60, concurrency=8)
    taken = iter(range(20))
    runner, writers, heard = begin(
        store, plan, ann=lambda _trial, _attempt: error if next(taken, None) is None else None
    )
    asyncio.run(runner.run(together=True))
    kept = stored(store, plan, "ann")
    assert len(kept) == 20
    assert not any(generation.failed for generation in kept)
    assert [event.kind for event in heard.events] == [GONE]
    assert sum(writers["ann"].tries.values()) <= 20 + 8  # those in flight, once each
    again, _, _ = begin(store, plan)
    asyncio.run(again.run(together=True))
    assert {generation.trial for generation in store.generations(plan.run_id)} == planned(plan)


@pytest.mark.parametrize(
    "error", [error for error, _ in EVERY if not isinstance(error, AnswerWithoutText | TextMissing)]
)
def test_a_candidate_that_never_answers_is_given_up_and_can_be_asked_again(store: Store, error: EndpointError) -> None:
    plan = make_plan(60, concurrency=8)
    runner, writers, heard = begin(store, plan, ann=lambda _trial, _attempt: error)
    asyncio.run(runner.run(together=True))
    assert stored(store, plan, "ann") == []
    assert not any(generation.failed for generation in store.generations(plan.run_id))
    # What is refused is not waited for.
    assert [event.kind for event in heard.events] == [GONE] if isinstance(error, EndpointRefused) else [IN_DOUBT, GONE]
    assert error.message in heard.events[-1].message
    # Not 60 texts with all their tries: those first in flight, then one at a time.
    assert sum(writers["ann"].tries.values()) < 30
    again, _, _ = begin(store, plan)
    asyncio.run(again.run(together=True))
    assert {generation.trial for generation in store.generations(plan.run_id)} == planned(plan)


def test_texts_that_fail_together_at_the_end_are_only_stored_once_it_is_seen_whether_they_were_at_fault(
    store: Store,
) -> None:
    plan = make_plan(12, ("ann",))
    last = [trial.key for trial in plan_trials(plan)["ann"]][-3:]
    refused = EndpointRefused("no such model", status=404)
    unloaded = False

    def unload(trial: Trial, _attempt: int) -> BaseException | None:
        nonlocal unloaded
        unloaded = unloaded or trial.key in last
        return refused if unloaded else None

    runner, _, heard = begin(store, plan, ann=unload)
    asyncio.run(runner.run(together=True))
    assert [event.kind for event in heard.events] == [GONE]
    assert not any(generation.failed for generation in stored(store, plan, "ann"))
    again, _, heard = begin(store, plan, ann=lambda trial, tries: refused if trial.key in last and tries == 1 else None)
    asyncio.run(again.run(together=True))
    assert {generation.trial for generation in stored(store, plan, "ann") if generation.failed} == set(last)
    assert heard.events == []


def test_a_worker_that_dies_when_it_is_asked_whether_it_lives_has_died(store: Store) -> None:
    plan = make_plan(12, ("ann",))
    trials = plan_trials(plan)["ann"]
    asked_again, sick = trials[-1].key, trials[4].key

    def script(trial: Trial, attempt: int) -> BaseException | None:
        if trial.key == sick and attempt <= 3:
            return EndpointFailed("500")
        return WorkerDied("killed") if trial.key == asked_again and attempt == 1 else None

    runner, _, heard = begin(store, plan, ann=script)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert [event.kind for event in heard.events] == ["worker_died"]


@pytest.mark.parametrize("error", [AnswerEmpty("nothing"), AnswerRefused("I cannot"), TextMissing("no line")])
def test_a_candidate_that_answers_without_text_is_not_given_up(store: Store, error: EndpointError) -> None:
    plan = make_plan(40)
    runner, writers, heard = begin(store, plan, ann=lambda _trial, _attempt: error)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert {generation.error_kind for generation in stored(store, plan, "ann")} == {error.kind}
    assert sum(writers["ann"].tries.values()) == 40
    assert heard.events == []


@pytest.mark.parametrize(
    "error",
    [EndpointFailed("500"), EndpointUnreachable("gone"), EndpointBusy("busy", retry_after_s=0.0), WorkerDied("x")],
)
def test_errors_that_pass_leave_a_text(store: Store, error: BakeoffError) -> None:
    plan = make_plan(4)
    runner, _, heard = begin(
        store, plan, ann=lambda trial, attempt: error if attempt == 1 and trial.brief == "b0" else None
    )
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert not any(generation.failed for generation in store.generations(plan.run_id))
    (again,) = [generation for generation in stored(store, plan, "ann") if generation.brief == "b0"]
    assert (again.attempts, again.retried) == (2, (getattr(error, "kind", "worker_died"),))


def test_a_death_is_counted_once_for_all_in_flight(store: Store) -> None:
    plan = make_plan(40, ("ann",), concurrency=8)
    struck: list[str] = []

    def once(trial: Trial, attempt: int) -> BaseException | None:
        # The first eight texts that run beside each other all see the same death.
        timed = {t.key for t in plan_trials(plan)["ann"][:10]}
        if trial.key not in timed and attempt == 1 and len(struck) < 8:
            struck.append(trial.key)
            return WorkerDied("killed by signal 9")
        return None

    runner, _, heard = begin(store, plan, ann=once)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert len(struck) == 8
    assert [event.kind for event in heard.events] == ["worker_died"]
    assert store.events(plan.run_id) == heard.events
    assert sum(generation.attempts == 2 for generation in stored(store, plan, "ann")) == 8


def resume(store: Store, plan: Plan) -> tuple[dict[str, ScriptedWriter], Heard]:
    """Go on with a run whose writers are well now, and see that nothing of it is missing."""
    runner, writers, heard = begin(store, plan)
    asyncio.run(runner.run(together=True))
    assert {generation.trial for generation in store.generations(plan.run_id)} == planned(plan)
    return writers, heard


def test_three_deaths_give_a_candidate_up_and_nobody_else(store: Store) -> None:
    plan = make_plan(40)
    runner, writers, heard = begin(store, plan, ann=lambda _trial, _attempt: WorkerDied("killed"))
    asyncio.run(runner.run(together=True))
    assert runner.given_up == ("ann",)
    assert [event.kind for event in heard.events] == ["worker_died"] * MAX_DEATHS + [GONE]
    assert [event.message for event in heard.events] == ["killed"] * MAX_DEATHS + ["given up: its worker died 3 times"]
    assert sum(writers["ann"].tries.values()) == MAX_DEATHS
    # Its own three tries were each the end of a worker; the others were never asked for.
    (poisonous,) = stored(store, plan, "ann")
    assert (poisonous.error_kind, poisonous.attempts, poisonous.retried) == (
        "worker_died",
        3,
        ("worker_died", "worker_died"),
    )
    assert not any(generation.failed for generation in stored(store, plan, "bob"))
    assert len(stored(store, plan, "bob")) == 40
    writers, _ = resume(store, plan)
    assert poisonous.trial not in writers["ann"].tries
    assert writers["bob"].tries == {}


def test_a_resumed_run_has_all_its_deaths_before_it(store: Store) -> None:
    plan = make_plan(40, ("ann",), concurrency=1)
    for _ in range(2):  # the first poisonous text in the first session, the other in the next
        runner, _, heard = begin(
            store, plan, ann=lambda trial, _attempt: WorkerDied("killed") if trial.brief in {"b3", "b20"} else None
        )
        asyncio.run(runner.run(together=True))
        assert [event.kind for event in heard.events] == ["worker_died"] * MAX_DEATHS + [GONE]
    resume(store, plan)
    assert {made.brief for made in stored(store, plan, "ann") if made.failed} == {"b3", "b20"}


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_texts_in_flight_with_a_poisonous_one_are_stored_only_where_they_used_up_their_own_tries(
    store: Store, seen: int
) -> None:
    plan = make_plan(60, ("ann",), concurrency=8)
    trials = [trial.key for trial in plan_trials(plan)["ann"]]
    sick, beside = trials[10], set(trials[11:14])

    def script(trial: Trial, _attempt: int) -> BaseException | None:
        tries = writers["ann"].tries.get(sick, 0)
        if trial.key == sick or (trial.key in beside and MAX_DEATHS - seen < tries <= MAX_DEATHS):
            return WorkerDied("killed by signal 9")
        return None

    runner, writers, heard = begin(store, plan, ann=script)
    asyncio.run(runner.run(together=True))
    assert [event.kind for event in heard.events] == ["worker_died"] * MAX_DEATHS + [GONE]
    failed = {made.trial for made in stored(store, plan, "ann") if made.failed}
    assert failed <= {sick, *beside}
    assert sick in failed
    assert all(made.attempts == 3 for made in stored(store, plan, "ann") if made.failed)
    assert all(writers["ann"].tries[key] == 3 for key in failed)
    if seen < 3:
        assert failed == {sick}
    writers, heard = resume(store, plan)
    assert heard.events == []
    assert not failed & set(writers["ann"].tries)


def test_a_text_whose_worker_was_lost_with_its_node_and_died_once_is_asked_for_again(store: Store) -> None:
    plan = make_plan(40, ("ann",), concurrency=1)
    first, second, third = (trial.key for trial in plan_trials(plan)["ann"][2:5])

    def script(trial: Trial, attempt: int) -> BaseException | None:
        if trial.key in {first, second}:
            return WorkerDied("killed") if attempt == 1 else None
        if trial.key == third:
            return WorkerLost("its node is gone") if attempt < 3 else WorkerDied("killed")
        return None

    runner, _, heard = begin(store, plan, ann=script)
    asyncio.run(runner.run(together=True))
    assert [event.kind for event in heard.events] == ["worker_died"] * MAX_DEATHS + [GONE]
    assert not any(made.failed for made in stored(store, plan, "ann"))
    writers, _ = resume(store, plan)
    assert third in writers["ann"].tries


def test_nodes_that_are_lost_are_no_deaths(store: Store) -> None:
    plan = make_plan(40, ("ann",), concurrency=1)
    runner, _, heard = begin(
        store, plan, ann=lambda _trial, attempt: WorkerLost("its node is gone") if attempt < 4 else None
    )
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert heard.events == []
    assert not any(made.failed for made in stored(store, plan, "ann"))


def test_deaths_give_a_candidate_up_while_it_is_in_doubt(store: Store) -> None:
    """A sick worker answers some texts with 500, and dies of the one by which it is to show that it lives."""
    plan = make_plan(40, ("ann",), concurrency=4)
    trials = [trial.key for trial in plan_trials(plan)["ann"]]
    well_texts = set(trials[:6])

    def script(trial: Trial, attempt: int) -> BaseException | None:
        if trial.key == trials[-1]:
            return WorkerDied("killed")
        return None if trial.key in well_texts else EndpointFailed("500")

    runner, writers, heard = begin(store, plan, ann=script)
    asyncio.run(runner.run(together=True))
    assert [event.kind for event in heard.events] == ["worker_died"] * MAX_DEATHS + [GONE]
    assert {made.trial for made in stored(store, plan, "ann")} == well_texts
    assert writers["ann"].in_flight == 0
    resume(store, plan)
    assert not any(made.failed for made in stored(store, plan, "ann"))


class Counted:
    """A meter of 10 J a reading."""

    source = "test"
    scope = "wall"

    def __init__(self) -> None:
        self._read = 0.0

    def read(self) -> Reading:
        self._read += 10
        return Reading(at_s=self._read, joules={"wall": self._read}, source=self.source, scope="wall")

    def close(self) -> None: ...


@pytest.mark.parametrize("error", [WorkerDied("killed"), EndpointDenied("no such key")])
def test_what_is_not_asked_for_any_more_does_not_make_a_text_cheaper(store: Store, error: BakeoffError) -> None:
    plan = make_plan(40, ("ann",), concurrency=2)
    _, writers, heard = begin(store, plan, ann=lambda _trial, _attempt: error)
    kept: list[EnergyWindow] = []
    watch = EnergyWatch(Counted(), kept.append)
    clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
    asyncio.run(Runner(plan, store, writers, heard, clock, PATIENCE, Beside(watch)).run(together=True))
    asked = len(writers["ann"].tries)
    assert 0 < asked < 10
    assert sum(window.texts for window in kept) == asked


@pytest.mark.parametrize("together", [True, False])
def test_making_a_writer_ready_draws_nothing_that_is_counted(store: Store, together: bool) -> None:
    plan = make_plan(30)
    order: list[str] = []

    class Noted(Counted):
        def read(self) -> Reading:
            order.append("read")
            return super().read()

    class Ready(ScriptedWriter):
        async def open(self) -> None:
            if self.opened == self.closed:
                order.append("made ready")
            self.opened = self.closed + 1

    _, _, heard = begin(store, plan)
    writers = {candidate.id: Ready(well) for candidate in plan.candidates}
    clock, watch = HandClock(datetime(2026, 1, 1, tzinfo=UTC)), EnergyWatch(Noted(), lambda _: None)
    asyncio.run(Runner(plan, store, writers, heard, clock, PATIENCE, Beside(watch)).run(together=together))
    check_complete(store, plan, heard)
    assert order.count("made ready") == len(writers)
    # Counters are read in pairs, a window's beginning and its end.
    assert all(order[:place].count("read") % 2 == 0 for place, each in enumerate(order) if each == "made ready")


def test_a_writer_whose_first_text_did_not_come_is_asked_for_the_others(store: Store) -> None:
    plan = make_plan(12, ("ann",), concurrency=8)

    class Slow(ScriptedWriter):
        async def open(self) -> None:
            self.opened += 1
            if self.opened == 1:
                raise EndpointTimeout("no first token")

    _, _, heard = begin(store, plan)
    runner = Runner(plan, store, {"ann": Slow(well)}, heard, HandClock(datetime(2026, 1, 1, tzinfo=UTC)), PATIENCE)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert {generation.attempts for generation in stored(store, plan, "ann")} == {1}
    assert heard.events == []


class Failing(ScriptedWriter):
    """Each start ends as the next of `starts` says, and all later ones well; its texts do, too."""

    def __init__(self, *starts: BaseException | None) -> None:
        super().__init__(well)
        self._starts = list(starts)

    async def open(self) -> None:
        self.opened += 1
        await asyncio.sleep(0)
        error = self._starts.pop(0) if self._starts else None
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [WorkerNotStarted("no memory"), WorkerDied("its first text was its end")])
def test_no_text_fails_since_a_worker_does_not_start(store: Store, error: BakeoffError) -> None:
    plan = make_plan(20, ("ann",))
    _, _, heard = begin(store, plan)
    writer = Failing(error, error, error)
    runner = Runner(plan, store, {"ann": writer}, heard, HandClock(datetime(2026, 1, 1, tzinfo=UTC)), PATIENCE)
    asyncio.run(runner.run(together=True))
    assert (writer.opened, writer.tries) == (MAX_DEATHS, {})
    assert [event.message for event in heard.events[:-1]] == [error.message] * MAX_DEATHS
    assert heard.events[-1].kind == GONE
    assert stored(store, plan, "ann") == []
    resume(store, plan)


def test_a_start_that_fails_once_costs_no_text(store: Store) -> None:
    plan = make_plan(20, ("ann",))
    _, _, heard = begin(store, plan)
    writer = Failing(None, None, None, WorkerNotStarted("no memory just then"), WorkerDied("killed while idle"))
    runner = Runner(plan, store, {"ann": writer}, heard, HandClock(datetime(2026, 1, 1, tzinfo=UTC)), PATIENCE)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert [event.kind for event in heard.events] == ["worker_died"] * 2
    # No worker was asked in vain.
    assert {made.attempts for made in stored(store, plan, "ann")} == {1}


def test_texts_that_nobody_is_left_to_write_are_no_failures(store: Store) -> None:
    plan = make_plan(6, ("ann",))
    runner, writers, heard = begin(store, plan, ann=lambda _trial, _attempt: WorkerNotStarted("no worker is left"))
    asyncio.run(runner.run(together=True))
    assert sum(writers["ann"].tries.values()) == MAX_DEATHS
    assert [event.message for event in heard.events[:-1]] == ["no worker is left"] * MAX_DEATHS
    assert heard.events[-1].kind == GONE
    assert stored(store, plan, "ann") == []


def test_a_text_counts_as_finished_when_it_is_stored(store: Store, tmp_path: Path) -> None:
    import sqlite3

    plan = make_plan(40, ("ann",), concurrency=16)
    runner, _, heard = begin(store, plan)
    seen = []

    def count(generation: Generation) -> None:
        heard.texts.append(generation)
        with sqlite3.connect(tmp_path / "bakeoff.db") as other:
            seen.append(other.execute("SELECT count(*) FROM generations").fetchone()[0] >= len(heard.texts))

    heard.finished = count  # type: ignore[method-assign]
    asyncio.run(runner.run(together=True))
    assert seen == [True] * 40


def test_what_another_process_stored_first_is_the_text_of_the_run(store: Store) -> None:
    """Two may write one run where a claim was lost; a race would ask for ever for a text that it is not told of."""
    plan = make_plan(20, ("ann",), concurrency=4)

    def overtaken(trial: Trial, _attempt: int) -> None:
        if trial.brief in {"b3", "b11"}:
            store.add_generation(plan.run_id, trial.generation(text="theirs", finish_reason="stop"))

    runner, _, heard = begin(store, plan, ann=overtaken)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    assert sorted(text.brief for text in heard.texts if text.text == "theirs") == ["b11", "b3"]


@pytest.mark.parametrize("concurrency", [1, 8])
def test_what_is_told_of_a_text_may_fail_and_ends_the_run(store: Store, concurrency: int) -> None:
    plan = make_plan(40, ("ann",), concurrency=concurrency)
    runner, writers, heard = begin(store, plan)

    def broken(_generation: Generation) -> None:
        raise AttributeError("a function of the caller's")

    heard.finished = broken  # type: ignore[method-assign]
    with pytest.raises(AttributeError, match="of the caller's"):
        asyncio.run(runner.run(together=True))
    assert len(writers["ann"].tries) < 40


def test_cancelling_stores_nothing_half(store: Store) -> None:
    plan = make_plan(30, ("ann",), concurrency=4)

    async def cancelled() -> None:
        reached = asyncio.Event()

        def script(_trial: Trial, _attempt: int) -> None:
            if len(writers["ann"].tries) >= 15:
                reached.set()

        runner, writers, _ = begin(store, plan, ann=script)
        running = asyncio.create_task(runner.run(together=True))
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    before = store.generations(plan.run_id)
    assert 0 < len(before) < 30
    assert all(generation.text for generation in before)
    runner, _, _ = begin(store, plan)
    asyncio.run(runner.run(together=True))
    after = store.generations(plan.run_id)
    assert {generation.trial for generation in after} == planned(plan)
    assert [g for g in after if g.trial in {b.trial for b in before}] == before


def test_a_store_that_refuses_ends_the_run(store: Store, tmp_path: Path) -> None:
    import sqlite3

    plan = make_plan(30, ("ann",), concurrency=4)

    def script(_trial: Trial, _attempt: int) -> None:
        if len(writers["ann"].tries) >= 15:
            with sqlite3.connect(tmp_path / "bakeoff.db") as other:
                other.execute("DROP TABLE IF EXISTS generations")

    runner, writers, _ = begin(store, plan, ann=script)
    with pytest.raises(StoreError) as caught:
        asyncio.run(runner.run(together=True))
    assert "generations" in caught.value.message
    assert writers["ann"].in_flight == 0


def test_a_bug_in_a_writer_is_not_recorded_as_the_models_failure(store: Store) -> None:
    plan = make_plan(4, ("ann",))
    runner, _, _ = begin(store, plan, ann=lambda _trial, _attempt: ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(runner.run(together=True))
    assert store.generations(plan.run_id) == []


def test_texts_beside_others_may_wait_in_a_servers_queue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One slot, 50 s a text, eight at once: the last one's first token comes after seven texts, and no deadline is met."""
    monkeypatch.delenv(FIRST_TOKEN_VARIABLE, raising=False)
    plan = make_plan(60, concurrency=8)
    runner, writers, _ = begin(store, plan)
    runner.expect({"ann": 50.0, "bob": 1.0})
    asyncio.run(runner.run(together=True))
    assert writers["ann"].first_token_s == {1: {None}, 8: {800.0}}
    assert writers["bob"].first_token_s == {1: {None}, 8: {None}}


def test_writers_are_closed_between_turns_where_memory_is_short(store: Store) -> None:
    plan = make_plan(30)
    runner, writers, _ = begin(store, plan)
    asyncio.run(runner.run(together=False))
    assert sorted(writer.closed for writer in writers.values()) == [0, 1]
    asyncio.run(runner.close(store_loads=False))
    assert sorted(writer.closed for writer in writers.values()) == [1, 2]


def test_messages_hold_system_prompt_brief_and_source() -> None:
    suite = make_suite(1, top="system_prompt: Be brief.\n")
    brief = suite.briefs[0].model_copy(update={"source": "Facts."})
    plan = make_plan(1, top="system_prompt: Be brief.\n")
    assert messages_for(plan, brief) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"{brief.prompt}\n\nSource:\nFacts."},
    ]


def test_a_run_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StoreError, match="cannot make"):
        run_folder(tmp_path, "r1")


class HalfWriter(ScriptedWriter):
    """A server that cut its stream in the middle of an emoji, or spelt half of one."""

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        if trial.brief == "b2":
            raise EndpointRefused("said \ud83d")
        return trial.generation(
            text="joined \ud83d\ude00" if trial.brief == "b0" else "half \ud83d", finish_reason="stop"
        )


def test_halves_of_characters_do_not_end_a_run(store: Store) -> None:
    plan = make_plan(3, ("ann",))
    runner, writers, heard = begin(store, plan)
    writers["ann"] = HalfWriter(well)
    runner = Runner(plan, store, writers, heard, HandClock(datetime(2026, 1, 1, tzinfo=UTC)), PATIENCE)
    asyncio.run(runner.run(together=True))
    check_complete(store, plan, heard)
    found = {generation.brief: generation.text or generation.error for generation in store.generations(plan.run_id)}
    assert found == {"b0": "joined \U0001f600", "b1": "half \ufffd", "b2": "said \ufffd"}
