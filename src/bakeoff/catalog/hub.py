"""The Hugging Face hub: models by downloads, what their cards say, and their sizes, without downloading a weight.

Needs huggingface_hub (the extra `hub`). The endpoint is HF_ENDPOINT's, or another for tests. What is sent is the
question alone: two tasks, a range of sizes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from bakeoff.catalog.architecture import read_architecture
from bakeoff.catalog.discovery import Criteria
from bakeoff.catalog.found import Found, Told
from bakeoff.catalog.model_card import Card, known_licences, read_card
from bakeoff.core.errors import MissingDependency
from bakeoff.core.installing import install_command

_EXPAND = [
    "downloads",
    "gated",
    "safetensors",
    "gguf",
    "config",
    "cardData",
    "tags",
    "library_name",
    "pipeline_tag",
    "sha",
]
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I32": 4, "U32": 4}
_MOST_LISTED = 400
_TASKS = ("text-generation", "image-text-to-text")
"""The hub files a model under one task: those that also see images write text as well, and stand under the second."""


def list_hub(criteria: Criteria, endpoint: str | None = None) -> Told:
    """Return models for writing text in the wanted range of sizes, most downloaded first.

    Listed until their downloads fall below what is asked, at most 400 of each task.

    Raises:
        MissingDependency: huggingface_hub is not installed.
    """
    api = _api(endpoint)
    found: list[Found] = []
    warnings = []
    try:
        _knock(api)
        for task in _TASKS:
            found += _list_task(api, task, criteria)
    except Exception as error:  # noqa: BLE001 - the client's (a library that changed with its version), the hub's, a proxy's: none may end the search
        warnings.append(f"hub: {_problem(error)}")
    return Told(sorted(found, key=lambda model: -(model.downloads or 0)), warnings)


def _list_task(api: Any, task: str, criteria: Criteria) -> Iterator[Found]:
    low, high = (_in_words(size) for size in (criteria.min_parameters, criteria.max_parameters))
    listed: Iterator[Any] = iter(
        api.list_models(
            pipeline_tag=task,
            num_parameters=f"min:{low},max:{high}",
            sort="downloads",
            expand=_EXPAND,
        )
    )
    for info in islice(listed, _MOST_LISTED):
        yield _read(info)
        if (info.downloads or 0) < criteria.min_downloads:
            return


def _knock(api: Any) -> None:
    """Ask once whether the hub is there: its client tries for half a minute before it gives up.

    Raises:
        Exception: the client's own, or that the hub answered with an error of its own.
    """
    from huggingface_hub.utils import build_hf_headers, get_session

    answer = get_session().get(f"{api.endpoint}/api/models", params={"limit": 1}, headers=build_hf_headers(), timeout=5)
    if answer.status_code >= 500:
        raise ConnectionError(f"status {answer.status_code}")


def add_sizes(model: Found, endpoint: str | None = None) -> Found:
    """Return the model with its config.json's sizes, as it is where that cannot be had (gated, offline).

    Raises:
        MissingDependency: huggingface_hub is not installed.
    """
    api = _api(endpoint)
    from huggingface_hub.utils import build_hf_headers, get_session

    url = f"{api.endpoint}/{model.name}/resolve/{model.revision or 'main'}/config.json"
    try:
        answer = get_session().get(url, headers=build_hf_headers(), timeout=10, follow_redirects=True)
        config = json.loads(answer.text) if answer.status_code == 200 else None
    except Exception:  # noqa: BLE001 - as above; sizes that nobody told leave the fit unknown
        config = None
    if not isinstance(config, dict):
        return model
    context = read_architecture(config).max_context
    known = {"facts": {**config, "param_count": model.parameters}}
    return model.model_copy(update=known | ({} if context is None else {"context_length": context}))


def ask_card(model: str, endpoint: str | None = None) -> Card | None:
    """Return what a model's card says of licences, None where it cannot be had (gone, private, offline).

    Raises:
        MissingDependency: huggingface_hub is not installed.
    """
    api = _api(endpoint)
    try:
        info = api.model_info(model, expand=["cardData", "tags"], timeout=10)
    except Exception:  # noqa: BLE001 - as above; a card that cannot be had is told as such
        return None
    return _card(info)


def list_variants(model: str, endpoint: str | None = None, limit: int = 5) -> list[dict[str, Any]]:
    """Return repositories with quantised weights of a model, most downloaded first: `name`, `format`, `downloads`.

    Raises:
        MissingDependency: huggingface_hub is not installed.
    """
    api = _api(endpoint)
    try:
        listed = list(
            api.list_models(
                filter=f"base_model:quantized:{model}",
                sort="downloads",
                limit=limit,
                expand=["downloads", "tags", "library_name"],
            )
        )
    except Exception:  # noqa: BLE001 - as above; variants are an extra
        return []
    return [{"name": info.id, "format": _format(info), "downloads": info.downloads} for info in listed]


def _api(endpoint: str | None) -> Any:
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise MissingDependency("the hub needs the package huggingface_hub", install_command("hub")) from None
    return HfApi(endpoint=endpoint)


def _read(info: Any) -> Found:
    card = _card(info)
    counts = dict(info.safetensors.parameters) if info.safetensors is not None else {}
    gguf = info.gguf if isinstance(info.gguf, dict) else {}
    config = info.config if isinstance(info.config, dict) else {}
    parameters = info.safetensors.total if info.safetensors is not None else gguf.get("total")
    known = all(dtype in _BYTES for dtype in counts)
    family = config.get("model_type") or gguf.get("architecture")
    return Found(
        name=info.id,
        source="hub",
        reference=f"hf:{info.id}",
        revision=info.sha,
        parameters=parameters,
        weight_bytes=sum(_BYTES[dtype] * count for dtype, count in counts.items()) if counts and known else None,
        stored=_format(info),
        context_length=gguf.get("context_length"),
        architecture=family,
        task=info.pipeline_tag,
        licence=card.licence,
        base_models=card.bases,
        base_licences=known_licences(card.bases),
        gated=None if info.gated is None else bool(info.gated),
        downloads=info.downloads,
    )


def _card(info: Any) -> Card:
    heading = info.card_data.to_dict() if info.card_data is not None else {}
    return read_card(info.id, heading, list(info.tags or ()))


def _format(info: Any) -> Any:
    tags = set(info.tags or ())
    if "gguf" in tags or info.library_name == "gguf":
        return "gguf"
    return "mlx" if "mlx" in tags or info.library_name == "mlx" else "folder"


def _in_words(count: int) -> str:
    """Return a number of parameters as the hub's filter has it.

    >>> _in_words(1_500_000_000), _in_words(270_000_000)
    ('1.5B', '270M')
    """
    return f"{count / 1e9:g}B" if count >= 10**9 else f"{count / 1e6:g}M"


def _problem(error: Exception) -> str:
    name = type(error).__name__
    if name == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE is set: only what is here was looked at"
    text = str(error).splitlines()[0][:120] if str(error) else ""
    return f"cannot be asked ({name}{f': {text}' if text else ''})"
