"""Corrections for many comparisons."""

import json
from pathlib import Path

import pytest

from bakeoff.stats.multiple import benjamini_hochberg, holm

REFERENCE = json.loads((Path(__file__).parents[1] / "data/stats/reference.json").read_text())["values"]["holm"]


def test_holm_and_benjamini_hochberg():
    p = REFERENCE["input"]["p"]
    assert holm(p) == pytest.approx(REFERENCE["expected"]["holm"], abs=REFERENCE["tol"])
    assert benjamini_hochberg(p) == pytest.approx(REFERENCE["expected"]["bh"], abs=REFERENCE["tol"])


def test_the_order_given_is_kept():
    shuffled = [0.2, 0.013, 0.001, 0.04, 0.012]
    assert holm(shuffled) == pytest.approx([0.2, 0.048, 0.005, 0.08, 0.048])
    assert benjamini_hochberg(shuffled) == pytest.approx([0.2, 0.0216666667, 0.005, 0.05, 0.0216666667])


def test_adjusted_values_stay_probabilities():
    assert holm([0.5, 0.9, 0.7]).tolist() == [1.0, 1.0, 1.0]
    assert holm([]).tolist() == []


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_what_is_no_probability_is_refused(bad):
    with pytest.raises(ValueError, match="p-value 1 is"):
        holm([0.1, bad])
