"""Small samples of known populations: coverage and error rates against their known values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from bakeoff.stats.paired import paired_difference
from bakeoff.stats.sloppier import pooled_t
from bakeoff.stats.small_samples import draw_prompts, family_means, small_samples

DRAWS = 20_000
ERROR = 3 * (0.25 / DRAWS) ** 0.5  # three standard errors of a share, at most


def normal(models: int = 2, prompts: int = 20_000, shared: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(7)
    hard = generator.normal(0, 1, (prompts, 1))
    return 5 + shared * hard + np.sqrt(1 - shared**2) * generator.normal(0, 1, (prompts, models))


@pytest.mark.parametrize("n", [3, 5, 15])
def test_coverage_on_normal_scores_is_what_theory_says(n: int) -> None:
    scores = normal()
    truth = scores.mean(axis=0)
    found = small_samples(scores, draw_prompts(range(len(scores)), n, DRAWS, 1), truth, baseline=5.0)
    by_z = 1 - 2 * stdtr(n - 1, -1.96)  # 0.811 at n = 3
    assert found.covered_z == pytest.approx(by_z, abs=ERROR)
    assert found.covered_t == pytest.approx(0.95, abs=ERROR)
    assert (found.no_width == 0).all()
    # The one-sample test at the true mean errs as often as the interval misses it.
    assert found.differs_z == pytest.approx(1 - by_z, abs=2 * ERROR)


def test_pairing_gains_what_the_correlation_is_worth() -> None:
    n, gap = 15, 0.8
    scores = normal(shared=0.9)
    scores[:, 1] += gap
    truth = scores.mean(axis=0)
    found = small_samples(scores, draw_prompts(range(len(scores)), n, DRAWS, 2), truth, baseline=5.0)
    assert found.false_paired[0, 1] == pytest.approx(0.05, abs=ERROR)
    assert found.false_unpaired_t[0, 1] < 0.01  # it counts what both share as noise
    assert found.paired[0, 1] > 0.95
    assert found.unpaired_t[0, 1] < found.paired[0, 1] - 0.3
    assert found.paired[0, 0] == 0


def test_unpaired_against_1_96_errs_too_often_in_tiny_samples() -> None:
    scores = normal()
    found = small_samples(scores, draw_prompts(range(len(scores)), 3, DRAWS, 3), scores.mean(axis=0), baseline=5.0)
    assert found.false_unpaired[0, 1] == pytest.approx(2 * stdtr(4, -1.96), abs=ERROR)
    assert found.false_unpaired_t[0, 1] == pytest.approx(0.05, abs=ERROR)


def test_one_sample_says_what_the_tests_of_the_library_say() -> None:
    scores = np.random.default_rng(3).uniform(0, 10, (40, 3))
    picks = draw_prompts(range(40), 15, 50, 4)
    found = small_samples(scores, picks, scores.mean(axis=0), baseline=8.0)
    paired = [paired_difference(scores[p, 0], scores[p, 1], method="t").p for p in picks]
    pooled = [pooled_t(scores[p, 0], scores[p, 1]) for p in picks]
    assert found.paired[0, 1] == pytest.approx(np.mean([p is not None and p < 0.05 for p in paired]))
    assert found.unpaired_t[0, 1] == pytest.approx(np.mean([t.p is not None and t.p < 0.05 for t in pooled]))
    assert found.unpaired[0, 1] == pytest.approx(np.mean([t.t is not None and abs(t.t) > 1.96 for t in pooled]))
    wide = stdtrit(14, 0.975) * scores[picks].std(axis=1, ddof=1) / 15**0.5
    covered = np.abs(scores[picks].mean(axis=1) - scores.mean(axis=0)) <= wide
    assert found.covered_t == pytest.approx(covered.mean(axis=0))


def test_families_are_drawn_and_not_prompts() -> None:
    families = ["big"] * 99 + ["small"]
    scores = np.array([[0.0]] * 99 + [[10.0]])
    assert family_means(scores, families) == pytest.approx([5.0])
    picks = draw_prompts(families, 4, 5_000, 5)
    assert (picks == 99).mean() == pytest.approx(0.5, abs=0.02)
    assert len(np.unique(picks)) == 100


def test_draws_are_the_seeds() -> None:
    families = list(range(9))
    assert (draw_prompts(families, 5, 10, 1) == draw_prompts(families, 5, 10, 1)).all()
    assert (draw_prompts(families, 5, 10, 1) != draw_prompts(families, 5, 10, 2)).any()


def test_constant_scores_have_intervals_without_width() -> None:
    scores = np.column_stack([np.full(30, 9.0), np.full(30, 8.5)])
    found = small_samples(scores, draw_prompts(range(30), 3, 100, 1), scores.mean(axis=0), baseline=8.5)
    assert found.no_width.tolist() == [1, 1]
    assert found.covered_z.tolist() == [1, 1]
    assert found.differs_z.tolist() == [1, 0]
    assert found.paired[0, 1] == 1
    assert found.false_paired[0, 1] == 0


def test_many_models_and_draws_are_cut_into_pieces() -> None:
    scores = np.random.default_rng(1).uniform(0, 10, (50, 40))
    picks = draw_prompts(range(50), 5, 4_000, 1)
    whole = small_samples(scores, picks, scores.mean(axis=0), baseline=8.0)
    first = small_samples(scores, picks[:2_000], scores.mean(axis=0), baseline=8.0)
    second = small_samples(scores, picks[2_000:], scores.mean(axis=0), baseline=8.0)
    assert whole.paired == pytest.approx((first.paired + second.paired) / 2)
    assert (whole.means == np.vstack([first.means, second.means])).all()


@pytest.mark.parametrize(("n", "score"), [(1, 5.0), (3, np.nan)])
def test_what_makes_no_sense_is_refused(n: int, score: float) -> None:
    with pytest.raises(ValueError, match="at least two finite"):
        small_samples(np.full((4, 2), score), draw_prompts(range(4), n, 2, 1), np.zeros(2), baseline=8.0)
