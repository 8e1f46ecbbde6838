"""Paired differences against known answers, at the edges, and by the number of clusters."""

import json
from pathlib import Path

import numpy as np
import pytest

from bakeoff.stats.intervals import interval
from bakeoff.stats.paired import one_sided_upper, paired_difference, sign_flip_p

REFERENCE = json.loads((Path(__file__).parents[1] / "data/stats/reference.json").read_text())["values"]


def draw(n, shift=0.5, seed=0):
    generator = np.random.default_rng(seed)
    b = generator.uniform(2, 7, n)
    return np.clip(b + shift + generator.normal(0, 0.8, n), 0, 10), b


def test_paired_t():
    case = REFERENCE["paired_t"]
    found = paired_difference(case["input"]["a"], case["input"]["b"], method="t")
    expected = case["expected"]
    assert (found.estimate, found.low, found.high, found.p) == pytest.approx(
        (expected["diff"], expected["lo"], expected["hi"], expected["p"]), abs=case["tol"]
    )
    assert found.approximate


def test_sign_flip_counts_every_flip():
    case = REFERENCE["signflip_exact"]
    differences = np.subtract(case["input"]["a"], case["input"]["b"])
    assert sign_flip_p(differences) == pytest.approx(case["expected"]["p"], abs=case["tol"])


def test_random_flips_agree_with_the_exact_ones():
    a, b = draw(14, shift=0.4)
    exact = sign_flip_p(a - b)
    # A pair of zeros changes no flip's sum, and pushes n over the limit of the exact method.
    drawn = sign_flip_p(np.concatenate([a - b, [0.0, 0.0]]))
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 10_000))


def test_random_flips_never_give_zero():
    assert sign_flip_p(np.full(60, 3.0)) == pytest.approx(1 / 10_001)


def test_under_15_clusters_there_is_an_interval_and_no_p():
    a, b = draw(14, shift=3.0)
    found = paired_difference(a, b)
    assert found.method == "bounded"
    assert found.p is None
    assert found.p_sign_flip is None
    assert (found.low, found.high) == interval(a - b, bounds=(-10, 10))[1:3]


def test_from_15_to_29_t_is_approximate_with_the_bounded_interval_beside_it():
    found = paired_difference(*draw(20))
    assert (found.method, found.approximate) == ("t", True)
    assert found.bounded_low < found.low < found.high < found.bounded_high


def test_from_30_on_t_stands_alone():
    found = paired_difference(*draw(30))
    assert (found.method, found.approximate, found.bounded_low) == ("t", False, None)
    assert found.p is not None


def test_families_count_and_their_briefs_do_not():
    a, b = draw(60)
    found = paired_difference(a, b, clusters=[i // 3 for i in range(60)])
    by_family = paired_difference(a.reshape(20, 3).mean(axis=1), b.reshape(20, 3).mean(axis=1))
    assert found.n == 20
    assert found[:6] == pytest.approx(by_family[:6])


def test_no_difference_at_all_is_a_tie_with_a_width():
    found = paired_difference([7.0] * 30, [7.0] * 30)
    assert (found.estimate, found.p) == (0.0, 1.0)
    assert found.method == "bounded"
    assert found.low < 0 < found.high
    assert found.minimum_detectable is None


def test_equal_differences_that_are_not_zero_have_the_sign_flip_p():
    found = paired_difference([8.0] * 4, [7.0] * 4, method="t")
    assert found.p == pytest.approx(2 / 2**4)
    assert found.low < 0 < found.high


def test_one_pair_has_an_interval_and_nothing_else():
    found = paired_difference([8.0], [6.0])
    assert found.estimate == 2.0
    assert found.low < 2.0 < found.high
    assert (found.p, found.sd_difference, found.correlation, found.minimum_detectable) == (None, None, None, None)


def test_no_pairs_give_nothing():
    found = paired_difference([], [])
    assert (found.estimate, found.low, found.high, found.p, found.n) == (None, None, None, None, 0)


def test_correlation_and_detectable_difference_are_those_of_the_pairs():
    a, b = draw(40)
    found = paired_difference(a, b)
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found.minimum_detectable == pytest.approx(0.454256942 * np.std(a - b, ddof=1), rel=1e-5)


def test_pairs_need_partners():
    with pytest.raises(ValueError, match="3 values against 2"):
        paired_difference([1.0, 2.0, 3.0], [1.0, 2.0])


def test_a_missing_score_is_refused_by_index():
    with pytest.raises(ValueError, match="value 1 is nan"):
        paired_difference([1.0, 2.0], [1.0, float("nan")])


def test_one_sided_bound_is_the_upper_end_of_the_two_sided_interval_at_twice_the_error():
    a, b = draw(40)
    found = paired_difference(a, b, level=0.9)
    assert one_sided_upper(a - b, 0.05, (-10, 10)) == pytest.approx(found.high)


def test_one_sided_bound_of_few_values_is_the_bounded_one():
    a, b = draw(8)
    assert one_sided_upper(a - b, 0.05, (-10, 10)) == interval(a - b, (-10, 10), 0.9).high
    assert one_sided_upper([], 0.05, (-10, 10)) is None
