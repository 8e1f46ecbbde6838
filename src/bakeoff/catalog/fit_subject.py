"""What a prediction of memory starts from: a model's architecture and its weights, exact from files or approximate from facts.

Facts are those of config.json with `param_count` beside them: what a catalogue says of a model whose files are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from bakeoff.catalog.architecture import Architecture, read_architecture
from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.headers import read_config
from bakeoff.catalog.weight_bits import Bits, bits_of, known_formats
from bakeoff.core.errors import UsageError
from bakeoff.core.spec import ModelSpec, Record

Provenance = Literal["exact", "derived", "approximate", "guessed"]

_HALF = Bits(16, 16, 16)
_PUBLISHED_AS = {"gpt_oss": "mxfp4"}


class Weights(Record):
    """Bytes as stored, with a range where they are not exact. `packed` is True for quantised ones, which stay so in memory."""

    stored_bytes: int
    low_bytes: int
    high_bytes: int
    packed: bool
    provenance: Provenance
    told: str


class Subject(Record):
    """A model to predict for. `weights` is None where nobody knows its size; `tied` is None where that is not told."""

    name: str
    architecture: Architecture
    weights: Weights | None
    parameters: int | None
    quantisation: str | None
    tied: bool | None = None


def subject_of_files(spec: ModelSpec, quantisation: str | None = None) -> Subject:
    """Read a model folder's or a GGUF file's own headers; `quantisation` asks for another format than it is stored in.

    Raises:
        InvalidFile: a file is not what it should be.
        UsageError: no known format.
    """
    if spec.source == "gguf":
        header = read_gguf(Path(spec.location))
        facts: Mapping[str, Any] = header.facts()
    else:
        facts = read_config(Path(spec.location))
    architecture = read_architecture(facts)
    stored = spec.weight_bytes or 0
    packed = spec.source == "gguf" or spec.quantisation is not None
    weights = Weights(
        stored_bytes=stored,
        low_bytes=stored,
        high_bytes=stored,
        packed=packed,
        provenance="exact",
        told="summed from the file's header" if spec.source == "gguf" else "summed from the safetensors headers",
    )
    if quantisation is not None and quantisation.upper() != (spec.quantisation or "").upper():
        found = _approximate(spec.parameters, architecture, quantisation)
        weights = found if found is not None else weights
    return Subject(
        name=spec.reference,
        architecture=architecture,
        weights=weights,
        parameters=spec.parameters,
        quantisation=quantisation or spec.quantisation,
        tied=_tied(facts),
    )


def subject_of_facts(name: str, facts: Mapping[str, Any], quantisation: str | None = None) -> Subject:
    """Take a model's facts as given; where no format is asked for, 16 bits a parameter, or the one that the family is published in.

    Raises:
        UsageError: no known format, or a number of parameters that is none.
    """
    count = facts.get("param_count")
    if count is not None and (type(count) is not int or not 0 < count < 1 << 60):
        raise UsageError(f"{name}: param_count is {str(count)[:40]!r}", "give a whole number of parameters")
    architecture = read_architecture(facts)
    quantisation = quantisation or _PUBLISHED_AS.get(architecture.family or "")
    return Subject(
        name=name,
        architecture=architecture,
        weights=_approximate(count, architecture, quantisation),
        parameters=count,
        quantisation=quantisation,
        tied=_tied(facts),
    )


def _tied(facts: Mapping[str, Any]) -> bool | None:
    told = facts.get("tie_word_embeddings")
    return told if isinstance(told, bool) else None


def _approximate(parameters: int | None, architecture: Architecture, quantisation: str | None) -> Weights | None:
    """Return parameters x bits; every expert of a mixture counts, since any may be next."""
    bits = _HALF if quantisation is None else bits_of(quantisation)
    if bits is None:
        raise UsageError(f"no format of weights is called {quantisation!r}", f"formats: {', '.join(known_formats())}")
    if parameters is None:
        return None
    name = quantisation or "16 bits"
    experts = architecture.expert_parameters
    if experts is not None and name.upper() in {"MXFP4", "NVFP4"}:  # a format for experts; the rest stays at 16 bits
        stored = round((experts * bits.expected + (parameters - experts) * 16) / 8)
        return _range(stored, stored, stored, packed=True, told=f"experts at {bits.expected:g} bits, the rest at 16")
    return _range(
        round(parameters * bits.expected / 8),
        round(parameters * bits.low / 8),
        round(parameters * bits.high / 8),
        packed=bits.expected < 16,
        told=f"{parameters:,} parameters at {bits.expected:g} bits ({name})",
    )


def _range(stored: int, low: int, high: int, *, packed: bool, told: str) -> Weights:
    return Weights(
        stored_bytes=stored, low_bytes=low, high_bytes=high, packed=packed, provenance="approximate", told=told
    )
