"""What would small samples have said? Many of them, drawn from scores that are there, whose own means are the truth.

Families of prompts are drawn with replacement, and one prompt of each: as if fresh ones came from what these stand for. So
the mean of the families is known exactly in this world, and whether an interval covers it, or a test is wrong, is counted.
The intervals and tests are those that are in use: mean +- 1.96 sd / sqrt(n), the same with t, the pooled two-sample t test
held against 1.96, and the paired t test. A sample without variance has an interval without width, and a t beyond all limits,
as whoever computes it by hand would find.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

_CELLS = 2_000_000
"""Numbers held in memory at once (16 MB)."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class SmallSamples:
    """What `draws` samples of `n` prompts said of k models. Shares are of draws, between 0 and 1.

    `means`, shape (draws, k). `covered_z`, `covered_t`, `no_width`, shape (k,): how often each model's interval covers its
    true mean, and how often it has no width. `differs_z`, `differs_t`, shape (k,): how often a one-sample test calls the
    mean different from the baseline. The others have shape (k, k): how often a test calls two models different, as they are
    and (`false_..`) where their true means were made equal.
    """

    n: int
    means: NDArray[np.float64]
    covered_z: NDArray[np.float64]
    covered_t: NDArray[np.float64]
    no_width: NDArray[np.float64]
    differs_z: NDArray[np.float64]
    differs_t: NDArray[np.float64]
    unpaired: NDArray[np.float64]
    unpaired_t: NDArray[np.float64]
    paired: NDArray[np.float64]
    false_unpaired: NDArray[np.float64]
    false_unpaired_t: NDArray[np.float64]
    false_paired: NDArray[np.float64]


def family_means(scores: NDArray[np.float64], families: Sequence[Hashable]) -> NDArray[np.float64]:
    """Return the mean over families of their means over prompts, shape (k,).

    Args:
        scores: shape (prompts, k).
        families: one name a prompt.
    """
    groups = _groups(families)
    means: NDArray[np.float64] = np.stack([scores[group].mean(axis=0) for group in groups]).mean(axis=0)
    return means


def draw_prompts(families: Sequence[Hashable], n: int, draws: int, seed: int) -> NDArray[np.intp]:
    """Return `draws` samples of `n` prompts, shape (draws, n): families with replacement, one prompt of each at random."""
    groups = _groups(families)
    sizes = np.array([group.size for group in groups])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    generator = np.random.default_rng([seed, n])
    chosen = generator.integers(0, len(groups), size=(draws, n))
    within = (generator.random((draws, n)) * sizes[chosen]).astype(np.intp)
    picked: NDArray[np.intp] = np.concatenate(groups)[starts[chosen] + within]
    return picked


def small_samples(
    scores: NDArray[np.float64],
    picks: NDArray[np.intp],
    truth: NDArray[np.float64],
    *,
    baseline: float,
    level: float = 0.95,
) -> SmallSamples:
    """Return what samples of these scores say.

    Args:
        scores: shape (prompts, k), finite.
        picks: of `draw_prompts`, shape (draws, n), n >= 2.
        truth: the true mean of each model, shape (k,).
        baseline: what the one-sample test compares each mean with.
        level: of intervals and tests, two-sided.

    Raises:
        ValueError: fewer than two prompts a sample, or scores that are no finite numbers.
    """
    draws, n = picks.shape
    models = scores.shape[1]
    if n < 2 or not np.isfinite(scores).all():
        raise ValueError("samples of at least two finite scores are needed")
    means = np.empty((draws, models))
    sums = np.zeros((6, models))
    pair_sums = np.zeros((6, models, models))
    step = max(1, _CELLS // (models * max(n, models)))
    for start in range(0, draws, step):
        part = scores[picks[start : start + step]]
        means[start : start + step] = part.mean(axis=1)
        _count(part, truth, baseline, level, sums, pair_sums)
    shares, pair_shares = sums / draws, pair_sums / draws
    return SmallSamples(n, means, *shares[:5], *pair_shares)


def _count(
    part: NDArray[np.float64],
    truth: NDArray[np.float64],
    baseline: float,
    level: float,
    sums: NDArray[np.float64],
    pair_sums: NDArray[np.float64],
) -> None:
    """Add up, over samples of shape (samples, n, k), how often each interval covers and each test rejects."""
    n = part.shape[1]
    z = round(float(ndtri(0.5 + level / 2.0)), 2)
    t, t_pooled = (float(stdtrit(df, 0.5 + level / 2.0)) for df in (n - 1, 2 * n - 2))
    mean = part.mean(axis=1)
    centred = part - mean[:, None, :]
    covariance = np.einsum("snk,snl->skl", centred, centred) / (n - 1)
    variance = np.einsum("skk->sk", covariance)
    error = np.sqrt(variance / n)
    off, from_baseline = np.abs(mean - truth), np.abs(mean - baseline)
    for row, found in enumerate(
        (
            off <= z * error + _SAME,
            off <= t * error + _SAME,
            error <= _SAME,
            from_baseline > z * error + _SAME,
            from_baseline > t * error + _SAME,
        )
    ):
        sums[row] += found.sum(axis=0)
    both = variance[:, :, None] + variance[:, None, :]
    pooled = np.sqrt(both / n)
    paired = np.sqrt(np.maximum(both - 2.0 * covariance, 0.0) / n)
    apart = np.abs(mean[:, :, None] - mean[:, None, :])
    centre = mean - truth
    by_chance = np.abs(centre[:, :, None] - centre[:, None, :])
    for row, difference in ((0, apart), (3, by_chance)):
        pair_sums[row] += (difference > z * pooled + _SAME).sum(axis=0)
        pair_sums[row + 1] += (difference > t_pooled * pooled + _SAME).sum(axis=0)
        pair_sums[row + 2] += (difference > t * paired + _SAME).sum(axis=0)


def _groups(families: Sequence[Hashable]) -> list[NDArray[np.intp]]:
    """Return the positions of each family's prompts, families in order of first appearance."""
    found: dict[Hashable, list[int]] = {}
    for position, family in enumerate(families):
        found.setdefault(family, []).append(position)
    return [np.array(positions, dtype=np.intp) for positions in found.values()]
