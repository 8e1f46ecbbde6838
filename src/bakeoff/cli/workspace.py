"""Where results live: BAKEOFF_HOME, or `.bakeoff` in the current folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.store.db import Store


def workspace_folder() -> Path:
    """Return the workspace folder, whether it exists or not."""
    home = os.environ.get("BAKEOFF_HOME")
    return Path(home).expanduser() if home else Path(".bakeoff")


def open_store() -> Store:
    """Open the store: BAKEOFF_STORE when it is set, else `bakeoff.db` in the workspace.

    Raises:
        StoreError: it cannot be opened.
    """
    from bakeoff.store.db import Store  # SQLAlchemy: not for those who only ask where the workspace is

    url = os.environ.get("BAKEOFF_STORE")
    return Store(url) if url else Store.open_folder(workspace_folder())
