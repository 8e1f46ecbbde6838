"""`bakeoff serve` once more, in a process beside the gateway: for what takes more memory or time than a gateway may.

It has a session of its own, so that a signal to the gateway's process group (Ctrl-C, `timeout`) is the gateway's affair alone,
which ends it with itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from subprocess import PIPE

from bakeoff.core.errors import UsageError
from bakeoff.core.programs import program_of


@contextlib.asynccontextmanager
async def beside(*arguments: str, stderr: int | None = PIPE) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start it with these arguments, its stdout a pipe; None for `stderr` is the gateway's own. It ends with the block."""
    command = program_of("bakeoff", "serve", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=stderr, start_new_session=True)
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended by now
                process.kill()
            await process.wait()


async def printed(process: asyncio.subprocess.Process, what: str) -> bytes:
    """Return what a process beside the gateway printed, once it has ended; `what` it does is for the message.

    Raises:
        UsageError: it ended without; with what it complained of, or how it ended where it said nothing.
    """
    said, complained = await process.communicate()
    if process.returncode:
        why, _, hint = complained.decode(errors="replace").strip().removeprefix("error: ").partition("\nhint: ")
        raise UsageError(why or how_it_ended(what, process.returncode), hint)
    return said


def how_it_ended(what: str, returncode: int) -> str:
    """Return it in words; a process that a signal ended has its number below 0."""
    if returncode > 0:
        return f"the process that {what} ended with code {returncode} and said nothing"
    return f"the process that {what} was ended by signal {-returncode} ({signal.strsignal(-returncode) or 'unknown'})"
