"""A process of ours writes one text before those that count, after each start and stored nowhere; and what may come of it.

The stand-ins say of themselves in which text they are (`--moves-after`, `--good`, their count of completions), so that what
is stored shows how many texts came before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bakeoff.core.clock import SystemClock
from bakeoff.core.errors import EndpointTimeout
from bakeoff.core.records import Generation
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.engines.process import Worker, start_worker
from bakeoff.store.db import Store
from bakeoff.study.placement import Started
from bakeoff.study.plan import Block, Plan, Trial, plan_trials
from bakeoff.study.pool import PoolWriter
from bakeoff.study.preflight import Probe, load_cold, probe_pace
from bakeoff.study.pulse import GONE
from bakeoff.study.retries import Patience
from bakeoff.study.runner import MAX_DEATHS, Runner, warm_up_for
from bakeoff.study.worker_writer import WorkerWriter
from bakeoff.study.writers import Writer
from heard import Heard
from sample_runs import make_plan
from worker_processes import READY_S, fake_command

PATIENCE = Patience(backoff_s=0.01, longest_wait_s=0.1, give_up_s=0.1)


class Scene:
    """A plan whose candidates are stand-ins with these knobs, and everything that a run of it needs."""

    def __init__(self, folder: Path, plan: Plan, knobs: Sequence[str], store: Store) -> None:
        self.plan = plan
        self.store = store
        self.heard = Heard()
        self.workers: list[Worker] = []
        self._logs = folder / "logs"
        self._knobs = knobs
        self.writers: dict[str, Writer] = {each.id: self.writer(each) for each in plan.candidates}
        store.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))

    def writer(self, candidate: Candidate) -> WorkerWriter:
        return WorkerWriter(candidate, self._start, warm_up_for(self.plan, candidate))

    def runner(self) -> Runner:
        return Runner(self.plan, self.store, self.writers, self.heard, SystemClock(), PATIENCE)

    async def _start(self, candidate: Candidate) -> Started:
        worker = await start_worker(fake_command(*self._knobs, name=candidate.id), self._logs, READY_S)
        self.workers.append(worker)
        return Started(worker, None)

    async def completions(self, worker: int = -1) -> int:
        """How many texts were asked of a worker that runs."""
        async with self.workers[worker].client() as client:
            return int((await client.health())["completions"])

    def block(self, candidate: str, low: int, high: int, concurrency: int = 1) -> Block:
        trials: list[Trial] = plan_trials(self.plan)[candidate][low:high]
        return Block(candidate, concurrency, tuple((trial, 0) for trial in trials))


@contextmanager
def scene(folder: Path, briefs: int, names: Sequence[str], *knobs: str, concurrency: int = 1) -> Iterator[Scene]:
    plan = make_plan(briefs, names, concurrency=concurrency)
    candidates = tuple(
        Candidate(
            id=name,
            model=ModelSpec(reference=name, name=name, source="folder", location=str(folder / name), digest=name),
            engine="fake",
            sampling=Sampling(max_tokens=4),
            allow_fallback=True,
        )
        for name in names
    )
    store = Store.open_folder(folder)
    try:
        yield Scene(folder, plan.model_copy(update={"candidates": candidates}), knobs, store)
    finally:
        store.close()


def stored(found: Scene) -> list[Generation]:
    return found.store.generations(found.plan.run_id)


def check_complete(found: Scene) -> None:
    """Each planned text is stored once, and nothing else is."""
    planned = [trial.key for own in plan_trials(found.plan).values() for trial in own]
    assert sorted(generation.trial for generation in stored(found)) == sorted(planned)


def test_a_worker_that_is_started_again_is_warmed_up_again(tmp_path: Path) -> None:
    with scene(tmp_path, 5, ["ann"], "--good", "3", "--crash-after", "0") as found:

        async def run() -> None:
            runner = found.runner()
            await runner.run(together=True)
            await runner.close(store_loads=True)

        asyncio.run(run())
        check_complete(found)
        # Of its three good texts each worker wrote the first for nobody: two that count, and the next was its end.
        assert [generation.attempts for generation in found.heard.of("ann")] == [1, 1, 2, 1, 2]
        assert not [generation for generation in stored(found) if generation.failed]
        assert [event.kind for event in found.heard.events] == ["worker_died"] * 2
        assert len(found.workers) == len(found.store.loads(found.plan.run_id)) == 3


def test_models_that_take_turns_in_memory_are_warmed_up_once_a_load(tmp_path: Path) -> None:
    with scene(tmp_path, 6, ["ann", "bob"], "--moves-after", "2") as found:

        async def run() -> None:
            runner = found.runner()
            await runner.write([found.block("ann", 0, 3), found.block("bob", 0, 3)], together=False)
            await runner.write([found.block("bob", 3, 6), found.block("ann", 3, 6)], together=False)
            await runner.close(store_loads=False)

        asyncio.run(run())
        check_complete(found)
        # A worker's second text is the last that it writes where it began: the first that counts.
        began, moved = "none", "elsewhere"
        assert [text.device for text in found.heard.of("ann")] == [began, moved, moved, began, moved, moved]
        assert [text.device for text in found.heard.of("bob")] == [began, moved, moved, moved, moved, moved]
        assert len(found.workers) == 3


@pytest.mark.parametrize("together", [True, False])
def test_however_many_wait_for_a_worker_it_is_warmed_up_once(tmp_path: Path, together: bool) -> None:
    with scene(tmp_path, 16, ["ann"], "--load-s", "0.2", concurrency=8) as found:

        async def run() -> int:
            runner = found.runner()
            await runner.write([found.block("ann", 0, 16, 8)], together=together)
            asked = await found.completions()
            await runner.close(store_loads=False)
            return asked

        assert asyncio.run(run()) == 1 + 16
        check_complete(found)
        assert len(found.workers) == 1


@pytest.mark.parametrize(("together", "asked"), [(True, 1 + 1 + 5), (False, 1 + 5)])
def test_a_worker_that_wrote_in_the_preflight_and_is_still_there_is_warm(
    tmp_path: Path, together: bool, asked: int
) -> None:
    with scene(tmp_path, 5, ["ann"]) as found:

        async def run() -> int:
            assert await load_cold(found.writers) == {}
            probe = Probe(SystemClock(), PATIENCE, found.heard.told)
            _, wrong = await probe_pace(found.plan, found.writers, {"ann": 5}, probe, together=together)
            assert wrong == {}
            runner = found.runner()
            await runner.run(together=together)
            asked = await found.completions()
            await runner.close(store_loads=False)
            return asked

        assert asyncio.run(run()) == asked
        check_complete(found)
        assert len(found.workers) == (2 if together else 3)  # one of them cold, which wrote nothing


def test_a_death_of_the_first_text_is_counted_and_told(tmp_path: Path) -> None:
    with scene(tmp_path, 5, ["ann"], "--crash-after", "0", concurrency=4) as found:

        async def run() -> None:
            runner = found.runner()
            await runner.run(together=False)
            await runner.close(store_loads=True)

        asyncio.run(run())
        # No text was asked of anybody.
        assert stored(found) == []
        assert [event.kind for event in found.store.events(found.plan.run_id)] == ["worker_died"] * MAX_DEATHS + [GONE]
        assert "SIGKILL" in found.heard.events[0].message
        assert found.heard.events[-1].message == "given up: its worker died 3 times"
        assert len(found.workers) == len(found.store.loads(found.plan.run_id)) == MAX_DEATHS


def test_a_first_text_that_never_comes_is_waited_for_once_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEOFF_FIRST_TOKEN_S", "0.3")
    with scene(tmp_path, 5, ["ann"], "--hang-after", "0") as found:

        async def run() -> int:
            writer = found.writers["ann"]
            with pytest.raises(EndpointTimeout):
                await writer.open()
            await writer.open()
            asked = await found.completions()
            runner = found.runner()
            await asyncio.wait_for(runner.run(together=True), 60)
            await runner.close(store_loads=False)
            return asked

        assert asyncio.run(run()) == 1
        # Its texts were asked for all the same, and found out that it does not answer.
        assert found.heard.events[-1].kind == GONE
        assert stored(found) == []
        assert len(found.workers) == 1


def test_every_worker_of_a_pool_is_warmed_up(tmp_path: Path) -> None:
    with scene(tmp_path, 12, ["ann"], concurrency=4) as found:
        candidate = found.plan.candidate("ann")
        seats = [lambda _placed: found.writer(candidate)] * 2
        pool = PoolWriter("ann", seats, lambda _kind, _said: None, 30.0, str)
        found.writers = {"ann": pool}

        async def run() -> list[int]:
            runner = found.runner()
            await pool.open()
            async with asyncio.timeout(READY_S):
                while len(pool.loads) < 2 or await found.completions(1) < 1:  # noqa: ASYNC110 - another process sets no event of ours
                    await asyncio.sleep(0.01)
            await runner.write([found.block("ann", 0, 12, 4)], together=False)
            asked = [await found.completions(number) for number in range(2)]
            await runner.close(store_loads=False)
            return asked

        asked = asyncio.run(run())
        assert sum(asked) == 2 + 12
        check_complete(found)
