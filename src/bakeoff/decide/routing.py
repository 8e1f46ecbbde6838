"""Which candidate serves which content type: the decision of each type at its share of the error budget.

Where a type cannot be decided, the overall choice (or the overall leader) serves it and the outcome says so, unless
it does not qualify for the type or is significantly beaten there: then the type's own leader serves.
"""

from __future__ import annotations

from collections.abc import Mapping

from bakeoff.core.records import Decision, Route
from bakeoff.decide.analysis import Analysis, Section
from bakeoff.decide.decision import DEFAULT_EPS, Requirements, decide, ranking, shortcoming
from bakeoff.decide.footprint import Footprint
from bakeoff.decide.pairs import pairs_of


def route_content_types(
    analysis: Analysis,
    overall: Decision,
    *,
    eps: float = DEFAULT_EPS,
    requirements: Requirements | None = None,
    footprints: Mapping[str, Footprint] | None = None,
) -> dict[str, Route]:
    """Return a route for each content type, in the analysis' order.

    Args:
        analysis: its sections by content type carry level 1 - alpha / T.
        overall: the decision of `analysis.overall`.
        eps: as in `decide`.
        requirements: as in `decide`, held against each type alone.
        footprints: as in `decide`.

    Returns:
        Routes whose `evidence` is the serving candidate's quality in that type. `fallbacks` start with the overall
        choice or leader, then follow the type's ranking; candidates that do not qualify for the type are none. A
        type for which none qualifies has no candidate and no fallback.
    """
    wanted = requirements or Requirements()
    general = overall.choice or overall.leader
    return {
        content_type: _route(
            section, decide(section, eps=eps, requirements=wanted, footprints=footprints), general, wanted
        )
        for content_type, section in analysis.by_content_type.items()
    }


def _route(section: Section, decision: Decision, general: str | None, wanted: Requirements) -> Route:
    names = [result.candidate for result in section.candidates]
    qualified = ranking(section, [name for name in names if shortcoming(section, name, wanted) is None])
    serving = decision.choice
    why: tuple[str, ...] = ()
    if serving is None and decision.outcome != "none_qualified":
        serving, why = _stand_in(section, decision, general, qualified)
    first = (general,) if general is not None and general in qualified else ()
    order = dict.fromkeys((*first, *qualified))
    shown = serving if serving is not None else (ranking(section, names) or tuple(names))[0]
    return Route(
        candidate=serving,
        outcome=decision.outcome,
        evidence=section.result(shown).quality,
        fallbacks=tuple(name for name in order if name != serving),
        reasons=(*decision.reasons, *why),
        excluded=decision.excluded,
        withdrawn=decision.withdrawn,
    )


def _stand_in(
    section: Section, decision: Decision, general: str | None, qualified: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """Return who serves an undecided type, and why."""
    leader = decision.leader
    if general is None or general == leader:
        return leader, () if leader is None else (f"{leader} serves: it leads here, undecided",)
    if general not in qualified:
        return leader, (f"{leader} serves: the overall choice {general} does not qualify for this content type",)
    alpha = 1.0 - section.level
    better = [pair.rival for pair in pairs_of(section, general) if pair.loses(alpha) and pair.rival in qualified]
    if better:
        return leader, (f"{leader} serves: the overall choice {general} is beaten here by {', '.join(better)}",)
    return general, (f"{general} serves: undecided here, so the overall choice or leader stands in",)
