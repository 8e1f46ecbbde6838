"""Who serves which content type: what a run earned, of those that can be served, and what the user's own settings say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.cli.serving_words import SET, how_sure
from bakeoff.core.errors import UsageError
from bakeoff.core.records import Estimate, Outcome
from bakeoff.serve.plan import ServedRoute, ServingPlan
from bakeoff.serve.router import GENERAL

Routes = Mapping[str, Sequence[str]]


class UnservedModels(UsageError):
    """Settings for models that are not served: where each is named, and its name."""

    def __init__(self, named: Sequence[tuple[tuple[str, ...], str]], served: Sequence[str]) -> None:
        said = "\n".join(f"{'.'.join(path)}: {name!r} is not served" for path, name in named)
        super().__init__(said, f"served: {', '.join(served)}")
        self.named = tuple(named)


def routes_of(
    document: Mapping[str, Any], told: Mapping[str, Any], names: Sequence[str]
) -> tuple[dict[str, ServedRoute], ServedRoute]:
    """Return the routes that a run's document earned for those that can be served, and the general one."""
    general = _general(document, told, names)
    made = {name: _route(name, found, document, told, names, general) for name, found in document["routes"].items()}
    # A suite's own content type may have the general one's name.
    return {name: route for name, route in made.items() if name != GENERAL}, general


def _general(document: Mapping[str, Any], told: Mapping[str, Any], names: Sequence[str]) -> ServedRoute:
    """Return who serves what no route is for: the choice, or the leader, or the best mean of those that can be served."""
    decision = document["decision"]
    first = [decision["choice"] or decision.get("leader"), *decision["equivalent"]]
    ranked = _by_mean(names, told, {name: told[name]["quality"] for name in names})
    order = [name for name in dict.fromkeys([*first, *ranked]) if name in names]
    missing = [f"{first[0]} cannot be served" for _ in (0,) if first[0] is not None and first[0] not in names]
    return ServedRoute(
        candidate=order[0],
        fallbacks=tuple(order[1:]),
        outcome=decision["outcome"],
        evidence=estimate_of(told[order[0]]["quality"]),
        sure=how_sure(order[0], decision, document),
        reasons=(*missing, *decision["reasons"]),
    )


def _by_mean(names: Sequence[str], told: Mapping[str, Any], qualities: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return those who write something that can be published, or all where nobody does: the best mean first, those without one last."""
    publishable = [name for name in names if told[name]["publishable_rate"]["estimate"] != 0]

    def mean(name: str) -> float:
        estimate = qualities.get(name, {}).get("estimate")
        return -1.0 if estimate is None else float(estimate)

    return sorted(publishable or names, key=mean, reverse=True)


def _route(
    content_type: str,
    found: Mapping[str, Any],
    document: Mapping[str, Any],
    told: Mapping[str, Any],
    names: Sequence[str],
    general: ServedRoute,
) -> ServedRoute:
    """Return a route with those who can be served.

    Where the run names nobody, the best mean in the type serves; where those that it names cannot, the general ones stand in.
    """
    earned = [name for name in (found["candidate"], *found["fallbacks"]) if name is not None]
    order = [name for name in earned if name in names] or list(general.order)
    reasons = list(found["reasons"])
    if found["candidate"] is None:
        why = "no candidate qualified for this content type"
        if not earned:
            scores = {name: score for name in names if (score := _of_type(told, name, content_type)) is not None}
            order = _by_mean(general.order, told, scores)
            why = f"it has the best mean here; {why}"
        reasons.append(f"{order[0]} serves: {why}")
    elif order[0] != found["candidate"]:
        reasons.append(f"{order[0]} serves: {found['candidate']} cannot be served")
    return ServedRoute(
        candidate=order[0],
        fallbacks=tuple(order[1:]),
        outcome=found["outcome"],
        evidence=estimate_of(
            found["evidence"] if order[0] == found["candidate"] else _of_type(told, order[0], content_type)
        ),
        sure=how_sure(order[0], found, document),
        reasons=tuple(reasons),
    )


def _of_type(told: Mapping[str, Any], name: str, content_type: str) -> Mapping[str, Any] | None:
    by_type = told.get(name, {}).get("by_content_type", {})
    found: Mapping[str, Any] | None = by_type.get(content_type)
    return found


def overridden(plan: ServingPlan, routes: Routes, told: Mapping[str, Any]) -> ServingPlan:
    """Return the plan with routes of the user's own, which no run decided.

    Raises:
        UnservedModels: a route names a model that is not served.
    """
    names = [model.id for model in plan.models]
    unknown = tuple((("routes", route), name) for route, order in routes.items() for name in order if name not in names)
    if unknown:
        raise UnservedModels(unknown, names)
    own = {name: _own(name, order, told) for name, order in routes.items()}
    general = own.pop(GENERAL, plan.general)
    return plan.model_copy(update={"routes": {**plan.routes, **own}, "general": general})


def _own(name: str, order: Sequence[str], told: Mapping[str, Any]) -> ServedRoute:
    first, *rest = dict.fromkeys(order)
    known = told.get(first, {}).get("quality") if name == GENERAL else _of_type(told, first, name)
    outcome: Outcome | None = None
    return ServedRoute(
        candidate=first,
        fallbacks=tuple(rest),
        outcome=outcome,
        evidence=estimate_of(known),
        sure=SET,
        reasons=("set in the settings, whatever a run says",),
    )


def estimate_of(value: Mapping[str, Any] | None) -> Estimate | None:
    """Return an estimate of a run's document."""
    return None if value is None else Estimate.model_validate(value)
