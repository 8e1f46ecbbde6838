"""Models of servers on this machine: Ollama (`/api/tags`, `/api/show`) and LM Studio (`/api/v0/models`)."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR, socket
from threading import Timer
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from bakeoff.catalog.found import Found, Told
from bakeoff.catalog.model_card import bases_in_gguf, known_licences, licence_in_gguf
from bakeoff.catalog.references import ollama_url
from bakeoff.core.errors import UsageError

_TIMEOUT_S = 2.0
_PATIENCE_S = 5.0
"""For one whole answer: a server that sends a byte now and then would otherwise be waited for without end."""
_MOST_SILENT = 2
"""Models that Ollama may fail to tell of before it is no longer asked about the others."""
_MOST_BYTES = 1 << 26
_SIZE = re.compile(r"\s*([\d.]+)\s*([KMBT]?)\s*", re.IGNORECASE)
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
LM_STUDIO = "http://127.0.0.1:1234"


class _Down(Exception):
    """A server that is not there, or that answers something else; `silent` where it did not answer in time."""

    def __init__(self, told: str, *, silent: bool = False) -> None:
        super().__init__(told)
        self.silent = silent


def list_ollama(url: str | None = None) -> Told:
    """Return what Ollama has; models that it only passes on to its own cloud say so by `remote_host`."""
    try:
        base = (url or ollama_url(os.environ.get("OLLAMA_HOST", ""))).removesuffix("/v1")
    except UsageError as error:
        return Told([], [f"ollama: {error.message}; {error.hint}"])
    try:
        models = _ask_list(base, "/api/tags", "models")
    except _Down as error:
        return Told([], [f"ollama: {error} ({base})"])
    found, warnings, silent = [], [], 0
    for entry in models:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            warnings.append("ollama: an entry without a name was left out")
            continue
        shown: dict[str, Any] = {}
        try:
            if not _runs_elsewhere(entry) and silent < _MOST_SILENT:
                shown = _ask(base, "POST", "/api/show", {"model": name})
        except _Down as error:
            silent += error.silent
            warnings.append(f"ollama: {name}: {error}; its licence and sizes are not known")
        found.append(_ollama_model(name, entry, shown))
    if silent >= _MOST_SILENT:
        warnings.append("ollama: it keeps silent, so that it was not asked about the other models")
    return Told(found, warnings)


def _runs_elsewhere(entry: dict[str, Any]) -> str | None:
    """Return where Ollama sends what a model is asked; None for one that is here."""
    told = entry.get("remote_host") or entry.get("remote_model")
    return str(told) if told else None


def _ollama_model(name: str, entry: dict[str, Any], shown: dict[str, Any]) -> Found:
    details = _dict(entry.get("details")) | _dict(shown.get("details"))
    info = _dict(shown.get("model_info"))
    family = info.get("general.architecture") or details.get("family")
    remote = _runs_elsewhere(entry)
    bases = bases_in_gguf(info.get)
    text = shown.get("license")
    context = info.get(f"{family}.context_length") or details.get("context_length")
    size = _integer(entry.get("size"))
    return Found(
        name=name,
        source="ollama",
        reference=f"ollama:{name}",
        revision=entry.get("digest") if isinstance(entry.get("digest"), str) else None,
        parameters=_integer(info.get("general.parameter_count")) or read_size(details.get("parameter_size")),
        weight_bytes=None if remote else size,
        quantisation=details.get("quantization_level") or None,
        stored="gguf",
        context_length=_integer(context),
        architecture=family if isinstance(family, str) else None,
        task=_task(shown.get("capabilities")),
        licence=licence_in_gguf(name, info.get, text if isinstance(text, str) else None),
        base_models=bases,
        base_licences=known_licences(bases),
        local=remote is None,
        remote_host=remote,
        facts=_facts(info, str(family)) if info else {},
    )


def _task(capabilities: object) -> str | None:
    """Return what Ollama says that a model can be asked for; older versions say nothing."""
    if not isinstance(capabilities, list):
        return None
    return "text-generation" if "completion" in capabilities else ", ".join(map(str, capabilities)) or None


def _facts(info: dict[str, Any], family: str) -> dict[str, Any]:
    """Return sizes under the names of config.json, from GGUF keys."""
    names = {
        "block_count": "num_hidden_layers",
        "attention.head_count": "num_attention_heads",
        "attention.head_count_kv": "num_key_value_heads",
        "attention.key_length": "head_dim",
        "embedding_length": "hidden_size",
        "feed_forward_length": "intermediate_size",
        "vocab_size": "vocab_size",
        "context_length": "max_position_embeddings",
        "attention.sliding_window": "sliding_window",
    }
    found = {ours: _integer(info.get(f"{family}.{theirs}")) for theirs, ours in names.items()}
    return {
        **{name: size for name, size in found.items() if size is not None},
        "model_type": family,
        "param_count": _integer(info.get("general.parameter_count")),
    }


def list_lm_studio(url: str | None = None) -> Told:
    """Return what LM Studio has downloaded."""
    url = url or LM_STUDIO
    try:
        data = _ask_list(url, "/api/v0/models", "data")
    except _Down as error:
        return Told([], [f"lmstudio: {error} ({url})"])
    found = []
    for entry in data:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            continue
        kind = entry.get("compatibility_type")
        found.append(
            Found(
                name=entry["id"],
                source="lmstudio",
                reference=f"openai:{entry['id']}@{url}/v1",
                parameters=_parameters_in(entry["id"]),
                quantisation=entry.get("quantization") if isinstance(entry.get("quantization"), str) else None,
                stored=kind if kind in {"gguf", "mlx"} else None,
                context_length=_integer(entry.get("max_context_length")),
                architecture=entry.get("arch") if isinstance(entry.get("arch"), str) else None,
                task=entry.get("type") if isinstance(entry.get("type"), str) else None,
                local=True,
            )
        )
    return Told(found, [])


def _parameters_in(name: str) -> int | None:
    """Return how many parameters a name tells, since LM Studio tells nothing else: `qwen3-8b` has 8 billion.

    >>> _parameters_in("qwen/qwen3-8b"), _parameters_in("gemma-3-1b-it"), _parameters_in("phi")
    (8000000000, 1000000000, None)
    """
    told = re.findall(r"(?<![a-z\d.])(\d+(?:\.\d+)?)b(?![a-z\d])", name.casefold())
    return round(float(told[-1]) * 1e9) if told else None


def read_size(text: object) -> int | None:
    """Return a number of parameters that was written for people.

    >>> read_size("8.0B"), read_size("270M"), read_size("large"), read_size(None)
    (8000000000, 270000000, None, None)
    """
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    try:
        return round(float(found[1]) * _UNITS[found[2].upper()]) if found else None
    except ValueError:
        return None


def _ask_list(base: str, path: str, field: str) -> list[Any]:
    found = _ask(base, "GET", path).get(field)
    if not isinstance(found, list):
        raise _Down("its answer has no list of models")
    return found


def _ask(base: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    parts = urlsplit(base)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=_TIMEOUT_S)
    begun_s = monotonic()
    hurry: Timer | None = None
    try:
        connection.connect()
        hurry = Timer(_PATIENCE_S, _hang_up, (connection.sock,))
        hurry.start()
        connection.request(
            method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        raw = answer.read(_MOST_BYTES)
        if answer.status != 200:
            raise _Down(f"answered with status {answer.status}")
        value = json.loads(raw)
    except TimeoutError:
        raise _Down(f"does not answer within {_TIMEOUT_S:g} s", silent=True) from None
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        if monotonic() - begun_s >= _PATIENCE_S:
            raise _Down(f"does not end its answer within {_PATIENCE_S:g} s", silent=True) from None
        if isinstance(error, ValueError | RecursionError):
            raise _Down("answered with something that is not JSON") from None
        raise _Down(f"does not answer ({getattr(error, 'strerror', None) or type(error).__name__})") from None
    finally:
        if hurry is not None:
            hurry.cancel()
        connection.close()
    if not isinstance(value, dict):
        raise _Down("answered with something else than an object")
    return value


def _hang_up(connected: socket) -> None:
    """End a connection whatever is being waited for."""
    with suppress(OSError):
        connected.shutdown(SHUT_RDWR)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _integer(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 1 << 60 else None
