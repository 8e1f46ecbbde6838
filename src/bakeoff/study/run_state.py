"""Whether somebody works on a run: what the store says last, and whether the process that said it is still there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bakeoff.core.errors import UsageError
from bakeoff.store.db import RunRow, Store
from bakeoff.store.named import find_run, without_result
from bakeoff.study.run_lock import is_abandoned


def states_of(store: Store, stored: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """Return the states of runs by id; one whose process is gone (kill -9, a power cut) is interrupted, whatever was `stored`.

    Raises:
        StoreError: the store refuses.
    """
    running = [run_id for run_id, state in stored.items() if state == "running"]
    claimed = store.claimed(running)
    if claimed is None:
        gone = {run_id for run_id in running if is_abandoned(workspace / "runs" / run_id)}
    else:
        gone = set(running) - claimed
    return {run_id: "interrupted" if run_id in gone else state for run_id, state in stored.items()}


def state_of(store: Store, run_id: str, workspace: Path) -> str:
    """Return `running`, `done`, `interrupted` or `failed`; `starting` as long as the run is not stored yet.

    Raises:
        StoreError: the store refuses.
    """
    state = store.state(run_id)
    return "starting" if state is None else states_of(store, {run_id: state}, workspace)[run_id]


def find_finished(store: Store, name: str, workspace: Path) -> RunRow:
    """Return the run that `name` means, which has a result.

    Raises:
        UsageError: there is no such run, or it has no result yet: it is to be waited for, or to be gone on with.
        StoreError: the store refuses.
    """
    found = find_run(store, name)
    if found.result is None:
        raise lacks("result", store, found.run_id, workspace)
    return found


def lacks(what: str, store: Store, run_id: str, workspace: Path) -> UsageError:
    """Return what is said of a run without a result (or without `what` else): it is to be waited for, or to be gone on with.

    Raises:
        StoreError: the store refuses.
    """
    if state_of(store, run_id, workspace) == "running":
        return UsageError(f"run {run_id} has no {what} yet", "it is still running: wait until it ends")
    missing = without_result(store, run_id)
    return UsageError(f"run {run_id} has no {what} yet", missing.hint)
