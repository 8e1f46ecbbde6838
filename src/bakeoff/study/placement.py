"""Where a candidate's worker runs: what a writer needs of it, wherever that is, and the place that is always there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bakeoff.core.errors import WorkerError
from bakeoff.core.spec import Candidate
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.local import find_engine
from bakeoff.engines.process import WorkerCommand, WorkerFacts, start_worker
from bakeoff.measure.page_cache import cached_share, model_files
from bakeoff.study.rows import USUAL_ROOM, Room

if TYPE_CHECKING:
    from bakeoff.engines.client import EndpointClient


class RunningWorker(Protocol):
    """A worker that was ready once; see `engines.process.Worker`, which is one."""

    @property
    def facts(self) -> WorkerFacts:
        """What it said of itself when it was ready."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it is known to run."""
        ...

    def client(self, deadlines: Deadlines | None = None) -> EndpointClient:
        """Return a client of it."""
        ...

    def died(self) -> WorkerError:
        """Return the error that tells how it ended."""
        ...

    async def ended_within(self, seconds: float) -> bool:
        """Wait for its end, at most so long; tell whether it came."""
        ...

    async def wait(self) -> None:
        """Wait for its end."""
        ...

    async def stop(self) -> None:
        """End it, and leave nothing behind."""
        ...


class Started(NamedTuple):
    """A worker, which share of its files was in the page cache before, and where it runs (None: on this machine)."""

    worker: RunningWorker
    cached_share: float | None
    node: str | None = None


Start = Callable[[Candidate], Awaitable[Started]]
"""Starts a candidate's worker; raises what `start_worker` does."""


def start_here(logs: Path, room: Room = USUAL_ROOM) -> Start:
    """Return what starts workers with `room` on this machine; their logs go to `logs`."""

    async def start(candidate: Candidate) -> Started:
        command = WorkerCommand.of(candidate, max_rows=room.rows, max_kv_tokens=room.kv_tokens)
        share = await asyncio.to_thread(lambda: cached_share(model_files(command.folder)))
        return Started(await start_worker(command, logs, find_engine(command.engine).ready_within_s), share)

    return start
