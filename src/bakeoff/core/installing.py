"""The command that adds an extra to this installation: from where it was installed, since a name alone may be on no index."""

from __future__ import annotations

import json
import shlex
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import unquote, urlsplit


@cache
def install_command(extra: str) -> str:
    """Return what to type to get `extra` too.

    >>> command_for("mlx", {"url": "file:///home/ann/bakeoff", "dir_info": {}})
    "pip install '/home/ann/bakeoff[mlx]'"
    """
    try:
        noted = distribution("bakeoff").read_text("direct_url.json")
    except PackageNotFoundError:
        noted = None
    return command_for(extra, json.loads(noted) if noted else {})


def command_for(extra: str, origin: dict[str, object]) -> str:
    """Return the command for an installation from `origin`, a PEP 610 record, empty where it came from an index."""
    url = urlsplit(str(origin.get("url", "")))
    version_control = origin.get("vcs_info")
    if isinstance(version_control, dict):
        source = f"{version_control.get('vcs')}+{url.geturl()}"
        return f"pip install {shlex.quote(f'bakeoff[{extra}] @ {source}')}"
    if url.scheme != "file":
        return f"pip install 'bakeoff[{extra}]'"
    folder = origin.get("dir_info")
    kept = "-e " if isinstance(folder, dict) and folder.get("editable") else ""
    return f"pip install {kept}{shlex.quote(f'{unquote(url.path)}[{extra}]')}"
