"""Loads that gateways saw, kept in a file beside the store until a command that reads the store takes them in.

A gateway lives long and stays small: it opens no store, and adds a line when a model's worker has ended.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from bakeoff.core.spec import Candidate, Record

_NAME = "served-loads.jsonl"


class ServedLoad(Record):
    """One start of a model's worker: the most requests it had at a time, the most tokens (read and written) that one of them
    took, and its peak memory in bytes. `device` is where it computed, as it found itself.
    """

    candidate: Candidate
    device: str
    rows: int
    tokens: int
    peak_bytes: int


def add_served_load(folder: Path, load: ServedLoad) -> None:
    """Add a load to the file of a workspace; lines of several gateways stay whole.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    line = load.model_dump_json().encode() + b"\n"
    handle = os.open(folder / _NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def read_served_loads(folder: Path) -> list[ServedLoad]:
    """Return the loads of a workspace that `forget_served_loads` was not told of; lines of other versions are left out.

    Nothing is lost when the process ends in between: what was read stays in a file of its own until it is forgotten.
    """
    taken, fresh = folder / f"{_NAME}.taken", folder / _NAME
    if not taken.exists():
        try:
            fresh.rename(taken)
        except OSError:  # no gateway has told anything, or another process has just taken it
            return []
    found = []
    for line in _lines(taken):
        try:
            found.append(ServedLoad.model_validate_json(line))
        except ValidationError:
            continue
    return found


def forget_served_loads(folder: Path) -> None:
    """Forget what `read_served_loads` returned: it is in the store."""
    (folder / f"{_NAME}.taken").unlink(missing_ok=True)


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except OSError:
        return []
