"""Do intervals cover what they promise, and do tests reject no oftener? By simulation, seeds fixed.

The populations are the ones that break other intervals: piled up at the ceiling, with rare catastrophes. A bound of
three Monte Carlo standard errors below the promise is allowed for, no more.
"""

from math import sqrt

import numpy as np
import pytest

from bakeoff.stats.intervals import interval, proportion_interval
from bakeoff.stats.paired import paired_difference

REPEATS = 800


def allowed(level, repeats):
    return level - 3 * sqrt(level * (1 - level) / repeats)


def ceiling(generator, size):
    """Three quarters at 10, a tail downwards, 3 % catastrophes; mean found by drawing a million."""
    scores = np.minimum(10.0, 9.3 + generator.normal(0, 1.8, size))
    return np.where(generator.random(size) < 0.03, generator.uniform(0, 2, size), np.maximum(scores, 0.0))


def rare_failures(generator, size):
    return np.where(generator.random(size) < 0.1, 0.0, 9.0)


def centred(generator, size):
    return np.clip(np.round((6 + generator.normal(0, 1.8, size)) * 4) / 4, 0, 10)


POPULATIONS = {"ceiling": ceiling, "rare failures": rare_failures, "centred": centred}
MEANS = {name: float(draw(np.random.default_rng(99), 1_000_000).mean()) for name, draw in POPULATIONS.items()}


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("n", [5, 15, 40])
def test_the_default_interval_covers(population, n):
    generator = np.random.default_rng([n, len(population)])
    covered = 0
    for _ in range(REPEATS):
        found = interval(POPULATIONS[population](generator, n))
        covered += found.low <= MEANS[population] <= found.high
    assert covered / REPEATS >= allowed(0.95, REPEATS)


def test_the_t_interval_does_not_at_the_ceiling():
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(REPEATS):
        found = interval(rare_failures(generator, 15), method="t")
        covered += found.method == "t" and found.low <= MEANS["rare failures"] <= found.high
    assert covered / REPEATS < 0.85


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_clopper_pearson_covers(share):
    generator = np.random.default_rng(11)
    counts = generator.binomial(20, share, 4000)
    intervals = {int(k): proportion_interval(int(k), 20) for k in np.unique(counts)}
    covered = np.mean([intervals[int(k)].low <= share <= intervals[int(k)].high for k in counts])
    assert covered >= allowed(0.95, 4000)


@pytest.mark.parametrize(("families", "briefs"), [(15, 3), (40, 2)])
def test_pairs_without_a_difference_are_rejected_as_rarely_as_promised(families, briefs):
    """Two equal candidates on families whose briefs resemble each other, more for one candidate than the other."""
    generator = np.random.default_rng([families, briefs])
    clusters = np.repeat(np.arange(families), briefs).tolist()
    rejected = covered = 0
    repeats = 2 * REPEATS
    for _ in range(repeats):
        shared = 6 + np.repeat(generator.normal(0, 1, families), briefs)
        own = np.repeat(generator.normal(0, 0.8, (2, families)), briefs, axis=1)
        scores = np.clip(shared + own + generator.normal(0, 0.8, (2, families * briefs)), 0, 10)
        found = paired_difference(scores[0], scores[1], clusters)
        rejected += found.p <= 0.05
        covered += found.low <= 0 <= found.high
    assert rejected / repeats <= 0.05 + 3 * sqrt(0.05 * 0.95 / repeats)
    assert covered / repeats >= allowed(0.95, repeats)


def test_counting_briefs_of_a_family_as_independent_would_not_do():
    generator = np.random.default_rng(5)
    rejected = 0
    for _ in range(REPEATS):
        own = np.repeat(generator.normal(0, 0.8, (2, 15)), 3, axis=1)
        scores = np.clip(6 + own + generator.normal(0, 0.4, (2, 45)), 0, 10)
        rejected += paired_difference(scores[0], scores[1]).p <= 0.05
    assert rejected / REPEATS > 0.15
