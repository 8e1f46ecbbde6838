"""LiteLLM's proxy: every model and every route as a model name, with the routes' order as fallbacks.

Its documentation: docs.litellm.ai, "Proxy: config.yaml" and "Fallbacks". With one deployment a model LiteLLM never cools one
down unless `allowed_fails` is set (its issue 40405), which is the case here, so that it is.
"""

from __future__ import annotations

from typing import Any

from bakeoff.serve.handover.evidence import estimate_text, facts, head
from bakeoff.serve.handover.handover import Handover, key_variable_of, routes_of, url_of, variable
from bakeoff.serve.handover.yaml_file import yaml_file
from bakeoff.serve.plan import AUTO, PREFIX, ServedModel, ServedRoute

COOLDOWN_S = 30
NO_KEY = "none"
"""What a server of one's own is given as a key where it asks for none: LiteLLM's client insists on one."""


def litellm_config(hand: Handover) -> str:
    """Return `config.yaml` for `litellm --config`.

    Raises:
        UsageError: a URL that could hold a secret.
    """
    plan = hand.plan
    entries = [_entry(model.id, model, hand, {}) for model in plan.models]
    routes = {**routes_of(plan), f"{PREFIX}{AUTO}": plan.general}
    for name, route in routes.items():
        entries.append(_entry(name, plan.model(route.candidate), hand, _why(route)))
    fallbacks = [{name: list(route.fallbacks)} for name, route in routes.items() if route.fallbacks]
    document: dict[str, Any] = {"model_list": entries}
    document["router_settings"] = {"allowed_fails": 1, "cooldown_time": COOLDOWN_S, "num_retries": 1}
    if fallbacks:
        document["router_settings"]["fallbacks"] = fallbacks
    document["general_settings"] = {"master_key": "os.environ/LITELLM_MASTER_KEY"}
    document["litellm_settings"] = {"drop_params": True, "telemetry": False}
    return yaml_file(head("litellm", hand, _notes(hand)), document)


def _entry(name: str, model: ServedModel, hand: Handover, why: dict[str, Any]) -> dict[str, Any]:
    spec = model.candidate.model
    url = url_of(model, hand)
    key = key_variable_of(model, hand)
    sampling = model.candidate.sampling
    given: dict[str, Any] = {
        "model": f"openai/{spec.remote_model or model.id}",
        "api_base": url if url is not None else f"os.environ/{variable(model.id, hand.plan)}",
        "api_key": NO_KEY if key is None else f"os.environ/{key}",
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }
    if sampling.stop:
        given["stop"] = list(sampling.stop)
    found = {f"bakeoff_{key}": value for key, value in {**facts(model, hand.plan.run_id), **why}.items()}
    return {"model_name": name, "litellm_params": given, "model_info": found}


def _why(route: ServedRoute) -> dict[str, Any]:
    outcome = {} if route.outcome is None else {"route_outcome": route.outcome}
    return {**outcome, "route_score": estimate_text(route.evidence)}


def _notes(hand: Handover) -> list[str]:
    unknown = [model.id for model in hand.plan.models if url_of(model, hand) is None]
    told = [
        "Ask for bakeoff/TYPE to have the model of that content type; bakeoff/auto is the general one: LiteLLM does",
        "not read what is asked for, `bakeoff serve` does.",
        "Clients show the key in LITELLM_MASTER_KEY, without which LiteLLM does not start.",
        "Temperature and the like are those that were measured; a client's own are used instead of them.",
    ]
    if unknown:
        told += ["", "Where these answer is not known to the run. Set before it starts (http://host:port/v1):"]
        told += [f"  {variable(name, hand.plan)}   {name}" for name in unknown]
    if any(model.candidate.sampling.top_k is not None for model in hand.plan.models):
        told.append("top_k is not passed on: OpenAI's interface, which LiteLLM speaks here, has none.")
    return told
