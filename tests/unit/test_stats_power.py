"""Power of the paired t test, against known answers and against itself."""

import json
from pathlib import Path

import pytest
from scipy.special import stdtrit

from bakeoff.stats.power import minimum_detectable_difference, power_of_paired_t, required_prompts

REFERENCE = json.loads((Path(__file__).parents[1] / "data/stats/reference.json").read_text())["values"]


def test_known_answers():
    expected = REFERENCE["power_n"]["expected"]
    tolerance = REFERENCE["power_n"]["tol"]
    assert required_prompts(1.0, 0.5) == pytest.approx(expected["n_05"], abs=tolerance)
    assert required_prompts(1.0, 0.2) == pytest.approx(expected["n_02"], abs=tolerance)
    assert power_of_paired_t(0.5, 15) == pytest.approx(expected["power_n15_dz05"], abs=tolerance)
    assert minimum_detectable_difference(1.0, 15) == pytest.approx(expected["mde_dz_n15"], abs=tolerance)
    assert minimum_detectable_difference(1.0, 40) == pytest.approx(expected["mde_dz_n40"], abs=tolerance)


def test_quantiles_of_t_are_the_published_ones():
    assert stdtrit([2, 4, 14, 29, 99], 0.975) == pytest.approx(REFERENCE["t_quantiles"]["expected"]["q"], abs=1e-5)


@pytest.mark.parametrize("n", [2, 5, 15, 200])
def test_the_two_questions_answer_each_other(n):
    difference = minimum_detectable_difference(2.2, n, power=0.9, level=0.99)
    assert required_prompts(2.2, difference, power=0.9, level=0.99) == pytest.approx(n, rel=1e-6)


def test_edges():
    assert required_prompts(0.0, 0.3) == 2.0
    assert required_prompts(1.0, 1e-7) == float("inf")
    assert minimum_detectable_difference(0.0, 15) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: required_prompts(1.0, 0.0), "difference must be positive"),
        (lambda: required_prompts(-1.0, 0.3), "sd of differences"),
        (lambda: required_prompts(1.0, 0.3, power=0.01), "power"),
        (lambda: required_prompts(1.0, 0.3, level=1.5), "level"),
        (lambda: minimum_detectable_difference(1.0, 1), "at least 2 pairs"),
    ],
)
def test_arguments_out_of_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()
