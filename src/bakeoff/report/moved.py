"""Whose figures are not their device's alone, since parts were computed elsewhere, as `--allow-fallback` allows.

A mark goes with the candidate's name wherever figures stand beside it, and one line says what the mark is. In documents
`fallbacks` holds what was computed elsewhere: operators, layers, or a device that changed under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bakeoff.core.plain import printable

MARK = "‡"
MEANING = f"{MARK} Computed partly elsewhere than on its device, as was allowed: these are not the device's own figures"
Moved = Mapping[str, Sequence[str]]
"""By candidate what was computed elsewhere; nothing, or no entry, for who ran as it was to."""


def moved_of(candidates: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return what the candidates of a `bakeoff.run/1` document left to another device; older documents do not say."""
    return {each["id"]: tuple(each["fallbacks"]) for each in candidates if each.get("fallbacks")}


def marked(candidate: str, moved: Moved, label: str | None = None) -> str:
    """Return a candidate's id, or `label` in its place, with the mark if it needs one.

    >>> marked("a", {"a": ["aten::x"]}), marked("b", {"a": ["aten::x"]}), marked("a", {"a": ["aten::x"]}, "short")
    ('a‡', 'b', 'short‡')
    """
    return f"{candidate if label is None else label}{MARK if moved.get(candidate) else ''}"


def moved_lines(moved: Moved, labels: Mapping[str, str] | None = None) -> list[str]:
    """Return a line for each marked candidate: what was computed elsewhere. `labels` are names with their marks."""
    known = labels or {}
    return [
        printable(f"{known.get(name) or marked(name, moved)}: {', '.join(operators)}")
        for name, operators in moved.items()
        if operators
    ]
