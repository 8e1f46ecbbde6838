"""One process a run: a second one would generate the same texts beside the first and disturb its timings.

The lock is the kernel's, on a file in the run's folder, so that it ends with the process that holds it, however that
ends. Machines that share a store by URL have a folder each: there the store's own lock keeps them apart (`Store.claim`).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bakeoff.core.errors import RunHeld

LOCK_FILE = "lock"


@contextmanager
def hold_run(folder: Path, run_id: str) -> Iterator[None]:
    """Hold the run whose folder this is.

    Raises:
        RunHeld: another process does.
    """
    with (folder / LOCK_FILE).open("a+", encoding="ascii") as lock:
        if not _take(lock):
            lock.seek(0)
            raise RunHeld(
                f"process {lock.read(20).strip() or 'unknown'} is working on run {run_id}",
                "wait until it ends, or stop it with Ctrl-C",
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _take(lock: TextIO) -> bool:
    for pause_s in (0.02, 0.1, 0.0):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause_s)  # a list of runs looks at the lock for an instant (`is_abandoned`)
        else:
            return True
    return False


def is_abandoned(folder: Path) -> bool:
    """Tell whether a run was worked on from here, and nobody does any more."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # held, or never held on this machine
        return False
    return True
