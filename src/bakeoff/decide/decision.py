"""What to run, why, and how sure: from a section of an analysis to one of five outcomes, for a fixed number of briefs.

insufficient_data   under 5 families of briefs: nothing is said
none_qualified      no candidate meets the requirements
winner              beats every other candidate that qualifies, after Holm's correction over all pairs
best_within_eps     no other that qualifies can be better by more than eps; of several such candidates the cheapest is chosen
no_clear_winner     none of these: the leader is named, never chosen, with what is expected to settle it

A highest mean alone is no reason: with 15 briefs it belongs to a model worse than the best by more than 0.3 points in
17-42 % of simulated fields. Under 15 families no difference is claimed at all (stats.paired says why).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from pydantic import Field

from bakeoff.core.records import Decision, Estimate
from bakeoff.core.spec import Record
from bakeoff.decide.analysis import PILOT_UNDER, Measured, Section
from bakeoff.decide.footprint import CheapestChoice, Footprint, choose_cheapest
from bakeoff.decide.pairs import Pair, pairs_of
from bakeoff.decide.wording import (
    p_in_words,
    plural,
    points,
    points_between,
    quality_in_words,
    rate_in_words,
    sample_in_words,
)
from bakeoff.stats.power import required_for_all

FEWEST_CLUSTERS = 5
DEFAULT_EPS = 0.3
_MOST_MORE_BRIEFS = 2000
_APPROXIMATE_UNDER = 30


class Requirements(Record):
    """What a candidate must reach to be considered: the interval's lower bound above each number that is given.

    It is held against all briefs that count, those that choose and fresh ones together: fresh ones alone are few, and only of
    those that may be chosen, so that a test on these put a better candidate behind one that was never confirmed.
    `excluded` are candidates that cannot be chosen whatever they reach, each with the reason in words. Whatever is asked, a candidate without one publishable text does not qualify.
    """

    threshold: float | None = None
    min_success_rate: float | None = None
    min_publishable_rate: float | None = None
    excluded: dict[str, str] = Field(default_factory=dict)


def decide(
    section: Section,
    *,
    eps: float = DEFAULT_EPS,
    requirements: Requirements | None = None,
    footprints: Mapping[str, Footprint] | None = None,
) -> Decision:
    """Decide one section: the whole run, or one content type.

    Args:
        section: from `analyse`; its level is what this decision promises.
        eps: score points not worth paying for, fixed before the first generation.
        requirements: by default, one publishable text.
        footprints: what candidates take to run, for choosing among equivalent ones; unknown where missing.

    Returns:
        A decision; `next` is left to the caller. `choice` is None except for winner and best_within_eps. `leader` is
        the qualified candidate with the highest mean, None where there is none.

    Raises:
        ValueError: eps is negative or no number.
    """
    if not eps >= 0:
        raise ValueError(f"eps must not be negative: {eps}")
    wanted = requirements or Requirements()
    short = {result.candidate: shortcoming(section, result.candidate, wanted) for result in section.candidates}
    ranked = ranking(section, [candidate for candidate, why in short.items() if why is None])
    leader = ranked[0] if ranked else None
    if section.clusters < FEWEST_CLUSTERS:
        needed = f"{FEWEST_CLUSTERS} families are needed before anything is said"
        claim = f"{PILOT_UNDER} before one candidate can be called better"
        few = f"too few: {sample_in_words(section.briefs, section.clusters)}; {needed}, {claim}"
        return Decision(outcome="insufficient_data", choice=None, leader=leader, reasons=(few,))
    excluded = excluded_in_words(short)
    out = tuple(candidate for candidate, why in short.items() if why is not None)
    if leader is None:
        return Decision(outcome="none_qualified", choice=None, reasons=excluded, excluded=out)
    decision = _among(section, ranked, eps, footprints or {})
    fresh = unconfirmed_in_words(section, decision.choice or leader, wanted)
    told = decision.reasons + fresh + excluded + _cautions(section, ranked)
    return decision.model_copy(update={"reasons": told, "excluded": out})


def shortcoming(section: Section, candidate: str, requirements: Requirements) -> str | None:
    """Return in words why `candidate` does not qualify in this section, None if it does.

    Raises:
        KeyError: it was not analysed.
    """
    if candidate in requirements.excluded:
        return requirements.excluded[candidate]
    return _falls_short(section.result(candidate).known, requirements)


def excluded_in_words(short: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return a line for each candidate that does not qualify; `short` says why, None of those that do."""
    return tuple(f"{candidate} does not qualify: {why}" for candidate, why in short.items() if why is not None)


def unconfirmed_in_words(section: Section, candidate: str, requirements: Requirements) -> tuple[str, ...]:
    """Return a line where the fresh briefs of a candidate, by themselves, do not show what is required."""
    result = section.result(candidate)
    if result.in_selection is None:
        return ()
    why = _falls_short(result.measured, requirements)
    alone = f"on the {sample_in_words(result.quality.briefs, result.quality.clusters or 0)} that did not choose it, by themselves"
    return () if why is None else (f"not confirmed: {alone}, {why}",)


def _falls_short(found: Measured, requirements: Requirements) -> str | None:
    quality, publishable, success = found.quality, found.publishable_rate, found.success_rate
    if publishable.estimate == 0:
        return f"none of its texts is publishable ({sample_in_words(publishable.briefs, publishable.clusters or 0)})"
    if not _passes(quality, requirements.threshold):
        return f"its score {quality_in_words(quality)} is not surely above {requirements.threshold:g}"
    if not _passes(publishable, requirements.min_publishable_rate):
        return f"its publishable rate {rate_in_words(publishable)} is not surely above the one required"
    if not _passes(success, requirements.min_success_rate):
        return f"its success rate {rate_in_words(success)} is not surely above the one required"
    return None


def ranking(section: Section, candidates: Sequence[str]) -> tuple[str, ...]:
    """Return `candidates` by mean score, highest first; those without a score left out; ties in the order given.

    By the briefs that choose: a score confirmed on others cannot be compared with one that is not.
    """
    results = {candidate: section.result(candidate) for candidate in candidates}
    means = {name: result.compared.quality.estimate for name, result in results.items()}
    scored = {candidate: mean for candidate, mean in means.items() if mean is not None}
    return tuple(sorted(scored, key=lambda candidate: -scored[candidate]))


def score_in_words(section: Section, candidate: str) -> str:
    """Return `7.1 [6.5, 7.6]`, and which briefs say so where it was confirmed on fresh ones."""
    result = section.result(candidate)
    said = quality_in_words(result.quality)
    if result.in_selection is None:
        return said
    return f"{said} on {sample_in_words(result.quality.briefs, result.quality.clusters or 0)} that did not choose it"


def _passes(estimate: Estimate, required: float | None) -> bool:
    return required is None or (estimate.low is not None and estimate.low > required)


def _among(section: Section, ranked: tuple[str, ...], eps: float, footprints: Mapping[str, Footprint]) -> Decision:
    """Decide among qualified candidates, best mean first, at least one."""
    leader = ranked[0]
    alpha = 1.0 - section.level
    score = score_in_words(section, leader)
    if len(ranked) == 1:
        only = "is the only candidate, compared with none" if len(section.candidates) == 1 else "alone qualifies"
        reason = f"{leader} {only}; its score is {score}"
        if section.pilot:
            # A choice is a claim too, and so few families support none.
            return Decision(outcome="no_clear_winner", choice=None, leader=leader, reasons=(reason,))
        return Decision(outcome="winner", choice=leader, leader=leader, reasons=(reason,))
    rivals = {name: [pair for pair in pairs_of(section, name) if pair.rival in ranked] for name in ranked}
    if all(pair.wins(alpha) for pair in rivals[leader]):
        reasons = (f"{leader} scores {score}", *(_win_in_words(section, pair, alpha) for pair in rivals[leader]))
        return Decision(outcome="winner", choice=leader, leader=leader, reasons=reasons)
    # Under 15 families nothing is claimed, that two are equivalent no more than that one is better.
    within = tuple(
        name for name in ranked if not section.pilot and all(pair.rival_ahead <= eps for pair in rivals[name])
    )
    if not within:
        return _undecided(section, leader, rivals[leader], eps)
    choice = choose_cheapest(within, footprints)
    return Decision(
        outcome="best_within_eps",
        choice=choice.candidate,
        equivalent=within,
        leader=leader,
        reasons=_equivalence_in_words(section, choice, within, rivals=rivals[choice.candidate], eps=eps),
    )


def _equivalence_in_words(
    section: Section, choice: CheapestChoice, within: tuple[str, ...], *, rivals: Sequence[Pair], eps: float
) -> tuple[str, ...]:
    name = choice.candidate
    most = max(pair.rival_ahead for pair in rivals)
    by = f" by more than {points(most, eps)} points" if most > 0 else ""
    other = "no other" if len(section.candidates) == len(rivals) + 1 else "no other that qualifies"
    bound = f"{other} is better than {name}{by} (bound over all rivals; up to {eps:g} is taken as equal)"
    reasons = (
        f"{name} scores {score_in_words(section, name)}",
        f"{bound} on {sample_in_words(section.briefs, section.clusters)}",
    )
    if len(within) == 1:
        return reasons
    return (*reasons, f"equal within {eps:g}: {', '.join(within)}", choice.reason)


def _win_in_words(section: Section, pair: Pair, alpha: float) -> str:
    sample = sample_in_words(section.briefs, section.clusters)
    said = f"beats {pair.rival} by {points(pair.difference)} points {points_between(pair.low, pair.high)} on {sample}"
    if pair.p_adjusted is not None:
        said += f", {p_in_words(pair.p_adjusted)} after Holm"
    if pair.p_sign_flip is not None and pair.p_sign_flip > alpha:
        said += f" (a sign-flip test does not agree: {p_in_words(pair.p_sign_flip)})"
    return said


def _undecided(section: Section, leader: str, rivals: Sequence[Pair], eps: float) -> Decision:
    """Name the leader, whom it is not separated from, and how many more briefs are expected to settle it."""
    alpha = 1.0 - section.level
    score = score_in_words(section, leader)
    level = [pair.rival for pair in rivals if _is_level(pair)]
    reasons = [
        f"{leader} and {', '.join(level)} are level at {score}"
        if level
        else f"{leader} leads with {score}, which is not enough to choose it"
    ]
    for pair in rivals:
        if pair.wins(alpha):
            continue
        ahead = f"{points(pair.difference)} points {points_between(pair.low, pair.high)}"
        if pair.p_adjusted is None:
            reasons.append(f"{_stand(pair, ahead)}, without a test")
        else:
            reasons.append(f"not told apart: {_stand(pair, ahead)}, {p_in_words(pair.p_adjusted)} after Holm")
    more = further_briefs(
        [(pair.sd_difference, pair.difference) for pair in rivals],
        eps=eps,
        level=section.level,
        candidates=len(section.candidates),
        families=section.clusters,
        briefs=section.briefs,
    )
    if more is not None:
        reasons.append(more)
    return Decision(outcome="no_clear_winner", choice=None, leader=leader, reasons=tuple(reasons))


def _is_level(pair: Pair) -> bool:
    return points(pair.difference) == points(0.0)


def _stand(pair: Pair, ahead: str) -> str:
    return f"level with {pair.rival}, difference {ahead}" if _is_level(pair) else f"ahead of {pair.rival} by {ahead}"


def further_briefs(
    rivals: Sequence[tuple[float | None, float]],
    *,
    eps: float,
    level: float,
    candidates: int,
    families: int,
    briefs: int,
) -> str | None:
    """Say how many more briefs are expected to show the leader within eps of the best; None where that cannot be told.

    The families with which true differences as observed, d, bound the lead of all rivals by eps with probability 0.8 at least:
    one-sided at alpha / (K - 1), by the paired t formula for d + eps, where what is missed of each rival adds up (Bonferroni).

    Args:
        rivals: sd of the paired differences, and the leader's lead, in score points.
        eps: as in `decide`.
        level: 1 - alpha.
        candidates: K.
        families: so far.
        briefs: in them.
    """
    one_sided = 1.0 - 2.0 * (1.0 - level) / max(1, candidates - 1)
    effects = []
    for sd, lead in rivals:
        if not sd or lead + eps <= 0:
            # Without spread the t formula promises certainty from next to nothing.
            return None
        effects.append((lead + eps) / sd)
    needed = max(float(PILOT_UNDER), required_for_all(effects, level=one_sided))
    # At least one family more, since what is there did not settle it (no variance at all can ask for fewer).
    more = max(needed - families, 1.0) * briefs / families
    return further_in_words(more, eps, "an estimate from the spread seen here, at 80 % power")


def further_in_words(more: float, eps: float, basis: str) -> str:
    """Say that so many more briefs are expected to be needed."""
    what = f"to show that no other is better than it by more than {eps:g} points"
    if more > _MOST_MORE_BRIEFS:
        return f"more than {_MOST_MORE_BRIEFS} further briefs are expected to be needed {what} ({basis})"
    count = ceil(more)
    are = "is" if count == 1 else "are"
    return f"about {plural(count, 'further brief')} {are} expected to be needed {what} ({basis})"


def _cautions(section: Section, ranked: Sequence[str]) -> tuple[str, ...]:
    if len(ranked) < 2:
        return ()
    if section.pilot:
        sample = sample_in_words(section.briefs, section.clusters)
        return (f"pilot: {sample} give intervals, and support no claim of a difference under {PILOT_UNDER} families",)
    if section.clusters < _APPROXIMATE_UNDER:
        return (
            f"approximate: differences rest on a t interval from {section.clusters} families, under {_APPROXIMATE_UNDER}",
        )
    return ()
