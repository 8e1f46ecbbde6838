"""Numbers in sentences."""

import pytest

from bakeoff.core.records import Estimate
from bakeoff.decide import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.234, "1.2"), (-0.3, "-0.3"), (0.0041, "0.004"), (-0.04, "-0.04"), (0.0, "0.0"), (-1e-17, "0.0"), (10, "10.0")],
)
def test_points_never_round_a_difference_to_nothing(value, text):
    assert wording.points(value) == text


def test_estimates_read_as_a_number_with_its_interval():
    some = Estimate(estimate=0.9, low=0.75, high=1.0, method="bounded", briefs=9)
    none = Estimate(estimate=None, low=None, high=None, method="bounded", briefs=0)
    assert wording.rate_in_words(some) == "90 % [75 %, 100 %]"
    assert wording.quality_in_words(some) == "0.9 [0.8, 1.0]"
    assert (wording.quality_in_words(none), wording.rate_in_words(none)) == ("no score", "unknown")


def test_counts_p_values_and_bytes():
    assert wording.sample_in_words(125, 45) == "125 briefs (45 families)"
    assert wording.sample_in_words(5, 1) == "5 briefs (1 family)"
    assert wording.sample_in_words(1, 1) == "1 brief"
    assert wording.p_in_words(0.00031) == "p = 0.00031"
    assert wording.p_in_words(3e-9) == "p < 0.0001"
    assert wording.bytes_in_words(1_430_000_000) == "1.4 GB"
    assert wording.bytes_in_words(35_400_000) == "35 MB"
