"""Where in a TOML file something is set: the parser tells values, and a message about one of them should tell its line."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_HEADER = re.compile(r"\s*\[\[?(?P<name>.*?)\]\]?\s*(?:#.*)?")


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """Return the line, from 1, where `path` is set; that of the nearest table around it where it has none of its own."""
    here: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("[") and (header := _HEADER.fullmatch(line)):
            here = found = _key_path(header["name"])
        elif "=" in line:
            found = (*here, *_key_path(line.partition("=")[0]))
        else:
            continue
        if found and path[: len(found)] == found and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return None if best is None else best[1]


def _key_path(written: str) -> tuple[str, ...]:
    """Return the parts of a dotted key as TOML reads them; none for what is no key."""
    try:
        found: Any = tomllib.loads(f"{written} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str] = []
    while isinstance(found, dict) and found:
        part, found = next(iter(found.items()))
        parts.append(part)
    return tuple(parts)
