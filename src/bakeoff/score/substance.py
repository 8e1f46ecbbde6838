"""`substance_quality`: does the text say anything that the brief did not?

Distinct content words that are not the brief's, up to what a text of its kind can be expected to hold. Of all that rules can
count, this agrees best with people on decent texts once length is balanced (docs/scoring/substance_quality.md); it is the
one dimension in which a longer text may gain, and only up to that point.
"""

from __future__ import annotations

from functools import lru_cache

from bakeoff.score.brief import BriefChecks
from bakeoff.score.dimensions import Dimension
from bakeoff.score.language import FUNCTION_WORDS
from bakeoff.score.text import Text, brief_words

_LETTERS = 5
"""Words that begin alike count as one: a plural adds nothing."""
_SHORTEST = 4
_SHARE_OF_LONGEST = 1 / 6
_MOST = 40
_FEWEST = 6


def substance_quality(text: Text, checks: BriefChecks) -> Dimension:
    """Grade substance, 0-10; None in languages without a list of function words, and for a brief without a prompt."""
    function_words = FUNCTION_WORDS.get(checks.language)
    if function_words is None or not checks.prompt.strip():
        return Dimension(value=None)
    own = {word[:_LETTERS] for word in text.word_set - function_words if len(word) >= _SHORTEST and word.isalpha()}
    own -= _given(checks.prompt, checks.source)
    enough = enough_words(checks)
    evidence = () if len(own) >= enough else (f"{len(own)} content words of its own, {enough} are enough",)
    return Dimension(value=round(10 * min(1.0, len(own) / enough), 3), evidence=evidence)


@lru_cache(maxsize=256)
def _given(prompt: str, source: str | None) -> frozenset[str]:
    return frozenset(word[:_LETTERS] for word in brief_words(prompt, source))


def enough_words(checks: BriefChecks) -> int:
    """Return how many content words of its own are enough: a sixth of the most words that the brief, or its type, asks for."""
    soft = checks.norms.soft_words
    longest = checks.limits.max_words or (soft[1] if soft is not None else None)
    return _MOST if longest is None else max(_FEWEST, min(_MOST, round(longest * _SHARE_OF_LONGEST)))
