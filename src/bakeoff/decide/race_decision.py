"""From the verdicts of the races to a decision and routes, in the words and records of a run of a fixed number of briefs.

The races say who is best or within eps of the best; here the requirements are applied, the cheapest of equals is chosen,
and it is said why, and what would settle what is open.
"""

from __future__ import annotations

from collections.abc import Mapping

from bakeoff.core.records import Comparison, Decision, Route
from bakeoff.decide.analysis import PILOT_UNDER, Analysis, Section
from bakeoff.decide.contest import OVERALL, Contest, News
from bakeoff.decide.decision import (
    Requirements,
    excluded_in_words,
    further_briefs,
    further_in_words,
    ranking,
    score_in_words,
    shortcoming,
    unconfirmed_in_words,
)
from bakeoff.decide.footprint import Footprint, choose_cheapest
from bakeoff.decide.wording import plural, points, points_between
from bakeoff.stats.race import FEWEST_FOR_OUTCOME, Race
from bakeoff.stats.verdicts import Elimination, Verdict

_FEW_TYPES = 2
_CONVINCING = 1e6
"""Larger e-values are told as "over a million": more digits would say nothing more."""


def decide_raced(
    contest: Contest,
    section: Section,
    *,
    requirements: Requirements | None = None,
    footprints: Mapping[str, Footprint] | None = None,
) -> Decision:
    """Decide a section by its race.

    Args:
        contest: all of its races have a verdict.
        section: of `analyse_raced`.
        requirements: as in `decide`.
        footprints: as in `decide`.
    """
    race = contest.race_of(section.content_type)
    wanted = requirements or Requirements()
    short = {result.candidate: shortcoming(section, result.candidate, wanted) for result in section.candidates}
    found = _decide(contest, section, short, footprints or {})
    named = found.choice or found.leader
    fresh = () if named is None else unconfirmed_in_words(section, named, wanted)
    return found.model_copy(
        update={
            "reasons": (*found.reasons, *fresh),
            "excluded": tuple(name for name, why in short.items() if why is not None),
            "withdrawn": tuple(race.withdrawn),
        }
    )


def _decide(
    contest: Contest, section: Section, short: Mapping[str, str | None], footprints: Mapping[str, Footprint]
) -> Decision:
    """Decide by the verdict; `short` says why a candidate does not qualify, None of those that do."""
    race, verdict = contest.race_of(section.content_type), contest.verdict(section.content_type)
    excluded = excluded_in_words(short)
    if verdict.outcome == "insufficient_data":
        few = f"too few: {plural(verdict.briefs, 'family', 'families')}; {FEWEST_FOR_OUTCOME} are needed before anything is said"
        return Decision(outcome="insufficient_data", choice=None, leader=verdict.leader, reasons=(few,))
    qualifying = [name for name, why in short.items() if why is None]
    qualified = [name for name in verdict.equivalent if short[name] is None]
    if not qualifying or (verdict.equivalent and not qualified):
        worse = f"{', '.join(qualifying)}: shown to be worse, or not shown to be as good"
        return Decision(outcome="none_qualified", choice=None, reasons=(*excluded, *([worse] if qualifying else ())))
    if verdict.ending == "withdrawn" and qualifying == [verdict.leader]:
        alone = f"{verdict.leader} alone qualifies; its score is {score_in_words(section, verdict.leader)}"
        pilot = verdict.briefs < PILOT_UNDER and section.content_type is None
        return Decision(
            outcome="no_clear_winner" if pilot else "winner",
            choice=None if pilot else verdict.leader,
            leader=verdict.leader,
            reasons=(alone, *excluded),
        )
    ended = _ending_in_words(race, verdict)
    if race.withdrawn and verdict.ending != "withdrawn":
        ended += f"; withdrawn: {_absent(race)}"
    if not qualified:
        leader = verdict.leader if short[verdict.leader] is None else _next_leader(section, verdict, short)
        return Decision(
            outcome="no_clear_winner",
            choice=None,
            leader=leader,
            reasons=(*_undecided_in_words(race, section, verdict, leader), ended, *excluded),
        )
    return _chosen(section, race, verdict, qualified, footprints, (ended, *excluded))


def route_raced(
    contest: Contest,
    analysis: Analysis,
    overall: Decision,
    *,
    requirements: Requirements | None = None,
    footprints: Mapping[str, Footprint] | None = None,
) -> dict[str, Route]:
    """Return a route for each content type; where its race is undecided the overall choice or leader serves, unless it is out.

    Args:
        contest: all of its races have a verdict.
        analysis: of `analyse_raced`.
        overall: of `decide_raced` for the race over everything.
        requirements: as in `decide`, held against each type alone.
        footprints: as in `decide`.
    """
    general = overall.choice or overall.leader
    wanted = requirements or Requirements()
    return {
        name: _route(contest, section, general, wanted, footprints or {})
        for name, section in analysis.by_content_type.items()
    }


def _chosen(
    section: Section,
    race: Race,
    verdict: Verdict,
    qualified: list[str],
    footprints: Mapping[str, Footprint],
    ended: tuple[str, ...],
) -> Decision:
    """Choose among those that the race showed and that qualify."""
    ordered = ranking(section, qualified)
    choice = choose_cheapest(ordered, footprints)
    reasons = [f"{choice.candidate} scores {score_in_words(section, choice.candidate)}"]
    if verdict.outcome == "winner":
        reasons += [_win_in_words(section, race, choice.candidate, rival) for rival in _others(race, choice.candidate)]
    else:
        every = f"every other that was left in the race{_unknown(race)}" if race.withdrawn else "every other"
        reasons.append(f"{every} is shown not to be better by {race.eps:g} points or more")
        rivals = [name for name in verdict.survivors if name != choice.candidate]
        reasons += [f"ahead of {name} by {_lead_in_words(section, choice.candidate, name)}" for name in rivals]
        reasons += [_out_in_words(section, out) for out in race.eliminations]
        if len(ordered) > 1:
            reasons += [f"equal within {race.eps:g}: {', '.join(ordered)}", choice.reason]
    return Decision(
        outcome=verdict.outcome,
        choice=choice.candidate,
        equivalent=() if verdict.outcome == "winner" else ordered,
        leader=verdict.leader,
        reasons=(*reasons, *ended),
    )


def _route(
    contest: Contest,
    section: Section,
    general: str | None,
    wanted: Requirements,
    footprints: Mapping[str, Footprint],
) -> Route:
    decision = decide_raced(contest, section, requirements=wanted, footprints=footprints)
    verdict = contest.verdict(section.content_type)
    names = [result.candidate for result in section.candidates]
    qualified = ranking(section, [name for name in names if shortcoming(section, name, wanted) is None])
    # Those that are out are beaten: they come last.
    order = sorted(qualified, key=lambda name: (name not in verdict.survivors, name != general))
    serving = decision.choice
    why: tuple[str, ...] = ()
    if serving is None and order and decision.outcome != "none_qualified":
        serving = order[0] if general in verdict.survivors and general in qualified else decision.leader or order[0]
        why = (f"{serving} serves: {_stand_in_words(serving, general, verdict)}",)
    shown = serving if serving is not None else verdict.leader
    return Route(
        candidate=serving,
        outcome=decision.outcome,
        evidence=section.result(shown).quality,
        fallbacks=tuple(name for name in order if name != serving),
        reasons=(*decision.reasons, *why),
        excluded=decision.excluded,
        withdrawn=decision.withdrawn,
    )


def _stand_in_words(serving: str, general: str | None, verdict: Verdict) -> str:
    """Say why `serving` serves an undecided type."""
    here = "" if serving in verdict.survivors else "; it was out or withdrawn here"
    if serving == general:
        return f"undecided here, so the overall choice or leader stands in{here}"
    if serving == verdict.leader:
        return "it leads here, undecided"
    return f"it is the next that qualifies{here}"


def _others(race: Race, name: str) -> list[str]:
    return [model for model in race.models if model != name]


def _next_leader(section: Section, verdict: Verdict, short: Mapping[str, str | None]) -> str | None:
    ranked = ranking(section, [name for name in verdict.survivors if short[name] is None])
    return ranked[0] if ranked else None


def _comparison(section: Section, a: str, b: str) -> Comparison | None:
    return next((pair for pair in section.comparisons if {pair.a, pair.b} == {a, b}), None)


def _lead_in_words(section: Section, a: str, b: str) -> str:
    """Return `1.2 points [0.8, 1.6]`: how far a is ahead of b, over what both wrote."""
    pair = _comparison(section, a, b)
    if pair is None or pair.difference is None:
        return "unknown"
    sign = 1 if pair.a == a else -1
    if pair.low is None or pair.high is None:
        return f"{points(sign * pair.difference)} points [too few briefs for an interval]"
    low, high = sorted((sign * pair.low, sign * pair.high))
    return f"{points(sign * pair.difference)} points {points_between(low, high)}"


def _win_in_words(section: Section, race: Race, winner: str, rival: str) -> str:
    out = next((found for found in race.eliminations if found.model == rival), None)
    if out is not None and out.by != winner:
        return _out_in_words(section, out)
    said = f"beats {rival} by {_lead_in_words(section, winner, rival)}"
    if out is None:
        return f"{said}, by the test after the last of {race.briefs} families"
    return f"{said}: shown after {plural(out.round_number, 'family', 'families')} ({_evidence_in_words(out)})"


def _out_in_words(section: Section, out: Elimination) -> str:
    after = plural(out.round_number, "family", "families")
    lead = _lead_in_words(section, out.by, out.model)
    return f"{out.model} is out after {after}: {out.by} is better by {lead} ({_evidence_in_words(out)})"


def _evidence_in_words(out: Elimination) -> str:
    e = float("inf") if out.log_e > 700 else 2.718281828459045**out.log_e
    return "e over a million" if e > _CONVINCING else f"e = {e:,.0f}"


def _ending_in_words(race: Race, verdict: Verdict) -> str:
    of = f"{verdict.briefs} of {race.cap} families"
    mode = "guaranteed evidence" if race.mode == "strict" else "approximate evidence"
    said = {
        "decided": f"the race was decided after {of} ({mode})",
        "cap": f"the race used all of its {race.cap} families ({mode})",
        "futile": (
            f"the race ended after {of}: nobody had a chance of 5 % to be shown within {race.eps:g} points of the others"
        ),
        "withdrawn": f"after {of} nobody else was left in it; withdrawn: {_absent(race)}",
        "stopped": f"the race was cut short after {of}",
    }[verdict.ending]
    return (
        f"pilot: {said}; under {PILOT_UNDER} families only large differences show" if race.cap < PILOT_UNDER else said
    )


def _unknown(race: Race) -> str:
    return f" (nothing is shown about {', '.join(race.withdrawn)}, withdrawn)"


def _absent(race: Race) -> str:
    return f"{', '.join(race.withdrawn)} (out over everything and behind here, or given up)"


def _undecided_in_words(race: Race, section: Section, verdict: Verdict, leader: str | None) -> tuple[str, ...]:
    if leader is None:
        return ()
    score = score_in_words(section, leader)
    reasons = [f"{leader} leads with {score}, which is not enough to choose it"]
    rivals = [name for name in verdict.survivors if name != leader]
    reasons += [_not_shown_in_words(section, leader, name) for name in rivals]
    reasons += [_out_in_words(section, out) for out in race.eliminations]
    if race.mode == "strict":
        return (*reasons, *_more_for_bets(race, section, verdict, leader))
    spreads = []
    for name in rivals:
        pair = _comparison(section, leader, name)
        if pair is not None and pair.difference is not None:
            ahead = pair.difference if pair.a == leader else -pair.difference
            spreads.append((pair.sd_difference, ahead))
    more = further_briefs(
        spreads,
        eps=race.eps,
        level=race.level,
        candidates=len(race.models),
        families=verdict.briefs,
        briefs=section.briefs,
    )
    return (*reasons, more) if more is not None else tuple(reasons)


def _not_shown_in_words(section: Section, leader: str, rival: str) -> str:
    lead = _lead_in_words(section, leader, rival)
    pair = _comparison(section, leader, rival)
    if pair is not None and pair.low is not None and pair.high is not None and pair.low * pair.high > 0:
        enough = "enough if this pair had been the only question, and not among all pairs"
        return f"not shown: ahead of {rival} by {lead}, {enough}"
    return f"not told apart: ahead of {rival} by {lead}"


def _more_for_bets(race: Race, section: Section, verdict: Verdict, leader: str) -> tuple[str, ...]:
    needed = race.rounds_expected(leader)
    if needed is None or not verdict.briefs:
        return ()
    more = max(needed - verdict.briefs, 1.0) * section.briefs / verdict.briefs
    return (further_in_words(more, race.eps, "an estimate from the bets so far"),)


def standing_in_words(contest: Contest) -> str:
    """Return where the races stand, in a line."""
    race = contest.races[OVERALL]
    after = plural(race.briefs, "family", "families")
    said = f"after {after} {race.leader} leads, {len(race.survivors)} of {plural(len(race.models), 'candidate')} in"
    if race.verdict is not None:
        names = ", ".join(race.verdict.equivalent or (race.verdict.leader,))
        said = f"over everything: {race.verdict.outcome.replace('_', ' ')} ({names}) after {after}"
    open_types = [name for name in contest.types if contest.race_of(name).verdict is None]
    if len(contest.races) == 1:
        return said
    if not open_types:
        return f"{said}; all content types are decided or at their end"
    few = len(open_types) <= _FEW_TYPES
    what = ", ".join(open_types) if few else f"{len(open_types)} of {len(contest.types)} content types"
    return f"{said}; still open: {what}"


def news_in_words(news: News) -> str:
    """Return who is out of which race, in a line."""
    out = news.elimination
    where = "" if news.race is OVERALL else f" for {news.race}"
    after = plural(out.round_number, "family", "families")
    return f"{out.model} is out{where} after {after}: {out.by} is better ({_evidence_in_words(out)})"


def out_in_words(news: News) -> str:
    """Return the same for a place that names the candidate already: `out after 18: b is better`."""
    out = news.elimination
    return f"out after {out.round_number}: {out.by} is better"
