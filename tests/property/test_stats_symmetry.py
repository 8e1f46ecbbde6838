"""What must not change a result: the order of prompts, which end of the scale is up, who is called a."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.stats.intervals import interval
from bakeoff.stats.multiple import benjamini_hochberg, holm
from bakeoff.stats.paired import paired_difference

scores = st.floats(0, 10).map(lambda value: round(value, 2))
samples = st.lists(scores, min_size=1, max_size=40)
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=40)
FEW = settings(max_examples=60, deadline=None)


@FEW
@given(samples, st.randoms(use_true_random=False), st.sampled_from(["bounded", "t"]))
def test_the_order_of_prompts_does_not_matter(values, random, method):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert interval(values, method=method)[1:3] == pytest.approx(interval(shuffled, method=method)[1:3])


@FEW
@given(samples)
def test_the_interval_holds_its_mean_within_the_scale_and_has_a_width(values):
    found = interval(values)
    assert 0 <= found.low <= found.estimate <= found.high <= 10
    assert found.high - found.low > 0.01


@FEW
@given(samples)
def test_turning_the_scale_around_turns_the_interval_around(values):
    found = interval(values)
    turned = interval([10 - value for value in values])
    assert (turned.low, turned.high) == pytest.approx((10 - found.high, 10 - found.low))


@FEW
@given(samples, st.floats(0.1, 20), st.floats(-50, 50))
def test_another_unit_of_the_scale_changes_nothing_else(values, scale, shift):
    found = interval(values)
    other = interval(np.clip(np.array(values) * scale + shift, shift, 10 * scale + shift), (shift, 10 * scale + shift))
    assert (other.low, other.high) == pytest.approx((found.low * scale + shift, found.high * scale + shift), abs=1e-6)


@FEW
@given(samples, st.sampled_from(["bounded", "t"]))
def test_a_stricter_level_is_wider(values, method):
    loose, strict = interval(values, level=0.9, method=method), interval(values, level=0.99, method=method)
    assert strict.low <= loose.low
    assert loose.high <= strict.high


@FEW
@given(pairs)
def test_swapping_the_candidates_turns_the_difference_around(values):
    a, b = np.array(values).T
    forward, backward = paired_difference(a, b), paired_difference(b, a)
    assert (backward.estimate, backward.low, backward.high) == pytest.approx(
        (-forward.estimate, -forward.high, -forward.low), abs=1e-9
    )
    assert (forward.p is None) == (backward.p is None)
    if forward.p is not None:
        assert backward.p == pytest.approx(forward.p)
        assert backward.p_sign_flip == pytest.approx(forward.p_sign_flip)


@FEW
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    first, second = paired_difference(*np.array(values).T), paired_difference(*np.array(shuffled).T)
    assert first[:3] == pytest.approx(second[:3], abs=1e-9)
    assert first.p == pytest.approx(second.p)


@FEW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_corrections_never_help_and_keep_the_order(p):
    for adjusted in (holm(p), benjamini_hochberg(p)):
        assert np.all(adjusted >= np.array(p) * (1 - 1e-12))
        assert np.all(adjusted <= 1)
        assert np.all(np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0)
    assert np.all(benjamini_hochberg(p) <= holm(p) + 1e-12)
