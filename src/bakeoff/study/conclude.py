"""From what is stored to what it means: score, analyse, decide. Can be done again at any time from the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bakeoff.core.outlines import GenerationOutline, ScoreOutline, outline_generation, outline_score
from bakeoff.core.records import RunEvent
from bakeoff.decide.analysis import BriefUnit, analyse
from bakeoff.decide.conclusion import Conclusion
from bakeoff.decide.decision import Requirements, decide
from bakeoff.decide.footprint import Footprint
from bakeoff.decide.routing import route_content_types
from bakeoff.decide.same_weights import compare_same_weights
from bakeoff.measure.memory import summarise_loads
from bakeoff.measure.timing import summarise_timings
from bakeoff.score.composite import score_generation
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan, plan_trials
from bakeoff.study.pulse import GONE
from bakeoff.study.runner import gone_generation
from bakeoff.study.scorers import scorers_for, scoring_version


def conclude(plan: Plan, store: Store, *, complete: bool) -> Conclusion:
    """Score what is not scored yet, then analyse and decide.

    Raises:
        StoreError: the store refuses.
        BakeoffError: a complete run that lacks a generation, or a scorer that cannot be loaded.
    """
    events = tuple(store.events(plan.run_id))
    stored, scores = _score(plan, store)
    gone = _gone_generations(plan, stored, events) if complete else []
    generations = [*stored, *gone]
    names = [candidate.id for candidate in plan.candidates]
    units = [BriefUnit(id=brief.id, content_type=brief.content_type, cluster=brief.cluster) for brief in plan.briefs()]
    analysis = analyse(names, units, generations, scores, incomplete=not complete)
    own = {name: [g for g in generations if g.candidate == name] for name in names}
    timings = {name: summarise_timings(own[name], plan.concurrency_of(name)) for name in names}
    all_loads = store.loads(plan.run_id)
    loads = {name: summarise_loads([load for load in all_loads if load.candidate == name]) for name in names}
    footprints = {
        name: Footprint(latency_p50_s=timings[name].latency_s.p50, peak_memory_bytes=loads[name].peak_memory_bytes)
        for name in names
    }
    requirements = Requirements(threshold=plan.suite.threshold, excluded=_exclusions(gone))
    decision = decide(analysis.overall, eps=plan.suite.eps, requirements=requirements, footprints=footprints)
    routes = route_content_types(
        analysis, decision, eps=plan.suite.eps, requirements=requirements, footprints=footprints
    )
    return Conclusion(
        analysis=analysis,
        decision=decision,
        routes=routes,
        timings=timings,
        loads=loads,
        same_weights=compare_same_weights(plan.candidates, own, analysis.overall, loads, plan.concurrency_of),
        events=events,
        generations=tuple(generations),
        scores=tuple(scores),
        complete=complete,
    )


def _gone_generations(
    plan: Plan, stored: Sequence[GenerationOutline], events: Sequence[RunEvent]
) -> list[GenerationOutline]:
    """Return a failure for each trial that is not stored because its candidate was given up.

    They are counted, score 0, and are stored nowhere: a resumed run asks again, and then they are what came.
    """
    given_up = {event.candidate for event in events if event.kind == GONE}
    if not given_up:
        return []
    made = {generation.trial for generation in stored}
    return [
        outline_generation(gone_generation(trial))
        for candidate, trials in plan_trials(plan).items()
        if candidate in given_up
        for trial in trials
        if trial.key not in made
    ]


def _exclusions(gone: Sequence[GenerationOutline]) -> dict[str, str]:
    """Return why each candidate that was given up cannot be chosen."""
    counts = Counter(generation.candidate for generation in gone)
    return {name: f"it stopped answering, and {count} of its texts are missing" for name, count in counts.items()}


def _score(plan: Plan, store: Store) -> tuple[list[GenerationOutline], list[ScoreOutline]]:
    """Score what is not scored yet; return outlines of what happened and of all scores.

    Texts pass through memory a batch at a time: a run may have written more than fits.
    """
    kept_as, scorers = scoring_version(plan.suite), scorers_for(plan.suite)
    scores = [outline_score(score) for score in store.scores(plan.run_id, kept_as)]
    scored = {score.trial for score in scores}
    briefs = {brief.id: brief for brief in plan.briefs()}
    generations: list[GenerationOutline] = []
    for batch in store.generation_batches(plan.run_id):
        new = [
            score_generation(generation, plan.suite.checks(briefs[generation.brief]), plan.suite.weights, scorers)
            for generation in batch
            if generation.trial not in scored
        ]
        store.add_scores(plan.run_id, kept_as, new)
        scores += map(outline_score, new)
        generations += map(outline_generation, batch)
    return generations, scores
