"""Statements of the brief that the text turns around: "cannot be restored" in the one, "can be restored" in the other.

Wording, no meaning: only an auxiliary verb with a negation in the brief, and the same word behind the same auxiliary without one
in the text, where the text says it nowhere with its negation. Imperatives ("do not mention ..") are instructions, and left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

_AUXILIARY = r"(?:can|could|will|would|is|are|was|were)"
_NOT = r"(?: ?not|n[’']t| no longer| never)"
_NEGATED = re.compile(rf"\b(?P<verb>{_AUXILIARY}|ca|wo){_NOT} (?P<be>be )?(?P<word>[a-z]{{4,}})", re.IGNORECASE)
_WHOLE = {"ca": "can", "wo": "will"}


def turned_around(text: str, prompt: str) -> tuple[str, ...]:
    """Return what the text says the other way round, in its own words, each once.

    >>> turned_around("A revoked key can be restored.", "Say that revoked keys cannot be restored.")
    ('can be restored',)
    """
    plain = " ".join(text.split())
    found = []
    for said, negated in _statements(" ".join(prompt.split())):
        match = said.search(plain)
        if match is not None and negated.search(plain) is None:
            found.append(match.group())
    return tuple(found)


@lru_cache(maxsize=256)
def _statements(prompt: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Return for each negated statement how it would be said without the negation, and with any."""
    patterns = {}
    for match in _NEGATED.finditer(prompt):
        verb, word = _WHOLE.get(match["verb"].casefold(), match["verb"].casefold()), match["word"].casefold()
        be = "be " if match["be"] else ""
        said = re.compile(rf"\b{verb} {be}{word}\b", re.IGNORECASE)
        negated = re.compile(rf"(?:\bnot|n[’']t|\bno longer|\bnever|\bcannot) (?:\w+ )?(?:be )?{word}\b", re.IGNORECASE)
        patterns[verb, be, word] = (said, negated)
    return tuple(patterns.values())
