"""The score that bakeoff grew out of, kept exactly, for comparison only.

It counts words, nine terms and full stops. On public human judgments it is at chance; no decision here uses it. The
four "dimensions" that its description names were never defined apart, so there is one number.
"""

from __future__ import annotations

from bakeoff.score.norms import canonical_content_type

TERMS = (
    "optimization",
    "strategy",
    "implementation",
    "architecture",
    "demonstrated",
    "proven",
    "expertise",
    "competitive",
    "advantage",
)
_RANGES = {"linkedin_post": (100, 300), "tweet": (50, 100), "business_email": (75, 250), "technical_doc": (150, 400)}
_OTHER_RANGE = (80, 200)


def keyword_heuristic(text: str, content_type: str) -> float:
    """Return 5, +3 inside the type's word range, +0.3 a term (at most +2), +1 from two full stops on; clipped to 0-10.

    >>> keyword_heuristic("Our proven strategy. It works.", "tweet")
    6.6
    """
    return heuristic_of(len(text.split()), text.lower(), text.count("."), content_type)


def heuristic_of(words: int, lowered: str, full_stops: int, content_type: str) -> float:
    """Return the same of a text that is known by its number of words, itself in lower case, and its full stops."""
    score = 5.0
    low, high = _RANGES.get(canonical_content_type(content_type), _OTHER_RANGE)
    if low <= words <= high:
        score += 3.0
    score += min(2.0, 0.3 * sum([term in lowered for term in TERMS]))
    if full_stops >= 2:
        score += 1.0
    return round(max(0.0, min(10.0, score)), 10)
