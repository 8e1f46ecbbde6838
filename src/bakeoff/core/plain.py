"""Strings from models, servers and files made fit for a terminal, which would obey what is hidden in them."""

from __future__ import annotations

import unicodedata

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Emoji families and several scripts are written with them; they move nothing."""


def printable(text: str) -> str:
    r"""Return `text` with every control character replaced, other than line feeds and tabs.

    Escape sequences, carriage returns and marks that turn the direction of writing become U+FFFD; spaces of every width
    stay; `\r\n` is a line feed.

    >>> printable("a\x1b[31mb\r\nc\u202ed\u00a0e")
    'a\ufffd[31mb\nc\ufffdd\xa0e'
    """
    return "".join(
        character if _is_harmless(character) else "\N{REPLACEMENT CHARACTER}"
        for character in text.replace("\r\n", "\n")
    )


def _is_harmless(character: str) -> bool:
    return (
        character in "\n\t"
        or character.isprintable()
        or character in _JOINERS
        or unicodedata.category(character) == "Zs"
    )
