"""The program beside a run that serves its live page: started with the run, and ended with it."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bakeoff.core.programs import program_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FINISH_S = 12.0
_END_S = 3.0


class Watch:
    """The program that serves the page."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def finish(self, report: Path) -> None:
        """Show the report that was written, and wait until who looks has it, a few seconds at most."""
        self.say({"report": str(report.resolve())})
        try:
            self._process.wait(_FINISH_S)
        except subprocess.TimeoutExpired:
            self._process.terminate()

    def say(self, what: dict[str, Any]) -> None:
        """Tell the program something; one that has died is nothing to the run."""
        with suppress(OSError):
            if self._process.stdin is None:
                return
            self._process.stdin.write(f"{json.dumps(what)}\n")
            self._process.stdin.flush()


@contextmanager
def watching(run_id: str, port: int, tell: Callable[[str], None]) -> Iterator[Watch]:
    """Serve a run's live page as long as the block takes; its address is told at once.

    Raises:
        UsageError: the port is taken.
    """
    from bakeoff.cli.local_door import address, listen, new_token

    token = new_token()
    with listen(port) as listener:
        process = subprocess.Popen(
            program_of("bakeoff.cli.watch_page"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            text=True,
        )
        tell(address(listener, token))
        watch = Watch(process)
        watch.say({"listener": listener.fileno(), "token": token, "run_id": run_id})
    try:
        yield watch
    finally:
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
