"""Ray Serve's own application for language models, by itself (`serve deploy`) and in a KubeRay RayService.

Keys: Ray's `ray.serve.schema.ServeDeploySchema` and `LLMConfig` ("Serving LLMs" in Ray's documentation), KubeRay's
`ray.io/v1` RayService. Ray ignores keys that it does not know: what is written here is checked in tests against what it read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from bakeoff.core.errors import UsageError
from bakeoff.serve.handover.evidence import head, texts
from bakeoff.serve.handover.handover import Handover, slug
from bakeoff.serve.handover.vllm import copies_note, engine_arguments, sampling_note
from bakeoff.serve.handover.weights import Weights, weights_for_vllm
from bakeoff.serve.handover.yaml_file import block, yaml_file
from bakeoff.serve.plan import ServedModel

APPLICATION = "ray.serve.llm:build_openai_app"
HEADROOM = 2
"""Requests that a replica may hold, as a multiple of those that it was measured with: some wait while some are written."""
_HUB_TOKEN = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token", "optional": True}}}


def ray_serve_config(hand: Handover) -> str:
    """Return a file for `serve deploy`.

    Raises:
        UsageError: weights that vLLM cannot read.
    """
    notes = ["Deploy it:  serve deploy FILE    (needs ray[llm] on the cluster)", *_notes(hand)]
    return yaml_file(head("ray-serve", hand, notes), _serve_document(hand))


def kuberay_service(hand: Handover, image: str | None) -> str:
    """Return a RayService; `image` is the containers', with Ray's version in it.

    Raises:
        UsageError: no image, or weights that vLLM cannot read.
    """
    if image is None or not image.strip().isprintable() or not image.strip():
        raise UsageError(
            "--image is not given, and no run knows which image your cluster runs",
            "name one that holds ray[llm], such as --image rayproject/ray-llm:VERSION",
        )
    plan = hand.plan
    replicas = sum(hand.copies_of(model).count for model in plan.models)
    container = {"image": image.strip(), "env": [_HUB_TOKEN]}
    one_gpu = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}
    ports = [{"containerPort": port, "name": name} for name, port in _PORTS.items()]
    annotations: dict[str, str] = {"bakeoff/run": str(plan.run_id)}
    for model, name in zip(plan.models, _names(plan.models), strict=True):
        annotations |= {
            f"bakeoff.{name}/{key}": value for key, value in _evidence(model, hand).items() if key != "candidate"
        }
        annotations[f"bakeoff.{name}/candidate"] = model.id
    document = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {
            "name": "bakeoff",
            "labels": {"app.kubernetes.io/managed-by": "bakeoff"},
            "annotations": annotations,
        },
        "spec": {
            "serveConfigV2": block(
                yaml.safe_dump(_serve_document(hand), sort_keys=False, allow_unicode=True, width=1000)
            ),
            "rayClusterConfig": {
                "headGroupSpec": {
                    "rayStartParams": {"num-cpus": "0", "num-gpus": "0"},
                    "template": {"spec": {"containers": [{"name": "ray-head", **container, "ports": ports}]}},
                },
                "workerGroupSpecs": [
                    {
                        "groupName": "gpu",
                        "replicas": replicas,
                        "minReplicas": replicas,
                        "maxReplicas": replicas,
                        "rayStartParams": {"num-gpus": "1"},
                        "template": {
                            "spec": {"containers": [{"name": "ray-worker", **container, "resources": one_gpu}]}
                        },
                    }
                ],
            },
        },
    }
    notes = [
        "Apply it:  kubectl apply -f FILE    (needs KubeRay's operator)",
        "One GPU worker a replica. CPU and host memory are not asked for: no run measured what vLLM takes of them there.",
        "A model on the Hugging Face hub that asks for a token finds it in the secret hf-token, key token, if there is one.",
        *_notes(hand),
    ]
    return yaml_file(head("kuberay", hand, notes), document)


_PORTS = {"gcs": 6379, "dashboard": 8265, "client": 10001, "serve": 8000}


def _serve_document(hand: Handover) -> dict[str, Any]:
    configs = [_llm_config(model, weights_for_vllm(model, hand), hand) for model in hand.plan.models]
    application = {"name": "bakeoff", "import_path": APPLICATION, "route_prefix": "/", "args": {"llm_configs": configs}}
    return {"applications": [application]}


def _llm_config(model: ServedModel, weights: Weights, hand: Handover) -> dict[str, Any]:
    deployment: dict[str, Any] = {"num_replicas": hand.copies_of(model).count}
    if model.candidate.engine == "vllm" and model.tokens_per_s_concurrency is not None:
        deployment["max_ongoing_requests"] = HEADROOM * model.tokens_per_s_concurrency
    return {
        "model_loading_config": {"model_id": model.id, "model_source": weights.source},
        "engine_kwargs": engine_arguments(model, weights, hand),
        "deployment_config": deployment,
    }


def _notes(hand: Handover) -> list[str]:
    told = [
        "Ray Serve has no routes by content type: `bakeoff export --to litellm` with --endpoint puts them in front."
    ]
    for model in hand.plan.models:
        weights = weights_for_vllm(model, hand)
        told += [copies_note(model, hand.copies_of(model)), *sampling_note(model)]
        if not weights.is_hub:
            told.append(f"{model.id} is loaded from {weights.source}, which must be there on every node.")
        if weights.note is not None:
            told += ["", weights.note]
    return told


def _names(models: Sequence[ServedModel]) -> list[str]:
    names: list[str] = []
    for model in models:
        names.append(slug(model.id, names))
    return names


def _evidence(model: ServedModel, hand: Handover) -> dict[str, str]:
    if weights_for_vllm(model, hand).is_other:
        return {"measured": "no"}
    return texts(model, hand.plan.run_id, prefix="")
