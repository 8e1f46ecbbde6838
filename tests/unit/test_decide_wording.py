"""Numbers in sentences."""

import pytest

from bakeoff.core.records import Estimate
from bakeoff.decide import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.234, "1.23"),
        (-0.3, "-0.30"),
        (0.0041, "0.004"),
        (-0.04, "-0.04"),
        (0.0, "0.00"),
        (-1e-17, "0.00"),
        (10, "10.00"),
    ],
)
def test_points_never_round_a_difference_to_nothing(value, text):
    assert wording.points(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.2749, "-0.27"), (-0.2996, "-0.2996"), (-0.3004, "-0.3004"), (-0.3, "-0.30"), (-0.3 - 1e-12, "-0.30")],
)
def test_a_bound_never_reads_as_the_margin_that_it_misses(value, text):
    assert wording.points(value, -0.3) == text
    assert wording.points_between(value, 0.94, -0.3) == f"[{text}, 0.94]"


def test_signs_stand_where_they_are_asked_for_and_never_before_nothing():
    assert [wording.signed_points(value) for value in (0.314, -0.314, 0.0, -1e-9)] == [
        "+0.31",
        "-0.31",
        "+0.00",
        "+0.00",
    ]
    assert wording.signed_points(-0.02, 1) == "-0.02"


def test_estimates_read_as_a_number_with_its_interval():
    some = Estimate(estimate=0.9, low=0.75, high=1.0, method="bounded", briefs=9)
    none = Estimate(estimate=None, low=None, high=None, method="bounded", briefs=0)
    assert wording.rate_in_words(some) == "90 % [75 %, 100 %]"
    nearly = some.model_copy(update={"estimate": 0.9965, "low": 0.003, "high": 0.9999})
    assert wording.rate_in_words(nearly) == ">99 % [<1 %, >99 %]"  # 3 of 1000 failed: not 100 %
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
