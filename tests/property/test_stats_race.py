"""What must not change a race: the order of the models, the unit of the scale, names; and what a race may cost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.stats.race import Race


def play(scores, models, **arguments):
    race = Race(models, cap=len(scores), **arguments)
    for row in scores:
        known = dict(zip(sorted(models), row, strict=True))
        race.add({name: known[name] for name in race.survivors})
        if race.verdict is not None:
            break
    return race


def drawn(seed, rounds, k=4):
    generator = np.random.default_rng(seed)
    means = generator.uniform(4, 9, k)
    return np.clip(means + generator.normal(0, 1.5, (rounds, k)), 0, 10)


@given(st.integers(0, 10_000), st.permutations(["a", "b", "c", "d"]), st.sampled_from(["standard", "strict"]))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_models_changes_nothing(seed, order, mode):
    scores = drawn(seed, 60)
    one, other = play(scores, ["a", "b", "c", "d"], mode=mode), play(scores, order, mode=mode)
    assert one.verdict.outcome == other.verdict.outcome
    assert one.verdict.briefs == other.verdict.briefs
    assert set(one.verdict.equivalent) == set(other.verdict.equivalent)
    assert set(one.survivors) == set(other.survivors)


@given(st.integers(0, 10_000), st.sampled_from([0.1, 10.0]), st.sampled_from(["standard", "strict"]))
@settings(max_examples=40, deadline=None)
def test_another_unit_of_the_scale_changes_nothing(seed, factor, mode):
    scores = drawn(seed, 60)
    names = ["a", "b", "c", "d"]
    one = play(scores, names, mode=mode)
    other = play(scores * factor, names, mode=mode, bounds=(0.0, 10.0 * factor), eps=0.3 * factor)
    assert one.verdict == other.verdict
    for mine, its in zip(one.evidence(), other.evidence(), strict=True):
        assert mine.difference * factor == pytest.approx(its.difference)
        assert mine.log_e == pytest.approx(its.log_e, abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_better_scores_for_the_winner_never_cost_it_the_race(seed):
    scores = drawn(seed, 80)
    names = ["a", "b", "c", "d"]
    first = play(scores, names)
    if first.verdict.outcome != "winner" or first.verdict.ending != "decided":
        return
    (winner,) = first.verdict.equivalent
    better = scores.copy()
    better[:, names.index(winner)] = np.minimum(10.0, better[:, names.index(winner)] + 0.5)
    assert winner in play(better, names).survivors
