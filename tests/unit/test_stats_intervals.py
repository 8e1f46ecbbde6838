"""Intervals against known answers, and at the edges where other tools print a width of zero."""

import json
from pathlib import Path

import numpy as np
import pytest

from bakeoff.stats.intervals import cluster_means, interval, proportion_interval

REFERENCE = json.loads((Path(__file__).parents[1] / "data/stats/reference.json").read_text())["values"]
BOUNDED_CONSTANTS = [name for name in REFERENCE if name.startswith("bounded_const")]
PROPORTIONS = [name for name in REFERENCE if name.startswith("prop")]


def test_t_interval():
    case = REFERENCE["t_ci"]
    found = interval(case["input"]["x"], method="t")
    expected = case["expected"]
    assert found[:3] == pytest.approx((expected["mean"], expected["lo"], expected["hi"]), abs=case["tol"])


def test_t_interval_is_wider_than_a_z_interval():
    z = REFERENCE["z_ci_seed"]["expected"]
    found = interval(REFERENCE["z_ci_seed"]["input"]["x"], method="t")
    assert found.high - found.low > z["hi"] - z["lo"]


def test_t_on_prompt_means_is_the_clustered_interval_when_replicates_are_balanced():
    case = REFERENCE["cluster_balanced"]
    scores = np.array(case["input"]["y"])
    means, _ = cluster_means(scores.ravel(), np.repeat(np.arange(len(scores)), scores.shape[1]).tolist())
    expected = case["expected"]
    found = interval(means, method="t")
    assert found[:3] == pytest.approx((expected["mean"], expected["lo"], expected["hi"]), abs=case["tol"])


@pytest.mark.parametrize("name", BOUNDED_CONSTANTS)
def test_equal_scores_have_the_closed_form_and_never_zero_width(name):
    case = REFERENCE[name]
    for method in ("bounded", "t", "bca", "z"):
        found = interval(case["input"]["x"], tuple(case["input"]["bounds"]), method=method)
        assert (found.low, found.high) == pytest.approx((case["expected"]["lo"], case["expected"]["hi"]), abs=1e-9)
        assert found.method == "bounded"


def test_bounded_interval_of_spread_scores():
    case = REFERENCE["bounded_mean_A"]
    found = interval(case["input"]["x"])
    assert (found.low, found.high) == pytest.approx((case["expected"]["lo"], case["expected"]["hi"]), abs=case["tol"])


def test_closed_form_continues_the_simulated_one():
    nearly = interval([7.0, 7.0, 7.0, 7.0, 7.001])
    equal = interval([7.0] * 5)
    assert (nearly.low, nearly.high) == pytest.approx((equal.low, equal.high), abs=0.05)


@pytest.mark.parametrize(("successes", "trials"), [(8, 10), (27, 30), (1, 40)])
def test_bounded_interval_on_zeros_and_ones_is_clopper_pearson(successes, trials):
    found = interval([1.0] * successes + [0.0] * (trials - successes), bounds=(0, 1))
    exact = proportion_interval(successes, trials)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.008)


def test_strict_levels_are_not_decided_by_a_handful_of_draws():
    exact = proportion_interval(3, 12, level=0.999)
    found = interval([1.0] * 3 + [0.0] * 9, bounds=(0, 1), level=0.999)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.015)


def test_no_scores_give_no_estimate():
    assert interval([]) == (None, None, None, "bounded", 0)
    assert proportion_interval(0, 0)[:3] == (None, None, None)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, float("nan")], "value 1 is nan"),
        ([float("inf")], "value 0 is inf"),
        ([5.0, 5.0, 10.5], "value 2 is 10.5: outside the bounds 0 to 10"),
        ([-0.1], "value 0 is -0.1"),
        ([[1.0, 2.0]], "shape"),
    ],
)
def test_scores_that_are_none_are_refused_by_index(scores, message):
    with pytest.raises(ValueError, match=message):
        interval(scores)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_levels_are_shares(level):
    with pytest.raises(ValueError, match="level"):
        interval([5.0], level=level)


def test_bounds_and_methods_are_checked():
    with pytest.raises(ValueError, match="bounds"):
        interval([5.0], bounds=(10, 0))
    with pytest.raises(ValueError, match="unknown interval method: 'wald'"):
        interval([5.0], method="wald")
    with pytest.raises(ValueError, match="unknown proportion method"):
        proportion_interval(1, 2, method="wald")


@pytest.mark.parametrize("name", PROPORTIONS)
def test_proportions(name):
    case = REFERENCE[name]
    k, n, expected = case["input"]["k"], case["input"]["n"], case["expected"]
    exact = proportion_interval(k, n)
    wilson = proportion_interval(k, n, method="wilson")
    assert (exact.low, exact.high) == pytest.approx((expected["cp_lo"], expected["cp_hi"]), abs=case["tol"])
    assert (wilson.low, wilson.high) == pytest.approx((expected["wilson_lo"], expected["wilson_hi"]), abs=case["tol"])


def test_more_successes_than_trials_are_refused():
    with pytest.raises(ValueError, match="11 successes of 10 trials"):
        proportion_interval(11, 10)


def test_cluster_means_weigh_members_equally_and_keep_the_order_seen():
    means, names = cluster_means([1.0, 2.0, 3.0, 10.0], ["b", "a", "b", "c"])
    assert names == ("b", "a", "c")
    assert means.tolist() == [2.0, 2.0, 10.0]


def test_cluster_names_must_match_the_values():
    with pytest.raises(ValueError, match="2 values but 1 cluster names"):
        cluster_means([1.0, 2.0], ["a"])
