"""Whether somebody works on a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.library.workspace import workspace_folder
from bakeoff.study.run_lock import is_abandoned

if TYPE_CHECKING:
    from bakeoff.store.db import Store


def state_of(store: Store, run_id: str) -> str:
    """Return `running`, `done`, `interrupted` or `failed`; `starting` as long as the run is not stored yet.

    Raises:
        StoreError: the store refuses.
    """
    state = store.state(run_id)
    if state is None:
        return "starting"
    if state != "running":
        return state
    claimed = store.claimed([run_id])
    gone = is_abandoned(workspace_folder() / "runs" / run_id) if claimed is None else run_id not in claimed
    return "interrupted" if gone else state
