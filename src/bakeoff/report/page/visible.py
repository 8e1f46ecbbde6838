"""A model's text as HTML in which nothing is hidden: no markup is obeyed, and what cannot be seen is spelt out."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from itertools import pairwise

from markupsafe import Markup, escape

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def visible(text: str, marks: Mapping[str, str] | None = None) -> Markup:
    r"""Return `text` escaped; characters without a shape of their own become `U+202E`, in a span that names them.

    Args:
        text: whatever a model wrote.
        marks: passages to highlight, each with the reason that is its tooltip; those not found are left out.

    >>> str(visible("a<b\u202e"))
    'a&lt;b<span class="cc" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>'
    """
    text = text.replace("\r\n", "\n")
    spans = _spans(text, marks or {})
    cuts = sorted({0, len(text), *(cut for low, high, _ in spans for cut in (low, high))})
    parts = []
    for low, high in pairwise(cuts):
        reason = next((why for start, end, why in spans if start <= low < end), None)
        shown = _shown(text, low, high)
        parts.append(shown if reason is None else f'<mark title="{escape(reason)}">{shown}</mark>')
    return Markup("".join(parts))  # noqa: S704 - every part is escaped above


def _spans(text: str, marks: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """Return passages that do not overlap; the longest evidence first."""
    found: list[tuple[int, int, str]] = []
    for passage, why in sorted(marks.items(), key=lambda item: -len(item[0])):
        low = text.find(passage) if passage.strip() else -1
        high = low + len(passage)
        if low >= 0 and all(high <= start or low >= end for start, end, _ in found):
            found.append((low, high, why))
    return found


def _shown(text: str, low: int, high: int) -> str:
    piece = text[low:high]
    if piece.replace("\n", "").replace("\t", "").isprintable():  # joiners are not: they are looked at below
        return str(escape(piece))
    parts, plain = [], []
    for place in range(low, high):
        if _has_shape(text, place):
            plain.append(text[place])
            continue
        parts += [str(escape("".join(plain))), _spelt(text[place])]
        plain.clear()
    return "".join([*parts, str(escape("".join(plain)))])


def _has_shape(text: str, place: int) -> bool:
    character = text[place]
    if character in _JOINERS:  # part of an emoji or of a script that joins its letters; between others it hides
        return 0 < place < len(text) - 1 and not (text[place - 1].isascii() or text[place + 1].isascii())
    return character in "\n\t" or character.isprintable() or unicodedata.category(character) == "Zs"


def _spelt(character: str) -> str:
    name = unicodedata.name(character, "CONTROL CHARACTER")
    return f'<span class="cc" title="{escape(name)}">U+{ord(character):04X}</span>'
