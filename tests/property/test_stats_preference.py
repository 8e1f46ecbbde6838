"""How often a score that is no better than the longer text is called validated."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from bakeoff.stats.preference import preference_agreement

RUNS = 2000
ALLOWED = 0.025
"""One side of 5 %."""


@pytest.mark.parametrize("pairs", [40, 100, 400])
@pytest.mark.parametrize("agreement", [0.6, 0.7])
def test_a_score_that_is_as_good_as_the_longer_text_is_rarely_called_better(pairs: int, agreement: float) -> None:
    """Score and length are right equally often, and unrelated: held against the length's estimate, 6 to 9 % were validated."""
    generator = np.random.default_rng(pairs)
    validated = 0
    for _ in range(RUNS):
        score, longer = (np.where(generator.random(pairs) < agreement, 1, -1) for _ in range(2))
        validated += preference_agreement(np.ones(pairs), score, longer).validated
    assert validated / RUNS <= ALLOWED + 3 * sqrt(ALLOWED * (1 - ALLOWED) / RUNS)


def test_one_that_is_better_is_found() -> None:
    generator = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        score = np.where(generator.random(200) < 0.8, 1, -1)
        longer = np.where(generator.random(200) < 0.6, 1, -1)
        found += preference_agreement(np.ones(200), score, longer).validated
    assert found > 180
