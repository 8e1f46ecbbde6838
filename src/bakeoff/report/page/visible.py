"""A model's text as HTML in which nothing is hidden: no markup is obeyed, and what cannot be seen is spelt out."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from markupsafe import Markup, escape

Spelt = tuple[Literal["c"], str, str]
"""A character that hides: its code as it is shown, and its name."""
Marked = tuple[Literal["m"], str, list["str | Spelt"]]
"""A passage that is highlighted: why, and what is in it."""
Piece = str | Spelt | Marked

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def visible(text: str, marks: Mapping[str, str] | None = None) -> Markup:
    r"""Return `text` escaped; characters without a shape of their own become `U+202E`, in a span that names them.

    Args:
        text: whatever a model wrote.
        marks: passages to highlight, each with the reason that is its tooltip; those not found are left out.

    >>> str(visible("a<b\u202e"))
    'a&lt;b<span class="cc" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>'
    """
    return markup_of(pieces_of(text, marks))


def pieces_of(text: str, marks: Mapping[str, str] | None = None) -> list[Piece]:
    r"""Return `text` as what `visible` makes of it, for a script that sets it piece by piece, as text.

    >>> pieces_of("a\u202eb", {"b": "why"})
    ['a', ('c', 'U+202E', 'RIGHT-TO-LEFT OVERRIDE'), ('m', 'why', ['b'])]
    """
    text = text.replace("\r\n", "\n")
    spans = _spans(text, marks or {})
    cuts = sorted({0, len(text), *(cut for low, high, _ in spans for cut in (low, high))})
    found: list[Piece] = []
    for low, high in pairwise(cuts):
        reason = next((why for start, end, why in spans if start <= low < end), None)
        shown = _shown(text, low, high)
        found += shown if reason is None else [("m", reason, shown)]
    return found


def markup_of(pieces: Sequence[Piece]) -> Markup:
    """Return pieces as HTML."""
    return Markup("".join(map(_markup, pieces)))  # noqa: S704 - every piece is escaped


def _markup(piece: Piece) -> str:
    if isinstance(piece, str):
        return str(escape(piece))
    if piece[0] == "c":
        return f'<span class="cc" title="{escape(piece[2])}">{piece[1]}</span>'
    return f'<mark title="{escape(piece[1])}">{"".join(map(_markup, piece[2]))}</mark>'


def _spans(text: str, marks: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """Return passages that do not overlap; the longest evidence first."""
    found: list[tuple[int, int, str]] = []
    for passage, why in sorted(marks.items(), key=lambda item: -len(item[0])):
        low = text.find(passage) if passage.strip() else -1
        high = low + len(passage)
        if low >= 0 and all(high <= start or low >= end for start, end, _ in found):
            found.append((low, high, why))
    return found


def _shown(text: str, low: int, high: int) -> list[str | Spelt]:
    piece = text[low:high]
    if piece.replace("\n", "").replace("\t", "").isprintable():  # joiners are not: they are looked at below
        return [piece]
    parts: list[str | Spelt] = []
    plain: list[str] = []
    for place in range(low, high):
        if _has_shape(text, place):
            plain.append(text[place])
            continue
        if plain:
            parts.append("".join(plain))
        parts.append(_spelt(text[place]))
        plain.clear()
    return [*parts, "".join(plain)] if plain else parts


def _has_shape(text: str, place: int) -> bool:
    character = text[place]
    if character in _JOINERS:  # part of an emoji or of a script that joins its letters; between others it hides
        return 0 < place < len(text) - 1 and not (text[place - 1].isascii() or text[place + 1].isascii())
    return character in "\n\t" or character.isprintable() or unicodedata.category(character) == "Zs"


def _spelt(character: str) -> Spelt:
    return ("c", f"U+{ord(character):04X}", unicodedata.name(character, "CONTROL CHARACTER"))
