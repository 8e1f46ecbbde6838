"""What llama-swap and KubeRay are written is what they read: no unknown key, no wrong type, nothing missing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml

from bakeoff.serve.handover.handover import Copies
from bakeoff.serve.handover.llama_swap import llama_swap_config
from bakeoff.serve.handover.ray_serve import kuberay_service
from handovers import endpoint, gguf, hand, model

SCHEMAS = Path(__file__).parents[1] / "data" / "schemas"
# Between them the plans take every way through the exporters: with and without bounds, peers, keys of others, copies.
PLANS = {
    "llama_swap": [
        llama_swap_config(each)
        for each in (
            hand(model("a"), gguf(), endpoint()),
            hand(model("a", context_length=None), model("b", device=None), context=1024),
            hand(gguf(), endpoint("own", "http://127.0.0.1:11434/v1", reference="ollama:own")),
            hand(model("a"), model("b"), urls={"b": "http://here:1/v1"}),
        )
    ],
    "kuberay": [
        kuberay_service(each, "rayproject/ray-llm:2.50.1")
        for each in (
            hand(model("plain", reference="hf:org/plain@main"), copies={"plain": Copies(count=3, low=2, high=4)}),
            hand(model("there", engine="vllm", dtype="bfloat16"), gguf(), weights={"small.gguf": "hf:org/small"}),
        )
    ],
}
WRITTEN = [(name, text) for name, texts in PLANS.items() for text in texts]


@cache
def schema_of(name: str) -> dict[str, Any]:
    schema = yaml.safe_load((SCHEMAS / f"{name}.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return schema


def wrongs(name: str, document: object) -> list[str]:
    found = jsonschema.Draft7Validator(schema_of(name)).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize(("name", "text"), WRITTEN)
def test_every_key_is_one_of_theirs(name: str, text: str) -> None:
    assert wrongs(name, yaml.safe_load(text)) == []


class Place(NamedTuple):
    """A key of theirs in a document."""

    way: tuple[str | int, ...]
    named: tuple[str, ...]
    """The same where it stands in the schema: `*` for an entry of a list, or a name of one's own."""
    schema: dict[str, Any]
    holder: dict[str, Any]


def places(value: object, schema: dict[str, Any], way: tuple = (), named: tuple = ()) -> Iterator[Place]:
    """Every key of theirs that a document holds."""
    if isinstance(value, list):
        for i, each in enumerate(value):
            yield from places(each, schema.get("items", {}), (*way, i), (*named, "*"))
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in schema.get("properties", {}):
                yield Place((*way, key), (*named, key), schema["properties"][key], schema)
                yield from places(inner, schema["properties"][key], (*way, key), (*named, key))
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from places(inner, schema["additionalProperties"], (*way, key), (*named, "*"))


def keys_of(schema: dict[str, Any], named: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that the facts tell of."""
    for key, inner in schema.get("properties", {}).items():
        yield (*named, key)
        yield from keys_of(inner, (*named, key))
    for word in ("additionalProperties", "items"):
        if isinstance(schema.get(word), dict):
            yield from keys_of(schema[word], (*named, "*"))


def test_every_key_that_was_looked_up_there_is_written() -> None:
    for name, texts in PLANS.items():
        written = {place.named for text in texts for place in places(yaml.safe_load(text), schema_of(name))}
        assert set(keys_of(schema_of(name))) == written, name


def broken(document: Any, place: Place) -> Iterator[tuple[str, Any]]:
    """The document with that key misspelt, of another type, and gone if it must be there: each by itself."""
    *way, key = place.way
    for what in ("misspelt", "of another type", "missing"):
        changed = copy.deepcopy(document)
        at = changed
        for step in way:
            at = at[step]
        value = at.pop(key)
        if what == "misspelt":
            at[f"{key}s"] = value
        elif what == "of another type":
            at[key] = 12.5  # nothing of theirs is a fraction
        elif key not in place.holder.get("required", ()):
            continue
        yield what, changed


@pytest.mark.parametrize(("name", "text"), WRITTEN)
def test_any_key_misspelt_missing_or_of_another_type_is_found(name: str, text: str) -> None:
    document = yaml.safe_load(text)
    tried = [
        (place.way, what, wrongs(name, changed))
        for place in places(document, schema_of(name))
        for what, changed in broken(document, place)
    ]
    assert {what for _, what, _ in tried} == {"misspelt", "of another type", "missing"}
    assert [(way, what) for way, what, found in tried if not found] == []
