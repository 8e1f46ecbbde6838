"""Holding a run's folder while it is carried out, and leaving nothing behind where nothing came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bakeoff.core.clock import SystemClock
from bakeoff.store.db import Store
from bakeoff.study.leftovers import remove_if_empty, sweep
from bakeoff.study.plan import Plan
from bakeoff.study.run_folder import run_folder
from bakeoff.study.run_lock import hold_run


@contextmanager
def held(plan: Plan, store: Store, workspace: Path) -> Iterator[Path]:
    """Hold the folder of a run, which is made, and removed again where nothing was stored and nothing is to be read in it.

    Raises:
        RunHeld: another process works on the run.
        StoreError: the folder cannot be made.
    """
    sweep(workspace / "runs", store.run_ids(), SystemClock())
    folder = run_folder(workspace, plan.run_id)
    with hold_run(folder, plan.run_id), store.claim(plan.run_id):
        try:
            yield folder
        finally:
            if not store.run_ids(plan.run_id):
                remove_if_empty(folder)
