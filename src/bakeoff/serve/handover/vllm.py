"""vLLM alone, as a Docker Compose file: one service a replica, each with a GPU named for it.

Arguments: docs.vllm.ai, "vllm serve" and `ModelConfig`. A GPU is named by its number, since Docker takes `count: 1` as the first one, for every
service and every replica (docker/compose issue 11863, NVIDIA/nvidia-container-toolkit issue 521).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bakeoff.engines.chat_template import FALLBACK
from bakeoff.serve.handover.evidence import drawing_text, ending_text, head, texts
from bakeoff.serve.handover.handover import Copies, Handover, slug, slugs
from bakeoff.serve.handover.weights import Weights, weights_for_vllm
from bakeoff.serve.handover.yaml_file import yaml_file
from bakeoff.serve.plan import ServedModel

IMAGE = "${VLLM_IMAGE:-vllm/vllm-openai:latest}"
FIRST_PORT = 8000
_MODELS = "/models"
_DTYPES = frozenset({"float16", "bfloat16", "float32"})


def vllm_compose(hand: Handover) -> str:
    """Return a `compose.yaml`.

    Raises:
        UsageError: weights that vLLM cannot read.
    """
    names = slugs(hand.plan)
    services: dict[str, Any] = {}
    told: list[str] = []
    for model in hand.plan.models:
        weights, copies = weights_for_vllm(model, hand), hand.copies_of(model)
        own = []
        for _ in range(copies.count):
            name = slug(names[model.id], {*services, *(other for each, other in names.items() if each != model.id)})
            services[name] = _service(model, weights, len(services), hand)
            own.append(name)
        told += [copies_note(model, copies), *_places_note(own, list(services)), *sampling_note(model)]
        told += [] if weights.note is None else ["", weights.note]
    notes = [
        f"Start it:  docker compose -f FILE up    (models answer from http://127.0.0.1:{FIRST_PORT}/v1 on)",
        "VLLM_IMAGE names the image; pin the version that you test.",
        *_gpus_note(len(services)),
        "Compose has no routes: `bakeoff export --to litellm` with --endpoint puts them in front.",
        *told,
    ]
    document: dict[str, Any] = {"services": services}
    if any("huggingface:" in str(service["volumes"]) for service in services.values()):
        document["volumes"] = {"huggingface": {}}
    return yaml_file(head("vllm-compose", hand, notes), document)


def engine_arguments(model: ServedModel, weights: Weights, hand: Handover) -> dict[str, Any]:
    """Return vLLM's arguments as Ray Serve's `engine_kwargs` takes them; sampling's defaults are the run's, not the folder's."""
    found: dict[str, Any] = {"generation_config": "vllm", "override_generation_config": _drawing(model)}
    # Of weights that were named instead, nothing is known: not their limit either.
    context = hand.context if weights.is_other else hand.context_of(model)
    if context is not None:
        found["max_model_len"] = context
    if model.candidate.engine == "vllm" and model.tokens_per_s_concurrency is not None:
        found["max_num_seqs"] = model.tokens_per_s_concurrency
    if model.id in hand.without_template and not weights.is_other:
        found["chat_template"] = FALLBACK
    if weights.revision is not None:
        found["revision"] = weights.revision
    if model.candidate.engine == "vllm" and model.dtype in _DTYPES:
        found["dtype"] = model.dtype
    return found


def sampling_note(model: ServedModel) -> list[str]:
    """Return which sampling of the run a request gets that says none, and what it must say itself.

    vLLM has no stop texts for all requests, and its `max_new_tokens` would bound those too that ask for more.
    """
    sampling = model.candidate.sampling
    return [
        f"Sampling of {model.id} where a request says none, as in the run: {drawing_text(sampling)}.",
        f"  vLLM takes no others for all requests. To be as in the run, each says itself: {ending_text(sampling)}.",
    ]


def copies_note(model: ServedModel, copies: Copies) -> str:
    """Return how many replicas a model has, and why."""
    sure = ""
    if copies.low is not None and copies.high is not None:
        sure = f" [{copies.low} to {copies.high}]"
    return f"Replicas of {model.id}: {copies.count}{sure}; {copies.why}."


def _drawing(model: ServedModel) -> dict[str, float | int]:
    """Return the run's sampling by vLLM's names; without `top_k` vLLM has no limit either."""
    sampling = model.candidate.sampling
    limit = {} if sampling.top_k is None else {"top_k": sampling.top_k}
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, **limit}


def _gpus_note(count: int) -> list[str]:
    """Return how many GPUs the file needs, and what to change where others are free."""
    numbers = "number 0" if count == 1 else f"numbers 0 to {count - 1}, one a service"
    return [
        f"GPUs that this file needs: {count}, {numbers}. Where others are free, write their numbers, or their",
        "UUIDs, into device_ids (`nvidia-smi -L` lists both); two services with the same one share its memory.",
    ]


def _places_note(own: Sequence[str], services: Sequence[str]) -> list[str]:
    """Return where the replicas of a model answer, if there are several."""
    if len(own) == 1:
        return []
    return [
        *(f"  {name}: http://127.0.0.1:{FIRST_PORT + services.index(name)}/v1" for name in own),
        "  Nothing here divides requests among them; LiteLLM does, where its model_list has the model once for each.",
    ]


def _service(model: ServedModel, weights: Weights, number: int, hand: Handover) -> dict[str, Any]:
    """Return a replica's service; `number` counts all of the file's from 0: its GPU, and its port after the first."""
    source = weights.source if weights.is_hub else f"{_MODELS}/{slugs(hand.plan)[model.id]}"
    command = ["--model", source, "--served-model-name", model.id]
    for name, value in engine_arguments(model, weights, hand).items():
        command += [f"--{name.replace('_', '-')}", json.dumps(value) if isinstance(value, dict) else str(value)]
    found: dict[str, Any] = {
        "image": IMAGE,
        "command": [_literal(part) for part in command],
        "ports": [{"target": 8000, "host_ip": "127.0.0.1", "published": str(FIRST_PORT + number)}],
        "ipc": "host",
        "environment": {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
        "labels": {key: _literal(value) for key, value in texts(model, hand.plan.run_id).items()},
    }
    if weights.is_hub:
        found["environment"]["HF_TOKEN"] = "${HF_TOKEN:-}"  # noqa: S105 - a reference, whose value Compose finds
        found["volumes"] = ["huggingface:/root/.cache/huggingface"]
    else:
        mount = {"type": "bind", "source": _literal(weights.source), "target": source, "read_only": True}
        found["volumes"] = [mount]
    if weights.is_other:
        found["labels"] = {"bakeoff.run": str(hand.plan.run_id), "bakeoff.measured": "no: see the file's beginning"}
    device = {"driver": "nvidia", "device_ids": [str(number)], "capabilities": ["gpu"]}
    found["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    return found


def _literal(text: str) -> str:
    """Return a text that Compose takes as it is: it would read `$` as a variable."""
    return text.replace("$", "$$")
