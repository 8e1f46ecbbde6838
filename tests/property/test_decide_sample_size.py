"""What a plan promises, held against Holm over all pairs as the decision has it."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from scipy.special import stdtr

from bakeoff.decide.sample_size import plan_sample
from bakeoff.stats.multiple import holm

RUNS = 2000
POWER = 0.8
ERROR = 3 * sqrt(POWER * (1 - POWER) / RUNS)
SD, DIFFERENCE = 2.0, 1.0


@pytest.mark.parametrize("models", [3, 6, 10])
def test_so_many_briefs_show_one_pair_and_so_many_a_winner(models: int) -> None:
    """One model is better than all others by 1 point. Planned at alpha / (K - 1), one pair of ten models was shown in 65 %."""
    plan = plan_sample(SD, DIFFERENCE, models=models)
    assert plan.briefs is not None
    assert plan.winner_briefs is not None
    assert shown(models, plan.briefs)[:, 0].mean() >= POWER - ERROR
    assert shown(models, plan.winner_briefs).all(axis=1).mean() >= POWER - ERROR
    assert shown(models, plan.briefs).all(axis=1).mean() < POWER, "one pair's power is not a winner's"


def shown(models: int, briefs: int) -> np.ndarray:
    """Whether the best is shown to be better than each other, shape (RUNS, models - 1)."""
    generator = np.random.default_rng([models, briefs])
    scores = generator.normal(0, SD / sqrt(2), (RUNS, models, briefs))
    scores[:, 0] += DIFFERENCE
    pairs = list(combinations(range(models), 2))
    differences = np.stack([scores[:, a] - scores[:, b] for a, b in pairs], axis=1)
    t = sqrt(briefs) * differences.mean(axis=2) / differences.std(axis=2, ddof=1)
    p = 2 * stdtr(briefs - 1, -np.abs(t))
    adjusted = np.array([holm(row) for row in p])
    return (adjusted[:, : models - 1] <= 0.05) & (t[:, : models - 1] > 0)
