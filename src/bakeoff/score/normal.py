"""A text as matching sees it: case, white space, accents, Markdown emphasis and typographic variants put aside."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_FOLD = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "‑": "-",
        "−": "-",
        "\u00a0": " ",
        "*": None,
        "`": None,
    }
)
_PERCENT = re.compile(r"(?<=\d) ?(?:percent|per cent)(?!\w)")
_AM_PM = re.compile(r"([ap])(?<![a-z].)\.? ?m\b\.?")


@lru_cache(maxsize=64)
def normalise(text: str) -> str:
    """Return `text` as matching sees it: folded case and accents, single spaces, plain punctuation."""
    text = text.translate(_FOLD)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in text if not unicodedata.combining(character))
    text = " ".join(text.casefold().replace("&", " and ").split())
    if "cent" in text:
        text = _PERCENT.sub("%", text)
    return _AM_PM.sub(r"\1m", text)


def require_searchable(fact: str) -> str:
    """Return `fact` if it can be looked for.

    Raises:
        ValueError: nothing is left of it once Markdown emphasis, accents and white space are put aside.
    """
    if not normalise(fact):
        raise ValueError("a text to look for needs more than white space and the emphasis marks * and `")
    return fact
