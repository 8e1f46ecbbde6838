"""llama-swap: one process a model, started when it is asked for, on one machine.

Its keys: `config-schema.json` and `config.example.yaml` of mostlygeek/llama-swap. A GGUF file is run by `llama-server`; every
other model of ours by `bakeoff worker`, that is, by the engine that was measured. Servers of others become peers.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from bakeoff.core.errors import UsageError
from bakeoff.engines.chat_template import FALLBACK
from bakeoff.serve.handover.evidence import drawing_text, ending_text, estimate_text, facts, head, stop_text
from bakeoff.serve.handover.handover import Handover, key_variable_of, routes_of, slugs, url_of
from bakeoff.serve.handover.yaml_file import yaml_file
from bakeoff.serve.plan import AUTO, PREFIX, ServedModel

_DESCRIPTION = 1024


def llama_swap_config(hand: Handover) -> str:
    """Return `config.yaml` for llama-swap.

    Raises:
        UsageError: a URL that could hold a secret, or a path that it would read as a macro.
    """
    plan = hand.plan
    ours = [model for model in plan.models if url_of(model, hand) is None]
    theirs = [model for model in plan.models if url_of(model, hand) is not None]
    aliases = _aliases(hand, {model.id for model in ours})
    document: dict[str, Any] = {"healthCheckTimeout": 300}
    document["models"] = {model.id: _model(model, hand, aliases[model.id]) for model in ours}
    if theirs:
        names = slugs(plan)
        document["peers"] = {names[model.id]: _peer(model, hand) for model in theirs}
    return yaml_file(head("llama-swap", hand, _notes(hand, ours, theirs)), document)


def command(model: ServedModel, context: int | None, *, has_template: bool = True) -> str:
    """Return the command that serves a model on `${PORT}`.

    Raises:
        UsageError: a name or a path that llama-swap would read as a macro.
    """
    spec, sampling = model.candidate.model, model.candidate.sampling
    for text in (spec.location, model.id):
        if "${" in text or not text.isprintable():
            raise UsageError(
                f"{model.id}: llama-swap would read part of {text!r} as a macro", "name its file otherwise"
            )
    if spec.source == "gguf" and model.candidate.engine == "llamacpp":
        given: list[str] = ["llama-server", "--model", spec.location, "--alias", model.id, "--jinja"]
        given += [] if has_template else ["--chat-template", FALLBACK]
        given += [] if context is None else ["--ctx-size", str(context)]
        given += ["--temp", str(sampling.temperature), "--top-p", str(sampling.top_p)]
        given += ["--top-k", str(sampling.top_k or 0), "--min-p", "0", "--predict", str(sampling.max_tokens)]
        given += ["--device", "none"] if model.candidate.device == "cpu" else []
    else:
        given = ["bakeoff", "worker", "--model", spec.location, "--engine", model.candidate.engine, "--name", model.id]
        given += ["--device", model.candidate.device] if model.candidate.device else []
        given += ["--allow-fallback"] if model.candidate.allow_fallback else []
    return f"{shlex.join(given)} --host 127.0.0.1 --port ${{PORT}}"


def _model(model: ServedModel, hand: Handover, aliases: Sequence[str]) -> dict[str, Any]:
    context, has_template = hand.context_of(model), model.id not in hand.without_template
    found: dict[str, Any] = {
        "cmd": command(model, context, has_template=has_template),
        "proxy": "http://127.0.0.1:${PORT}",
    }
    found["description"] = f"{estimate_text(model.quality)}; run {hand.plan.run_id}"[:_DESCRIPTION]
    if aliases:
        found["aliases"] = list(aliases)
    if context is not None:
        found["capabilities"] = {"in": ["text"], "out": ["text"], "context": context}
    found["metadata"] = {"bakeoff": facts(model, hand.plan.run_id)}
    return found


def _peer(model: ServedModel, hand: Handover) -> dict[str, Any]:
    spec = model.candidate.model
    # llama-swap puts the request's whole path, /v1 and all, behind it.
    base = (url_of(model, hand) or "").removesuffix("/v1")
    key = key_variable_of(model, hand)
    shown = {} if key is None else {"apiKey": f"${{env.{key}}}"}
    return {"proxy": base, **shown, "models": [spec.remote_model or model.id]}


def _aliases(hand: Handover, ours: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in ours}
    for name, route in {**routes_of(hand.plan), f"{PREFIX}{AUTO}": hand.plan.general}.items():
        if route.candidate in ours:
            found[route.candidate].append(name)
    return found


def _notes(hand: Handover, ours: Sequence[ServedModel], theirs: Sequence[ServedModel]) -> list[str]:
    told = [
        "Ask for bakeoff/TYPE to have the model of that content type; bakeoff/auto is the general one: llama-swap does",
        "not read what is asked for, `bakeoff serve` does. llama-swap has no fallbacks: of each route the first one serves.",
        "It has no memory budget either: to let models stay loaded together, write a `groups:` with their measured memory in mind.",
    ]
    gguf = [model for model in ours if model.candidate.model.source == "gguf" and model.candidate.engine == "llamacpp"]
    told += _notes_of_gguf(gguf)
    told += _notes_of_workers([model for model in ours if model not in gguf])
    led = {route.candidate for route in routes_of(hand.plan).values()}
    lost = [model for model in theirs if model.id in led]
    if lost:
        shown = ", ".join(f"{model.id} as {model.candidate.model.remote_model or model.id}" for model in lost)
        told.append(f"Peers can have no aliases, so that their routes have no name here; ask for {shown}.")
    return told


def _notes_of_gguf(models: Sequence[ServedModel]) -> list[str]:
    if not models:
        return []
    told = [
        "GGUF files were measured on llama.cpp inside a worker of ours; llama-server is the same library, perhaps of another version.",
        "Where a request says no sampling, it draws as in the run; --predict bounds every answer as there.",
    ]
    for model in models:
        if model.candidate.sampling.stop:
            told.append(
                "Stop texts are not given to llama-server, which takes none for all requests in every version. To be as in the run, "
                f"each to {model.id} says itself: {stop_text(model.candidate.sampling).removeprefix(', ')}."
            )
        device = model.candidate.device
        if device not in {None, "cpu"}:
            told.append(
                f"{model.id} was measured on {device}, which llama-server calls otherwise: `llama-server --list-devices` lists its "
                "names for --device."
            )
    return told


def _notes_of_workers(models: Sequence[ServedModel]) -> list[str]:
    if not models:
        return []
    return [
        "`bakeoff worker` is the engine that was measured: bakeoff must be on llama-swap's PATH. It takes no sampling at its start:",
        "a request that says none gets temperature 1, top_p 1, and what the context holds. To be as in the run, each says itself:",
        *(
            f"  {model.id}: {drawing_text(model.candidate.sampling)}, {ending_text(model.candidate.sampling)}"
            for model in models
        ),
    ]
