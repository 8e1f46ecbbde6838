"""Arguments that several commands read alike."""

from __future__ import annotations

import re
from math import isfinite

from bakeoff.core.errors import UsageError


def read_bounds(text: str) -> tuple[float, float]:
    """Read `LO,HI`.

    Raises:
        UsageError: it is something else.
    """
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not (isfinite(low) and isfinite(high) and low < high):
        raise UsageError(f"--bounds {text}: expected two numbers, the lower first", "for instance --bounds 0,1")
    return low, high


def read_columns(text: str | None) -> dict[str, str]:
    """Read `ours=theirs,..`.

    Raises:
        UsageError: a pair without `=`, or a column that we do not have.
    """
    known = ("model", "brief", "score", "replicate", "content_type", "cluster", "fallbacks")
    found: dict[str, str] = {}
    for part in text.split(",") if text else ():
        ours, equals, theirs = (piece.strip() for piece in part.partition("="))
        if not equals or not theirs or ours not in known:
            raise UsageError(
                f"--columns {part.strip()}: expected OURS=THEIRS, OURS one of {', '.join(known)}",
                "for instance --columns model=system,brief=prompt",
            )
        found[ours] = theirs
    return found


def read_budgets(option: str, text: str) -> int | dict[str, int]:
    """Read a number of bytes, for each memory, or `MEMORY=BYTES,..`.

    Raises:
        UsageError: it is something else, or names a memory twice.

    >>> read_budgets("--budget", "8GB"), read_budgets("--budget", "host=8GB, cuda:0=1GiB")
    (8000000000, {'host': 8000000000, 'cuda:0': 1073741824})
    """
    if "=" not in text:
        return read_bytes(option, text)
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, size = (piece.strip() for piece in part.partition("="))
        if not name or name in found:
            raise UsageError(
                f"{option} {text}: expected MEMORY=BYTES, each memory once", "such as host=24GiB,cuda:0=10GiB"
            )
        found[name] = read_bytes(f"{option} {name} =", size)
    return found


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_AMOUNT = re.compile(r"(\d{1,18}(?:\.\d{1,9})?) ?([KMGT]?i?B?)", re.IGNORECASE | re.ASCII)


def read_bytes(option: str, text: str) -> int:
    """Read a number of bytes, with a unit or without: GB is 1e9, GiB is 2^30.

    Raises:
        UsageError: it is something else, or nothing at all.
    """
    found = _AMOUNT.fullmatch(text.strip())
    unit = _UNITS.get(found[2].upper()) if found else None
    count = int(float(found[1]) * unit) if found and unit else 0
    if count < 1:
        raise UsageError(f"{option} {text}: expected a number of bytes above 0", "such as 8000000000, 8GB or 16GiB")
    return count
