"""Where the files of a run are: its reports, its exports, the logs of its workers."""

from __future__ import annotations

from pathlib import Path

from bakeoff.core.errors import StoreError


def run_folder(workspace: Path, run_id: str) -> Path:
    """Return (and make) the folder of a run's reports and logs.

    Raises:
        StoreError: it cannot be made.
    """
    folder = workspace / "runs" / run_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make {folder}: {error.strerror}", "set BAKEOFF_HOME to a folder that you may write"
        ) from None
    return folder
