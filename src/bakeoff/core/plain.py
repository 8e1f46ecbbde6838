"""Strings from models, servers and files made fit to be stored, and for a terminal, which obeys what is hidden in them."""

from __future__ import annotations

import unicodedata
from typing import Any

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Emoji families and several scripts are written with them; they move nothing."""


def whole_characters(text: str) -> str:
    r"""Return `text` with halves of surrogate pairs joined, and U+FFFD for a half alone.

    JSON can spell a half, and a server that cuts its stream between two halves sends them so; neither UTF-8 nor a
    database takes them.

    >>> whole_characters("\ud83d" + "\ude00") == "\U0001f600", whole_characters("a\ud83db")
    (True, 'a\ufffdb')
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def printable(text: str) -> str:
    r"""Return `text` with every control character replaced, other than line feeds and tabs.

    Escape sequences, carriage returns and marks that turn the direction of writing become U+FFFD; spaces of every width
    stay; `\r\n` is a line feed.

    >>> printable("a\x1b[31mb\r\nc\u202ed\u00a0e")
    'a\ufffd[31mb\nc\ufffdd\xa0e'
    """
    if text.isprintable():  # nearly every short text is, and to look at each character takes a while
        return text
    return "".join(
        character if _is_harmless(character) else "\N{REPLACEMENT CHARACTER}"
        for character in text.replace("\r\n", "\n")
    )


def printable_values(value: Any) -> Any:
    """Return a JSON value with all its strings printable, keys too: what a server says of itself ends up in documents."""
    if isinstance(value, dict):
        return {printable(name): printable_values(item) for name, item in value.items()}
    if isinstance(value, list):
        return [printable_values(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def _is_harmless(character: str) -> bool:
    return (
        character in "\n\t"
        or character.isprintable()
        or character in _JOINERS
        or unicodedata.category(character) == "Zs"
    )
