"""Whether somebody works on a run of the workspace that BAKEOFF_HOME or the current folder says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.library.workspace import workspace_folder
from bakeoff.study import run_state

if TYPE_CHECKING:
    from bakeoff.store.db import Store


def state_of(store: Store, run_id: str) -> str:
    """Return the state as `study.run_state.state_of` does.

    Raises:
        StoreError: the store refuses.
    """
    return run_state.state_of(store, run_id, workspace_folder())
