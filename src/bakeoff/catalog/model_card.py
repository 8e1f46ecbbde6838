"""What a model's card says of licences: its own, and which models it was made of, whose conditions it has as well.

A card is the YAML heading of README.md (Hugging Face, "Model Cards"); GGUF files keep the same under `general.`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bakeoff.catalog.licence import Licence, judge_licence, recognise_text
from bakeoff.catalog.registry import load_catalogue

_BASE = "base_model:"
_RELATIONS = ("finetune:", "quantized:", "adapter:", "merge:")
_MOST_HEADING = 1 << 16
_LONGEST_CHAIN = 8
_BASES = (
    ("meta-llama/llama-4", "llama4"),
    ("meta-llama/llama-3.3", "llama3.3"),
    ("meta-llama/llama-3.2", "llama3.2"),
    ("meta-llama/llama-3.1", "llama3.1"),
    ("meta-llama/meta-llama-3.1", "llama3.1"),
    ("meta-llama/meta-llama-3", "llama3"),
    ("meta-llama/llama-2", "llama2"),
    ("google/gemma-4", None),
    ("google/gemma", "gemma"),
    ("google/codegemma", "gemma"),
)


class Card(NamedTuple):
    """A model's own licence, and the names of those that it was made of."""

    licence: Licence
    bases: tuple[str, ...] = ()


def read_card(model: str, heading: Mapping[str, Any], tags: Sequence[str] = ()) -> Card:
    """Return what a card's heading, or the hub's tags for it, say."""
    tagged = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)
    told = heading.get("license")
    tag = told if isinstance(told, str) else (told[0] if isinstance(told, list) and told else tagged)
    flag = heading.get("commercial")
    licence = Licence(
        model=model,
        tag=_text(tag),
        name=_text(heading.get("license_name")),
        link=_text(heading.get("license_link")),
        commercial_use=flag if isinstance(flag, bool) else None,
    )
    return Card(licence, tuple(dict.fromkeys(_bases(heading, tags))))


def _bases(heading: Mapping[str, Any], tags: Sequence[str]) -> Iterable[str]:
    told = heading.get("base_model")
    yield from (name for name in (told if isinstance(told, list) else [told]) if isinstance(name, str))
    for tag in tags:
        if tag.startswith(_BASE):
            name = tag.removeprefix(_BASE)
            yield next((name.removeprefix(kind) for kind in _RELATIONS if name.startswith(kind)), name)


def read_heading(folder: Path) -> dict[str, Any]:
    """Return the YAML heading of a folder's README.md, {} where there is none that can be read."""
    import yaml

    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            head = file.read(_MOST_HEADING)
        found = yaml.safe_load(head.split("\n---")[0]) if head.startswith("---") else None
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def bases_in_gguf(key: Callable[[str], object]) -> tuple[str, ...]:
    """Return the models that a GGUF file names as what it was made of; `key` returns a value of its header.

    >>> url = "https://huggingface.co/meta-llama/Llama-3.1-8B"
    >>> bases_in_gguf({"general.base_model.count": 1, "general.base_model.0.repo_url": url}.get)
    ('meta-llama/Llama-3.1-8B',)
    """
    count = key("general.base_model.count")
    found = []
    for number in range(min(count, _LONGEST_CHAIN) if type(count) is int else 0):
        url, organisation, name = (
            key(f"general.base_model.{number}.{field}") for field in ("repo_url", "organization", "name")
        )
        path = urlsplit(url).path.strip("/") if isinstance(url, str) and "huggingface.co" in url else ""
        if path.count("/") == 1:
            found.append(path)
        elif isinstance(name, str):
            whole = f"{organisation}/{name}" if isinstance(organisation, str) else name
            found.append(whole.replace(" ", "-"))
    return tuple(found)


def licence_in_gguf(model: str, key: Callable[[str], object], text: str | None = None) -> Licence:
    """Return the licence that a GGUF file names; `key` returns a value of its header, `text` is the licence itself where a server sends it.

    The text is read where the names say nothing that is known here.

    >>> licence_in_gguf("a/b", {"general.license": "other", "general.license.name": "lfm1.0"}.get).name
    'lfm1.0'
    """
    tag, name, link = (_text(key(f"general.license{part}")) for part in ("", ".name", ".link"))
    told = Licence(model=model, tag=tag, name=name, link=link)
    if text is None or judge_licence(tag, name).commercial != "unknown":
        return told
    return told.model_copy(update={"tag": recognise_text(text) or tag})


def base_licence_tag(name: str) -> str | None:
    """Return the licence that a base model's name tells, None where it tells none.

    >>> base_licence_tag("meta-llama/Llama-3.1-8B"), base_licence_tag("Qwen/Qwen3-8B")
    ('llama3.1', None)
    """
    plain = name.casefold()
    return next((tag for prefix, tag in _BASES if plain.startswith(prefix)), None)


def known_card(name: str) -> Card | None:
    """Return what is known of a base model without asking anybody: by its name, or by the catalogue."""
    if tag := base_licence_tag(name):
        return Card(Licence(model=name, tag=tag))
    entry = next((entry for entry in load_catalogue().values() if entry.name.casefold() == name.casefold()), None)
    if entry is None:
        return None
    licence = Licence(
        model=name,
        tag=entry.licence,
        name=entry.licence_name,
        link=entry.licence_link,
        commercial_use=entry.commercial_use,
    )
    return Card(licence, entry.base_models)


def known_licences(bases: Sequence[str]) -> tuple[Licence, ...]:
    """Return the licences of base models that are known without asking anybody."""
    return tuple(card.licence for name in bases if (card := known_card(name)) is not None)


def inherited_licences(bases: Sequence[str], ask: Callable[[str], Card | None]) -> tuple[Licence, ...]:
    """Return the licences of all models that one was made of, and of those that they were made of.

    `ask` looks further than `known_card`; one that nobody can tell of is said to be unread.
    """
    found: dict[str, Licence] = {}
    left = list(bases)
    while left and len(found) < _LONGEST_CHAIN:
        name = left.pop(0)
        if name in found:
            continue
        card = known_card(name) or ask(name)
        found[name] = Licence(model=name, unread=True) if card is None else card.licence
        left += () if card is None else card.bases
    return tuple(found.values())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
