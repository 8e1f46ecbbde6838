"""A text of hardly any words: `y` is no tweet, and `Buy now!` no marketing copy.

Two words can be right where the brief asks for as many, for a slogan or a choice, or only for a link or an emoji. Of a
content type of one's own nobody knows how long its texts are.
"""

from __future__ import annotations

import re

from bakeoff.score.brief import BriefChecks
from bakeoff.score.norms import NORMS
from bakeoff.score.text import Text, may_link

_LEAST_WORDS = 3
_FEW_WORDS = 5
_FEW_CHARACTERS = 30
# Written without spaces, and not counted by `Text.word_count`: Burmese, Khmer, Lao, Tibetan.
_UNCOUNTED = frozenset({"my", "km", "lo", "bo"})
_ASKS_FOR_FEW = re.compile(
    r"\b(?:one|two|single|1|2)[ -]words?\b"
    r"|\A\W{0,8}(?:\w{1,40}\W{1,8}){0,6}?(?:slogan|tagline|strapline|motto|headline|button|label)s?\b"
    r"|\A\W{0,8}(?:decide|classify|categori[sz]e|choose|pick|select|name|identify|which)\b",
    re.IGNORECASE,
)
_ONLY = re.compile(r"\b(?:only|just|alone|nothing (?:but|else))\b", re.IGNORECASE)
_ASKS_FOR_LINK = re.compile(r"\b(?:links?|url|emojis?|hashtags?)\b", re.IGNORECASE)


def find_scant(text: Text, checks: BriefChecks) -> tuple[str, str] | None:
    """Return the rule and the text where it has no words, or fewer than 3 and the brief asks for more, else None."""
    if text.code_blocks or _is_asked_for(text, checks):
        return None
    if not text.words:
        return "no words", ascii(text.raw[:40])
    if text.word_count >= _LEAST_WORDS or checks.content_type not in NORMS:
        return None
    limits = checks.limits
    few = (limits.max_words or _FEW_WORDS + 1) <= _FEW_WORDS
    short = (limits.max_characters or _FEW_CHARACTERS + 1) <= _FEW_CHARACTERS
    if few or short or checks.language in _UNCOUNTED or _ASKS_FOR_FEW.search(checks.prompt):
        return None
    return "hardly any text", ascii(text.raw.strip()[:40])


def _is_asked_for(text: Text, checks: BriefChecks) -> bool:
    """Whether the text holds a link, emoji or hashtags, and the brief asks for nothing else."""
    if text.words and text.word_count >= _LEAST_WORDS:
        return False
    asked = _ASKS_FOR_LINK.search(checks.prompt) and _ONLY.search(checks.prompt)
    return bool(asked) and bool(text.emoji or text.hashtags or may_link(text.raw))
