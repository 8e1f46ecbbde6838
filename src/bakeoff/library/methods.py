"""What small samples of a stored run would have concluded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakeoff.core.generations import Generations
    from bakeoff.decide.methodology import Methodology
    from bakeoff.study.plan import Plan

DRAWS = 10_000


def methods_of(
    plan: Plan,
    result: Mapping[str, Any],
    generations: Mapping[str, Generations],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Methodology:
    """Return what small samples of a run would have concluded, for who has read it already.

    Raises:
        UsageError: fewer than two candidates, or too few families that they all wrote.
    """
    from bakeoff.decide.drawable import drawable_run
    from bakeoff.decide.methodology import compare_methods, rigorous_of
    from bakeoff.study.units import units_of

    texts = drawable_run([one.id for one in plan.candidates], units_of(plan.suite.briefs), generations)
    moved = {each["id"]: tuple(each["fallbacks"]) for each in result["candidates"] if each.get("fallbacks")}
    found = compare_methods(texts, rigorous_of(result), eps=plan.suite.eps, draws=draws, seed=seed)
    return found.model_copy(update={"fallbacks": moved})
