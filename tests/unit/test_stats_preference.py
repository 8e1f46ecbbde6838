"""Agreement with preferences between two texts: known values, ties, and what it takes to be called validated."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.stats.preference import preference_agreement


def test_thirty_of_forty_is_the_published_interval() -> None:
    human = [1.0] * 40
    score = [2.0] * 30 + [-2.0] * 10
    found = preference_agreement(human, score, [1, -1] * 20)
    assert (found.agreement, found.pairs) == (0.75, 40)
    assert (round(found.low or 0, 2), round(found.high or 0, 2)) == (0.60, 0.86)
    assert found.validated


def test_ties_of_the_person_are_left_out_and_those_of_the_score_are_halves() -> None:
    found = preference_agreement([1, -1, 0, 1], [3, 3, 1, 0], [5, -5, 1, 5])
    assert (found.pairs, found.tied) == (3, 1)
    assert found.agreement == pytest.approx(0.5)
    assert found.longer_wins == 1.0
    assert found.length_balanced is None


def test_counting_words_is_balanced_to_one_half_and_never_validated() -> None:
    generator = np.random.default_rng(3)
    longer = generator.choice([-1, 1], 400)
    human = np.where(generator.random(400) < 0.8, longer, -longer)
    found = preference_agreement(human, longer, longer)
    assert found.agreement == found.longer_wins
    assert found.length_balanced == 0.5
    assert not found.validated


def test_swapping_the_sides_changes_nothing() -> None:
    generator = np.random.default_rng(4)
    human, score, longer = (generator.normal(size=50).round() for _ in range(3))
    assert preference_agreement(human, score, longer) == preference_agreement(-human, -score, -longer)


def test_nothing_decided_is_unknown() -> None:
    found = preference_agreement([0, 0], [1, 2], [1, 1])
    assert (found.agreement, found.low, found.validated) == (None, None, False)


@pytest.mark.parametrize("score", [[1.0], [1.0, float("nan")]])
def test_what_cannot_be_compared_is_refused(score: list[float]) -> None:
    with pytest.raises(ValueError, match=r"finite|must be the same"):
        preference_agreement([1, 1], score, [1, 1])


def test_the_longer_text_is_tested_on_the_pairs_where_the_two_differ() -> None:
    """30 of 40 right; where score and length differ, 15 to 5: exact McNemar p = 0.0414."""
    found = preference_agreement([1.0] * 40, [2.0] * 30 + [-2.0] * 10, [1, -1] * 20)
    assert found.p == pytest.approx(0.04138946)
    assert not preference_agreement([1.0] * 40, [2.0] * 30 + [-2.0] * 10, [1, -1] * 20, level=0.96).validated
    assert preference_agreement([1.0] * 40, [1.0] * 30 + [-1.0] * 10, [1.0] * 25 + [0.0] * 15).p > 0.05
