"""What is served, as `/v1/models` lists it: routes and candidates, with the evidence behind each, and its state now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.serve.plan import AUTO, PREFIX, ServedModel, ServedRoute, ServingPlan
from bakeoff.serve.router import GENERAL

Snapshot = Mapping[str, Any]


def list_models(plan: ServingPlan, snapshot: Snapshot, created: int) -> dict[str, Any]:
    """Return OpenAI's list; what is ours stands under `bakeoff` in each entry. `created` is when the gateway began, in Unix s."""
    entries = {f"{PREFIX}{AUTO}": _auto(plan), AUTO: _auto(plan)}
    entries |= {f"{PREFIX}{name}": _route(plan, name, route, snapshot) for name, route in plan.routes.items()}
    entries |= {f"{PREFIX}{GENERAL}": _route(plan, GENERAL, plan.general, snapshot)}
    entries |= {model.id: _model(plan, model, snapshot) for model in plan.models}
    data = [
        {"id": name, "object": "model", "created": created, "owned_by": "bakeoff", "bakeoff": entry}
        for name, entry in entries.items()
    ]
    return {"object": "list", "data": data}


def find_model(listed: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return one entry of such a list."""
    return next((entry for entry in listed["data"] if entry["id"] == name), None)


def state_of(snapshot: Snapshot, model: str) -> Mapping[str, Any]:
    """Return what a snapshot says of a model; nothing where it does not know it."""
    models = snapshot.get("models")
    found = models.get(model) if isinstance(models, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _auto(plan: ServingPlan) -> dict[str, Any]:
    content_types = {name: route.candidate for name, route in plan.routes.items()}
    how = "metadata.content_type, or a classifier over the last user message; the general route where it is not sure"
    return {"kind": "auto", "run": plan.run_id, "routes": content_types, "general": plan.general.candidate, "by": how}


def _route(plan: ServingPlan, name: str, route: ServedRoute, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "kind": "route",
        "content_type": None if name == GENERAL else name,
        "run": plan.run_id,
        "candidate": route.candidate,
        "fallbacks": list(route.fallbacks),
        "outcome": route.outcome,
        "evidence": None if route.evidence is None else route.evidence.model_dump(mode="json"),
        "reasons": list(route.reasons),
        "state": state_of(snapshot, route.candidate).get("state"),
    }


def _model(plan: ServingPlan, model: ServedModel, snapshot: Snapshot) -> dict[str, Any]:
    candidate, state = model.candidate, state_of(snapshot, model.id)
    serves = [name for name, route in plan.routes.items() if route.candidate == model.id]
    stands_in = [name for name, route in plan.routes.items() if model.id in route.fallbacks]
    breaker = state.get("breaker")
    return {
        "kind": "candidate",
        "run": plan.run_id,
        "model": candidate.model.name,
        "engine": candidate.engine,
        "quantisation": candidate.quantisation,
        "licence": candidate.model.licence,
        "context_length": candidate.model.context_length,
        "serves": [*serves, *([GENERAL] if plan.general.candidate == model.id else [])],
        "stands_in_for": [*stands_in, *([GENERAL] if model.id in plan.general.fallbacks else [])],
        "score": None if model.quality is None else model.quality.model_dump(mode="json"),
        "ttft_s": model.ttft_s,
        "tokens_per_s": model.tokens_per_s,
        "peak_memory_bytes": model.peak_memory_bytes,
        "state": state.get("state"),
        "breaker": breaker.get("state") if isinstance(breaker, Mapping) else None,
        "waiting": state.get("waiting"),
    }
