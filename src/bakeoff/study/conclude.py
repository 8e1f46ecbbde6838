"""From what is stored to what it means: score, analyse, decide. Can be done again at any time from the same rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from bakeoff.core.errors import BakeoffError
from bakeoff.core.records import Decision, Generation, Route
from bakeoff.decide.analysis import Analysis, analyse
from bakeoff.decide.conclusion import Conclusion
from bakeoff.decide.confirmation import confirm, to_confirm, worth_confirming
from bakeoff.decide.contest import Contest
from bakeoff.decide.decision import Requirements, decide
from bakeoff.decide.footprint import Footprint
from bakeoff.decide.race_decision import decide_raced, route_raced
from bakeoff.decide.raced import analyse_raced, race_facts
from bakeoff.decide.routing import route_content_types
from bakeoff.decide.same_weights import compare_same_weights
from bakeoff.decide.table import BriefUnit
from bakeoff.decide.wording import plural
from bakeoff.measure.memory import LoadSummary, summarise_loads
from bakeoff.measure.timing import TimingSummary, summarise_timings
from bakeoff.store.db import Store
from bakeoff.study.energy_watch import read_energy
from bakeoff.study.plan import Plan
from bakeoff.study.pulse import GONE
from bakeoff.study.racing import contest_of, gone_trials, race_cells
from bakeoff.study.scoring import Scored
from bakeoff.study.units import units_of


def conclude(plan: Plan, store: Store, *, complete: bool) -> Conclusion:
    """Score what is not scored yet, then analyse and decide.

    Raises:
        StoreError: the store refuses.
        BakeoffError: a complete run that lacks a generation, or a scorer that cannot be loaded.
    """
    return conclude_scored(plan, store, Scored.of(plan, store), complete=complete)


def conclude_scored(plan: Plan, store: Store, scored: Scored, *, complete: bool) -> Conclusion:
    """Analyse and decide, by texts that are scored already.

    Raises:
        StoreError: the store refuses.
        BakeoffError: a complete run that lacks a generation.
    """
    events = tuple(store.events(plan.run_id))
    given_up = {event.candidate for event in events if event.kind == GONE and event.candidate} if complete else set()
    contest = _raced(plan, scored, given_up, complete=complete) if plan.mode == "race" else None
    lost = dict.fromkeys(given_up, plan.brief_ids) if contest is None else contest.lost
    # Counted as failures and stored nowhere: a resumed run asks again, and then they are what came.
    gone = gone_trials(plan, scored, lost)
    names = [candidate.id for candidate in plan.candidates]
    generations = {name: scored.generations[name].with_failures(gone.get(name, ())) for name in names}
    timings = {
        name: summarise_timings(generations[name], plan.concurrency_of(name), plan.workers_of(name)) for name in names
    }
    all_loads = store.loads(plan.run_id)
    loads = {name: summarise_loads([load for load in all_loads if load.candidate == name]) for name in names}
    footprints = {name: _footprint(timings[name], loads[name]) for name in names}
    requirements = Requirements(threshold=plan.suite.threshold, excluded=_exclusions(gone))
    fresh = units_of(plan.held_back_briefs())
    if contest is None:
        chosen = analyse(names, units_of(plan.briefs()), generations, incomplete=not complete)
        wanted = to_confirm(chosen, eps=plan.suite.eps, requirements=requirements)
        asked = worth_confirming(
            wanted, fresh, {name: found.clusters for name, found in chosen.by_content_type.items()}
        )
        analysis = confirm(chosen, asked, fresh, generations, partial(_finished, plan, chosen))
        decision, routes = _decide(plan, analysis, requirements, footprints)
    else:
        asked = worth_confirming(contest.to_confirm(), fresh, contest.families_of_types())
        analysis = analyse_raced(contest, fresh, generations)
        decision = decide_raced(contest, analysis.overall, requirements=requirements, footprints=footprints)
        routes = route_raced(contest, analysis, decision, requirements=requirements, footprints=footprints)
    return Conclusion(
        analysis=analysis,
        decision=decision,
        routes=routes,
        timings=timings,
        loads=loads,
        energy=read_energy(plan, store),
        same_weights=compare_same_weights(plan.candidates, generations, analysis.overall, loads, plan.concurrency_of),
        events=events,
        generations=generations,
        complete=complete,
        to_confirm=asked,
        race=None if contest is None else race_facts(contest),
    )


def _footprint(timing: TimingSummary, load: LoadSummary) -> Footprint:
    latency = timing.latency_s
    return Footprint(
        latency_p50_s=latency.p50,
        latency_low_s=latency.p50_low,
        latency_high_s=latency.p50_high,
        peak_memory_bytes=load.peak_memory_bytes,
    )


def _finished(plan: Plan, analysis: Analysis, candidate: str, content_type: str | None) -> list[BriefUnit]:
    """Return the briefs that count in a run of a fixed number of briefs, the same ones for every candidate."""
    del candidate
    return [
        brief
        for brief in units_of(plan.briefs())
        if brief.id not in analysis.left_out and content_type in (None, brief.content_type)
    ]


def _decide(
    plan: Plan, analysis: Analysis, requirements: Requirements, footprints: Mapping[str, Footprint]
) -> tuple[Decision, dict[str, Route]]:
    eps = plan.suite.eps
    decision = decide(analysis.overall, eps=eps, requirements=requirements, footprints=footprints)
    return decision, route_content_types(analysis, decision, eps=eps, requirements=requirements, footprints=footprints)


def _raced(plan: Plan, scored: Scored, given_up: Collection[str], *, complete: bool) -> Contest:
    """Return the races, run from what is stored."""
    contest = contest_of(plan)
    contest.advance(race_cells(plan, scored), given_up)
    if not contest.over:
        if complete:
            raise BakeoffError("the race is not over, and nothing is left to write", "resume the run")
        contest.stop()
    return contest


def _exclusions(gone: Mapping[str, Collection[Generation]]) -> dict[str, str]:
    """Return why each candidate that was given up cannot be chosen."""
    return {
        name: f"it was given up, and {plural(len(missing), 'text that was', 'texts that were')} to come from it {'is' if len(missing) == 1 else 'are'} missing"
        for name, missing in gone.items()
        if missing
    }
