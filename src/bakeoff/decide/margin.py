"""Is one candidate not worse than another by more than a margin that was fixed beforehand? Three answers, and what would settle it.

The test is that of `stats.equivalence.non_inferiority`, one-sided at alpha on the families' mean differences a - b:

not_worse   the lower end of the interval at level 1 - 2 alpha lies above -margin: a loss of the margin or more is ruled out
worse       its upper end lies below 0, and a loss of the margin or more is not ruled out
undecided   neither; also under 15 families, where no difference is claimed. Undecided is not "not worse"

A race stops when its own question is answered, so that an interval for a fixed number of briefs does not hold for it: there
the run's own interval of the pair decides, which allows for looking early and is wider. It holds for one pair that was asked
about beforehand, as each of these tests does, and not for all pairs of a run together.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.records import Comparison
from bakeoff.core.spec import Record
from bakeoff.decide.analysis import PILOT_UNDER, SCALE
from bakeoff.decide.wording import plural, points, points_between, sample_in_words
from bakeoff.stats.equivalence import non_inferiority
from bakeoff.stats.intervals import cluster_means
from bakeoff.stats.power import required_prompts

_POWER = 0.8
_MOST_FAMILIES = 100_000


class BriefPair(Record):
    """What both candidates got for one brief, means over replicates, 0 to 10."""

    brief: str
    content_type: str
    family: str
    a: float
    b: float


class MarginVerdict(Record):
    """The answer; true only where it is shown that a is not worse. Its `str` says everything in sentences.

    `difference` is a - b over `families`, `low` and `high` its two-sided interval at `level`, `p` one-sided (None where
    another interval than t decides). `settled_by` is how many families in all are expected to settle it with 80 % power if
    the difference is the one seen, None where that cannot be told or nothing is left to settle; `why` what stood in the way.
    """

    a: str
    b: str
    margin: float
    verdict: Literal["not_worse", "worse", "undecided"]
    difference: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    p: float | None = None
    briefs: int
    families: int
    settled_by: int | None = None
    why: str = ""

    def __bool__(self) -> bool:
        """Whether it is shown that a is not worse than b by the margin or more."""
        return self.verdict == "not_worse"

    def __repr__(self) -> str:
        """One line, short enough for a test runner to show it whole."""
        settled = f"; about {self.settled_by} families settle it" if self.settled_by else ""
        because = f"; {self.why}" if self.why and not self.settled_by else ""
        return f"<{self.verdict.replace('_', ' ')} by {self.margin:g}: {self._measured()}{settled}{because}>"

    def __str__(self) -> str:
        """What was measured, what follows, and what would settle it."""
        by = f"by {self.margin:g} points or more"
        beyond = f", and a loss of {self.margin:g} points or more is not ruled out"
        if self.high is not None and self.high < -self.margin:
            beyond = f" by more than {self.margin:g} points"
        head = {
            "not_worse": f"{self.a} is not worse than {self.b} {by}",
            "worse": f"{self.a} is worse than {self.b}{beyond}",
            "undecided": f"undecided: whether {self.a} is worse than {self.b} {by} is not shown either way",
        }[self.verdict]
        said = [f"{head}: {self._measured()}."]
        if self.why:
            said.append(f"{self.why[0].upper()}{self.why[1:]}.")
        if self.settled_by is not None:
            more = max(1, self.settled_by - self.families)
            briefs = ceil(more * self.briefs / max(1, self.families))
            said.append(
                f"If the difference is the one seen, about {plural(briefs, 'further brief')} in "
                f"{plural(more, 'further family', 'further families')} are expected to settle it, at {_POWER:.0%} power."
            )
        if self.verdict == "undecided":
            said.append('Undecided is not "not worse".')
        return " ".join(said)

    def _measured(self) -> str:
        if self.difference is None:
            return "nothing was measured of both"
        between = (
            "" if self.low is None or self.high is None else f" {points_between(self.low, self.high, -self.margin)}"
        )
        shown = f"a - b is {points(self.difference, -self.margin)} points{between}"
        return f"{shown} ({self.level:.0%}, {self.method}) on {sample_in_words(self.briefs, self.families)}"


def not_worse(a: str, b: str, pairs: Sequence[BriefPair], margin: float, alpha: float = 0.05) -> MarginVerdict:
    """Say whether a is not worse than b by `margin` or more, from a fixed number of briefs.

    Args:
        a: who is tested.
        b: against whom.
        pairs: each brief once.
        margin: in score points, above 0 and under 10, fixed before the texts were seen.
        alpha: probability, between 0 and 0.5, of calling one "not worse" that is worse by the margin; and of calling
            one "worse" that is not worse at all.

    Raises:
        ValueError: a margin or an alpha out of its range.
    """
    check_margin(margin, alpha)
    families = [pair.family for pair in pairs]
    first = np.clip(cluster_means([pair.a for pair in pairs], families)[0], *SCALE)
    second = np.clip(cluster_means([pair.b for pair in pairs], families)[0], *SCALE)
    found = non_inferiority(first, second, margin, alpha=alpha, bounds=SCALE)
    undecided = MarginVerdict(
        a=a,
        b=b,
        margin=margin,
        verdict="undecided",
        difference=found.estimate,
        low=found.low,
        high=found.high,
        level=1.0 - 2.0 * alpha,
        method="t, approximate" if found.approximate else found.method,
        p=found.p,
        briefs=len(pairs),
        families=found.n,
    )
    if found.estimate is None or found.high is None:
        return undecided.model_copy(update={"why": "no brief was written by both"})
    if found.n >= PILOT_UNDER and (found.holds or found.high < 0):
        return undecided.model_copy(update={"verdict": "not_worse" if found.holds else "worse"})
    few = f"under {PILOT_UNDER} families of briefs nothing is claimed" if found.n < PILOT_UNDER else ""
    settled_by = _settled_by(first - second, found.estimate, margin, alpha)
    return undecided.model_copy(update={"why": few, "settled_by": settled_by})


def not_worse_in_race(a: str, b: str, own: Comparison | None, margin: float) -> MarginVerdict:
    """Say the same of two that raced, from the run's own comparison of them (either way round; None where it has none).

    Raises:
        ValueError: a margin out of its range.
    """
    check_margin(margin, 0.05)
    if own is None or own.difference is None:
        why = "the run has no comparison of the two"
        return MarginVerdict(
            a=a,
            b=b,
            margin=margin,
            verdict="undecided",
            difference=None,
            low=None,
            high=None,
            level=0.95,
            method="race",
            briefs=0,
            families=0,
            why=why,
        )
    turned = own.a != a
    difference = -own.difference if turned else own.difference
    low, high = own.low, own.high
    if turned:
        low, high = (None if own.high is None else -own.high), (None if own.low is None else -own.low)
    why = ""
    if low is not None and low > -margin:
        verdict: Literal["not_worse", "worse", "undecided"] = "not_worse"
    elif high is not None and high < 0:
        verdict = "worse"
    else:
        verdict = "undecided"
        why = "a race stops when its own question is answered: ask this one of a fixed number of briefs (--fixed-n)"
    return MarginVerdict(
        a=a,
        b=b,
        margin=margin,
        verdict=verdict,
        difference=difference,
        low=low,
        high=high,
        level=own.level,
        method=own.method,
        briefs=own.briefs,
        families=own.clusters or own.briefs,
        why=why,
    )


def check_margin(margin: float, alpha: float) -> None:
    """Make sure that a margin and an alpha can be meant.

    Raises:
        TypeError: one is no number.
        ValueError: one is out of its range.
    """
    numbers: tuple[tuple[str, object], ...] = (("the margin", margin), ("alpha", alpha))
    for name, value in numbers:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name} must be a number: {value!r}")
    width = SCALE[1] - SCALE[0]
    if not 0.0 < margin < width:
        raise ValueError(f"the margin must be above 0 and under {width:g} points: {margin}")
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must be between 0 and 0.5: {alpha}")


def _settled_by(differences: NDArray[np.float64], seen: float, margin: float, alpha: float) -> int | None:
    """Return the families that show one or the other, whichever takes fewer, if the truth is what was seen."""
    if differences.size < 3 or not (sd := float(differences.std(ddof=1))) > 0:
        return None
    distances = [distance for distance in (seen + margin, -seen) if distance > 0]
    needed = min(required_prompts(sd, distance, _POWER, 1.0 - 2.0 * alpha) for distance in distances)
    families = max(needed, float(PILOT_UNDER), differences.size + 1.0)
    return None if families > _MOST_FAMILIES else ceil(families)
