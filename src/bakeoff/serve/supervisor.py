"""Gives leases, and keeps the workers behind them: what the residency machine asks for is done here, and nothing else.

All state of the models' lives is the machine's, and it changes in one place, `_carry_out` of what an event led to, between
two awaits of the one event loop: so there is no lock, and nothing is ever seen half done. A worker's start, watch and end
are a task of its own (`worker_life`), which only tells what happened. A lease on a model that is ready takes no task
switch at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bakeoff.core.errors import UsageError
from bakeoff.engines.endpoint_keys import EndpointKeys
from bakeoff.engines.process import WorkerCommand
from bakeoff.machine.free_memory import free_memory
from bakeoff.serve.effects import FAULTS, NOTHING, Effect, Grant, Refuse, Start, Stop
from bakeoff.serve.footprints import Footprint
from bakeoff.serve.keeping import Keeping, external_upstream
from bakeoff.serve.lease import (
    BreakerOpen,
    Ending,
    Lease,
    LoadFailed,
    LoadTooLong,
    NotServed,
    QueueFull,
    Refused,
    Stopping,
    Upstream,
)
from bakeoff.serve.leftovers import end_leftovers, keep_list
from bakeoff.serve.measured_files import MeasuredFiles
from bakeoff.serve.plan import ServingPlan
from bakeoff.serve.pools import PerPool
from bakeoff.serve.residency import Residency
from bakeoff.serve.shown import show
from bakeoff.serve.worker_life import WorkerLife

log = logging.getLogger(__name__)

MEASURE_EVERY_S = 1.0
STOP_SLACK_S = 15.0
"""Beyond grace, how long the end of all workers is waited for: they are killed long before."""
_REFUSALS: Mapping[str, type[Refused]] = {
    "queue_full": QueueFull,
    "load_too_long": LoadTooLong,
    "breaker_open": BreakerOpen,
    "load_failed": LoadFailed,
    "stopping": Stopping,
}


@dataclass(frozen=True, slots=True)
class World:
    """What the supervisor needs of the outside: how much is free of the memories that are named (one that nobody tells of is left
    out), chance for the breakers' back-off (in [0, 1)), and who hears of each start's footprint when it has ended.
    """

    available: Callable[[Collection[str]], PerPool] = free_memory
    chance: Callable[[], float] = field(default_factory=lambda: random.Random().random)  # noqa: S311 - no secret
    learned: Callable[[Footprint], None] | None = None


class Supervisor:
    """`lease.Leasing` over the models of a plan. Use it as an asynchronous context manager: leaving it ends every worker.

    Workers' logs go to `logs`; endpoints of others get their keys from the environment. `commands` replaces how models are started.

    Raises:
        UsageError: the plan or the settings cannot be served; see `keeping`.
    """

    def __init__(
        self,
        plan: ServingPlan,
        keeping: Keeping,
        logs: Path,
        *,
        commands: Mapping[str, WorkerCommand] | None = None,
        world: World | None = None,
    ) -> None:
        self._logs = logs
        self._given = dict(commands or {})
        self._world = world or World()
        self._plan, self._files = plan, MeasuredFiles(plan)
        self._commands, self._external = self._read(plan, keeping)
        rules = keeping.all_rules(plan)
        self._machine = Residency(rules, keeping.rules(), self._world.chance)
        self._lives: dict[tuple[str, int], WorkerLife] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiters: dict[int, asyncio.Future[Upstream]] = {}
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._rested = asyncio.Event()
        self._ending = False

    async def __aenter__(self) -> Self:
        """Begin: end what an earlier process left, load what is to be preloaded."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(end_leftovers, self._logs)
        self._spawn(self._measure_for_ever())
        self._carry_out(self._machine.tick(self._loop.time()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every worker."""
        await self.stop(0.0)

    def lease(self, model: str, wait_s: float) -> AbstractAsyncContextManager[Lease]:
        """Wait for the model; see `lease.Leasing`."""
        return _Leased(self, model, wait_s)

    def snapshot(self) -> dict[str, Any]:
        """Return what is in memory, what waits, and the breakers' states, as plain JSON values; see `shown`."""
        return show(self._machine, self._loop.time())

    async def as_measured(self, model: str) -> bool:
        """Tell whether the model's files are still those of the plan; see `lease.Leasing`."""
        return await self._files.are_known(model)

    def pids(self) -> dict[str, int]:
        """Return the process ids of the workers that run, by model."""
        return {model: life.worker.pid for (model, _), life in self._lives.items() if life.worker is not None}

    def reconfigure(self, plan: ServingPlan, keeping: Keeping) -> None:
        """Serve this from now on. Models that are started otherwise than before finish what they do, and start anew.

        Raises:
            UsageError: it cannot be served; nothing has changed.
        """
        rules = keeping.all_rules(plan)
        commands, external = self._read(plan, keeping)
        for name in set(commands) & set(self._external) | set(external) & set(self._commands):
            raise UsageError(f"{name} was a worker of ours or an endpoint, and is now the other", "name it otherwise")
        replaced = [name for name, command in commands.items() if self._commands.get(name, command) != command]
        replaced += self._files.replaced_by(plan)
        self._plan, self._commands, self._external = plan, commands, external
        self._files = MeasuredFiles(plan)
        self._carry_out(self._machine.configure(self._loop.time(), rules, keeping.rules(), replaced))

    async def stop(self, drain_s: float) -> None:
        """Take no more requests, let those under way end for so many seconds, then end every worker. Leaves none behind."""
        self._ending = True
        self._carry_out(self._machine.close(self._loop.time(), drain_s))
        await asyncio.shield(self._come_to_rest(drain_s))

    async def _come_to_rest(self, drain_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s + self._machine.rules.grace_s + STOP_SLACK_S):
                await self._rested.wait()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _read(self, plan: ServingPlan, keeping: Keeping) -> tuple[dict[str, WorkerCommand], dict[str, Upstream]]:
        commands: dict[str, WorkerCommand] = {}
        external: dict[str, Upstream] = {}
        keys = EndpointKeys(served.candidate.model for served in plan.models)
        for served in plan.models:
            if served.is_resident:
                slots = keeping.model_rules(served).slots
                commands[served.id] = self._given.get(served.id) or WorkerCommand.of(served.candidate, max_rows=slots)
            else:
                external[served.id] = external_upstream(served, keys.key_of(served.candidate.model))
        return commands, external

    # What the leases use.

    def _arrive(self, model: str, wait_s: float) -> tuple[int, asyncio.Future[Upstream] | Upstream]:
        """Ask the machine for a lease; return its number, and where it is or who will tell."""
        if model not in self._machine:
            raise NotServed(f"{model} is not served")
        now, number = self._loop.time(), next(self._numbers)
        effects = self._machine.arrive(now, number, model, now + wait_s)
        if len(effects) == 1 and isinstance(effects[0], Grant) and effects[0].waiter == number:
            return number, self._upstream(model, effects[0].generation)
        waiter = self._waiters[number] = self._loop.create_future()
        self._carry_out(effects)
        return number, waiter

    def _withdraw(self, number: int) -> None:
        self._waiters.pop(number, None)
        self._carry_out(self._machine.withdraw(self._loop.time(), number))

    def _fault(self, number: int, how: Ending) -> None:
        self._carry_out(self._machine.fault(self._loop.time(), number, how))

    def _release(self, number: int, how: Ending) -> None:
        self._carry_out(self._machine.release(self._loop.time(), number, how))

    def _upstream(self, model: str, generation: int) -> Upstream:
        upstream = self._lives[model, generation].upstream if generation else self._external[model]
        assert upstream is not None  # noqa: S101 - leases are given on loaded ones
        return upstream

    # What workers' lives tell.

    def spawned(self, _life: WorkerLife) -> None:
        """A worker's process runs."""
        keep_list(self._logs, self._running_pids())

    def loaded(self, life: WorkerLife) -> None:
        """A worker answers."""
        now, model = self._loop.time(), life.command.name
        self._carry_out(self._machine.loaded(now, model, life.generation, life.peak))

    def load_failed(self, life: WorkerLife, message: str) -> None:
        """A worker did not become ready."""
        log.warning("%s", message)
        self._note_peak(life)
        first = message.partition("\n")[0]
        self._carry_out(self._machine.load_failed(self._loop.time(), life.command.name, life.generation, first))

    def died(self, life: WorkerLife, message: str) -> None:
        """A worker has ended by itself."""
        log.warning("%s", message)
        self._note_peak(life)
        first = message.partition("\n")[0]
        self._carry_out(self._machine.died(self._loop.time(), life.command.name, life.generation, first))

    def gone(self, life: WorkerLife) -> None:
        """A worker is stopped, and its memory is back."""
        model = life.command.name
        try:
            self._note_peak(life)
            self._tell_footprint(life)
        except Exception:  # whoever hears of it must not keep the model from being started again
            log.exception("what %s took could not be noted", model)
        del self._lives[model, life.generation]
        keep_list(self._logs, self._running_pids())
        self._tell_gone(model, life.generation)

    def _tell_gone(self, model: str, generation: int) -> None:
        self._carry_out(self._machine.gone(self._loop.time(), model, generation))

    # What the machine asks for.

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        if effects is NOTHING:
            return
        for effect in effects:
            match effect:
                case Grant(number, model, generation):
                    waiter = self._waiters.pop(number)
                    if not waiter.done():  # else it was cancelled, and gives the lease back when it runs
                        waiter.set_result(self._upstream(model, generation))
                case Refuse(number, _, kind, message, retry_after_s):
                    waiter = self._waiters.pop(number)
                    if not waiter.done():
                        refused = _REFUSALS[kind] if kind != "stopping" or self._ending else NotServed
                        waiter.set_exception(refused(message, retry_after_s=retry_after_s))
                case Start(model, generation, deadline_s):
                    started = self._lives[model, generation] = self._new_life(model, generation)
                    self._spawn(started.live(deadline_s, self))
                case Stop(model, generation, grace_s, why):
                    log.info("%s (start %d) is stopped: %s", model, generation, why)
                    self._stop_life(model, generation, grace_s)
        if self._machine.at_rest:
            self._rested.set()
        else:
            self._rested.clear()
        self._set_timer()

    def _stop_life(self, model: str, generation: int, grace_s: float) -> None:
        life = self._lives.get((model, generation))
        if life is not None:
            life.stop(grace_s)
        else:  # it ended before it was told to
            self._loop.call_soon(self._tell_gone, model, generation)

    def _new_life(self, model: str, generation: int) -> WorkerLife:
        return WorkerLife(
            self._commands[model],
            generation,
            self._logs,
            self._plan.model(model).memory,
            self._world.available,
            lambda: self._machine.next_need,
            functools.partial(self._files.check, model),
        )

    def _set_timer(self) -> None:
        """Have the machine woken when it wants to be. One that rings too early does no harm, and is cheaper than a new one."""
        wake_at = self._machine.wake_at
        if self._timer is not None:
            if self._timer.when() <= wake_at and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = None if wake_at == math.inf else self._loop.call_at(wake_at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._carry_out(self._machine.tick(self._loop.time()))

    def _running_pids(self) -> list[int]:
        return [life.pid for life in self._lives.values() if life.pid is not None]

    def _tell_footprint(self, life: WorkerLife) -> None:
        model, learned = life.command.name, self._world.learned
        served = next((each for each in self._plan.models if each.id == model), None)
        peak = life.peak.get(life.weights_in)
        if learned is None or served is None or peak is None or model not in self._machine:
            return
        held = self._machine[model]
        admitted = held.admitted.get(life.weights_in, 0)
        learned(Footprint(served.candidate, admitted, peak, held.most_leases, life.device))

    def _note_peak(self, life: WorkerLife) -> None:
        if life.peak:
            now, model = self._loop.time(), life.command.name
            self._carry_out(self._machine.measured(now, model, life.generation, life.peak))

    async def _measure_for_ever(self) -> None:
        while True:
            await asyncio.sleep(MEASURE_EVERY_S)
            for life in list(self._lives.values()):
                known, model = life.peak, life.command.name
                ready = life.upstream is not None and model in self._machine
                if known and ready and not self._machine[model].leases:
                    continue  # nobody uses it: it has no more than before
                await life.measure()
                if life.peak != known:
                    self._note_peak(life)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the supervisor failed", exc_info=error)


class _Leased:
    """A lease, and the waiting for it; the context manager that `lease` returns."""

    __slots__ = ("_how", "_model", "_number", "_supervisor", "_wait_s", "upstream")

    upstream: Upstream

    def __init__(self, supervisor: Supervisor, model: str, wait_s: float) -> None:
        self._supervisor = supervisor
        self._model = model
        self._wait_s = wait_s
        self._how: Ending = "cancelled"

    async def __aenter__(self) -> Self:
        supervisor = self._supervisor
        self._number, granted = supervisor._arrive(self._model, self._wait_s)  # noqa: SLF001 - one module, one thing
        if isinstance(granted, Upstream):
            self.upstream = granted
            return self
        try:
            self.upstream = await granted
        except asyncio.CancelledError:
            supervisor._withdraw(self._number)  # noqa: SLF001 - as above
            if granted.done() and not granted.cancelled():
                granted.exception()  # seen, so that nobody complains of it
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor._release(self._number, self._how)  # noqa: SLF001 - as above

    def ended(self, how: Ending) -> None:
        """Say how the request ended. After a stall or a lost connection that start of the worker is never leased again."""
        self._how = how
        if how in FAULTS:
            self._supervisor._fault(self._number, how)  # noqa: SLF001 - as above
