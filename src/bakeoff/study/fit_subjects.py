"""Whose memory is asked for: models whose files are here, or models that are only described, in a file of facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from bakeoff.catalog.architecture import MOST_LAYERS
from bakeoff.catalog.fit_subject import Subject, subject_of_facts, subject_of_files
from bakeoff.catalog.references import resolve, split_engine
from bakeoff.catalog.registry import find_entry
from bakeoff.core.errors import InvalidFile, Problem, UnknownModel, UnsupportedModel
from bakeoff.engines.local import choose_engine

_DESCRIBED_ENGINE = "llamacpp"
"""What is assumed to run a model that is only described: the engine that every kind of machine has in common."""
_MOST_BYTES = 1 << 26

Facts = Mapping[str, Mapping[str, Any]]


class Asked(NamedTuple):
    """A model to predict for, and the engine that would run it."""

    subject: Subject
    engine: str


def read_facts(file: Path) -> dict[str, Mapping[str, Any]]:
    """Read architecture facts: `{"models": {name: facts}}`, `{name: facts}`, or the facts of one model, named "".

    Raises:
        InvalidFile: it cannot be read, is no JSON, or holds no facts.
    """
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            raise _invalid(file, "is no file of facts" if file.exists() else "is not there", "a JSON file")
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _invalid(file, f"cannot be read ({error.strerror})", "a readable JSON file") from None
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise InvalidFile((Problem(str(file), line, "", "is not JSON", _SHAPE),)) from None
    models = value.get("models", value) if isinstance(value, dict) else None
    if not isinstance(models, dict) or not models:
        raise _invalid(file, "holds no facts", _SHAPE)
    if _are_facts(models):
        _check_sizes(file, {"": models})
        return {"": models}
    found = {name: facts for name, facts in models.items() if _are_facts(facts)}
    if not found:
        raise _invalid(file, "holds no facts", _SHAPE)
    _check_sizes(file, found)
    return found


_SHAPE = 'an object of models: {"NAME": {"model_type": "llama", "num_hidden_layers": 22, ...}}'


def _are_facts(value: object) -> bool:
    """Tell whether it has at least one size under a name that config.json has for it."""
    sizes = ("num_hidden_layers", "n_layer", "num_layers", "hidden_size", "param_count")
    return isinstance(value, dict) and any(type(value.get(name)) is int for name in sizes)


def _check_sizes(file: Path, found: Facts) -> None:
    problems = [
        Problem(
            str(file), None, f"{name}.{field}".lstrip("."), f"is {str(facts[field])[:40]}", "a whole number above 0"
        )
        for name, facts in found.items()
        for field in _SIZES
        if facts.get(field) is not None and not (type(facts[field]) is int and 0 < facts[field] < 1 << 60)
    ]
    problems += [
        Problem(str(file), None, f"{name}.{field}".lstrip("."), "is out of reach", f"at most {MOST_LAYERS} layers")
        for name, facts in found.items()
        for field in _LAYERS
        if type(facts.get(field)) is int and facts[field] > MOST_LAYERS
    ]
    if problems:
        raise InvalidFile(tuple(problems))


_LAYERS = ("num_hidden_layers", "num_decoder_layers", "n_layer", "n_layers", "num_layers")
_SIZES = (
    "num_hidden_layers",
    "num_decoder_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_size",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "sliding_window",
    "full_attention_layers",
    "kv_lora_rank",
    "param_count",
    "expert_param_count",
)


def find_subjects(
    names: Sequence[str], facts: Facts, engine: str | None, quantisation: str | None, workspace: Path | None = None
) -> list[Asked]:
    """Find every model that is named: in the facts, among files, in the registry of `workspace` and the catalogue, in this order.

    Without names, all that the facts describe.

    Raises:
        UsageError: with a line for the first that is neither described nor here, or that no engine of ours would run.
    """
    if not names and not facts:
        raise UnknownModel("no model is named", "name one:  bakeoff fit bundled:generalist")
    return [_find(name, facts, engine, quantisation, workspace) for name in names or facts]


def _find(name: str, facts: Facts, engine: str | None, quantisation: str | None, workspace: Path | None) -> Asked:
    forced, rest = split_engine(name)
    engine = forced or engine
    described = facts.get(rest) or (facts.get("") if len(facts) == 1 else None)
    if described is not None:
        return Asked(subject_of_facts(rest or "the model", described, quantisation), engine or _DESCRIBED_ENGINE)
    try:
        spec = resolve(rest)
    except UnknownModel as error:
        near = get_close_matches(rest, facts, n=1, cutoff=0.5)
        if near:
            raise UnknownModel(f"{name}: the facts have no model of that name", f"did you mean {near[0]}?") from None
        return _find_known(rest, engine, quantisation, workspace, error)
    if not spec.is_ours_to_run:
        raise UnsupportedModel(
            f"{name}: its weights are somebody else's to load", "name a model folder or a GGUF file, or describe it"
        )
    converted = quantisation is not None and spec.source == "folder" and engine is None
    chosen = "llamacpp" if converted else choose_engine(spec, None if quantisation else engine)
    return Asked(subject_of_files(spec, quantisation), engine or chosen)


def _find_known(
    name: str, engine: str | None, quantisation: str | None, workspace: Path | None, error: UnknownModel
) -> Asked:
    """Return what the catalogue, or the user's own registry, says of a model whose files are not here."""
    try:
        entry = find_entry(name, workspace)
    except UnknownModel as unknown:
        hint = f"{unknown.hint}; a folder or a GGUF file is named by its path; or describe it:  --facts FILE.json"
        raise UnknownModel(error.message, hint) from None
    if entry.reference is not None and entry.reference != name and engine is None:
        with suppress(UnknownModel):
            return _find(entry.reference, {}, engine, quantisation, None)
    return Asked(subject_of_facts(entry.name, entry.facts, quantisation), engine or _DESCRIBED_ENGINE)


def _invalid(file: Path, wrong: str, expected: str) -> InvalidFile:
    return InvalidFile((Problem(str(file), None, "", wrong, expected),))
