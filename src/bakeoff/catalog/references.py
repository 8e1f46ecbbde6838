"""From what a user writes to what can be run: `bundled:NAME`, `hf:ORG/NAME`, a folder, `FILE.gguf`, `ollama:NAME`,
`openai:MODEL@URL`, `recorded:FILE.jsonl`.

`ENGINE+REFERENCE` forces an engine. What is not understood is an error that lists what would be.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from bakeoff.catalog.digests import file_digest, folder_digest
from bakeoff.catalog.gguf import MADE_FROM, SUFFIX, read_gguf
from bakeoff.catalog.headers import read_config, read_weights
from bakeoff.catalog.hub_cache import find_snapshot
from bakeoff.catalog.mlx_weights import count_parameters, mlx_bits
from bakeoff.core.errors import UnknownModel, UnsupportedModel, UsageError
from bakeoff.core.spec import ModelSpec, content_hash

FORMS = (
    "bundled:NAME, hf:ORG/NAME, path/to/folder, path/to/file.gguf, ollama:NAME, openai:MODEL@http://host:port/v1, "
    "recorded:FILE.jsonl (an engine can be forced: transformers+path/to/folder)"
)
_MOST_LISTED = 8
_ENGINE_PREFIX = re.compile(r"^([a-z][a-z0-9_-]*)\+(.+)$", re.DOTALL)
_ENDPOINT = re.compile(r"(?P<model>.+?)@(?P<url>[A-Za-z][A-Za-z0-9+.-]*://.+)", re.DOTALL)
_CREDENTIALS = re.compile(r"(://).*@", re.DOTALL)


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
        UnsupportedModel: a kind of file that no engine here runs.
    """
    kind, _, rest = reference.partition(":")
    if kind in _READERS:
        return _READERS[kind](rest, reference)
    # No home folder of that user, a name too long, a NUL character: whatever it is, it is no folder.
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        path = Path(reference).expanduser()
        if path.is_dir():
            return folder_spec(path, reference, path.resolve().name)
        if path.suffix.lower() == SUFFIX and path.exists():
            return gguf_spec(path, reference)
    if reference.lower().endswith(SUFFIX) and "://" not in reference:
        raise UnknownModel(f"{reference}: there is no such GGUF file", _files_beside(reference))
    meant = f"did you mean {near}? " if (near := _nearest_form(reference)) else ""
    raise UnknownModel(f"{without_password(reference)}: there is no such model folder", f"{meant}write one of: {FORMS}")


def _files_beside(reference: str) -> str:
    """Say which GGUF files are in the folder where one was looked for."""
    where, found = "", None
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        folder = Path(reference).expanduser().parent
        where = str(folder.absolute())
        found = sorted(file.name for file in folder.iterdir() if file.suffix.lower() == SUFFIX)
    if not found:
        there = "there is no such folder" if found is None else "there is none in that folder"
        return (
            f"it was looked for in {where}, and {there}: name the file by its path" if where else "name it by its path"
        )
    near = difflib.get_close_matches(Path(reference).name, found, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    more = f" and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    return f"{meant}GGUF files in {where}: {', '.join(found[:_MOST_LISTED])}{more}"


def is_written_as_reference(name: str) -> bool:
    """Tell whether `name` is read as a reference by its form, whatever there is: `bundled:...`, `ENGINE+...`.

    >>> is_written_as_reference("bundled:social"), is_written_as_reference("org/name:8b")
    (True, False)
    """
    kind, colon, _ = name.partition(":")
    return split_engine(name)[0] is not None or (bool(colon) and kind in _READERS)


def without_password(reference: str) -> str:
    """Return `reference` with whatever stands between `://` and the last `@` taken out, fit for messages.

    >>> without_password("openai:m@http://me:secret@host/v1")
    'openai:m@http://***@host/v1'
    """
    return _CREDENTIALS.sub(r"\1***@", reference)


def _nearest_form(reference: str) -> str | None:
    """Return what a reference that names nothing was probably meant to be."""
    kind, colon, rest = reference.partition(":")
    if colon and not rest.startswith("//"):
        near = difflib.get_close_matches(kind.strip().lower(), _READERS, n=1)
        return f"{near[0]}:{without_password(rest)}" if near else None
    near = difflib.get_close_matches(reference, bundled_names(), n=1)
    if near:
        return f"bundled:{near[0]}"
    if reference.endswith(".jsonl"):
        return f"recorded:{reference}"
    return None


def look_again(spec: ModelSpec) -> ModelSpec:
    """Read the facts of a resolved spec anew, from where it lies (wherever the user is now).

    Raises:
        UsageError: it is gone, or no longer what it should be.
    """
    if spec.source == "folder":
        return folder_spec(Path(spec.location), spec.reference, spec.name)
    if spec.source == "gguf":
        return gguf_spec(Path(spec.location), spec.reference)
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


def _hub(rest: str, reference: str) -> ModelSpec:
    snapshot = find_snapshot(rest)
    return folder_spec(snapshot.folder, reference, snapshot.name).model_copy(update={"revision": snapshot.commit})


def folder_spec(folder: Path, reference: str, name: str) -> ModelSpec:
    """Read a Hugging Face model folder's facts; the digest covers all that changes what the model writes."""
    config = read_config(folder)
    weights = read_weights(folder)
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else None
    bits = mlx_bits(config, folder)
    return ModelSpec(
        reference=reference,
        name=name,
        source="folder",
        location=str(folder.absolute()),
        digest=folder_digest(folder),
        parameters=weights.parameters if bits is None else count_parameters(config, folder, bits),
        weight_bytes=weights.data_bytes,
        architecture=named if isinstance(named, str) else None,
        context_length=config.get("max_position_embeddings"),
        licence=_fact(folder, "licence"),
        made_from=_fact(folder, "made_from"),
        quantisation=None if bits is None else f"MLX {bits}-bit",
    )


def gguf_spec(file: Path, reference: str) -> ModelSpec:
    """Read a GGUF file's facts; the digest covers the whole file, and all of a model in several.

    Raises:
        InvalidFile: it cannot be read, or is no GGUF file.
        UnsupportedModel: it is a part of several and not the first, or no model that writes text.
    """
    header = read_gguf(file)
    kind = header.text("general.type") or "model"
    if kind != "model":
        raise UnsupportedModel(f"{file}: a GGUF file of type {kind!r}, no model", "name the model that it belongs to")
    return ModelSpec(
        reference=reference,
        name=file.stem,
        source="gguf",
        location=str(file.absolute()),
        digest=file_digest(file),
        parameters=header.parameters,
        weight_bytes=header.weight_bytes,
        architecture=header.architecture,
        context_length=header.context_length,
        licence=header.licence,
        quantisation=header.quantisation,
        made_from=header.text(MADE_FROM),
    )


def _fact(folder: Path, name: str) -> str | None:
    """Return what the folder's facts.json says of itself: bundled and converted models have one."""
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    value = facts.get(name) if isinstance(facts, dict) else None
    return value if isinstance(value, str) else None


def _endpoint(rest: str, reference: str) -> ModelSpec:
    found = _ENDPOINT.fullmatch(rest)
    model, url = (found["model"].strip(), found["url"].strip()) if found else ("", "")
    if not model or not _is_http(url):
        raise UnknownModel(
            f"{without_password(reference)}: not an endpoint reference", "write openai:MODEL@http://host:port/v1"
        )
    if "@" in urlsplit(url).netloc:
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


def _ollama(rest: str, reference: str) -> ModelSpec:
    return _endpoint(f"{rest}@{ollama_url(os.environ.get('OLLAMA_HOST', ''))}", reference)


def ollama_url(host: str) -> str:
    """Return the base URL of Ollama's server as its own variable OLLAMA_HOST names it, "" for where it is by default.

    Raises:
        UsageError: it is no address.

    >>> ollama_url(""), ollama_url("0.0.0.0"), ollama_url("https://box:443")
    ('http://127.0.0.1:11434/v1', 'http://127.0.0.1:11434/v1', 'https://box:443/v1')
    """
    scheme, separator, rest = host.strip().rstrip("/").rpartition("://")
    name, colon, port = rest.rpartition(":") if not rest.endswith("]") else (rest, "", "")
    name, port = (name, port) if colon and port.isdecimal() else (rest, "11434")
    if name in {"", "0.0.0.0", "[::]"}:  # noqa: S104 - where it listens, which is not where it is to be found
        name = "127.0.0.1"
    url = f"{scheme if separator else 'http'}://{name}:{port}/v1"
    if not _is_http(url):
        shown = without_password(host if separator else f"://{host}").removeprefix("://")
        raise UsageError(
            f"the environment variable OLLAMA_HOST is {shown!r}, which is no address of a server",
            "set it to HOST:PORT or http://HOST:PORT, such as 127.0.0.1:11434, or unset it",
        )
    return url


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False


def _recorded(rest: str, reference: str) -> ModelSpec:
    try:
        file = Path(rest).expanduser()
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UnknownModel(
            f"{without_password(reference)}: the file cannot be read ({why})",
            'give a JSON-lines file with {"brief_id": ..., "text": ...} on each line',
        ) from None
    return ModelSpec(
        reference=reference, name=file.stem, source="recorded", location=str(file.absolute()), digest=digest
    )


_READERS: dict[str, Callable[[str, str], ModelSpec]] = {
    "bundled": _bundled,
    "hf": _hub,
    "ollama": _ollama,
    "openai": _endpoint,
    "recorded": _recorded,
}
"""By what stands before the first colon: a function of what follows it, and of the whole reference."""
