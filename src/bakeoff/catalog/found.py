"""A model that some source told of: what competes in `bakeoff discover`, before anybody judged it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import Field

from bakeoff.catalog.licence import Licence
from bakeoff.core.spec import Record

SourceName = Literal["hub", "cache", "ollama", "lmstudio", "folder", "registry"]
SOURCES: tuple[SourceName, ...] = ("hub", "cache", "ollama", "lmstudio", "folder", "registry")


class Found(Record):
    """None is what the source did not tell. `local`: its weights are on this machine; `remote_host`: it runs elsewhere.

    `task` is what it is for, by the hub's names where it is told: to write text or else.
    `facts` are sizes by the names of config.json; `fingerprint` is equal for equal files; `stored` says how the weights are
    kept: a folder of safetensors, GGUF, MLX. `base_models` are those that it was made of, `base_licences` theirs as far as known.
    """

    name: str
    source: SourceName
    reference: str | None = None
    revision: str | None = None
    fingerprint: str | None = None
    parameters: int | None = None
    weight_bytes: int | None = None
    quantisation: str | None = None
    stored: Literal["folder", "gguf", "mlx"] | None = None
    context_length: int | None = None
    architecture: str | None = None
    task: str | None = None
    licence: Licence = Licence()
    base_models: tuple[str, ...] = ()
    base_licences: tuple[Licence, ...] = ()
    gated: bool | None = None
    downloads: int | None = None
    local: bool = False
    remote_host: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict)


class Told(NamedTuple):
    """What a source has, and what is wrong with it or with parts of it."""

    found: list[Found]
    warnings: list[str]
