"""Fresh briefs confirm the score of the chosen candidate, and never put a rival first that was beaten and not confirmed."""

from __future__ import annotations

import numpy as np

from bakeoff.decide.analysis import analyse
from bakeoff.decide.confirmation import confirm, to_confirm
from bakeoff.decide.decision import Requirements, decide
from bakeoff.decide.table import BriefUnit
from made_generations import columns_of
from made_runs import make_briefs, make_run

RUNS = 40
WANTED = Requirements(threshold=7.0)


def test_the_choice_does_not_go_to_a_beaten_rival_with_more_briefs() -> None:
    """90 briefs, and 30 fresh ones of the chosen alone; a 7.75, b 7.4, threshold 7. In every third run b was put first."""
    fresh = [BriefUnit(f"h{number}", "tweet") for number in range(30)]
    briefs = make_briefs(90)
    chosen = changed = 0
    for seed in range(RUNS):
        first, second = (drawn(seed, count) for count in (90, 30))
        generations, scores = make_run(briefs, first)
        before = analyse(["a", "b"], briefs, columns_of(generations, scores))
        asked = to_confirm(before, requirements=WANTED)
        more, marks = make_run(fresh, {name: second[name] for name in asked})
        after = confirm(before, asked, fresh, columns_of(generations + more, scores + marks), lambda name, kind: briefs)
        one, other = (decide(found.overall, requirements=WANTED) for found in (before, after))
        chosen += one.choice == "a"
        changed += one.choice is not None and one.choice != other.choice
    assert chosen > RUNS / 2, "else nothing is tried"
    assert changed == 0


def drawn(seed: int, count: int) -> dict[str, list[float]]:
    generator = np.random.default_rng([seed, count])
    shared = generator.normal(0, 1.2, count)
    means = {"a": 7.75, "b": 7.4}
    return {
        name: np.clip(mean + shared + generator.normal(0, 0.6, count), 0, 10).tolist() for name, mean in means.items()
    }
