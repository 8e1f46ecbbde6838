"""A race that stops early answers for the suite, in whatever proportions its content types stand."""

from __future__ import annotations

from math import sqrt

import numpy as np

from bakeoff.stats.race import Race
from bakeoff.study.laps import divide
from bakeoff.study.suite import Brief

RACES = 200
ALLOWED = 0.05


def test_a_candidate_that_is_worse_over_the_suite_is_not_certified_for_being_better_at_its_small_type() -> None:
    """Over 30 tweets and 90 e-mails a is worse by 0.4, where eps is 0.3; over as many tweets as e-mails it is better.

    Types in turn certified it far more often. Allowed is 5 %, and three standard errors of the simulation.
    """
    briefs = [Brief(id=f"t{i}", content_type="tweet", prompt=f"tweet {i}") for i in range(30)]
    briefs += [Brief(id=f"e{i}", content_type="business_email", prompt=f"mail {i}") for i in range(90)]
    ahead = {"t": 1.5, "e": -(0.4 + 1.5 / 4) * 4 / 3}
    wrong = 0
    for seed in range(RACES):
        generator = np.random.default_rng(seed)
        racing, _ = divide(briefs, seed)
        race = Race(("a", "b"), cap=len(racing))
        for name in racing:
            base = generator.normal(6.0, 0.8)
            a, b = (
                base + ahead[name[0]] / 2 + generator.normal(0, 0.8),
                base - ahead[name[0]] / 2 + generator.normal(0, 0.8),
            )
            race.add({"a": float(np.clip(a, 0, 10)), "b": float(np.clip(b, 0, 10))})
            if race.verdict is not None:
                break
        assert race.verdict is not None
        wrong += race.verdict.equivalent != () and "a" in race.verdict.equivalent
    assert wrong / RACES <= ALLOWED + 3 * sqrt(ALLOWED * (1 - ALLOWED) / RACES)
