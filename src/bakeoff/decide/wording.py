"""Numbers in sentences: rounded for people, with their unit, the same everywhere."""

from __future__ import annotations

from math import floor, log10

from bakeoff.core.records import Estimate


def points(value: float) -> str:
    """Return score points with one digit after the point, or the first that counts: `1.2`, `-0.3`, `0.004`."""
    if abs(value) >= 0.095 or abs(value) < 1e-6:
        text = f"{value:.1f}"
        return "0.0" if text == "-0.0" else text
    return f"{value:.{-floor(log10(abs(value)))}f}"


def points_between(low: float, high: float) -> str:
    """Return `[0.8, 1.6]`."""
    return f"[{points(low)}, {points(high)}]"


def quality_in_words(quality: Estimate) -> str:
    """Return `7.1 [6.5, 7.6]`, or `no score`."""
    if quality.estimate is None or quality.low is None or quality.high is None:
        return "no score"
    return f"{points(quality.estimate)} {points_between(quality.low, quality.high)}"


def rate_in_words(rate: Estimate) -> str:
    """Return `92 % [83 %, 97 %]`, or `unknown`."""
    if rate.estimate is None or rate.low is None or rate.high is None:
        return "unknown"
    return f"{100 * rate.estimate:.0f} % [{100 * rate.low:.0f} %, {100 * rate.high:.0f} %]"


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
