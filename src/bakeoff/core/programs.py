"""How another program of ours is started, with this Python."""

from __future__ import annotations

import sys


def program_of(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module.

    Without -P Python looks for modules in the user's current folder first: a file of theirs named json.py would be imported instead of Python's, and
    a folder that came with a suite could bring code that nobody allowed.
    """
    return [sys.executable, "-P", "-m", module, *arguments]
