"""Doing a plan: blocks of trials through writers, each generation stored as it finishes.

What an error leads to is in `study.retries`, what an endpoint's silence leads to in `study.pulse`; after 3 deaths of its
workers a candidate is given up as well. A worker is made ready before the energy of its candidate's first texts is counted;
what starting it again under way takes is in that.

A failed trial is stored like any other and scores 0; it is never dropped. Trials of a candidate that was given up are not
stored: a resumed run, which counts deaths anew, asks for them again. Those that were the end of a worker each time that they
were asked for are: else one of them could use up the deaths of every resumed run.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from bakeoff.core.clock import Clock
from bakeoff.core.errors import (
    BakeoffError,
    EndpointError,
    EndpointGone,
    WorkerError,
    WorkerLost,
    WorkerNotStarted,
)
from bakeoff.core.plain import whole_characters
from bakeoff.core.records import Generation, WorkerLoad
from bakeoff.core.spec import Candidate
from bakeoff.engines.deadlines import queue_deadline_s
from bakeoff.store.db import Store
from bakeoff.study.energy_watch import EnergyWatch
from bakeoff.study.news import event_now
from bakeoff.study.plan import Block, Plan, Trial, plan_blocks, trials_for
from bakeoff.study.progress import Progress
from bakeoff.study.pulse import WORKER_DIED, Pulse
from bakeoff.study.retries import Patience, Tries
from bakeoff.study.saving import Saving
from bakeoff.study.score_ahead import ScoringAhead
from bakeoff.study.shared_servers import SharedServers
from bakeoff.study.suite import Brief
from bakeoff.study.worker_writer import WarmUp
from bakeoff.study.writers import Message, Writer

MAX_DEATHS = 3
"""So many of a candidate's workers since a run began, or went on, and it is given up."""
_BOOKS_EVERY_S = 5.0
"""How often elapsed time and peak memory are stored: what a killed run may lack of them."""


def _tokens_of(written: Sequence[Generation]) -> int | None:
    counts = [text.timings.completion_tokens for text in written if not text.failed]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


class Beside(NamedTuple):
    """What goes on beside the writing: who watches the energy, and who scores what is written (None: nobody)."""

    energy: EnergyWatch
    ahead: ScoringAhead | None = None


class Runner:
    """One execution of a plan. Use once."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        writers: Mapping[str, Writer],
        progress: Progress,
        clock: Clock,
        patience: Patience | None = None,
        beside: Beside | None = None,
    ) -> None:
        self._plan = plan
        self._energy, self._ahead = beside or Beside(EnergyWatch(None, lambda _: None))
        self._store = store
        self._saving = Saving(store, plan.run_id, progress, self._ahead)
        self._writers = writers
        self._progress = progress
        self._clock = clock
        self._patience = patience or Patience()
        self._pulses = {
            candidate: Pulse(
                self._patience,
                clock,
                partial(self._ask_again, candidate),
                partial(self._tell, candidate=candidate),
            )
            for candidate in writers
        }
        self._briefs = {brief.id: brief for brief in plan.suite.briefs}
        self._stored_loads: dict[tuple[str, int], WorkerLoad] = {}
        self._deaths = dict.fromkeys(writers, 0)
        self._opening = {candidate: asyncio.Lock() for candidate in writers}
        self._readied: set[str] = set()
        self._servers = SharedServers(plan.candidates)
        self._first_token_s: dict[str, float] = {}
        self._last_told_s = clock.monotonic_s()
        self.loaded: str | None = None
        """Whose worker is in memory, where only one at a time is."""

    def expect(self, text_s: Mapping[str, float]) -> None:
        """Take what a text of a candidate takes, in seconds: how long one may wait beside others follows from it."""
        waits = {name: queue_deadline_s(self._plan.concurrency_of(name), seconds) for name, seconds in text_s.items()}
        self._first_token_s = {name: wait_s for name, wait_s in waits.items() if wait_s is not None}

    @property
    def given_up(self) -> tuple[str, ...]:
        """Candidates that are not asked any more."""
        return tuple(candidate for candidate, pulse in self._pulses.items() if pulse.gone)

    async def run(self, *, together: bool) -> None:
        """Do all unfinished trials. Cancelling it stops at once; what is stored stays.

        Raises:
            StoreError: the store refuses; nothing stored before is lost.
        """
        finished = self._store.finished_trials(self._plan.run_id)
        await self.write(plan_blocks(self._plan, finished, together=together), together=together)

    async def write(self, blocks: Iterable[Block], *, together: bool) -> None:
        """Do these blocks; when it returns, all that came of them is stored.

        Raises:
            StoreError: the store refuses; nothing stored before is lost.
        """
        self._last_told_s = self._clock.monotonic_s()
        try:
            for block in blocks:
                if not together and self.loaded is not None and self.loaded != block.candidate:
                    await self._close(self.loaded, store_load=True)
                self.loaded = block.candidate
                if self._pulses[block.candidate].gone:
                    continue
                self._progress.turn(block.candidate)
                await self._ready(block.candidate)
                if self._servers.changes_model(block.candidate):
                    await self._have_loaded(block.candidate)
                await self._run_block(block)
                # Its last texts may have failed together: whether they were at fault is seen before they are stored.
                await self._pulses[block.candidate].resolve_doubt()
                await self._keep_books(block.candidate)
            for candidate in self._writers:
                self._keep(self._pulses[candidate].release())
        finally:
            self._saving.flush()
            self._note_elapsed()
        if self._ahead is not None:
            await self._ahead.finish()

    async def close(self, *, store_loads: bool) -> None:
        """Close every writer, all at once, and store what its last start took (not for a run that is not stored)."""
        if self._ahead is not None:
            await self._ahead.close()
        closings = (self._close(candidate, store_load=store_loads) for candidate in self._writers)
        closed = await asyncio.gather(*closings, return_exceptions=True)
        for error in closed:
            if error is not None:
                raise error

    async def _close(self, candidate: str, *, store_load: bool) -> None:
        self._readied.discard(candidate)
        await self._writers[candidate].close()
        if store_load:
            self._store_loads(candidate)

    def _store_loads(self, candidate: str) -> None:
        for number, load in enumerate(self._writers[candidate].loads):
            start = (candidate, number)
            if self._stored_loads.get(start) != load:
                self._stored_loads[start] = load
                self._store.add_load(self._plan.run_id, load)

    def _note_elapsed(self) -> None:
        now = self._clock.monotonic_s()
        self._store.set_state(self._plan.run_id, "running", add_elapsed_s=now - self._last_told_s)
        self._last_told_s = now

    async def _keep_books(self, candidate: str) -> None:
        self._note_elapsed()
        await self._writers[candidate].measure()
        self._store_loads(candidate)

    async def _run_block(self, block: Block) -> None:
        waiting = deque(block.work)
        await self._let_score(block)
        self._energy.begin()
        written: list[Generation] = []
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._plan.lanes(block), len(waiting))):
                    group.create_task(self._work(block, waiting, written))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            self._energy.end(block.candidate, len(written), _tokens_of(written) if self._energy.watches else None)
        self._saving.flush()

    async def _let_score(self, block: Block) -> None:
        if self._ahead is None:
            return
        if block.concurrency == 1:
            await self._ahead.hold()
        else:
            self._ahead.go_on()

    async def _work(self, block: Block, waiting: deque[tuple[Trial, int]], written: list[Generation]) -> None:
        while waiting:
            trial, window = waiting.popleft()
            generation = await self._make(trial, block.concurrency, window)
            # What is not asked for any more draws nothing, and would make each text seem cheaper.
            if self._energy.watches and generation.tried:
                written.append(generation)
            self._keep(self._pulses[trial.candidate].settle(generation))
            if block.concurrency == 1:
                self._saving.flush()  # not while the next text is timed
            if self._clock.monotonic_s() - self._last_told_s >= _BOOKS_EVERY_S:
                await self._keep_books(block.candidate)

    def _keep(self, generations: Sequence[Generation]) -> None:
        for generation in generations:
            self._saving.add(generation)

    async def _make(self, trial: Trial, concurrency: int, window: int) -> Generation:
        """Write one text, or say why there is none; never raises an endpoint's or worker's error."""
        writer = self._writers[trial.candidate]
        messages = messages_for(self._plan, self._briefs[trial.brief])
        first_token_s = self._first_token_s.get(trial.candidate) if concurrency > 1 else None
        tries = Tries(self._patience, _place_of(trial))
        while True:
            error: BakeoffError
            deaths = None
            try:
                async with self._pulses[trial.candidate].request():
                    deaths = await self._open(trial.candidate)
                    generation = await writer.write(trial, messages, concurrency, first_token_s)
            except (EndpointError, WorkerError) as caught:
                error = caught
            else:
                made: dict[str, object] = {
                    "attempts": len(tries.failed) + 1,
                    "retried": tuple(tries.failed),
                    "finished_unix_s": self._clock.now().timestamp(),
                    "window": window,
                }
                if generation.text is not None:
                    made["text"] = whole_characters(generation.text)
                return generation.model_copy(update=made)
            if _is_death(error):
                if deaths is not None:
                    self._mourn(trial.candidate, error, deaths)
                if deaths is None or isinstance(error, WorkerNotStarted):
                    continue  # no worker had the text, and each death is counted: there is a last one
            if isinstance(error, EndpointGone):
                return _failed(trial, error, concurrency, tries.failed, attempts=len(tries.failed))
            retry = tries.after(error, _kind_of(error), self._clock.monotonic_s())
            if not retry.again:
                return _failed(trial, error, concurrency, tries.failed)
            await self._clock.sleep(retry.wait_s)

    async def _ask_again(self, candidate: str) -> None:
        """Have the text written that the preflight had; it is stored nowhere."""
        text = warm_up_for(self._plan, self._plan.candidate(candidate))
        deaths = await self._open(candidate)
        try:
            await self._writers[candidate].write(text.trial, text.messages, 1)
        except WorkerError as error:
            if _is_death(error):
                self._mourn(candidate, error, deaths)
            raise

    async def _ready(self, candidate: str) -> None:
        """Make a writer ready that was closed, or never open; what goes wrong is counted, and its texts try again."""
        if candidate not in self._readied:
            self._readied.add(candidate)
            with suppress(WorkerError):
                await self._open(candidate)

    async def _have_loaded(self, candidate: str) -> None:
        """Have a text written that is not counted; if it does not come, the texts that count show why."""
        warm_up = warm_up_for(self._plan, self._plan.candidate(candidate))
        with suppress(EndpointError):
            await self._writers[candidate].write(warm_up.trial, warm_up.messages, 1)

    async def _open(self, candidate: str) -> int:
        """Make a writer ready, one start at a time; return how many deaths came before.

        Whether a writer whose first text did not come writes others is for these to show.

        Raises:
            WorkerDied: it was found dead, which is told once and counts.
            WorkerNotStarted: this start failed, which is a death of its own.
            EndpointGone: the candidate was given up meanwhile.
        """
        async with self._opening[candidate]:
            if self._pulses[candidate].gone:
                raise EndpointGone("the candidate was given up before its worker was ready")
            deaths = self._deaths[candidate]
            try:
                with suppress(EndpointError):
                    await self._writers[candidate].open()
            except WorkerError as error:
                if _is_death(error):
                    self._mourn(candidate, error, deaths)
                raise
            return deaths

    def _mourn(self, candidate: str, error: BakeoffError, deaths_seen: int) -> None:
        """Count a death once, though every trial in flight sees it; the last one gives its candidate up."""
        if self._deaths[candidate] != deaths_seen:
            return
        self._deaths[candidate] += 1
        self._tell("worker_died", error.message, candidate=candidate)
        if self._deaths[candidate] >= MAX_DEATHS:
            self._pulses[candidate].give_up(f"its worker died {MAX_DEATHS} times")

    def _tell(self, kind: str, message: str, *, candidate: str | None) -> None:
        event = event_now(self._clock, candidate, kind, message)
        self._store.add_event(self._plan.run_id, event)
        self._progress.told(event)


def messages_for(plan: Plan, brief: Brief) -> list[Message]:
    """Return the chat that asks for a brief: the suite's system prompt, then the brief with its source."""
    prompt = brief.prompt if brief.source is None else f"{brief.prompt}\n\nSource:\n{brief.source}"
    system = plan.suite.system_prompt
    before = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": prompt}]


def warm_up_for(plan: Plan, candidate: Candidate) -> WarmUp:
    """Return what is written before the texts that count: the last brief, so that no server remembers the first ones."""
    brief = plan.briefs()[-1]
    return WarmUp(next(trials_for(plan, candidate, [brief])), messages_for(plan, brief))


def gone_generation(trial: Trial) -> Generation:
    """Return the record, never stored, of a trial that a run lacks because its candidate was given up."""
    return _failed(trial, EndpointGone("the candidate was given up before it answered"), None, [], attempts=0)


def _failed(
    trial: Trial, error: BakeoffError, concurrency: int | None, retried: Sequence[str], attempts: int | None = None
) -> Generation:
    return trial.generation(
        text=None,
        finish_reason="error",
        error_kind=_kind_of(error),
        error=whole_characters(error.message)[:2000],
        concurrency=concurrency,
        attempts=len(retried) + 1 if attempts is None else attempts,
        retried=tuple(retried),
    )


def _is_death(error: BakeoffError) -> bool:
    """Whether a worker ended, or never began. A node's end is told by whoever placed it, and no death of the model's."""
    return isinstance(error, WorkerError) and not isinstance(error, WorkerLost)


def _kind_of(error: BakeoffError) -> str:
    if isinstance(error, WorkerLost):
        return "worker_lost"
    return error.kind if isinstance(error, EndpointError) else WORKER_DIED


def _place_of(trial: Trial) -> float:
    """Return a number from 0 to 1 that differs from trial to trial, and never for one."""
    return zlib.crc32(trial.key.encode()) / 2**32
