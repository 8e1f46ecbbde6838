"""How often does a score prefer the text that a person preferred, and is that more than chance and than counting words?"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.stats.agreement import weighted_kappa
from bakeoff.stats.intervals import proportion_interval
from bakeoff.stats.mcnemar import mcnemar_p


class PreferenceAgreement(NamedTuple):
    """Agreement of a score with preferences between two texts. Shares are of `pairs` that were decided, None without any.

    `longer_wins` is what "the longer text wins" gets on the same pairs; `length_balanced` the mean of the shares where the
    longer and where the shorter text was preferred (0.5 for a score that sees length alone), None where one of them has no
    pairs. `kappa` is Cohen's, over all pairs with ties as a third answer. `p` is the evidence that the score is better than both
    chance and the longer text: the larger p of two exact two-sided sign tests, 1 where it is not ahead of both. `validated`: `low`
    is above one half, and `p` at most 1 - level.
    """

    agreement: float | None
    low: float | None
    high: float | None
    longer_wins: float | None
    length_balanced: float | None
    kappa: float | None
    pairs: int
    tied: int
    p: float
    validated: bool


def preference_agreement(
    preferred: ArrayLike, score_difference: ArrayLike, length_difference: ArrayLike, *, level: float = 0.95
) -> PreferenceAgreement:
    """Compare a score with a person's preferences, pair by pair.

    Pairs that the person called a tie are left out of the shares; where the score or the length is tied, a pair counts one
    half. The interval is Wilson's, which takes pairs as independent: each from a brief of its own.

    Args:
        preferred: shape (n,), above 0 where the first text was preferred, below where the second was, 0 for a tie.
        score_difference: the score of the first less that of the second.
        length_difference: words of the first less words of the second.
        level: between 0 and 1, two-sided.

    Raises:
        ValueError: a value that is not finite, or shapes that differ.
    """
    human, scored, longer = (_signs(values) for values in (preferred, score_difference, length_difference))
    if not human.size == scored.size == longer.size:
        raise ValueError(
            f"pairs must be the same: {human.size} preferences, {scored.size} scores, {longer.size} lengths"
        )
    decided = human != 0
    pairs = int(decided.sum())
    kappa = weighted_kappa(human, scored, "none") if human.size else None
    if not pairs:
        return PreferenceAgreement(None, None, None, None, None, kappa, 0, int(human.size), p=1.0, validated=False)
    right = _right(human[decided], scored[decided])
    by_length = _right(human[decided], longer[decided])
    share = proportion_interval(float(right.sum()), pairs, level, "wilson")
    low, high = share.low or 0.0, share.high or 0.0
    chose_longer, chose_shorter = by_length == 1.0, by_length == 0.0
    both = bool(chose_longer.any() and chose_shorter.any())
    balanced = (float(right[chose_longer].mean()) + float(right[chose_shorter].mean())) / 2.0 if both else None
    p = _better_than_both(right, by_length)
    return PreferenceAgreement(
        agreement=float(right.mean()),
        low=low,
        high=high,
        longer_wins=float(by_length.mean()),
        length_balanced=balanced,
        kappa=kappa,
        pairs=pairs,
        tied=int(human.size) - pairs,
        p=p,
        validated=low > 0.5 and p <= 1.0 - level,
    )


def _better_than_both(right: NDArray[np.float64], by_length: NDArray[np.float64]) -> float:
    """Return the larger p of the sign tests against chance and, on the same pairs, against the longer text.

    What the longer text gets is an estimate as the score's agreement is, so that the two are compared pair by pair (McNemar, a
    half where one of them says nothing). Both must be refuted: then the larger p keeps the level (intersection-union, Berger 1982).
    """
    chance = (int((right == 1.0).sum()), int((right == 0.0).sum()))
    ahead = right - by_length
    longer = (floor(ahead[ahead > 0].sum()), ceil(-ahead[ahead < 0].sum()))
    return max(mcnemar_p(won, lost) if won > lost else 1.0 for won, lost in (chance, longer))


def _signs(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError("differences must be finite, shape (n,)")
    return np.sign(numbers)


def _right(human: NDArray[np.float64], said: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where they agree, 0 where they do not, a half where nothing was said."""
    return np.asarray((1.0 + human * said) / 2.0)
