"""Where results live, for commands: as in `library.workspace`."""

from __future__ import annotations

from bakeoff.library.workspace import open_store, workspace_folder

__all__ = ["open_store", "workspace_folder"]
