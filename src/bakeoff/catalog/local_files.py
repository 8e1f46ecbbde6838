"""Models that lie on this machine: the hub's cache, folders of the user's with GGUF files, MLX or safetensors, the registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.catalog.architecture import read_architecture
from bakeoff.catalog.found import Found, Told
from bakeoff.catalog.gguf import SUFFIX, read_gguf
from bakeoff.catalog.gguf_parts import files_there, is_later_part
from bakeoff.catalog.headers import read_config, read_weights
from bakeoff.catalog.hub_cache import hub_cache
from bakeoff.catalog.licence import Licence
from bakeoff.catalog.mlx_weights import count_parameters, mlx_bits
from bakeoff.catalog.model_card import (
    Card,
    bases_in_gguf,
    known_licences,
    licence_in_gguf,
    read_card,
    read_heading,
)
from bakeoff.catalog.registry import load_registry
from bakeoff.core.errors import InvalidFile, UsageError

_EDGE = 1 << 20
_DEEPEST = 4
_MOST_FILES = 5000


def list_cache() -> Told:
    """Return the models in the hub's cache whose files are all there; a cache that is not there is an empty one."""
    found, warnings = [], []
    for stored in sorted(hub_cache().glob("models--*")):
        name = stored.name.removeprefix("models--").replace("--", "/")
        branch = stored / "refs" / "main"
        snapshots = sorted((stored / "snapshots").glob("*"))
        commit = branch.read_text(encoding="ascii").strip() if branch.is_file() else ""
        folder = stored / "snapshots" / commit if commit else (snapshots[-1] if snapshots else None)
        if folder is None or not folder.is_dir():
            warnings.append(f"cache: {name} has no snapshot")
            continue
        reference = f"hf:{name}" if commit else f"hf:{name}@{folder.name}"
        told = _list_snapshot(folder, name, reference)
        found += told.found
        warnings += told.warnings
    return Told(found, warnings)


def _list_snapshot(folder: Path, name: str, reference: str) -> Told:
    """Return the model of a repository's folder, and its GGUF files, which often lie in a folder for each quantisation."""
    found, warnings = [], []
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() == SUFFIX and not is_later_part(file))
    weights = list(folder.glob("*.safetensors"))
    if missing := [file.name for file in weights if not file.exists()]:
        warnings.append(f"cache: {name} was not downloaded to its end: {missing[0]} is missing")
    places = [folder] if (folder / "config.json").exists() and not missing and (weights or not files) else []
    for place in (*places, *files):
        try:
            if place == folder:
                found.append(_folder(folder, name, reference, "cache").model_copy(update={"revision": folder.name}))
            else:
                found.append(_gguf(place, place.stem, str(place), "cache"))
        except (InvalidFile, UsageError, OSError) as error:
            warnings.append(f"cache: {name}: {str(error).splitlines()[0]}")
    return Told(found, warnings)


def list_folder(root: Path) -> Told:
    """Return every GGUF file and model folder under `root`, four levels deep.

    Raises:
        UsageError: there is no such folder, or it may not be read.
    """
    if not root.is_dir():
        raise UsageError(f"--folder {root}: there is no such folder", "name a folder with GGUF files or model folders")
    try:
        next(root.iterdir(), None)
    except OSError as error:
        raise UsageError(
            f"--folder {root}: cannot be read ({error.strerror})", "name a folder that you may read"
        ) from None
    found, warnings = [], []
    for place in _places(root, 0, set()):
        try:
            if place.is_dir():
                found.append(_folder(place, place.name, str(place), "folder"))
            elif not is_later_part(place):
                found.append(_gguf(place, place.stem, str(place), "folder"))
        except (InvalidFile, UsageError, OSError) as error:
            warnings.append(f"folder: {str(error).splitlines()[0]}")
    return Told(found, warnings)


def list_registry(workspace: Path) -> Told:
    """Return the user's own entries; what the catalogue knows besides is nobody's candidate before somebody has it.

    Raises:
        InvalidFile: the registry's file is wrong somewhere.
    """
    found = []
    for entry in load_registry(workspace).values():
        facts: dict[str, Any] = dict(entry.facts)
        count = facts.get("param_count")
        found.append(
            Found(
                name=entry.name,
                source="registry",
                reference=entry.reference,
                parameters=count if isinstance(count, int) else None,
                context_length=facts.get("max_position_embeddings"),
                architecture=facts.get("model_type"),
                licence=Licence(
                    model=entry.name,
                    tag=entry.licence,
                    name=entry.licence_name,
                    link=entry.licence_link,
                    commercial_use=entry.commercial_use,
                ),
                base_models=entry.base_models,
                base_licences=known_licences(entry.base_models),
                facts=facts,
            )
        )
    return Told(found, [])


def _places(folder: Path, depth: int, seen: set[Path]) -> Iterator[Path]:
    """Yield model folders and GGUF files, each once whatever links lead to it."""
    if (real := folder.resolve()) in seen:
        return
    seen.add(real)
    if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
        yield folder
        return
    try:
        entries = sorted(folder.iterdir())[:_MOST_FILES]
    except OSError:
        return
    for entry in entries:
        if entry.is_dir() and depth < _DEEPEST and not entry.name.startswith("."):
            yield from _places(entry, depth + 1, seen)
        elif entry.suffix.lower() == SUFFIX:
            yield entry


def _folder(folder: Path, name: str, reference: str, source: Any) -> Found:
    config = read_config(folder)
    weights = read_weights(folder)
    bits = mlx_bits(config, folder)
    parameters = weights.parameters if bits is None else count_parameters(config, folder, bits)
    listed = config.get("architectures")
    named = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], str) else None
    card = _card(folder, name)
    return Found(
        name=name,
        source=source,
        reference=reference,
        fingerprint=_fingerprint(sorted(folder.glob("*.safetensors"))),
        parameters=parameters,
        weight_bytes=weights.data_bytes,
        quantisation=None if bits is None else f"MLX {bits}-bit",
        stored="folder" if bits is None else "mlx",
        context_length=read_architecture(config).max_context,
        architecture=named,
        task=_task(config, named or ""),
        licence=card.licence,
        base_models=card.bases,
        base_licences=known_licences(card.bases),
        local=True,
        facts={**config, "param_count": parameters},
    )


def _task(config: dict[str, Any], named: str) -> str | None:
    """Return what a model of transformers' class `named` is for, None where that does not tell it."""
    if named.endswith(("ForCausalLM", "LMHeadModel")):
        return "text-generation"
    sees = "text_config" in config and "vision_config" in config  # others of that name hear, or translate
    return "image-text-to-text" if named.endswith("ForConditionalGeneration") and sees else None


def _gguf(file: Path, name: str, reference: str, source: Any) -> Found:
    header = read_gguf(file)
    bases = bases_in_gguf(header.metadata.get)
    return Found(
        name=name,
        source=source,
        reference=reference,
        fingerprint=_fingerprint(list(files_there(file))),
        parameters=header.parameters,
        weight_bytes=header.weight_bytes,
        quantisation=header.quantisation,
        stored="gguf",
        context_length=header.context_length,
        architecture=header.architecture,
        task="text-generation" if header.chat_template else None,
        licence=licence_in_gguf(name, header.metadata.get),
        base_models=bases,
        base_licences=known_licences(bases),
        local=True,
        facts=header.facts(),
    )


def _card(folder: Path, name: str) -> Card:
    """Return what a model's card says of licences, or a bundled or converted model's facts."""
    card = read_card(name, read_heading(folder))
    if card.licence.tag is not None:
        return card
    try:
        told = json.loads((folder / "facts.json").read_text(encoding="utf-8")).get("licence")
    except (OSError, ValueError, AttributeError):
        return card
    return card._replace(licence=card.licence.model_copy(update={"tag": told if isinstance(told, str) else None}))


def _fingerprint(files: list[Path]) -> str:
    """Return what is equal for equal weights: sizes, beginnings and ends, since whole files take minutes to read."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(str(size).encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_EDGE))
            stream.seek(max(0, size - _EDGE))
            digest.update(stream.read(_EDGE))
    return digest.hexdigest()[:24]
