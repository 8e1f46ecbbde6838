"""The process that scores while texts are still being written: what it stores, when it rests, and that nothing depends on it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bakeoff.core.clock import SystemClock
from bakeoff.core.records import Generation, Score, WorkerLoad
from bakeoff.score.composite import score_generation
from bakeoff.store.db import Store
from bakeoff.study import score_ahead
from bakeoff.study.conclude import conclude
from bakeoff.study.energy_watch import EnergyWatch
from bakeoff.study.in_turn import run_in_turn
from bakeoff.study.plan import Plan, Trial, plan_trials
from bakeoff.study.runner import Beside, Runner
from bakeoff.study.score_ahead import ScoringAhead, is_worth_it, leaves_room
from bakeoff.study.scorers import RULES
from bakeoff.study.writers import Message
from heard import Heard
from sample_runs import make_plan

TOP = "weights: {'*': {language_quality: 2}}\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open_folder(tmp_path)
    yield made
    made.close()


def written(store: Store, plan: Plan) -> list[Generation]:
    """Store a plan with all its texts, and one failure."""
    trials = [trial for each in plan_trials(plan).values() for trial in each]
    texts = [text_of(trial, f"Our doors open on 14 March, number {i}. Come!") for i, trial in enumerate(trials[1:])]
    failed = trials[0].generation(text=None, finish_reason="error", error_kind="timeout", error="late", concurrency=1)
    store.add_run(plan.run_id, "small", "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    store.add_generations(plan.run_id, [failed, *texts])
    return [failed, *texts]


def text_of(trial: Trial, text: str, concurrency: int = 1) -> Generation:
    return trial.generation(text=text, finish_reason="stop", concurrency=concurrency)


def expected(plan: Plan, generations: list[Generation]) -> dict[str, Score]:
    briefs = {brief.id: brief for brief in plan.briefs()}
    return {
        made.trial: score_generation(made, plan.suite.checks(briefs[made.brief]), plan.suite.weights)
        for made in generations
    }


def stored(store: Store, plan: Plan) -> dict[str, Score]:
    return {score.trial: score for score in store.scores(plan.run_id, RULES)}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for is a row that another process's work leads to
            await asyncio.sleep(0.01)


def test_what_it_takes_is_scored_as_at_the_end_of_a_run(store: Store, tmp_path: Path) -> None:
    plan = make_plan(60, top=TOP)
    generations = written(store, plan)

    async def score() -> None:
        ahead = ScoringAhead(plan, store, tmp_path)
        ahead.take(generations[:5])
        ahead.go_on()
        ahead.take(generations[5:100])
        await ahead.finish()
        await ahead.close()

    asyncio.run(score())
    assert (tmp_path / "scoring.log").read_text() == ""
    assert stored(store, plan) == expected(plan, generations[1:100])  # the failure is left to the end
    conclude(plan, store, complete=True)
    assert stored(store, plan) == expected(plan, generations)


class _Sending(ScoringAhead):
    """Counts what it sends."""

    sent = 0

    async def _send(self, texts: asyncio.StreamWriter) -> None:
        self.sent += 1
        await super()._send(texts)


def test_the_process_scores_by_itself_and_not_while_it_is_held(store: Store, tmp_path: Path) -> None:
    plan = make_plan(60, top=TOP)
    generations = written(store, plan)

    async def score() -> None:
        ahead = _Sending(plan, store, tmp_path)
        ahead.go_on()
        ahead.take(generations[1:41])
        await until(lambda: len(stored(store, plan)) == 40)
        await ahead.hold()
        ahead.take(generations[41:])
        before = ahead.sent
        for _ in range(20):
            await asyncio.sleep(0)
        assert (ahead.sent, len(stored(store, plan))) == (before, 40)
        await ahead.finish()
        await ahead.close()

    asyncio.run(score())
    assert stored(store, plan) == expected(plan, generations[1:])


READY = "import sys; lines = sys.stdin.buffer; lines.readline(); print(flush=True)\n"
ODD = {
    "is not there": "raise SystemExit('no')",
    "says something first": f"print('hello', flush=True)\n{READY}for line in lines: print(line.decode(), flush=True)",
    "gives the scores of others": READY
    + 'for line in lines: print(\'{"trial":"x","value":9,"publishable":true}\', flush=True)',
    "ends in the middle of a line": READY + "lines.readline(); sys.stdout.write('{\"trial\"'); sys.stdout.flush()",
    "never answers": READY + "lines.read()",
}


@pytest.mark.parametrize("does", ODD)
def test_a_process_that_does_otherwise_stores_nothing_and_keeps_nobody_waiting(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    plan = make_plan(60)
    generations = written(store, plan)
    monkeypatch.setattr(score_ahead, "program_of", lambda _: [sys.executable, "-c", ODD[does]])
    monkeypatch.setattr(score_ahead, "_LONGEST_REST_S", 3.0)

    async def score() -> None:
        ahead = ScoringAhead(plan, store, tmp_path)
        ahead.take(generations[:90])
        ahead.go_on()
        async with asyncio.timeout(60):
            await ahead.hold()
            assert stored(store, plan) == {}
            ahead.take(generations[90:])
            await ahead.finish()
            await ahead.close()

    asyncio.run(score())
    found = stored(store, plan)
    assert found == {trial: score for trial, score in expected(plan, generations).items() if trial in found}
    conclude(plan, store, complete=True)
    assert stored(store, plan) == expected(plan, generations)


def test_killed_it_leaves_its_work_to_the_end_of_the_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(60)
    generations = written(store, plan)
    processes: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def remember(*program: str, **options: object) -> asyncio.subprocess.Process:
        processes.append(await start(*program, **options))  # type: ignore[arg-type]
        return processes[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", remember)

    async def score() -> None:
        ahead = ScoringAhead(plan, store, tmp_path)
        ahead.take(generations)
        ahead.go_on()
        await until(lambda: bool(stored(store, plan)))
        os.kill(processes[0].pid, signal.SIGKILL)
        await processes[0].wait()
        for _ in range(20):
            ahead.take(generations)
        async with asyncio.timeout(60):
            await ahead.hold()
            await ahead.finish()
        await ahead.close()

    asyncio.run(score())
    conclude(plan, store, complete=True)
    assert stored(store, plan) == expected(plan, generations)


def test_a_run_that_writes_nothing_starts_no_process(store: Store, tmp_path: Path) -> None:
    async def begin() -> None:
        ahead = ScoringAhead(make_plan(3), store, tmp_path / "logs")
        await ahead.hold()
        await ahead.finish()
        await ahead.close()

    asyncio.run(begin())
    assert not (tmp_path / "logs").exists()


class _Watched(ScoringAhead):
    """Notes what it is told."""

    def __init__(self, plan: Plan, store: Store, logs: Path) -> None:
        super().__init__(plan, store, logs)
        self.rests = True

    def go_on(self) -> None:
        self.rests = False
        super().go_on()

    async def hold(self) -> None:
        await super().hold()
        self.rests = True


class _Author:
    """Writes at once, and notes at which concurrency the scoring rested."""

    def __init__(self) -> None:
        self.loads: tuple[WorkerLoad, ...] = ()
        self.ahead: _Watched | None = None
        self.seen: set[tuple[bool, bool]] = set()

    async def open(self) -> None:
        return None

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        del messages, first_token_s
        await asyncio.sleep(0)
        assert self.ahead is not None
        self.seen.add((concurrency == 1, self.ahead.rests))
        return text_of(trial, f"Our doors open on 14 March for {trial.brief}. Come!", concurrency)

    async def measure(self) -> None:
        return None

    async def close(self) -> None:
        return None


def test_a_run_is_scored_when_it_is_written_and_times_nothing_beside_scoring(store: Store, tmp_path: Path) -> None:
    plan = make_plan(150, concurrency=4, top=TOP)
    store.add_run(plan.run_id, "small", "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    author = _Author()

    async def run() -> None:
        author.ahead = _Watched(plan, store, tmp_path)
        writers = dict.fromkeys((candidate.id for candidate in plan.candidates), author)
        beside = Beside(EnergyWatch(None, lambda _: None), author.ahead)
        runner = Runner(plan, store, writers, Heard(), SystemClock(), beside=beside)
        await runner.run(together=True)
        await runner.close(store_loads=False)

    run_in_turn(run())
    assert author.seen == {(True, True), (False, False)}
    generations = store.generations(plan.run_id)
    assert len(generations) == 300
    assert stored(store, plan) == expected(plan, generations)


def test_it_works_where_the_endpoint_sets_the_pace_or_is_faster_than_can_be_asked() -> None:
    assert [leaves_room(busy) for busy in (0.0, 0.1, 0.5, 0.8, 0.99)] == [True, True, False, False, True]


def test_only_many_texts_of_endpoints_are_scored_ahead() -> None:
    plan = make_plan(3)
    assert is_worth_it(plan, score_ahead.AT_LEAST)
    assert not is_worth_it(plan, score_ahead.AT_LEAST - 1)
    assert not is_worth_it(make_plan(3, concurrency=1), 10_000)
    ours = plan.candidates[0]
    ours = ours.model_copy(
        update={"engine": "transformers", "model": ours.model.model_copy(update={"source": "folder"})}
    )
    assert not is_worth_it(plan.model_copy(update={"candidates": (ours, plan.candidates[1])}), 10_000)
