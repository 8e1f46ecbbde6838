"""A candidate with several workers: each text goes to the one that has the fewest in flight.

All seats of the pool ask for a worker at once, and it writes as soon as one has it; the others join when they get theirs,
be it in the middle of the run, when a node has been added. Each is warmed up before it writes what counts. A seat whose worker
is lost asks for another, and what that was writing goes to those that are there. A seat whose worker could not start, or died
of its first text, stays empty until no other is left, so that
a node on which a model does not start costs that node and not the candidate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from bakeoff.core.errors import BakeoffError, EndpointError, WorkerError, WorkerLost, WorkerNotStarted
from bakeoff.core.records import Generation, WorkerLoad
from bakeoff.core.units import seconds_text
from bakeoff.study.plan import Trial
from bakeoff.study.writers import Message

_SAID_WITHIN_S = 2.0
"""How long a request may go on after its worker is known to be gone: its own error tells more."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
"""Before a worker is asked for again that was lost while it started."""
LOST, JOINED, EMPTY = "worker_lost", "worker_joined", "worker_not_placed"
"""Kinds of run events."""


class SeatWriter(Protocol):
    """One worker of the pool; `study.worker_writer.WorkerWriter` is one."""

    @property
    def loads(self) -> Sequence[WorkerLoad]:
        """What each start took."""
        ...

    async def start(self) -> None:
        """Start the worker; as `WorkerWriter.start`."""
        ...

    async def warm_up(self) -> None:
        """Have it write a text that nobody counts; as `WorkerWriter.warm_up`."""
        ...

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Write one text; as `Writer.write`."""
        ...

    async def until_gone(self) -> WorkerError:
        """Wait until the worker has ended by itself; return how."""
        ...

    async def measure(self) -> None:
        """Bring the last load up to date."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


Placed = Callable[[], Awaitable[None]]
"""To be called when a worker that was asked for has a node: what it takes from there on is the model's."""


class _Seat:
    """A place for one worker."""

    def __init__(self, make: Callable[[Placed], SeatWriter], changed: asyncio.Condition) -> None:
        self._changed = changed
        self.writer = make(self.place)
        self.placed = False
        """Whether its worker has a node, and starts there or is warmed up."""
        self.in_flight = 0
        self.opening: asyncio.Task[None] | None = None
        self.gone: asyncio.Task[WorkerError] | None = None
        self.ready = False
        self.told = False
        """Whether a text told of the end of its worker."""

    @property
    def waits(self) -> bool:
        return self.opening is not None and not self.opening.done()

    async def place(self) -> None:
        """Note that its worker has a node."""
        self.placed = True
        async with self._changed:
            self._changed.notify_all()


class PoolWriter:
    """A writer over several workers; see `study.writers.Writer`.

    `seats` make the writer of each worker. `tell` is called with a kind of event and what happened; `room_within_s` is how
    long, in seconds, no worker may have a node, and `go_on` says how to go on when that was too long.
    """

    def __init__(
        self,
        name: str,
        seats: Sequence[Callable[[Placed], SeatWriter]],
        tell: Callable[[str, str], None],
        room_within_s: float,
        go_on: Callable[[], str],
    ) -> None:
        self._name = name
        self._changed = asyncio.Condition()
        self._seats = [_Seat(make, self._changed) for make in seats]
        self._tell = tell
        self._room_within_s = room_within_s
        self._go_on = go_on
        self._failure: BakeoffError | None = None
        self._found_dead: WorkerError | None = None
        self._joined = 0

    @property
    def loads(self) -> Sequence[WorkerLoad]:
        """What each start of each worker took."""
        return tuple(load for seat in self._seats for load in seat.writer.loads)

    async def open(self) -> None:
        """Have every seat ask for a worker; return when one has it.

        Raises:
            WorkerDied: a worker that wrote nothing just then was found dead; told once.
            BakeoffError: the last of them could not start one; or nobody got one in time, which is no fault of the model's.
        """
        if self._found_dead is not None:
            error, self._found_dead = self._found_dead, None
            raise error
        if any(seat.ready for seat in self._seats):
            return
        if not any(seat.waits for seat in self._seats):
            self._failure = None
            for seat in self._seats:
                self._ask(seat)
        left_s, clock = self._room_within_s, asyncio.get_running_loop().time
        while not self._answered:
            # Stopped while a worker starts on its node, and not set back: one that is lost there each time is not for ever.
            starting, begun = self._starting, clock()
            await self._wait_for_change(starting=starting, within_s=None if starting else left_s)
            left_s -= 0.0 if starting else clock() - begun
        if self._failure is not None and not any(seat.ready for seat in self._seats):
            raise self._failure

    async def _wait_for_change(self, *, starting: bool, within_s: float | None) -> None:
        """Wait until somebody is ready or nobody will be, or some worker starts on a node where none did, or none any more.

        Raises:
            BakeoffError: nothing of it in time (None: as long as the engine lets a worker start).
        """
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self._answered or self._starting != starting)
        except TimeoutError:
            raise BakeoffError(
                f"no worker of {self._name} was placed within {seconds_text(self._room_within_s)}: the nodes that are there "
                "are taken, or too small",
                f"free the cluster, or add a node, then {self._go_on()}   (to wait longer: BAKEOFF_PLACE_WITHIN_S)",
            ) from None

    @property
    def _starting(self) -> bool:
        """Whether some worker has a node, and starts there."""
        return any(seat.placed and seat.waits for seat in self._seats)

    @property
    def _answered(self) -> bool:
        """Whether somebody is ready, or nobody is expected to be."""
        return any(seat.ready for seat in self._seats) or not any(seat.waits for seat in self._seats)

    def _ask(self, seat: _Seat) -> None:
        seat.opening = asyncio.create_task(self._fill(seat))

    async def _no_longer_placed(self, seat: _Seat) -> None:
        seat.placed = False
        async with self._changed:
            self._changed.notify_all()

    async def _fill(self, seat: _Seat) -> None:
        pause_s = _FIRST_PAUSE_S
        seat.placed = False
        while True:
            try:
                await seat.writer.start()
                with suppress(EndpointError):  # whether it writes others is for these to show
                    await seat.writer.warm_up()
                break
            except WorkerLost as error:
                self._tell(LOST, error.message)
                await self._no_longer_placed(seat)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            except BakeoffError as error:
                self._failure = error
                if len(self._seats) > 1:
                    self._tell(EMPTY, f"one worker fewer: {error.message}")
                async with self._changed:
                    self._changed.notify_all()
                return
        seat.ready, seat.told = True, False
        seat.gone = asyncio.create_task(self._watch(seat))
        self._joined += 1
        if self._joined > 1:
            self._tell(JOINED, f"another worker writes{_where(seat.writer.loads)}")
        async with self._changed:
            self._changed.notify_all()

    async def _watch(self, seat: _Seat) -> WorkerError:
        """Wait until a worker is gone, then ask for another in its place."""
        error = await seat.writer.until_gone()
        seat.ready = False
        if isinstance(error, WorkerLost):
            self._tell(LOST, error.message)
        elif not seat.in_flight and not seat.told:
            self._found_dead = error
        self._ask(seat)
        async with self._changed:
            self._changed.notify_all()
        return error

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Have the worker with the fewest texts in flight write it, once one has fewer than `concurrency`.

        Raises:
            WorkerDied: the process ended.
            WorkerLost: its node did.
            WorkerNotStarted: none is left, and none could be started meanwhile: the text was asked of nobody.
            EndpointError: the answer did not come, or was none.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._free(concurrency) is not None or self._answered_in_vain)
            seat = self._free(concurrency)
            if seat is None or seat.gone is None:
                raise WorkerNotStarted(f"no worker of {self._name} is left")
            seat.in_flight += 1
        gone = seat.gone
        asking = asyncio.create_task(seat.writer.write(trial, messages, concurrency, first_token_s))
        try:
            await asyncio.wait({asking, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await asyncio.wait({asking}, timeout=_SAID_WITHIN_S)
            if not asking.done():
                raise gone.result()
            return asking.result()
        except WorkerError:
            seat.told = True
            raise
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError, BakeoffError):
                await asking
            seat.in_flight -= 1
            async with self._changed:
                self._changed.notify_all()

    def _free(self, concurrency: int) -> _Seat | None:
        free = [seat for seat in self._seats if seat.ready and seat.in_flight < concurrency]
        return min(free, key=lambda seat: seat.in_flight, default=None)

    @property
    def _answered_in_vain(self) -> bool:
        return self._answered and not any(seat.ready for seat in self._seats)

    async def measure(self) -> None:
        """Ask every worker for its peak memory."""
        await asyncio.gather(*(seat.writer.measure() for seat in self._seats if seat.ready))

    async def close(self) -> None:
        """End all workers, and stop asking for more."""
        for seat in self._seats:
            await _cancelled(seat.opening)
            await _cancelled(seat.gone)
            seat.opening = seat.gone = self._found_dead = None
            seat.ready = False
        await asyncio.gather(*(seat.writer.close() for seat in self._seats))
        self._joined = 0


async def _cancelled(task: asyncio.Task[None] | asyncio.Task[WorkerError] | None) -> None:
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError, BakeoffError):
            await task


def _where(loads: Sequence[WorkerLoad]) -> str:
    return f", on node {loads[-1].node}" if loads and loads[-1].node is not None else ""
