"""How often is a decision wrong? Fields of candidates whose true means are known, decided again and again."""

from math import sqrt

import numpy as np
import pytest

from bakeoff.decide.decision import decide
from made_runs import analyse_table, make_briefs

ALPHA, EPS = 0.05, 0.3


def decisions(centres, *, briefs, per_family, repeats, seed):
    """Decide `repeats` runs of candidates `a`, `b`, .. with these true means."""
    generator = np.random.default_rng(seed)
    units = make_briefs(briefs, per_family=per_family)
    families = briefs // per_family
    for _ in range(repeats):
        shared = np.repeat(generator.normal(0, 0.7, families), per_family)
        table = {}
        for k, centre in enumerate(centres):
            own = np.repeat(generator.normal(0, 0.4, families), per_family)
            scores = np.clip(centre + shared + own + generator.normal(0, 0.6, briefs), 0, 10)
            table["abc"[k]] = scores.tolist()
        yield decide(analyse_table(units, table).overall, eps=EPS)


def limit(repeats):
    return ALPHA + 3 * sqrt(ALPHA * (1 - ALPHA) / repeats)


@pytest.mark.parametrize(("briefs", "per_family"), [(20, 1), (90, 3)])
def test_equal_candidates_have_a_winner_as_rarely_as_promised(briefs, per_family):
    repeats = 200
    made = decisions((6, 6, 6), briefs=briefs, per_family=per_family, repeats=repeats, seed=1)
    wrong = sum(decision.outcome == "winner" for decision in made)
    assert wrong / repeats <= limit(repeats)


def test_a_candidate_worse_than_eps_is_chosen_as_rarely_as_promised():
    repeats = 200
    made = list(decisions((6.0, 6.35, 6.0), briefs=40, per_family=1, repeats=repeats, seed=2))
    wrong = sum(decision.choice in ("a", "c") or bool({"a", "c"} & set(decision.equivalent)) for decision in made)
    assert wrong / repeats <= limit(repeats)


def test_a_large_difference_is_found():
    made = list(decisions((7.5, 6.0, 6.0), briefs=60, per_family=2, repeats=30, seed=3))
    assert sum(decision.choice == "a" and decision.outcome == "winner" for decision in made) >= 28


def test_equivalence_is_found_when_there_are_briefs_enough():
    made = list(decisions((6.5, 6.5), briefs=300, per_family=1, repeats=20, seed=4))
    assert sum(decision.outcome == "best_within_eps" for decision in made) >= 16
