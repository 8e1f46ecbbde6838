"""Running a bake-off from Python, in a script or a notebook: the same plan, the same execution and the same end as `bakeoff run`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bakeoff.core.clock import SystemClock
from bakeoff.core.errors import BakeoffError, UsageError
from bakeoff.core.records import Generation, RunEvent
from bakeoff.library.carrying import held
from bakeoff.library.conclusion import finish
from bakeoff.library.planning import Design, Load, What, Where, make_plan, sent_elsewhere
from bakeoff.library.runs import Run, read_run
from bakeoff.library.workspace import open_store, workspace_folder
from bakeoff.store.db import Store
from bakeoff.study.execute import Going, execute
from bakeoff.study.in_turn import run_in_turn
from bakeoff.study.plan import Plan
from bakeoff.study.suite import Suite, find_suite
from bakeoff.study.suite import load_suite as read_suite


def load_suite(name: str | Path | None = None) -> Suite:
    """Read and check a suite: a YAML file, or the name of a built-in one (None: business).

    Raises:
        InvalidFile: with every problem of the file, each with line and field.
        UsageError: there is no such suite.
    """
    return read_suite(find_suite(None if name is None else str(name)))


def run(  # noqa: PLR0913 - each is an option of the command
    suite: str | Path | Suite | None = None,
    models: Sequence[str] | None = None,
    *,
    fixed_n: int | None = None,
    race: bool = False,
    strict: bool = False,
    concurrency: int = 8,
    concurrency_per_endpoint: int | None = None,
    seed: int = 0,
    devices: Sequence[str] = (),
    allow_fallback: bool = False,
    allow_code: bool = False,
    keep_going: bool = False,
    send: bool = False,
    workspace: str | Path | None = None,
    on_text: Callable[[Generation], None] | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
) -> Run:
    """Run a bake-off and return it when it is over. Every argument means what the option of `bakeoff run` means.

    It can be interrupted (Ctrl-C, or a notebook's stop button), and gone on with by `bakeoff run --resume ID`. The suite's
    `tracking:` is for the command: a run from here is exported by `bakeoff export`.

    Args:
        suite: a YAML file, the name of a built-in suite, a suite that was loaded, or None for `business`.
        models: how candidates are named on the command line, such as `bundled:social`; None for all bundled ones.
        fixed_n: no race: everybody writes the same so many briefs.
        race: race even where all texts are recorded.
        strict: race by guaranteed evidence alone.
        concurrency: texts in flight of a candidate, 1 to 256.
        concurrency_per_endpoint: texts in flight at one endpoint's URL.
        seed: of the order and the sampling.
        devices: where local models run.
        allow_fallback: let operators that a device lacks run on the CPU.
        allow_code: run the scorers that the suite brings as Python files.
        keep_going: leave out models that do not start or answer, as long as one does.
        send: whether briefs may be sent to other machines, which may cost money.
        workspace: the folder of results; by default BAKEOFF_HOME, or `.bakeoff` in the current folder.
        on_text: told of every text when it is stored; from a thread of its own in a notebook.
        on_event: told of what is worth telling: a worker that died, a retry.

    Raises:
        UsageError: something is wrong with the suite, the models or the arguments; nothing was generated.
        BakeoffError: the work failed; what was stored stays.
        KeyboardInterrupt: it was interrupted; what was stored stays.
    """
    _check_numbers(fixed_n, concurrency, concurrency_per_endpoint, seed)
    if fixed_n is not None and (race or strict):
        raise UsageError("fixed_n is no race", "leave out race and strict, or fixed_n")
    if isinstance(devices, str):
        raise UsageError(f"devices is one text, {devices!r}", "give a list of names, such as ['cpu']")
    load, where = Load(concurrency, concurrency_per_endpoint), Where(tuple(devices), allow_fallback)
    plan = make_plan(
        _what(suite, models, allow_code=allow_code),
        Design(fixed_n, race or strict, strict),
        load,
        seed,
        where,
        workspace,
    )
    elsewhere = sent_elsewhere(plan)
    if elsewhere and not send:
        raise UsageError(f"{elsewhere}; that may cost money", "say send=True if that is meant")
    folder, store = workspace_folder(workspace), open_store(workspace)
    try:
        told = _Told(on_text, on_event)
        with held(plan, store, folder):
            plan = _generate(plan, store, folder, told, keep_going=keep_going)
            finish(plan, store, workspace=folder)
        return read_run(store, plan.run_id, folder)
    finally:
        store.close()


def _check_numbers(fixed_n: object, concurrency: object, per_endpoint: object, seed: object) -> None:
    """Say what the command line's options would not have taken.

    Raises:
        UsageError: something that is no whole number, or one out of its range.
    """
    for name, value, least, most, meant in (
        ("fixed_n", fixed_n, 1, None, "how many briefs: 1 or more"),
        ("concurrency", concurrency, 1, 256, "how many texts are in flight: 1 to 256"),
        ("concurrency_per_endpoint", per_endpoint, 1, 256, "how many texts are in flight: 1 to 256"),
        ("seed", seed, 0, None, "a whole number: 0 or more"),
    ):
        if value is None and name in {"fixed_n", "concurrency_per_endpoint"}:
            continue
        whole = value if isinstance(value, int) and not isinstance(value, bool) else None
        if whole is None or whole < least or (most is not None and whole > most):
            raise UsageError(f"{name} is {value!r}", meant)


def _what(suite: str | Path | Suite | None, models: Sequence[str] | None, *, allow_code: bool) -> What:
    if isinstance(models, str):
        raise UsageError(f"models is one text, {models!r}", "give a list of names, such as ['bundled:social']")
    if models is not None and not isinstance(models, Iterable):
        raise UsageError(f"models is {models!r}", "give a list of names, such as ['bundled:social']")
    named = None if models is None else tuple(models)
    if named is not None and not all(isinstance(name, str) for name in named):
        raise UsageError(f"models is {list(named)!r}", "give a list of names, such as ['bundled:social']")
    if isinstance(suite, Suite):
        if suite.scorers:
            raise UsageError(
                "the suite brings scorers of its own, which lie beside its file", "name the file: run('suite.yaml')"
            )
        return What(suite, Path(f"{suite.name}.yaml"), named, allow_code)
    file = find_suite(None if suite is None else str(suite))
    return What(read_suite(file), file, named, allow_code)


class _Told(NamedTuple):
    """Passes on what happens to whoever asked to be told."""

    on_text: Callable[[Generation], None] | None
    on_event: Callable[[RunEvent], None] | None

    def turn(self, candidate: str) -> None:
        """Nobody asked for that."""

    def finished(self, generation: Generation) -> None:
        """Pass it on."""
        if self.on_text is not None:
            self.on_text(generation)

    def told(self, event: RunEvent) -> None:
        """Pass it on."""
        if self.on_event is not None:
            self.on_event(event)

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        """Nobody asked for that."""


def _generate(plan: Plan, store: Store, workspace: Path, told: _Told, *, keep_going: bool) -> Plan:
    work = execute(plan, store, workspace, told, SystemClock(), Going(lambda _pace: None, keep_going))
    try:
        return _to_its_end(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _note(plan, store, "interrupted")
        raise KeyboardInterrupt from None
    except BakeoffError:
        _note(plan, store, "failed")
        raise


def _note(plan: Plan, store: Store, state: str) -> None:
    if store.run_ids(plan.run_id):
        store.set_state(plan.run_id, state)


def _to_its_end(work: Coroutine[Any, Any, Plan]) -> Plan:
    """Run it in a loop of its own; in a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_in_turn(work)
    return _Aside(work).result()


class _Aside:
    """A loop in another thread, which is stopped when the one who waits for it is interrupted."""

    def __init__(self, work: Coroutine[Any, Any, Plan]) -> None:
        self._work = work
        self._stop: Callable[[], object] = lambda: None
        self._ended: Plan | BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bakeoff", daemon=True)

    def result(self) -> Plan:
        """Wait for the end.

        Raises:
            BaseException: whatever the work raised; KeyboardInterrupt when the wait was interrupted, and the work has stopped.
        """
        self._thread.start()
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self._stop()
            self._thread.join()
            raise
        if isinstance(self._ended, BaseException):
            raise self._ended
        if self._ended is None:
            raise BakeoffError("the run ended without a result")
        return self._ended

    def _run(self) -> None:
        async def watched() -> Plan:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            if task is not None:
                self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
            return await self._work

        try:
            self._ended = run_in_turn(watched())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            self._ended = error
