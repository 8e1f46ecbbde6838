"""vLLM's semantic router: our routes as its decisions, our scores as the quality evidence that it has no way to obtain.

Its format: `vllm-sr config schema` (v0.3). A decision matches the request's `metadata.content_type`, as our gateway's does.
Decisions are static, in the order of the route: `multi_factor` would take the higher mean wherever there is one, also where
the run says that nobody won. The scores stand under `evaluation` for those who want it all the same.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from bakeoff.core.errors import UsageError
from bakeoff.core.plain import printable
from bakeoff.core.records import Estimate
from bakeoff.serve.handover.evidence import estimate_text, head
from bakeoff.serve.handover.handover import Handover, key_variable_of, slug, url_of
from bakeoff.serve.handover.yaml_file import yaml_file
from bakeoff.serve.plan import ServedModel, ServedRoute

FALLBACK_PRIORITY = 1
ROUTE_PRIORITY = 100
PORT = 8899
_VERSION = "1.0.0"
_ALL = "all"
_GENERAL = "general-route"


def semantic_router_config(hand: Handover) -> str:
    """Return `config.yaml` for `vllm-sr`.

    Raises:
        UsageError: a model whose URL nobody knows, or a URL that could hold a secret.
    """
    plan = hand.plan
    unknown = [model.id for model in plan.models if url_of(model, hand) is None]
    if unknown:
        options = " ".join(f"--endpoint {shlex.quote(f'{name}=http://HOST:PORT/v1')}" for name in unknown)
        raise UsageError(
            f"where {', '.join(unknown)} will answer is not known, and the router's file takes no environment variable for it:"
            " every model needs its --endpoint",
            f"add:  {options}    or take fewer models:  --models A,B",
        )
    types: dict[str, str] = {}
    for name in plan.routes:
        types[name] = slug(name, {_ALL, _GENERAL, *types.values()})
    document: dict[str, Any] = {
        "version": "v0.3",
        "listeners": [{"name": "http", "address": "127.0.0.1", "port": PORT, "timeout": "300s"}],
        "providers": {
            "defaults": {"model": plan.general.candidate},
            "models": [_provider(model, hand) for model in plan.models],
        },
        "evaluation": _evaluation(hand, types),
        "routing": {
            "modelCards": [_card(model, hand) for model in plan.models],
            "signals": {"metadata": [_signal(name, plain) for name, plain in types.items()]},
            "decisions": [
                *(_decision(plain, plan.routes[name], name) for name, plain in types.items()),
                _decision("general", plan.general, None),
            ],
        },
    }
    if not document["evaluation"]:
        del document["evaluation"]
    if not types:
        del document["routing"]["signals"]
    return yaml_file(head("semantic-router", hand, _NOTES), document)


_NOTES = (
    "Check it:  vllm-sr config validate --config FILE    then:  vllm-sr serve --config FILE",
    'A request with metadata {"content_type": TYPE} goes to the model of that type, any other to the general one.',
    "modelRefs stand in the route's order. Decisions are static: `multi_factor` over the indices below would take the higher mean",
    "also where the run says that the difference is none. Scores stand only where all models wrote the same briefs.",
)


def _provider(model: ServedModel, hand: Handover) -> dict[str, Any]:
    spec = model.candidate.model
    key = key_variable_of(model, hand)
    backend: dict[str, Any] = {"name": "primary", "provider": "vllm", "base_url": url_of(model, hand)}
    if key is not None:
        backend["provider"] = "openai"
        backend["api_key_env"] = key
    return {"name": model.id, "provider_model_id": spec.remote_model or model.id, "backend_refs": [backend]}


def _card(model: ServedModel, hand: Handover) -> dict[str, Any]:
    context = hand.context_of(model)
    spec = model.candidate.model
    found: dict[str, Any] = {"name": model.id, "description": f"{estimate_text(model.quality)}; run {hand.plan.run_id}"}
    if context is not None:
        found["context_window_size"] = context
    if spec.revision is not None:
        found["revision"] = spec.revision
    found["tags"] = [f"bakeoff-run:{hand.plan.run_id}", f"weights:{spec.digest}"]
    return found


def _signal(content_type: str, plain: str) -> dict[str, Any]:
    return {
        "name": plain,
        "description": f"The client says that it wants a {printable(content_type)}.",
        "key": "content_type",
        "predicate": {"equals": content_type},
    }


def _decision(plain: str, route: ServedRoute, content_type: str | None) -> dict[str, Any]:
    condition = [] if content_type is None else [{"type": "metadata", "name": plain}]
    return {
        "name": plain if content_type is not None else _GENERAL,
        "description": f"{route.how_sure}; {route.candidate}: {estimate_text(route.evidence)}",
        "priority": FALLBACK_PRIORITY if content_type is None else ROUTE_PRIORITY,
        "rules": {"operator": "AND", "conditions": condition},
        "modelRefs": [{"model": name, "use_reasoning": False} for name in route.order],
        "algorithm": {"type": "static"},
    }


def _evaluation(hand: Handover, types: dict[str, str]) -> dict[str, Any]:
    """Return the suite as a benchmark: a profile and an index for each content type where scores can be compared."""
    plan = hand.plan
    benchmark = f"bakeoff/{slug(plan.suite or 'suite')}-{slug(plan.run_id or 'run')}@{_VERSION}"
    names = {plain: name for name, plain in types.items()}
    profiles = {_ALL: "every brief", **{plain: printable(name) for name, plain in types.items()}}
    measured = {profile: _comparable(plan.models, None if profile == _ALL else names[profile]) for profile in profiles}
    profiles = {profile: said for profile, said in profiles.items() if measured[profile]}
    records = [
        _record(name, benchmark, profile, found, plan.run_id)
        for profile in profiles
        for name, found in measured[profile].items()
    ]
    if not records:
        return {}
    return {
        "benchmarks": [
            {
                "id": benchmark,
                "display_name": f"bakeoff: {printable(plan.suite or 'suite')}",
                "domain": "writing",
                "source": f"bakeoff://run/{plan.run_id}",
                "default_profile": next(iter(profiles)),
                "profiles": [
                    {"id": plain, "display_name": said, "description": f"Briefs of the run: {said}."}
                    for plain, said in profiles.items()
                ],
                "metrics": [{"id": "score", "unit": "points", "direction": "higher_is_better", "range": [0, 10]}],
            }
        ],
        "indices": [_index(benchmark, plain, said) for plain, said in profiles.items()],
        "records": records,
    }


def _comparable(models: Sequence[ServedModel], content_type: str | None) -> dict[str, Estimate]:
    """Return the score of each measured model on the briefs that all competed on; nothing where they are not the same briefs.

    The score of who was chosen comes from briefs held back, and who left a race early wrote fewer: the router would compare them.
    """
    found = {
        model.id: model.in_contest if content_type is None else model.by_content_type_in_contest.get(content_type)
        for model in models
        if model.quality is not None
    }
    known = {name: score for name, score in found.items() if score is not None and score.estimate is not None}
    return known if len(known) == len(found) and len({score.briefs for score in known.values()}) == 1 else {}


def _index(benchmark: str, profile: str, said: str) -> dict[str, Any]:
    return {
        "id": benchmark.replace("@", f"-{profile}@"),
        "display_name": f"Score: {said}",
        "aggregation": "weighted_mean",
        "scale": [0, 100],
        "missing": {"policy": "require_all"},
        "domains": {"writing": 1.0},
        "components": [
            {
                "benchmark": benchmark,
                "metric": "score",
                "benchmark_profile": profile,
                "weight": 1.0,
                "normalization": {"type": "linear_clamp", "min": 0, "max": 10},
            }
        ],
    }


def _record(model: str, benchmark: str, profile: str, found: Estimate, run_id: str | None) -> dict[str, Any]:
    about = {"low": found.low, "high": found.high, "level": found.level, "briefs": found.briefs, "run": run_id}
    return {
        "model": model,
        "benchmark": benchmark,
        "benchmark_profile": profile,
        "metrics": {"score": round(found.estimate or 0.0, 4)},
        "source": f"bakeoff://run/{run_id}",
        "metadata": {key: round(value, 4) if isinstance(value, float) else value for key, value in about.items()},
    }
