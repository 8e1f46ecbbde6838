"""Workers that an earlier gateway left behind, ended when the next one starts.

A worker ends by itself when whoever started it is gone; one that was stopped (SIGSTOP), or sits in the kernel, cannot. So the
pids of workers are kept in a file beside their logs, each with what tells a process from a later one of the same number: when
it was started, in clock ticks since boot (Linux), or `ps`'s start time. One file per gateway, named after it: another that
lives keeps its own.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

_PREFIX = "workers-"


def process_start(pid: int) -> str | None:
    """Return what tells a process from a later one with the same pid; None when it does not run."""
    if Path("/proc/self/stat").exists():
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            return None if fields[0] == "Z" else fields[19]  # the 22nd field, of which pid and name are cut off
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=2, check=False
        )
        return told.stdout.strip() or None
    return None


def keep_list(folder: Path, pids: Iterable[int]) -> None:
    """Write down which workers run now; nothing is kept when none do. Where that cannot be written the workers run all the same."""
    try:
        _write_list(folder, pids)
    except OSError as error:
        log.warning("which workers run cannot be written down, to be ended should this gateway be killed: %s", error)


def _write_list(folder: Path, pids: Iterable[int]) -> None:
    file = folder / f"{_PREFIX}{os.getpid()}.json"
    running = {str(pid): start for pid in pids if (start := process_start(pid)) is not None}
    if not running:
        file.unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps({"gateway": process_start(os.getpid()), "workers": running}))
    beside.replace(file)


def end_leftovers(folder: Path) -> list[int]:
    """Kill the workers of gateways that are gone, with their process groups; return their pids."""
    ended: list[int] = []
    for file in sorted(folder.glob(f"{_PREFIX}*.json")):
        gateway = file.stem.removeprefix(_PREFIX)
        try:
            told = json.loads(file.read_text())
            workers = {int(pid): str(start) for pid, start in told["workers"].items()}
            lives = process_start(int(gateway)) == told["gateway"]
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            workers, lives = {}, False
        if lives:
            continue
        for pid, start in workers.items():
            if process_start(pid) == start:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                    log.warning("ended worker %d, which an earlier gateway had left", pid)
                    ended.append(pid)
        file.unlink(missing_ok=True)
    return ended
