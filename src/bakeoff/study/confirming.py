"""Having the held-back briefs written, by those who may be chosen: their scores are quoted from these."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bakeoff.core.generations import Generations
from bakeoff.decide.conclusion import Conclusion
from bakeoff.study.gathering import RaceProgress
from bakeoff.study.laps import lap_blocks, next_lap, trials_of
from bakeoff.study.plan import Plan, trials_for
from bakeoff.study.pulse import GONE
from bakeoff.study.runner import Runner


async def write_held_back(
    plan: Plan,
    runner: Runner,
    progress: RaceProgress,
    asked: Mapping[str, Collection[str]],
    generations: Mapping[str, Generations],
    *,
    together: bool,
) -> None:
    """Have those that were asked write the held-back briefs of the content types that they were asked for.

    Args:
        plan: of the run.
        runner: given up candidates are not asked.
        progress: told what comes.
        asked: content types by candidate.
        generations: what is stored, by candidate.
        together: whether all workers are in memory at once.

    Raises:
        StoreError: the store refuses; nothing stored before is lost.
    """
    fresh = plan.held_back_briefs()
    finished = trials_of(generations, {name: [brief.id for brief in fresh] for name in asked})
    wanted, left = {}, {}
    for name, types in asked.items():
        if name not in runner.given_up:
            briefs = [brief for brief in fresh if brief.content_type in types]
            wanted[name] = [brief.id for brief in briefs]
            left[name] = sum(trial.key not in finished for trial in trials_for(plan, plan.candidate(name), briefs))
    if any(left.values()):
        names = ", ".join(f"{name} ({len(briefs)})" for name, briefs in wanted.items())
        progress.standing([f"confirming scores on briefs that had no part in them: {names}"], left, {})
        blocks = lap_blocks(plan, next_lap(generations), wanted, finished, together=together, loaded=runner.loaded)
        await runner.write(blocks, together=together)


def unconfirmed(plan: Plan, conclusion: Conclusion) -> set[str]:
    """Return who was given up before it had written all held-back briefs that it was asked for."""
    given_up = {event.candidate for event in conclusion.events if event.kind == GONE}
    found = set()
    for name, types in conclusion.to_confirm.items():
        briefs = [brief for brief in plan.held_back_briefs() if brief.content_type in types]
        written = conclusion.generations[name].trials_of([brief.id for brief in briefs])
        if name in given_up and any(
            trial.key not in written for trial in trials_for(plan, plan.candidate(name), briefs)
        ):
            found.add(name)
    return found
