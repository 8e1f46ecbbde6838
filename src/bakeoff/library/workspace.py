"""Where results live: BAKEOFF_HOME, or `.bakeoff` in the current folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.store.db import Store


def workspace_folder(named: str | Path | None = None) -> Path:
    """Return the workspace folder, whether it exists or not; the one that is named goes before BAKEOFF_HOME."""
    home = named or os.environ.get("BAKEOFF_HOME")
    return Path(home).expanduser() if home else Path(".bakeoff")


def open_store(workspace: str | Path | None = None) -> Store:
    """Open the store: BAKEOFF_STORE when it is set, else `bakeoff.db` in the workspace.

    Raises:
        StoreError: it cannot be opened.
    """
    from bakeoff.store.db import Store  # SQLAlchemy: not for those who only ask where the workspace is

    url = os.environ.get("BAKEOFF_STORE")
    return Store(url) if url else Store.open_folder(workspace_folder(workspace))
