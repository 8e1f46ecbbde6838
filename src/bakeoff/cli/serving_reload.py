"""Settings, plan and keys read anew while a gateway runs: on SIGHUP, and when the settings file or the key file has changed.

| what is read                             | what becomes of it                                                                  |
|------------------------------------------|-------------------------------------------------------------------------------------|
| all of it is right                       | in force for the next request; those under way end as they began                    |
| some of it is wrong                      | nothing changes; the log, `/status`, the page and a metric say why                  |
| it would open a gateway that asks for keys | refused, too: that takes a restart                                                |
| a setting that only counts at the start  | the rest is in force; `NEEDS_RESTART` names it, as `/status` and the page do        |

The plan is made as at the start, in a process of its own: without `--run` that may be a newer run. What was found out about the
machine's memory stays, for models of this gateway fill it now. The environment of a process never changes, nor do its flags.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.cli.arguments import read_budgets
from bakeoff.cli.beside import beside, printed
from bakeoff.cli.ended import ignored
from bakeoff.cli.planned import Planned, Wanted
from bakeoff.cli.serving_keys import client_keys, key_file_of, read_keys
from bakeoff.cli.serving_watch import watch_quality
from bakeoff.core.clock import SystemClock
from bakeoff.core.errors import BakeoffError, InvalidFile, Problem, UsageError
from bakeoff.serve.settings import ServeSettings
from bakeoff.serve.settings_file import problem_at, read_settings

if TYPE_CHECKING:
    from bakeoff.serve.api_keys import KeyRing
    from bakeoff.serve.app import Gateway, Keys
    from bakeoff.serve.config_state import What
    from bakeoff.serve.supervisor import Supervisor

log = logging.getLogger(__name__)

POLL_S = 1.0
"""How often the files are looked at. A change counts once two looks have seen the same: it may be half written at the first."""
PLAN_WITHIN_S = 120.0
NEEDS_RESTART = (
    ("server", "host"),
    ("server", "port"),
    ("server", "max_connections"),
    ("server", "head_s"),
    ("server", "drain_s"),
    ("quality", "backlog"),
)
"""Settings that count when the gateway starts, and not after."""


def _stated_budgets(flag: str | None, setting: int | Mapping[str, int | None] | None) -> int | Mapping[str, int | None]:
    """Return what somebody says that models may take: of each memory alike, or of those that are named."""
    if flag is not None:
        return read_budgets("--budget", flag)
    return {} if setting is None else setting


class Asked(NamedTuple):
    """What the command was given: what to serve, and the flags that go above the settings."""

    wanted: Wanted
    host: str | None
    port: int | None
    allow_anyone: bool

    def over(self, settings: ServeSettings) -> ServeSettings:
        """Return the settings under the flags."""
        told = {name: value for name, value in (("host", self.host), ("port", self.port)) if value is not None}
        return settings.model_copy(update={"server": settings.server.model_copy(update=told)})


Signature = tuple[tuple[int, int, int] | None, ...]


class Reloading:
    """Keeps one gateway at what is written. `begin` it in the event loop once the gateway listens, `close` it at the end.

    `seen` is the files' signature from before they were read: a change since then counts.
    """

    def __init__(
        self,
        asked: Asked,
        planned: Planned,
        settings: ServeSettings,
        secrets: Keys,
        gateway: Gateway,
        supervisor: Supervisor,
        seen: Signature,
    ) -> None:
        self._asked = asked
        self._planned = planned
        self._began = self._settings = settings
        self._secrets = secrets
        self._gateway = gateway
        self._supervisor = supervisor
        self._clock = SystemClock()
        self._due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._grading: asyncio.Task[None] | None = None
        self._state = gateway.monitor.config
        self._seen = seen

    def begin(self, end: Callable[[], None]) -> None:
        """Watch the files and SIGHUP from now on. `end` is called where SIGHUP says that the terminal is gone, unless the command
        was started to outlive it (`nohup`).
        """
        had_terminal = _has_terminal() and not ignored(signal.SIGHUP)

        def hung_up() -> None:
            if had_terminal and not _has_terminal():
                end()
            else:
                self._due.set()

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
        self._tasks.append(asyncio.create_task(self._watch()))
        if self._settings.quality.share > 0:
            self._grade()

    async def close(self) -> None:
        """Watch no more."""
        tasks = [*self._tasks, *([] if self._grading is None else [self._grading])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self) -> None:
        """Read everything anew, and put it in force if it is right."""
        before, self._seen = self._seen, self._signature()
        try:
            await self._take_all()
        except BakeoffError as error:
            self._refuse("settings", error)
            if before[1] != self._seen[1]:  # wrong settings must not keep a key alive that was taken away
                self.reload_keys()
        except Exception:  # a fault of ours must not end the watch, nor the gateway
            log.exception("settings could not be read anew")
            self._state.refused(self._clock.now(), "settings", "a fault of bakeoff; the log says how")

    def reload_keys(self) -> None:
        """Read clients' keys anew, and put them in force if they are right."""
        self._seen = self._signature()
        try:
            keys = client_keys(self._settings, self._asked.wanted.config)
            self._check_lock(keys)
        except BakeoffError as error:
            self._refuse("keys", error)
            return
        self._secrets = dataclasses.replace(self._secrets, clients=keys)
        self._gateway.change_keys(keys)
        self._state.keys_taken()
        log.warning("clients' keys were read anew: %s", ", ".join(key.name for key in keys.keys) or "none")

    async def _take_all(self) -> None:
        wanted = self._asked.wanted
        read = ServeSettings() if wanted.config is None else read_settings(wanted.config)
        settings = self._asked.over(read)
        secrets = read_keys(settings, wanted.config)
        self._check_lock(secrets.clients)
        planned = await self._plan(settings)
        in_force = settings.model_copy(
            update={table: _kept(getattr(settings, table), getattr(self._began, table), table) for table in _TABLES}
        )
        # From here on nothing waits: no request sees one half of it.
        self._supervisor.reconfigure(planned.plan, planned.keeping(in_force))
        before, self._settings, self._secrets = self._settings, in_force, secrets
        before_plan, self._planned = self._planned.plan, planned
        self._gateway.reconfigure(planned.plan, in_force, secrets, planned.terms)
        self._note(settings)
        log.warning("settings were read anew and are in force: run %s", planned.plan.run_id or "-")
        for note in planned.notes:
            log.warning("%s", note)
        held = [(each.quality.expected_grades, each.quality.judge) for each in (before, in_force)]
        if before_plan != planned.plan or held[0] != held[1]:
            self._gateway.monitor.quality.refer_to(())
            self._grade()
        elif not before.quality.share and in_force.quality.share:
            self._grade()

    def _check_lock(self, keys: KeyRing) -> None:
        """Make sure that strangers stay outside.

        Raises:
            UsageError: the gateway asks for keys, and these ask for none.
        """
        if self._secrets.clients.locked and not keys.locked:
            raise UsageError("the gateway asks for keys, and would no longer", "start it anew, if that is wanted")

    async def _plan(self, settings: ServeSettings) -> Planned:
        """Return the plan as the command would make it now.

        Raises:
            UsageError: it cannot be made.
        """
        wanted, before = self._asked.wanted, self._planned.budgets
        stated = _stated_budgets(wanted.budget, settings.keeping.budget_bytes)
        if not isinstance(stated, int):
            self._check_memories(stated, before)
            kept = {name: budget for name, budget in before.items() if name not in stated}
            sizes = {**{name: budget.value for name, budget in kept.items()}, **stated}
            told = ",".join(f"{name}={size}" for name, size in sizes.items() if size is not None)
            wanted = wanted._replace(budget=told or None)
        else:
            kept = {}
        async with beside("--print-plan", *wanted.arguments()) as planning:
            try:
                async with asyncio.timeout(PLAN_WITHIN_S):
                    said = await printed(planning, "plans")
            except TimeoutError:
                late = f"no plan was made within {PLAN_WITHIN_S:.0f} s"
                raise UsageError(late, "is the machine overloaded?") from None
        planned = Planned.read(said)
        return planned._replace(budgets={name: kept.get(name, found) for name, found in planned.budgets.items()})

    def _check_memories(self, stated: Mapping[str, int | None], known: Collection[str]) -> None:
        """Make sure that the settings speak of memories of this machine.

        Raises:
            InvalidFile: they do not, with their lines.
        """
        config = self._asked.wanted.config
        hint = f"one of {', '.join(known)}"
        unknown = [("keeping", "budget_bytes", name) for name in stated if name not in known]
        if unknown and config is not None:
            wrong = "is no memory of this machine"
            raise InvalidFile(tuple(problem_at(config, path, wrong, hint) for path in unknown))

    def _note(self, written: ServeSettings) -> None:
        late = [
            f"{table}.{name}"
            for table, name in NEEDS_RESTART
            if _of(written, table, name) != _of(self._began, table, name)
        ]
        if late:
            log.warning("in force only after a restart: %s", ", ".join(late))
        self._state.settings_taken(self._clock.now(), late)

    def _refuse(self, what: What, error: BakeoffError) -> None:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        log.error("what was written anew is not in force, what was before stays: %s%s", error.message, hint)
        self._state.refused(self._clock.now(), what, _for_clients(error, self._files()))

    def _grade(self) -> None:
        """Have the run's texts graded anew, to hold answers against."""
        if self._grading is not None:
            self._grading.cancel()
        if self._settings.quality.share > 0:
            self._grading = asyncio.create_task(self._watch_quality())

    async def _watch_quality(self) -> None:
        await watch_quality(self._gateway.monitor, self._planned.plan, self._settings.quality.judge)

    async def _watch(self) -> None:
        last = self._seen
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), POLL_S)
            now = self._signature()
            if self._due.is_set() or (now[0] != self._seen[0] and now == last):
                self._due.clear()
                await self.reload()
            elif now != self._seen and now == last:
                self.reload_keys()
            last = now

    def _files(self) -> tuple[Path | None, Path]:
        return _files_of(self._settings, self._asked.wanted.config)

    def _signature(self) -> Signature:
        return signature(self._settings, self._asked.wanted.config)


def _files_of(settings: ServeSettings, config: Path | None) -> tuple[Path | None, Path]:
    return config, key_file_of(settings, config)


def signature(settings: ServeSettings, config: Path | None) -> Signature:
    """Return what another content of the settings file or of the key file would change."""
    return tuple(_signature_of(file) for file in _files_of(settings, config))


_TABLES = tuple(dict.fromkeys(table for table, _ in NEEDS_RESTART))


def _of(settings: ServeSettings, table: str, name: str) -> object:
    return getattr(getattr(settings, table), name)


def _kept(read: Any, began: Any, table: str) -> Any:
    """Return a table of settings with what only counts at the start as it was then."""
    return read.model_copy(update={name: getattr(began, name) for of, name in NEEDS_RESTART if of == table})


def _signature_of(file: Path | None) -> tuple[int, int, int] | None:
    """Return what another content of a file would change; None where there is none."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _for_clients(error: BakeoffError, files: tuple[Path | None, ...]) -> str:
    """Return what is wrong as clients may read it: names of files and no folder, and no text that was written (a webhook is secret)."""
    if isinstance(error, InvalidFile):
        said, elsewhere = "; ".join(_without_texts(problem) for problem in error.problems), False
    else:
        said, elsewhere = error.message.replace("\n", "; "), True
    for file in files:
        if file is not None:
            said = said.replace(str(file), file.name)
    return "the log says why" if elsewhere and "/" in said else said


def _without_texts(problem: Problem) -> str:
    wrong = "is wrong" if problem.wrong.startswith(("is '", 'is "', "is [", "is {", "is (")) else problem.wrong
    return str(dataclasses.replace(problem, wrong=wrong)).replace("\n  ", ", ")
