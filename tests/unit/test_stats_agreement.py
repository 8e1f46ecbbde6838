"""Agreement, predictions put to use, optimism, ranks and planned looks: known answers, limits and simulations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.stats.agreement import krippendorff_alpha, weighted_kappa
from bakeoff.stats.optimism import interval_ratio, optimism_gap
from bakeoff.stats.ppi import prediction_powered_mean
from bakeoff.stats.ranks import bradley_terry, friedman, wilcoxon
from bakeoff.stats.spending import spending_bounds

NAN = float("nan")
# The worked example of Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): 4 observers, 12 units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]
A = [8.25, 7.5, 6.75, 9.0, 7.0, 8.5, 5.25, 7.75, 8.0, 6.5, 9.25, 7.25]
B = [7.5, 7.75, 6.0, 8.25, 6.25, 8.5, 5.5, 6.75, 7.25, 6.0, 8.5, 7.5]


@pytest.mark.parametrize(
    ("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_krippendorffs_own_example(scale, alpha):
    assert krippendorff_alpha(OBSERVERS, scale) == pytest.approx(alpha, abs=5e-4)


def test_alpha_at_its_ends():
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]]) == pytest.approx(1.0)
    assert krippendorff_alpha([[1, 2], [2, 1]]) < 0
    assert krippendorff_alpha([[5, 5], [5, 5]]) is None
    assert krippendorff_alpha([[1, NAN], [NAN, 2]]) is None
    noise = np.random.default_rng(1).integers(1, 6, (2, 4000))
    assert krippendorff_alpha(noise) == pytest.approx(0.0, abs=0.05)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_alpha_knows_no_order_of_raters_or_units_and_no_unit_of_scale(seed):
    generator = np.random.default_rng(seed)
    table = generator.integers(1, 6, (3, 15)).astype(float)
    table[generator.random(table.shape) < 0.2] = NAN
    value = krippendorff_alpha(table)
    if value is None:
        return
    shuffled = generator.permutation(generator.permutation(table, axis=0), axis=1)
    assert krippendorff_alpha(shuffled) == pytest.approx(value)
    assert krippendorff_alpha(table * 3 + 1) == pytest.approx(value)


def test_kappa_by_hand():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, expected 0.5, kappa 0.4.
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert weighted_kappa(first, second, "none") == pytest.approx(0.4)
    assert weighted_kappa(first, second, "quadratic") == pytest.approx(0.4)
    assert weighted_kappa([1, 2, 3], [1, 2, 3]) == pytest.approx(1.0)
    assert weighted_kappa([2, 2], [2, 2]) is None
    assert weighted_kappa([1, 2, 3, 4], [1, 2, 3, 3], "quadratic") > weighted_kappa([1, 2, 3, 4], [1, 2, 3, 3], "none")


@pytest.mark.parametrize(
    "call",
    [
        lambda: krippendorff_alpha([1, 2, 3]),
        lambda: krippendorff_alpha([[1, np.inf]]),
        lambda: krippendorff_alpha([[1, 2], [1, 2]], "cardinal"),
        lambda: krippendorff_alpha([[-1, 2], [1, 2]], "ratio"),
        lambda: weighted_kappa([1, 2], [1]),
        lambda: weighted_kappa([1, NAN], [1, 2]),
        lambda: prediction_powered_mean([5, 6], [5], [5]),
        lambda: prediction_powered_mean([5, 11], [5, 5], [5]),
        lambda: prediction_powered_mean([5, 6], [5, NAN], [5]),
        lambda: optimism_gap([5, NAN]),
        lambda: wilcoxon([1, NAN]),
        lambda: friedman([[1, 2], [2, 1]]),
        lambda: bradley_terry([[0, 3], [0, 0]]),
        lambda: bradley_terry([[0, -1], [1, 0]]),
        lambda: spending_bounds(0),
        lambda: spending_bounds(5, 1.5),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r".+"):
        call()


def labelled(generator, n, others, noise):
    """People's scores, and a judge that sees them through `noise`, of n + others texts."""
    human = np.clip(generator.normal(6.0, 1.5, n + others), 0, 10)
    judge = human + generator.normal(0.7, noise, n + others)
    return human, judge


def test_a_good_judge_narrows_the_interval_and_its_bias_does_not_move_it():
    generator = np.random.default_rng(3)
    covered = narrower = 0
    for _ in range(400):
        human, judge = labelled(generator, 40, 400, 0.5)
        found = prediction_powered_mean(human[:40], judge[:40], judge[40:])
        covered += found.low <= 6.0 <= found.high
        alone = 2 * human[:40].std(ddof=1) / np.sqrt(40) * 2.023
        narrower += found.high - found.low < 0.6 * alone
    assert covered / 400 > 0.92
    assert narrower / 400 > 0.9


def test_a_judge_that_knows_nothing_is_hardly_used():
    generator = np.random.default_rng(4)
    human = np.clip(generator.normal(6.0, 1.5, 40), 0, 10)
    found = prediction_powered_mean(human, generator.normal(5, 1, 40), generator.normal(5, 1, 400))
    assert found.judge_weight < 0.5
    assert found.estimate == pytest.approx(human.mean(), abs=0.3)


def test_without_texts_of_the_judge_alone_it_is_the_plain_mean():
    human = [6.0, 7.0, 5.0, 8.0]
    found = prediction_powered_mean(human, [6.1, 7.2, 4.9, 8.3], [])
    assert (found.estimate, found.judge_weight) == (pytest.approx(6.5), 0.0)
    one = prediction_powered_mean([8.0], [8.0], [7.0, 9.0])
    assert one.method == "bounded"
    assert (one.low, one.high) == pytest.approx((0.2, 9.95))


def test_the_winners_curse_of_six_equal_models_is_about_what_theory_says():
    """The mean of the best of six normal means with sd s/sqrt(n) lies 1.267 of it above the truth."""
    generator = np.random.default_rng(5)
    n, sd = 15, 1.2
    curses = []
    for _ in range(1500):
        scores = np.clip(generator.normal(6.0, sd, (6, n)), 0, 10)
        best = scores[scores.mean(axis=1).argmax()]
        fresh = np.clip(generator.normal(6.0, sd, 40), 0, 10)
        curses.append(optimism_gap(best, fresh=fresh).winners_curse)
    assert np.mean(curses) == pytest.approx(1.267 * sd / np.sqrt(n), abs=0.03)


def test_the_parts_of_an_optimism_gap_stand_alone():
    nothing = optimism_gap([7.0, 8.0, 6.0])
    assert (nothing.winners_curse, nothing.fresh, nothing.scorer_change, nothing.is_enough_fresh) == (
        None,
        None,
        None,
        False,
    )
    full = optimism_gap(A, fresh=[6.0] * 29 + [7.0], rescored=B)
    assert full.is_enough_fresh
    assert full.scorer_change.estimate == pytest.approx(0.4375)
    assert full.interval_ratio.z_width < full.interval_ratio.t_width < full.interval_ratio.bounded_width
    assert interval_ratio([7.0, 7.0]) is None


def test_known_answers_by_rank_and_win():
    found = wilcoxon(np.subtract(A, B))
    assert (found.statistic, found.p) == pytest.approx((6.0, 0.0143559707), abs=1e-9)
    ranked = friedman([[7, 6, 8, 5, 9], [6, 5, 8, 4, 7], [5, 5.5, 7, 4.5, 6]])
    assert (ranked.statistic, ranked.p) == pytest.approx((6.6315789474, 0.0363053751), abs=1e-9)
    strengths = bradley_terry([[0, 7], [3, 0]])
    assert strengths[0] - strengths[1] == pytest.approx(0.8472978604, abs=1e-6)
    assert wilcoxon([0.0, 0.0]) == (0.0, 1.0)
    assert friedman([[1, 2], [1, 2], [1, 2]]) == (0.0, 1.0)


def test_bounds_of_planned_looks():
    fleming = [4.8769, 3.357, 2.6804, 2.2899, 2.0313]
    pocock = [2.438, 2.4272, 2.4109, 2.3966, 2.3861]
    assert spending_bounds(5) == pytest.approx(fleming, abs=0.005)
    assert spending_bounds(5, spending="pocock") == pytest.approx(pocock, abs=0.005)
    assert spending_bounds(1) == pytest.approx([1.959964], abs=1e-5)
