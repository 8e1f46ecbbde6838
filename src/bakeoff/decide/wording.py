"""Numbers in sentences: rounded for people, with their unit, the same everywhere."""

from __future__ import annotations

from bakeoff.core.records import Estimate
from bakeoff.core.units import percent_text

_MOST_DIGITS = 6


def points(value: float, *limits: float, digits: int = 2) -> str:
    """Return score points with `digits` after the point, or more where it would print as 0 or as one of `limits` and is not.

    A verdict is read off how a bound lies to 0 and to a margin, so that rounding must not lay them on one another.

    >>> points(1.234), points(-0.2996, -0.3), points(0.0041), points(-1e-17)
    ('1.23', '-0.2996', '0.004', '0.00')
    """
    alike = next((limit for limit in (0.0, *limits) if abs(value - limit) < 10.0**-_MOST_DIGITS), None)
    if alike is not None:
        return f"{alike:.{digits}f}"
    while digits < _MOST_DIGITS and any(
        float(f"{value:.{digits}f}") == float(f"{limit:.{digits}f}") for limit in (0.0, *limits)
    ):
        digits += 1
    return f"{value:.{digits}f}"


def signed_points(value: float, digits: int = 2) -> str:
    """Return what `points` says, with its sign: `+0.31`, `-0.004`."""
    said = points(value, digits=digits)
    return said if said.startswith("-") else f"+{said}"


def points_between(low: float, high: float, *limits: float) -> str:
    """Return `[0.80, 1.60]`, each end as `points` prints it."""
    return f"[{points(low, *limits)}, {points(high, *limits)}]"


def quality_in_words(quality: Estimate) -> str:
    """Return `7.1 [6.5, 7.6]`, or `no score`."""
    if quality.estimate is None or quality.low is None or quality.high is None:
        return "no score"
    score, low, high = (points(value, digits=1) for value in (quality.estimate, quality.low, quality.high))
    return f"{score} [{low}, {high}]"


def rate_in_words(rate: Estimate) -> str:
    """Return `92 % [83 %, 97 %]`, or `unknown`."""
    if rate.estimate is None or rate.low is None or rate.high is None:
        return "unknown"
    share, low, high = (percent_text(value, 0) for value in (rate.estimate, rate.low, rate.high))
    return f"{share} [{low}, {high}]"


def p_in_words(p: float) -> str:
    """Return `p = 0.0003`, and `p < 0.0001` below that."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return `1 brief`, `5 briefs`, `3 families`."""
    return f"{count} {noun}" if count == 1 else f"{count} {nouns or noun + 's'}"


def sample_in_words(briefs: int, clusters: int) -> str:
    """Return `125 briefs (45 families)`, or `125 briefs` where each is its own family."""
    size = plural(briefs, "brief")
    return size if briefs == clusters else f"{size} ({plural(clusters, 'family', 'families')})"


def bytes_in_words(count: int) -> str:
    """Return `1.4 GB` (1e9 bytes) or `35 MB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
