"""Stated traffic as replicas of models: the arithmetic is `decide.capacity`'s, the same that `bakeoff plan --traffic` tells."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from bakeoff.core.errors import UsageError
from bakeoff.core.units import seconds_text
from bakeoff.decide.capacity import Service, plan_capacity
from bakeoff.score.norms import canonical_content_type
from bakeoff.serve.handover.handover import Copies
from bakeoff.serve.plan import ServingPlan
from bakeoff.serve.router import GENERAL


def rates_by_model(plan: ServingPlan, rates: Mapping[str | None, float]) -> dict[str, float]:
    """Return requests a second for each model; those of no content type (None) are the one model's that leads all routes.

    Raises:
        UsageError: there is no such route, or it is not known whose the traffic is.
    """
    found: dict[str, float] = {}
    for content_type, rate_per_s in rates.items():
        if content_type is None:
            name = _only_leader(plan)
        elif content_type == GENERAL:
            name = plan.general.candidate
        else:
            route = plan.routes.get(canonical_content_type(content_type))
            if route is None:
                known = ", ".join((*plan.routes, GENERAL))
                raise UsageError(f"--traffic: there is no route for {content_type!r}", f"routes: {known}")
            name = route.candidate
        found[name] = found.get(name, 0.0) + rate_per_s
    return found


def replicas(
    name: str, service: Service, rate_per_s: float, target_p95_s: float, throughput: tuple[float, float] | None
) -> Copies:
    """Return how many replicas of a model hold its traffic.

    Raises:
        UsageError: no number of them does.
    """
    found = plan_capacity(service, rate_per_s, target_p95_s, throughput)
    target = seconds_text(target_p95_s)
    if found.replicas is None:
        raise UsageError(
            f"no number of replicas of {name} holds {rate_per_s:.3g}/s with 95 % within {target}: alone, 95 % of its texts take "
            f"up to {seconds_text(found.alone_p95_s)}",
            "allow more time by --target-p95, or serve a faster model",
        )
    why = (
        f"for {rate_per_s:.3g} requests/s with 95 % within {target}, from {service.tokens_per_s:,.0f} tokens/s with "
        f"{service.slots} in flight where the run was made: another machine or engine needs another number"
    )
    if throughput is None:
        why += "; no interval, since the run was too short to tell how its throughput varies"
    return Copies(count=found.replicas, low=found.replicas_low, high=found.replicas_high, why=why)


def _only_leader(plan: ServingPlan) -> str:
    led: dict[str, list[str]] = {}
    for name, route in (*plan.routes.items(), (GENERAL, plan.general)):
        led.setdefault(route.candidate, []).append(name)
    if len(led) > 1:
        shown = "; ".join(f"{model} serves {', '.join(names)}" for model, names in led.items())
        raise UsageError(
            f"--traffic: routes lead to different models, and whose the traffic is nobody knows ({shown})",
            f"say it for each content type: --traffic {shlex.quote(f'{next(iter(plan.routes), GENERAL)}=30/min')}",
        )
    return next(iter(led))
