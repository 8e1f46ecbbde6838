"""One start of a model's worker, from its process to its memory being back. Decides nothing; tells what happens.

It tells `spawned`, `loaded` or `load_failed`, perhaps `died`, and, after `stop`, always and last `gone`. Ready means that it has
answered a real request of one token over its socket. Gone means that the process is reaped, its group killed, and the
system was seen to have the memory again (or `MEMORY_WITHIN_S` seconds have passed, which `memory_late` tells).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from bakeoff.core.errors import AnswerWithoutText, BakeoffError, EndpointError
from bakeoff.core.spec import Sampling
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.local import BUILT_IN
from bakeoff.engines.process import Worker, WorkerCommand, start_worker
from bakeoff.machine.budget import HOST
from bakeoff.machine.process_memory import read_process_memory
from bakeoff.serve.lease import Upstream
from bakeoff.serve.pools import PerPool, most

log = logging.getLogger(__name__)

MEMORY_WITHIN_S = 5.0
"""How long memory is waited for. Ollama waits as long (`waitForVRAMRecovery` in `server/sched.go`)."""
_POLL_S = 0.02
_SHARE_BACK = 0.8
_HEALTH_WITHIN_S = 1.0
_ON_HOST = ("cpu", "none")
"""Devices without memory of their own."""
_GREETING = ({"role": "user", "content": "Hello"},)


class Told(Protocol):
    """Who hears what becomes of a worker."""

    def spawned(self, life: WorkerLife) -> None:
        """Its process runs."""

    def loaded(self, life: WorkerLife) -> None:
        """It answers."""

    def load_failed(self, life: WorkerLife, message: str) -> None:
        """It did not become ready."""

    def died(self, life: WorkerLife, message: str) -> None:
        """It was ready, and has ended by itself."""

    def gone(self, life: WorkerLife) -> None:
        """It is stopped, and its memory is back."""


class WorkerLife:
    """One start. `memory` is that of the device that it would choose: the machine's (`HOST`), or a card's own.

    `available` tells what is free of the memories that are named, `needed` what is waited for (None: nothing). `check` raises for
    files that are not those to be loaded; it runs in a thread, before the process starts and again once it has read them.

    `peak` is the most of each memory that it was seen to have; a memory that nobody measured is not in it.
    """

    def __init__(
        self,
        command: WorkerCommand,
        generation: int,
        logs: Path,
        memory: str,
        available: Callable[[Collection[str]], PerPool],
        needed: Callable[[], PerPool | None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.command = command
        self.generation = generation
        self.worker: Worker | None = None
        self.peak: PerPool = {}
        self.memory_late = False
        self.upstream: Upstream | None = None
        self._logs = logs
        self._memory = memory
        self._available = available
        self._needed = needed
        self._check = check
        self.pid: int | None = None
        self._grace_s = 0.0
        self._stopped = asyncio.Event()

    def stop(self, grace_s: float) -> None:
        """Have it ended, whatever it is doing; `grace_s` of 0 kills it."""
        self._grace_s = grace_s
        self._stopped.set()

    @property
    def device(self) -> str | None:
        """Where it found itself to compute; None for one that never was ready."""
        return None if self.worker is None else self.worker.facts.device

    async def live(self, deadline_s: float, told: Told) -> None:
        """Live through it. Returns after `gone`."""
        try:
            await self._until_stopped(self._load(deadline_s, told))
            if self.worker is not None and not self._stopped.is_set():
                self.upstream = _upstream_of(self.worker, self.generation)
                told.loaded(self)
                await self._until_stopped(self.worker.wait())
                if not self._stopped.is_set():
                    told.died(self, self.worker.died().message)
            await self._stopped.wait()
            await self._end()
        finally:
            told.gone(self)

    @property
    def weights_in(self) -> str:
        """The memory in which its weights lie, as it says: the machine's, where it found itself on the CPU."""
        return HOST if self.device in _ON_HOST else self._memory

    async def measure(self) -> None:
        """Look at its memory, as far as it can be seen: the process's own peak, and that of the engine's allocator on a device."""
        try:
            await self._look_at_memory()
        except OSError as error:  # a later look may see more
            log.warning("the memory of %s cannot be seen: %s", self.command.name, error)

    async def _look_at_memory(self) -> None:
        engine = BUILT_IN.get(self.command.engine)
        if engine is not None and engine.command:  # a launcher's memory is not that of its server
            return
        memory = read_process_memory(self.pid) if self.pid is not None else None
        own = None if memory is None else memory.peak_bytes
        computes_here = self.worker is None or self.device in _ON_HOST
        told = {} if own and computes_here else await self._ask_peaks()
        own, device = own or told.get("peak_rss_bytes") or None, told.get("device_peak_bytes")
        if self._memory == HOST:  # a device without memory of its own, or none: whatever holds the weights is counted
            seen = {HOST: device or own}
        else:
            seen = {HOST: own, self._memory: 0 if self.device in _ON_HOST else device}
        self.peak = most((self.peak, {pool: size for pool, size in seen.items() if size is not None}))

    async def _load(self, deadline_s: float, told: Told) -> None:
        try:
            await asyncio.to_thread(self._check)
            self.worker = await start_worker(
                self.command, self._logs, deadline_s, functools.partial(self._note_pid, told)
            )
            await self._greet(self.worker, deadline_s)
            await asyncio.to_thread(self._check)
        except Exception as error:  # noqa: BLE001 - no process, no thread, no file descriptor, no room: it did not load
            if self.worker is not None:
                await self.worker.stop(grace_s=0)
                self.worker = None
            told.load_failed(self, _message_of(error, self.command.name))
        await self.measure()

    def _note_pid(self, told: Told, pid: int) -> None:
        self.pid = pid
        told.spawned(self)

    async def _greet(self, worker: Worker, deadline_s: float) -> None:
        """Have one token generated, as a request would.

        Raises:
            EndpointError: it does not answer.
        """
        deadlines = replace(Deadlines(), first_token_s=deadline_s, total_s=deadline_s)
        async with worker.client(deadlines) as client:
            with contextlib.suppress(AnswerWithoutText):  # it answers, if with nothing
                await client.generate(_GREETING, Sampling(max_tokens=1, temperature=0), 0)

    async def _until_stopped(self, doing: Awaitable[object]) -> None:
        """Do something until it is done, or `stop` is called: then it is cancelled."""
        task = asyncio.ensure_future(doing)
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _ask_peaks(self) -> Mapping[str, int]:
        """Return what the worker says of its memory; nothing of what it does not."""
        if self.worker is None or not self.worker.alive:
            return {}
        try:
            async with self.worker.client() as client:
                health = await client.health(_HEALTH_WITHIN_S)
        except EndpointError:
            return {}
        peaks = {name: health.get(name) for name in ("device_peak_bytes", "peak_rss_bytes")}
        return {name: peak for name, peak in peaks.items() if isinstance(peak, int)}

    async def _end(self) -> None:
        enough: PerPool = {}
        try:
            enough = await self._expect_back()
        except (OSError, RuntimeError) as error:  # no thread, no file descriptor: it ends all the same
            log.warning("what %s gives back cannot be seen: %s", self.command.name, error)
        if self.worker is not None:
            await self.worker.stop(self._grace_s)
        if enough:
            await self._see_memory_back(enough)

    async def _expect_back(self) -> PerPool:
        """Return how much of each memory is free once this worker's is back."""
        if self._grace_s > 0:  # else it may not answer
            await self.measure()
        held = self._held_now()
        before = await asyncio.to_thread(self._available, held)
        return {pool: free + int(_SHARE_BACK * held[pool]) for pool, free in before.items() if held.get(pool)}

    def _held_now(self) -> PerPool:
        """Return how much will come back of each memory when it ends: nothing where it has ended already."""
        if self.worker is None or not self.worker.alive:
            return {}
        memory = read_process_memory(self.worker.pid)
        return self.peak if memory is None else {**self.peak, HOST: memory.anonymous_bytes}

    async def _see_memory_back(self, enough: PerPool) -> None:
        """Wait until so much of each memory is free, or as much as somebody waits for: others use the machine too."""
        late = set(enough)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MEMORY_WITHIN_S):
                while late:
                    free = await asyncio.to_thread(self._available, late)
                    needed = self._needed()
                    late = {pool for pool in late & set(free) if free[pool] < _least(enough[pool], needed, pool)}
                    if late:
                        await asyncio.sleep(_POLL_S)
        if late:
            self.memory_late = True
            where = "" if set(enough) == {HOST} else f" ({', '.join(sorted(late))})"
            log.warning(
                "%s ended, and its memory%s was not seen to be back within %g s",
                self.command.name,
                where,
                MEMORY_WITHIN_S,
            )


def _message_of(error: Exception, model: str) -> str:
    return error.message if isinstance(error, BakeoffError) else f"{model} could not be started: {error}"


def _least(enough: int, needed: PerPool | None, pool: str) -> int:
    """Return how much must be free of one memory before it counts as back."""
    if needed is None:
        return enough
    return min(enough, needed.get(pool, enough)) if needed else 0  # nobody needs any at the end


def _upstream_of(worker: Worker, generation: int) -> Upstream:
    name, address = worker.command.name, worker.facts.address
    return Upstream(name, address if address.startswith("http://") else worker.socket, name, generation)
