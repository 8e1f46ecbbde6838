"""Patterns that most texts are spared, since they hold none of the words that every match holds."""

from __future__ import annotations

import re

KIND = r"(?:linkedin|twitter|x|business|follow-up|marketing|ad|product|technical|short|brief|professional|possible|sample|concise|revised|draft|polished|friendly)"
"""How assistants qualify what they were asked for, as a pattern."""
THING = r"(?:post|tweet|e-?mail|message|copy|text|draft|version|response|answer|article|document|documentation|guide|how-to|caption|rewrite|example|attempt|advert|ad)"
"""What they call it."""


class Telltale:
    """A pattern, and words of which a text must hold one for it to match: most texts are spared the pattern."""

    def __init__(self, needs: tuple[str, ...], pattern: str) -> None:
        self._needs = needs
        self._pattern = re.compile(pattern, re.IGNORECASE)

    def search(self, text: str, lowered: str) -> re.Match[str] | None:
        """Look for it; `lowered` is the text in lower case."""
        for need in self._needs:
            if need in lowered:
                return self._pattern.search(text)
        return None


def plain_apostrophes(text: str) -> str:
    """Return `text` as telltales expect it."""
    return text.replace("’", "'")


# Letters that a pattern takes for i, k and s whatever the case, and `str.lower` does not.
_UNUSUAL = str.maketrans({"\u0130": "i", "\u0131": "i", "\u212a": "k", "\u017f": "s"})


def lowered_for(text: str) -> str:
    """Return `text` in lower case, as a pattern that ignores case understands it."""
    return text.translate(_UNUSUAL).lower()


def first_of(telltales: tuple[Telltale, ...], text: str, lowered: str) -> str | None:
    """Return what the first telltale with a match finds, at most 160 characters of it; None where none has one."""
    for telltale in telltales:
        match = telltale.search(text, lowered)
        if match is not None:
            return match.group()[:160]
    return None
