"""The drop detector: its rate of false alarms is what it says, and it sees drops of every size, early or late."""

import numpy as np
import pytest

from bakeoff.stats.drops import DropDetector


def grades_until_alarm(rng, mean, reference, expected, good_before=0, most=100_000):
    watch = DropDetector(reference, expected)
    for _ in range(good_before):
        watch.add(1.0)
    for number in range(1, most):
        if watch.add(float(rng.random() < mean)):
            return number
    return most


@pytest.mark.parametrize("reference", [0.3, 0.9])
def test_false_alarms_are_as_rare_as_stated(reference):
    rng = np.random.default_rng(20261127)
    lengths = [grades_until_alarm(rng, reference, reference, 300) for _ in range(300)]
    # The time to an alarm is about exponential: its mean is known to 6 %.
    assert np.mean(lengths) > 300 * 0.85
    assert np.mean(lengths) < 300 * 2, "an idle detector would pass the bound above"


def test_grades_that_hang_together_do_not_make_it_lie():
    # Runs of equal grades, whose mean given the past is still the reference or above.
    rng = np.random.default_rng(7)
    lengths = []
    for _ in range(200):
        watch = DropDetector(0.5, 200)
        number = 0
        while not watch.alarmed and number < 20_000:
            number += 1
            spread = 0.5 if rng.random() < 0.5 else 0.1
            watch.add(float(np.clip(0.5 + spread * rng.choice([-1.0, 1.0]), 0, 1)))
        lengths.append(number)
    assert np.mean(lengths) > 200 * 0.8


@pytest.mark.parametrize(("mean", "within"), [(0.8, 400), (0.5, 80), (0.0, 25)])
def test_drops_are_seen_and_a_good_past_does_not_hide_them(mean, within):
    rng = np.random.default_rng(3)
    fresh = np.median([grades_until_alarm(rng, mean, 0.9, 10_000) for _ in range(20)])
    late = np.median([grades_until_alarm(rng, mean, 0.9, 10_000, good_before=1000) for _ in range(20)])
    assert fresh < within
    assert late < 1.3 * within


def test_an_alarm_stays_until_it_is_reset():
    watch = DropDetector(0.9, 100)
    while not watch.add(0.0):
        continue
    assert watch.add(1.0)
    watch.reset()
    assert not watch.alarmed
    assert watch.evidence == 0.0
    assert watch.grades == 0


@pytest.mark.parametrize(("reference", "expected"), [(-0.1, 100), (1.1, 100), (0.5, 1.0), (0.5, float("inf"))])
def test_arguments_out_of_range_are_refused(reference, expected):
    with pytest.raises(ValueError, match="must be"):
        DropDetector(reference, expected)


def test_a_grade_out_of_range_is_refused_and_changes_nothing():
    watch = DropDetector(0.5, 100)
    for grade in (-0.01, 1.01, float("nan")):
        with pytest.raises(ValueError, match="grade"):
            watch.add(grade)
    assert watch.grades == 0
