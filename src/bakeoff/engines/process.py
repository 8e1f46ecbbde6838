"""Worker processes: start one, know whether it lives, stop it, leave nothing behind.

| state     | what is so                               | left by                                        |
|-----------|------------------------------------------|------------------------------------------------|
| starting  | the process runs, no ready line yet      | ready line -> ready; its error line, its end,  |
|           |                                          | the deadline or our cancellation -> gone       |
| ready     | `alive`, serves its socket               | `stop()` -> stopping; it ends by itself ->     |
|           |                                          | died                                           |
| stopping  | TERM is sent; after `grace_s` KILL, to   | it ends -> gone                                |
|           | its whole process group                  |                                                |
| died      | `died()` tells how; its files are there  | `stop()` -> gone                               |
| gone      | reaped, group killed, socket removed     | -                                              |

`start_worker` returns only in *ready* and otherwise leaves *gone* behind. `stop()` may be called in any state, more than
once. A worker holds the read end of a pipe of which only this process has the other end: should this process end
without stopping it, even by SIGKILL, the worker sees end of file and ends itself. Its stderr goes to a log file, whose
last lines are in the error when it does not start or dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.core.errors import BakeoffError, InvalidFile, UsageError, WorkerDied, WorkerNotStarted
from bakeoff.core.programs import program_of
from bakeoff.core.spec import Candidate
from bakeoff.core.told import told_error
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.local import find_engine
from bakeoff.engines.temporary import SOCKET, make_socket_folder

if TYPE_CHECKING:
    from bakeoff.engines.client import EndpointClient

KEY_VARIABLE = "BAKEOFF_WORKER_KEY"
"""Where a worker program finds its key: on a command line everybody on the machine could read it."""
# Large blocks, weights above all, in pages of 2 MiB where the kernel gives them to those who ask (Linux with glibc from 2.35 on;
# others ignore it). Read when a process starts, so that no engine can set it for itself.
WORKER_ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
LOG_LINES_SHOWN = 8
READY_LINE_LIMIT = 2**20


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """What to start: model `name` (as asked for in requests) from `folder`, on `engine`.

    `device` and `threads` are None for the engine's own choice. With `allow_fallback` operators that the device lacks may
    run on the CPU, and are told of in the facts. At most `max_rows` texts are computed together, in `max_kv_tokens` tokens of
    cache (None: the program's own bounds). `program` is the engine's own, and replaced in tests only. With a `host` it
    listens on a port of that address instead of a Unix socket, and answers those who show `key`.
    """

    name: str
    engine: str
    folder: Path
    device: str | None = None
    threads: int | None = None
    max_rows: int | None = None
    max_kv_tokens: int | None = None
    allow_fallback: bool = False
    program: tuple[str, ...] = ()
    host: str | None = None
    key: str | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, candidate: Candidate, *, max_rows: int | None = None, max_kv_tokens: int | None = None
    ) -> WorkerCommand:
        """Return what starts a candidate of ours on this machine."""
        return cls(
            name=candidate.id,
            engine=candidate.engine,
            folder=Path(candidate.model.location),
            device=candidate.device,
            max_rows=max_rows,
            max_kv_tokens=max_kv_tokens,
            allow_fallback=candidate.allow_fallback,
        )

    def arguments(self, socket: Path, watch_fd: int) -> list[str]:
        """Return the whole command line."""
        program = self.program or tuple(program_of(find_engine(self.engine).program))
        line = [*program, "--name", self.name, "--engine", self.engine, "--model", str(self.folder)]
        line += ["--socket", str(socket)] if self.host is None else ["--host", self.host, "--port", "0"]
        line += ["--watch-fd", str(watch_fd)]
        options = {
            "--device": self.device,
            "--threads": self.threads,
            "--max-rows": self.max_rows,
            "--max-kv-tokens": self.max_kv_tokens,
        }
        for option, value in options.items():
            if value is not None:
                line += [option, str(value)]
        return [*line, "--allow-fallback"] if self.allow_fallback else line


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself when it is ready; durations in seconds, memory in bytes.

    `device` and `dtype` are those of the tensors, `memory_bytes` is what the engine's allocator holds (None where it
    does not say), `peak_rss_bytes` the most memory the process has had resident. `kernels` and `kernels_reason` tell the
    arithmetic and what it was chosen by where an engine has a choice, `fallbacks` what ran on the CPU unlike the rest.
    `load_s` is without `import_s` and `calibration_s`, and with both where those are None.
    A server that somebody else wrote tells less: what is None, and why, is in `unknown`. `address` is where it listens.
    """

    engine: str
    engine_version: str
    device: str | None
    dtype: str | None
    threads: int | None
    context_length: int | None
    parameters: int
    weight_bytes: int
    load_s: float
    first_token_s: float
    memory_bytes: int | None
    peak_rss_bytes: int | None
    kernels: str | None = None
    kernels_reason: str | None = None
    fallbacks: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    import_s: float | None = None
    calibration_s: float | None = None
    address: str = ""


class Worker:
    """A worker process that was ready once. Made by `start_worker`.

    `facts` are those of its ready line, `log` is the file with its stderr.
    """

    def __init__(self, process: _Process, command: WorkerCommand, facts: WorkerFacts) -> None:
        self._process = process
        self.command = command
        self.facts = facts
        self.log = process.log
        self.socket = process.socket

    @property
    def pid(self) -> int:
        """Its process id, and that of its process group."""
        return self._process.running.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.running.returncode is None

    def client(self, deadlines: Deadlines | None = None) -> EndpointClient:
        """Return a client of this worker; open it with `async with`."""
        from bakeoff.engines.client import EndpointClient  # with aiohttp, which a gateway's start does not wait for

        # A worker of ours says the path of its socket.
        address = self.facts.address if self.facts.address.startswith("http://") else self.socket
        return EndpointClient(address, self.command.name, self.command.key, deadlines)

    def died(self) -> WorkerDied:
        """Return the error that tells how it ended. To be asked when it is not alive."""
        how = _describe_end(self._process.running.returncode)
        return WorkerDied(f"the worker of {self.command.name} {how}{self._process.last_words()}", f"see {self.log}")

    async def ended_within(self, seconds: float) -> bool:
        """Wait for its end, at most so long; tell whether it came. A killed process is gone a moment after its socket."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.running.wait()
        return not self.alive

    async def wait(self) -> None:
        """Wait until the process has ended."""
        await self._process.running.wait()

    async def stop(self, grace_s: float = 5.0) -> None:
        """End the process: TERM, and KILL to its group after `grace_s` seconds; reap it, remove its socket."""
        await self._process.end(grace_s)


async def start_worker(
    command: WorkerCommand,
    directory: Path,
    ready_timeout_s: float = 120.0,
    spawned: Callable[[int], None] | None = None,
) -> Worker:
    """Start a worker, and return once it has generated its first token. Its log goes to `directory`.

    `spawned` is told the process id as soon as there is one.

    Raises:
        UsageError: the worker says that the user can fix it: UnsupportedModel, InvalidFile, MissingDependency, ...
        WorkerNotStarted: it failed otherwise, ended, or was not ready in time.
    """
    process = await _Process.spawn(command, directory)
    try:
        if spawned is not None:
            spawned(process.running.pid)
        async with asyncio.timeout(ready_timeout_s):
            facts = await _read_ready_line(process, command)
    except TimeoutError:
        await process.end(grace_s=0)
        raise WorkerNotStarted(
            f"the worker of {command.name} was not ready within {ready_timeout_s:g} s{process.last_words()}",
            f"see {process.log}",
        ) from None
    except BaseException:
        await process.end(grace_s=0)
        raise
    return Worker(process, command, facts)


def _environment(key: str | None) -> dict[str, str]:
    """Return what a worker is started with; what is set already takes precedence."""
    return {**WORKER_ENVIRONMENT, **os.environ, **({} if key is None else {KEY_VARIABLE: key})}


@dataclass(slots=True)
class _Process:
    """A process with what belongs to it: the pipe that it watches, its socket's directory, its log."""

    running: asyncio.subprocess.Process
    watch_fd: int | None
    socket: Path
    log: Path

    @classmethod
    async def spawn(cls, command: WorkerCommand, directory: Path) -> _Process:
        log = _prepare_log(directory, command.name)
        sockets = make_socket_folder()
        read_fd, write_fd = os.pipe()  # neither is inherited, but for what pass_fds names
        try:
            with log.open("ab") as stderr:
                running = await asyncio.create_subprocess_exec(
                    *command.arguments(sockets / SOCKET, read_fd),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=stderr,
                    env=_environment(command.key),
                    pass_fds=(read_fd,),
                    start_new_session=True,
                    limit=READY_LINE_LIMIT,
                )
        except BaseException:
            os.close(write_fd)
            shutil.rmtree(sockets, ignore_errors=True)
            raise
        finally:
            os.close(read_fd)
        return cls(running, write_fd, sockets / SOCKET, log)

    async def end(self, grace_s: float) -> None:
        """End the process and everything that belongs to it. Once begun, it is finished even when we are cancelled."""
        await asyncio.shield(self._end(grace_s))

    async def _end(self, grace_s: float) -> None:
        if self.running.returncode is None and grace_s > 0:
            with contextlib.suppress(ProcessLookupError):
                self.running.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self.running.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
            os.killpg(self.running.pid, signal.SIGKILL)
        await self.running.wait()
        if self.watch_fd is not None:
            os.close(self.watch_fd)
            self.watch_fd = None
        shutil.rmtree(self.socket.parent, ignore_errors=True)

    def last_words(self) -> str:
        """Return the end of the log, to be put behind a message; empty when there is nothing."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            return "".join(f"\n  | {line}" for line in lines)
        return ""


async def _read_ready_line(process: _Process, command: WorkerCommand) -> WorkerFacts:
    """Return the facts of the ready line.

    Raises:
        BakeoffError: what the worker says instead, or that it says nothing.
    """
    stdout = process.running.stdout
    if stdout is None:
        raise RuntimeError("the worker's stdout is not piped")
    line = await stdout.readline()
    if not line:
        await process.running.wait()
        how = _describe_end(process.running.returncode)
        raise WorkerNotStarted(
            f"the worker of {command.name} {how} before it was ready{process.last_words()}", f"see {process.log}"
        )
    try:
        said = json.loads(line)
        if said["ready"]:
            said |= {name: tuple(said.get(name, ())) for name in ("fallbacks", "unknown")}
            told = {each.name: said[each.name] for each in fields(WorkerFacts) if each.name in said}
            return WorkerFacts(engine_version=said["version"], **told)
    except (ValueError, TypeError, KeyError) as error:
        raise WorkerNotStarted(
            f"the worker of {command.name} began with {line[:80]!r}", f"see {process.log}"
        ) from error
    raise _read_error(said, command, process)


def _read_error(said: Mapping[str, Any], command: WorkerCommand, process: _Process) -> BakeoffError:
    """Return the error that a worker reported: the user's own kinds as they are, any other as WorkerNotStarted."""
    error = told_error(said)
    if isinstance(error, InvalidFile):
        return error
    if isinstance(error, UsageError):
        # Which of several candidates it is, where the message does not tell.
        named = command.name in error.message or str(command.folder) in error.message
        return error if named else type(error)(f"{command.name}: {error.message}", error.hint)
    return WorkerNotStarted(
        f"the worker of {command.name} could not start: {said.get('error')}: {said.get('message', '')}",
        str(said.get("hint", "")) or f"see {process.log}",
    )


def _describe_end(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"


def _prepare_log(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory / (re.sub(r"[^\w.-]+", "_", name) + ".log")
