"""Folders of runs that ended before anything was stored: nothing leads to them any more.

A run makes its folder before its first text, since the lock and the workers' logs are in it. Where it is killed before its plan
is stored, the folder stays. Only one that holds nothing to read is removed: a log of a worker that said something is kept.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection
from pathlib import Path

from bakeoff.core.clock import Clock
from bakeoff.study.run_lock import LOCK_FILE, is_abandoned

_SETTLED_S = 60.0
"""A folder younger than that may be of a run that has not taken its lock yet."""


def remove_if_empty(folder: Path) -> bool:
    """Remove a run's folder unless there is something in it to read; say whether it is gone."""
    with contextlib.suppress(OSError):
        if any(found.is_file() and found.name != LOCK_FILE and found.stat().st_size for found in folder.rglob("*")):
            return False
        shutil.rmtree(folder)
        return True
    return False


def sweep(runs: Path, stored: Collection[str], clock: Clock) -> list[str]:
    """Remove the empty folders of runs that are not `stored` and that nobody works on; return their names."""
    known, gone = set(stored), []
    with contextlib.suppress(OSError):
        for folder in sorted(runs.iterdir()):
            if folder.name not in known and _is_settled(folder / LOCK_FILE, clock) and is_abandoned(folder):
                gone += [folder.name] if remove_if_empty(folder) else []
    return gone


def _is_settled(lock: Path, clock: Clock) -> bool:
    try:
        return clock.now().timestamp() - lock.stat().st_mtime > _SETTLED_S
    except OSError:
        return False
