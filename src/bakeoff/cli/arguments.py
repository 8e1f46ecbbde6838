"""Arguments that several commands read alike."""

from __future__ import annotations

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
    known = ("model", "brief", "score", "replicate", "content_type", "cluster")
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
