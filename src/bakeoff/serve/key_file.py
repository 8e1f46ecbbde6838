"""The file of clients' keys: a table for each, with its hash and its limits. Limits may be edited by hand.

    [keys.phone]
    sha256 = "9f86d0..."
    made = 2026-11-27
    requests_per_minute = 60
    tokens_per_minute = 50000
    concurrent_requests = 4

Written with mode 0600, and as a whole: another program sees the old file or the new one. One that others may write to is refused,
for whoever writes it makes keys.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from bakeoff.core.errors import InvalidFile, Problem, UsageError
from bakeoff.core.spec import Record
from bakeoff.core.toml_lines import line_of
from bakeoff.serve.api_keys import KeyName, StoredKey
from bakeoff.serve.toml_problems import problems_of, read_toml

_EXPECTED = "TOML with a table [keys.NAME] for each key: bakeoff serve keys new NAME"
_HEAD = "# Keys of the clients of `bakeoff serve`, as hashes. Made by `bakeoff serve keys new NAME`; limits may be edited.\n"


class _KeyFile(Record):
    keys: dict[KeyName, StoredKey] = Field(default_factory=dict)


def read_key_file(file: Path) -> dict[str, StoredKey]:
    """Return the keys of a file by name, in its order.

    Raises:
        InvalidFile: it cannot be read, says something else, or others may write to it; all mistakes at once.
    """
    text, document = read_toml(file, _EXPECTED)
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        wrong = f"may be written by others (mode {mode:04o}): they could make keys"
        raise InvalidFile((Problem(str(file), None, "", wrong, f"mode 0600: chmod 600 {file}"),))
    try:
        keys = _KeyFile.model_validate(document).keys
    except ValidationError as error:
        problems = problems_of(error, text, str(file), _KeyFile)
        raise InvalidFile(tuple(sorted(problems, key=lambda each: each.line or 0))) from None
    seen: dict[str, str] = {}
    for name, key in keys.items():
        other = seen.setdefault(key.sha256, name)
        if other != name:
            line = line_of(text, ("keys", name, "sha256"))
            wrong = f"is the same key as {other}"
            raise InvalidFile((Problem(str(file), line, f"keys.{name}", wrong, "each key once"),))
    return keys


def add_key(file: Path, name: str, key: StoredKey) -> None:
    """Add a key to a file, which is made where there is none.

    Raises:
        UsageError: there is a key of that name, or the file cannot be read or written.
    """
    with _held(file):
        keys = read_key_file(file) if file.exists() else {}
        if name in keys:
            raise UsageError(
                f"there is a key {name!r} already in {file}",
                f"take another name, or remove it first: bakeoff serve keys remove {name}",
            )
        _write(file, {**keys, name: key})


def remove_key(file: Path, name: str) -> None:
    """Remove a key from a file.

    Raises:
        UsageError: there is no such key, or the file cannot be read or written.
    """
    with _held(file):
        keys = read_key_file(file)
        if name not in keys:
            raise UsageError(f"there is no key {name!r} in {file}", f"keys: {', '.join(keys) or 'none'}")
        _write(file, {other: key for other, key in keys.items() if other != name})


@contextlib.contextmanager
def _held(file: Path) -> Generator[None, None, None]:
    """Hold the file's folder: two that change the file at once would lose a key."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(file.parent, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"{file.parent}: {error.strerror}", "name a file in a folder that you may write to") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(file: Path, keys: Mapping[str, StoredKey]) -> None:
    text = _HEAD + "".join(f"\n[keys.{_quoted(name)}]\n{_lines(key)}" for name, key in keys.items())
    try:
        handle, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600 from its first byte
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(beside).replace(file)
        except OSError:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", "name another file with --file") from None


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _lines(key: StoredKey) -> str:
    told: dict[str, Any] = key.model_dump(exclude_none=True)
    first = ("sha256", "made")
    order = [*first, *(name for name in told if name not in first)]
    return "".join(f"{name} = {_value(told[name])}\n" for name in order if name in told)


def _value(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
