"""From what a user writes to what can be run: `bundled:NAME`, a folder, `openai:MODEL@URL`, `recorded:FILE.jsonl`.

`ENGINE+REFERENCE` forces an engine. What is not understood is an error that lists what would be.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from bakeoff.catalog.headers import read_config, read_weights
from bakeoff.core.errors import UnknownModel, UnsupportedModel
from bakeoff.core.spec import ModelSpec, content_hash

FORMS = (
    "bundled:NAME, path/to/folder, openai:MODEL@http://host:port/v1, recorded:FILE.jsonl "
    "(an engine can be forced: transformers+path/to/folder)"
)
_ENGINE_PREFIX = re.compile(r"^([a-z][a-z0-9_-]*)\+(.+)$")


def bundled_folder() -> Path:
    """Return the folder of the bundled models."""
    return Path(str(files("bakeoff.bundled"))) / "models"


def bundled_names() -> list[str]:
    """Return the names of the bundled models, in alphabetical order."""
    return sorted(path.parent.name for path in bundled_folder().glob("*/config.json"))


def split_engine(reference: str) -> tuple[str | None, str]:
    """Split `ENGINE+REFERENCE`; the engine is None where none is forced."""
    found = _ENGINE_PREFIX.match(reference)
    return (found[1], found[2]) if found else (None, reference)


def resolve(reference: str) -> ModelSpec:
    """Turn a reference (without engine prefix) into a model spec, looking at files but at no network.

    Raises:
        UnknownModel: it names nothing, or is written in no known form.
        InvalidFile: the folder is there and its files are not what they should be.
        UnsupportedModel: a kind of reference that this version does not run.
    """
    kind, _, rest = reference.partition(":")
    if kind == "bundled":
        return _bundled(rest, reference)
    if kind == "openai":
        return _endpoint(rest, reference)
    if kind == "recorded":
        return _recorded(rest, reference)
    if kind in {"hf", "ollama"} or reference.endswith(".gguf"):
        raise UnsupportedModel(
            f"{reference}: references of this kind are not run by this version", f"what can be run: {FORMS}"
        )
    path = Path(reference).expanduser()
    if path.is_dir():
        return folder_spec(path, reference, path.resolve().name)
    raise UnknownModel(f"{reference}: there is no such model folder", f"write one of: {FORMS}")


def look_again(spec: ModelSpec) -> ModelSpec:
    """Read the facts of a resolved spec anew, from where it lies (wherever the user is now).

    Raises:
        UsageError: it is gone, or no longer what it should be.
    """
    if spec.source == "folder":
        return folder_spec(Path(spec.location), spec.reference, spec.name)
    if spec.source == "recorded":
        return _recorded(spec.location, spec.reference)
    return spec


def _bundled(name: str, reference: str) -> ModelSpec:
    names = bundled_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        meant = f"did you mean bundled:{near[0]}? " if near else ""
        raise UnknownModel(f"{reference}: no bundled model has that name", f"{meant}bundled: {', '.join(names)}")
    return folder_spec(bundled_folder() / name, reference, name)


def folder_spec(folder: Path, reference: str, name: str) -> ModelSpec:
    """Read a Hugging Face model folder's facts; the digest covers all that changes what the model writes."""
    config = read_config(folder)
    weights = read_weights(folder)
    architectures = config.get("architectures") or [None]
    context = config.get("max_position_embeddings")
    return ModelSpec(
        reference=reference,
        name=name,
        source="folder",
        location=str(folder.absolute()),
        digest=_folder_digest(folder),
        parameters=weights.parameters,
        weight_bytes=weights.data_bytes,
        architecture=architectures[0],
        context_length=context if isinstance(context, int) else None,
        licence=_licence(folder),
    )


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    names = ("*.safetensors", "config.json", "generation_config.json", "tokenizer*.json", "chat_template*")
    for file in sorted({file for pattern in names for file in folder.glob(pattern)}):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _licence(folder: Path) -> str | None:
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    licence = facts.get("licence") if isinstance(facts, dict) else None
    return licence if isinstance(licence, str) else None


def _endpoint(rest: str, reference: str) -> ModelSpec:
    model, at, url = rest.rpartition("@")
    parts = urlsplit(url)
    if not at or not model or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UnknownModel(f"{reference}: not an endpoint reference", "write openai:MODEL@http://host:port/v1")
    if parts.username or parts.password:
        raise UnknownModel(
            f"openai:{model}@...: the URL holds a user name or password",
            "put the key into the environment variable OPENAI_API_KEY and leave it out of the URL",
        )
    url = url.rstrip("/")
    return ModelSpec(
        reference=reference,
        name=model,
        source="endpoint",
        location=url,
        digest=content_hash(["endpoint", url, model]),
        remote_model=model,
    )


def _recorded(rest: str, reference: str) -> ModelSpec:
    file = Path(rest).expanduser()
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UnknownModel(
            f"{reference}: {file} cannot be read ({error.strerror})",
            'give a JSON-lines file with {"brief_id": ..., "text": ...} on each line',
        ) from None
    return ModelSpec(reference=reference, name=file.stem, source="recorded", location=str(file.absolute()), digest=digest)
