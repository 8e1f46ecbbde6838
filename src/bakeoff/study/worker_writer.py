"""The writer with a model of ours behind it: a process that is started, warmed up, watched, found dead, and started anew.

A process writes one text that is stored nowhere before those that count, since its first one is slow. What each start took, and
what its worker computed elsewhere than on its device since, is kept with the start.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.core.errors import AnswerWithoutText, DeviceChanged, EndpointError, WorkerDied, WorkerError
from bakeoff.core.records import Generation, WorkerLoad
from bakeoff.core.spec import Candidate
from bakeoff.engines.base import ALLOW_HINT
from bakeoff.engines.deadlines import Deadlines
from bakeoff.measure.page_cache import drop_from_cache, model_files
from bakeoff.study.placement import RunningWorker, Start, Started
from bakeoff.study.plan import Trial
from bakeoff.study.writers import Message, ask_for_text, judging_sampling

if TYPE_CHECKING:
    from bakeoff.engines.client import EndpointClient
    from bakeoff.engines.process import WorkerFacts
    from bakeoff.engines.reading import Completion

_REAP_WITHIN_S = 2.0


class WarmUp(NamedTuple):
    """The text that a worker writes before those that count: what is asked, and with which seed."""

    trial: Trial
    messages: Sequence[Message]


class WorkerWriter:
    """A model of ours: a process with one model, wherever `start` starts it; without a `warm_up` it begins cold."""

    def __init__(self, candidate: Candidate, start: Start, warm_up: WarmUp | None = None) -> None:
        self._candidate = candidate
        self._start = start
        self._warm_up = warm_up
        self._is_cold = False
        self._worker: RunningWorker | None = None
        self._client: EndpointClient | None = None
        self._told_dead = False
        self._loads: list[WorkerLoad] = []
        self._opening = asyncio.Lock()

    @property
    def loads(self) -> Sequence[WorkerLoad]:
        """What each start took."""
        return tuple(self._loads)

    async def open(self) -> None:
        """Start the worker unless it runs, and warm it up; several callers at once start one.

        Raises:
            WorkerDied: it ran, and was found dead, or died of its first text; told once, the next call starts it anew.
            WorkerNotStarted: it did not become ready.
            EndpointError: its first text did not come; told once, it is open all the same.
        """
        await self.start()
        await self.warm_up()

    async def start(self) -> None:
        """Start the worker unless it runs; several callers at once start one.

        Raises:
            WorkerDied: it ran, and was found dead; told once, the next call starts it anew.
            WorkerNotStarted: it did not become ready.
        """
        async with self._opening:
            if self._worker is not None and self._worker.alive:
                return
            died_idle = self._worker if not self._told_dead else None
            await self._close()
            if died_idle is not None:
                raise died_idle.died()
            self._told_dead = False
            started = await self._start(self._candidate)
            self._worker = started.worker
            self._client = self._worker.client(Deadlines.from_environment())
            await self._client.__aenter__()
            self._loads.append(_load_record(self._candidate.id, started))
            self._is_cold = True

    async def warm_up(self) -> None:
        """Have a worker that has written nothing yet write a text, once, whatever comes of it; callers meanwhile wait for that.

        Raises:
            WorkerDied: it died of it; the next `start` starts it anew.
            EndpointError: the text did not come.
        """
        async with self._opening:
            if self._warm_up is None or not self._is_cold:
                return
            self._is_cold = False
            try:
                await self.write(self._warm_up.trial, self._warm_up.messages, 1)
            except AnswerWithoutText:  # an answer all the same
                return

    async def until_gone(self) -> WorkerError:
        """Wait until the worker that runs has ended by itself; return how. It is told by that: the next `open` starts anew."""
        worker, _ = self._running()
        await worker.wait()
        self._told_dead = True
        return worker.died()

    async def forget_files(self) -> None:
        """Have the next start read the model's files from the disk, where the system lets us."""
        await asyncio.to_thread(lambda: drop_from_cache(model_files(Path(self._candidate.model.location))))

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Write one text; an error of a worker that is gone becomes `WorkerDied`, a text from elsewhere `DeviceChanged`."""
        worker, client = self._running()
        load = len(self._loads) - 1
        async with self._watching(worker):
            seen, generation = await ask_for_text(client, self._candidate, trial, messages, concurrency, first_token_s)
        device, dtype = seen.device or worker.facts.device, seen.dtype or worker.facts.dtype
        self._note_moves(load, _moves(worker.facts, device, dtype, seen.fallbacks))
        return generation.model_copy(update={"device": device, "dtype": dtype})

    def _note_moves(self, number: int, moves: Sequence[str]) -> None:
        """Note with a start what its worker computed elsewhere since.

        Raises:
            DeviceChanged: nobody allowed that.
        """
        if moves and not self._candidate.allow_fallback:
            raise DeviceChanged(f"{self._candidate.id} went on elsewhere than it began: {', '.join(moves)}", ALLOW_HINT)
        known = self._loads[number].fallbacks
        if not set(moves) <= set(known):
            both = tuple(dict.fromkeys((*known, *moves)))
            self._loads[number] = self._loads[number].model_copy(update={"fallbacks": both})

    async def judge(self, messages: Sequence[Message], top_logprobs: int, draw: int | None = None) -> Completion:
        """Have it judge; see `Judging`."""
        worker, client = self._running()
        async with self._watching(worker):
            return await client.generate(
                messages, judging_sampling(self._candidate, draw), draw or 0, top_logprobs=top_logprobs
            )

    def _running(self) -> tuple[RunningWorker, EndpointClient]:
        if self._worker is None or self._client is None:
            raise WorkerDied(f"the worker of {self._candidate.id} is not running")
        return self._worker, self._client

    @asynccontextmanager
    async def _watching(self, worker: RunningWorker) -> AsyncIterator[None]:
        try:
            yield
        except EndpointError:
            # A process that was killed is reaped a moment after its socket breaks.
            if await worker.ended_within(_REAP_WITHIN_S):
                self._told_dead = True
                raise worker.died() from None
            raise

    async def measure(self) -> None:
        """Ask the worker for its peak memory so far."""
        if self._client is None or not self._loads:
            return
        try:
            health = await self._client.health()
        except EndpointError:
            return
        told = {"peak_memory_bytes": "peak_rss_bytes", "device_peak_bytes": "device_peak_bytes"}
        peaks = {field: health.get(name) for field, name in told.items()}
        known = {field: peak for field, peak in peaks.items() if isinstance(peak, int)}
        self._loads[-1] = self._loads[-1].model_copy(update=known)

    async def close(self) -> None:
        """Note the peak memory, then stop the worker and its process group."""
        async with self._opening:
            await self.measure()
            await self._close()

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.__aexit__(None, None, None)
            self._client = None
        if self._worker is not None:
            await self._worker.stop()
            self._worker = None


def _moves(facts: WorkerFacts, device: str | None, dtype: str | None, fallbacks: Sequence[str]) -> list[str]:
    """Return what is not as it was when the worker became ready."""
    moves = [each for each in fallbacks if each not in facts.fallbacks]
    if device != facts.device:
        moves.append(f"on {device} instead of {facts.device}")
    if dtype != facts.dtype:
        moves.append(f"in {dtype} instead of {facts.dtype}")
    return moves


def _load_record(candidate_id: str, started: Started) -> WorkerLoad:
    facts = started.worker.facts
    return WorkerLoad(
        candidate=candidate_id,
        load_s=facts.load_s,
        import_s=facts.import_s,
        calibration_s=facts.calibration_s,
        first_token_s=facts.first_token_s,
        device=facts.device,
        dtype=facts.dtype,
        engine_version=f"{facts.engine} {facts.engine_version}",
        peak_memory_bytes=facts.peak_rss_bytes,
        weight_bytes=facts.weight_bytes,
        start=secrets.token_hex(8),
        kernels=facts.kernels,
        kernels_reason=facts.kernels_reason,
        fallbacks=facts.fallbacks,
        cached_share=started.cached_share,
        node=started.node,
        unknown=facts.unknown,
    )
