"""Known answers for every function of the room, one case each, and the edges where other tools answer with nonsense.

The numbers were computed with statsmodels 0.15.0, scipy 1.17.1 and pingouin 0.7.0 from invented scores, or by the
closed form that is named; the CR2 line from the definition.
"""

import numpy as np
import pytest
from scipy.special import stdtrit

from bakeoff.stats.clustered import clustered_mean
from bakeoff.stats.equivalence import equivalence, non_inferiority
from bakeoff.stats.intervals import cluster_means, interval, proportion_interval
from bakeoff.stats.mcnemar import mcnemar, mcnemar_p
from bakeoff.stats.multiple import benjamini_hochberg, holm
from bakeoff.stats.paired import paired_difference, sign_flip_p
from bakeoff.stats.power import minimum_detectable_difference, power_of_paired_t, required_prompts
from bakeoff.stats.reliability import intraclass_correlation
from bakeoff.stats.sloppier import pooled_t

A = [8.25, 7.5, 6.75, 9.0, 7.0, 8.5, 5.25, 7.75, 8.0, 6.5, 9.25, 7.25]
B = [7.5, 7.75, 6.0, 8.25, 6.25, 8.5, 5.5, 6.75, 7.25, 6.0, 8.5, 7.5]
P = [0.001, 0.012, 0.013, 0.04, 0.2]
UNBALANCED = [7, 7.5, 8, 6, 5.5, 9, 8, 8.25, 7.75, 8.5, 6.5, 7, 9.5, 7, 6, 6.5]
CLUSTER = [1, 1, 1, 2, 2, 3, 4, 4, 4, 4, 5, 5, 6, 7, 7, 7]
TABLE = np.array([[7.0, 7.5, 8.0], [6.0, 5.5, 6.5], [9.0, 8.5, 9.0], [8.0, 8.25, 7.75], [6.5, 7.0, 6.0]])
ROWS = np.repeat(np.arange(5), 3).tolist()


def limits(found):
    return [found.low, found.high]


def proportions(successes, trials):
    exact = proportion_interval(successes, trials)
    return limits(exact) + limits(proportion_interval(successes, trials, method="wilson"))


def unbalanced(method):
    return clustered_mean(UNBALANCED, CLUSTER, method=method)


def by_table(function):
    return function(TABLE.ravel(), ROWS)


REFERENCES = {
    "t interval": (lambda: interval(A, method="t")[:3], [7.5833333333, 6.86547379, 8.3011928767], 1e-9),
    "z interval": (lambda: limits(interval(A, method="z")), [6.9440720014, 8.2225946653], 1e-9),
    "paired t": (
        lambda: paired_difference(A, B, method="t")[:4],
        [0.4375, 0.1336542964, 0.7413457036, 0.0089322145],
        1e-9,
    ),
    "pooled t": (lambda: pooled_t(A, B)[1:], [0.9886521149, 0.3335829688], 1e-9),
    "sign flip": (lambda: [sign_flip_p(np.subtract(A, B))], [0.017578125], 1e-12),
    "bca": (lambda: limits(interval(A, method="bca")), [6.9166666667, 8.1458333333], 0.03),
    "holm": (lambda: holm(P), [0.005, 0.048, 0.048, 0.08, 0.2], 1e-12),
    "benjamini-hochberg": (lambda: benjamini_hochberg(P), [0.005, 0.021666666667, 0.021666666667, 0.05, 0.2], 1e-12),
    "unbalanced clusters, cr0": (lambda: [unbalanced("cr0").standard_error], [0.3714020101], 1e-8),
    "unbalanced clusters, cr1": (lambda: [unbalanced("cr1").standard_error], [0.4011600204], 1e-8),
    "unbalanced clusters, cr2": (
        lambda: unbalanced("cr2")[:5],
        [7.375, 6.3220878712, 8.4279121288, 0.4057416163, 4.8478939056],
        1e-8,
    ),
    "balanced clusters": (
        lambda: by_table(clustered_mean)[:5],
        [7.3666666667, 5.9524652143, 8.780868119, 0.509356893, 4],
        1e-9,
    ),
    "balanced clusters, t on means": (
        lambda: interval(by_table(cluster_means)[0], method="t")[:3],
        [7.3666666667, 5.9524652143, 8.780868119],
        1e-9,
    ),
    "icc": (lambda: [by_table(intraclass_correlation).icc], [0.8735294118], 0.0005),
    "10 of 10": (lambda: proportions(10, 10), [0.6915028922, 1.0, 0.7224672001, 1.0], 1e-9),
    "0 of 10": (lambda: proportions(0, 10), [0.0, 0.3084971078, 0.0, 0.2775327999], 1e-9),
    "8 of 10": (lambda: proportions(8, 10), [0.4439045377, 0.9747892737, 0.4901624715, 0.9433178485], 1e-9),
    "27 of 30": (lambda: proportions(27, 30), [0.7347115495, 0.978882863, 0.7437891742, 0.9654001113], 1e-9),
    "one 8": (lambda: limits(interval([8.0])), [0.2, 9.95], 1e-9),
    "five 10s": (lambda: limits(interval([10.0] * 5)), [4.781762499, 10.0], 1e-9),
    "five 0s": (lambda: limits(interval([0.0] * 5)), [0.0, 5.218237501], 1e-9),
    "fifteen 7s": (lambda: limits(interval([7.0] * 15)), [5.4738644736, 7.6540580827], 1e-9),
    "bounded": (lambda: limits(interval(A)), [5.5184518368, 8.4065373039], 0.03),
    "power": (
        lambda: [
            required_prompts(1.0, 0.5),
            required_prompts(1.0, 0.2),
            power_of_paired_t(0.5, 15),
            minimum_detectable_difference(1.0, 15),
            minimum_detectable_difference(1.0, 40),
        ],
        [33.3671311843, 198.1508209556, 0.4379267107, 0.7780225446, 0.4542571123],
        1e-4,
    ),
    "tost": (lambda: [equivalence(A, B, 0.3, method="t").p], [0.8296762177], 1e-9),
    "b not inferior to a": (lambda: [non_inferiority(B, A, 0.3, method="t").p], [0.8296762177], 1e-9),
    "a not inferior to b": (lambda: [non_inferiority(A, B, 0.3, method="t").p], [0.0001182942], 1e-9),
    "mcnemar": (lambda: [mcnemar_p(12, 3)], [0.03515625], 1e-9),
    "quantiles of t": (
        lambda: stdtrit([2, 4, 14, 29, 99], 0.975),
        [4.302653, 2.776445, 2.144787, 2.04523, 1.984217],
        1e-5,
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_known_answers(name):
    compute, expected, tolerance = REFERENCES[name]
    assert list(compute()) == pytest.approx(expected, abs=tolerance)


METHODS = ["bounded", "t", "bca", "z"]


@pytest.mark.parametrize("method", METHODS)
def test_no_scores_give_no_estimate(method):
    assert interval([], method=method)[:3] == (None, None, None)


def test_nothing_in_gives_nothing_out():
    assert clustered_mean([], [])[:5] == (None,) * 5
    assert equivalence([], [], 0.3)[:5] == (None, None, None, None, False)
    assert non_inferiority([], [], 0.3)[:5] == (None, None, None, None, False)
    assert intraclass_correlation([], []).icc is None
    assert mcnemar([], []).p == 1.0


@pytest.mark.parametrize("method", METHODS)
def test_one_score_has_the_bounded_interval_only(method):
    found = interval([8.0], method=method)
    assert found.method == "bounded"
    assert found[:3] == pytest.approx((8.0, 0.2, 9.95))


def test_one_cluster_has_the_bounded_interval_only():
    found = clustered_mean([8.0, 8.0, 7.0, 9.0], ["x"] * 4)
    assert (found.method, found.standard_error, found.df) == ("bounded", None, None)
    assert [found.estimate, *limits(found)] == pytest.approx([8.0, 0.2, 9.95])


@pytest.mark.parametrize("n", [1, 14, 40])
def test_no_variance_never_has_zero_width_and_proves_no_equivalence_by_itself(n):
    clustered = clustered_mean([7.0] * 2 * n, list(range(n)) * 2)
    assert clustered.method == "bounded"
    assert clustered.high - clustered.low > 0.1
    found = equivalence([7.0] * n, [7.0] * n, 0.3)
    assert (found.estimate, found.p, found.holds, found.method) == (0.0, None, False, "bounded")
    assert equivalence([7.0] * 400, [7.0] * 400, 0.3).holds


@pytest.mark.parametrize("n", [3, 5])
def test_equal_differences_have_the_smallest_sign_flip_p(n):
    assert sign_flip_p([1.0] * n) == pytest.approx(2 / 2**n)
    assert sign_flip_p([0.0] * n) == 1.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 10.5, -0.5])
@pytest.mark.parametrize(
    "function",
    [
        interval,
        lambda values: interval(values, method="bca"),
        lambda values: clustered_mean(values, [1, 2, 3]),
        lambda values: paired_difference(values, [1.0, 2.0, 3.0]),
        lambda values: equivalence([1.0, 2.0, 3.0], values, 0.3),
    ],
)
def test_what_is_no_score_is_refused_by_index_and_not_cut(function, bad):
    with pytest.raises(ValueError, match="value 1 is"):
        function([1.0, bad, 3.0])


def test_unequal_replicates_weigh_prompts_alike():
    means, _ = cluster_means([10.0, 4.0, 4.0, 4.0], ["a", "b", "b", "b"])
    assert interval(means).estimate == 7.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: equivalence(A, B, 0.0), "margin"),
        (lambda: equivalence(A, B, 0.3, alpha=0.5), "alpha"),
        (lambda: equivalence(A, B[1:], 0.3), "12 values against 11"),
        (lambda: equivalence(A, B, 0.3, method="z"), "unknown method"),
        (lambda: clustered_mean(A, CLUSTER), "12 values but 16 cluster names"),
        (lambda: clustered_mean(UNBALANCED, CLUSTER, method="cr3"), "cr3"),
        (lambda: intraclass_correlation([1.0, float("nan")], [1, 1]), "value 1 is nan"),
        (lambda: mcnemar([0, 2], [0, 1]), "True or False"),
        (lambda: mcnemar([0, 1], [0]), "same prompts"),
        (lambda: mcnemar_p(-1, 2), "negative"),
        (lambda: pooled_t([], A), "at least one"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_under_15_clusters_a_margin_is_judged_by_bounded_limits_without_a_p():
    found = non_inferiority(A, B, 5.0)
    assert (found.p, found.method, found.holds) == (None, "bounded", True)
    assert limits(found) == limits(interval(np.subtract(A, B), (-10, 10), level=0.9))


def test_passes_are_counted_by_pairs():
    assert mcnemar([1, 1, 1, 0, 0], [1, 0, 0, 1, 0])[:3] == (2, 1, 5)


def test_without_spread_a_pooled_t_has_no_p():
    assert pooled_t([7.0, 7.0], [7.0, 7.0]) == (0.0, None, None)
    assert pooled_t([7.0], [6.0, 7.0]).p is None
