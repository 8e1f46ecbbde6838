"""What competes: model specs, sampling settings, candidates.

A candidate's id is what people read in every table; its `digest` is what the store keys on, so that a changed
weight file, prompt template or sampling setting never passes for the same candidate.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Source = Literal["folder", "gguf", "endpoint", "recorded"]


class Record(BaseModel):
    """A frozen noun: compared by value, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def content_hash(value: object) -> str:
    """SHA-256 (first 16 hex digits) of the canonical JSON of `value`: equal content, equal hash."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


MAX_TOKENS = 2**31 - 1
"""More than any context; what engines written in C take."""


class Sampling(Record):
    """How the next token is chosen, and when to stop. Temperature 0 is greedy."""

    temperature: float = Field(default=0.7, ge=0, le=5, strict=True)
    top_p: float = Field(default=0.95, gt=0, le=1, strict=True)
    top_k: int | None = Field(default=None, ge=1, strict=True)
    max_tokens: int = Field(default=512, ge=1, le=MAX_TOKENS, strict=True)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()


class ModelSpec(Record):
    """What can be run. `reference` is what the user wrote; `digest` changes when the weights do.

    `location` is a folder, a file, or a base URL (`http://host/v1`); `remote_model` is the model's name at that URL.
    `quantisation` is how the file's weights are stored, where its format says so, such as "Q4_K_M"; `made_from` is the
    digest of the model that it was converted from, where it says so.
    """

    reference: str
    name: str
    source: Source
    location: str
    digest: str
    revision: str | None = None
    parameters: int | None = None
    weight_bytes: int | None = None
    architecture: str | None = None
    context_length: int | None = None
    licence: str | None = None
    remote_model: str | None = None
    quantisation: str | None = None
    made_from: str | None = None

    @property
    def weights_digest(self) -> str:
        """Equal for models that are one, converted or not."""
        return self.made_from or self.digest

    @property
    def is_ours_to_run(self) -> bool:
        """Whether its weights are here, so that a worker of ours loads them."""
        return self.source in {"folder", "gguf"}


class Candidate(Record):
    """Model + engine + quantisation + sampling + device: what competes.

    `device` is what was asked for, None for the engine's own choice. With `allow_fallback` operators that the device lacks
    may run on the CPU, and are told of.
    """

    id: str
    model: ModelSpec
    engine: str
    quantisation: str | None = None
    sampling: Sampling
    device: str | None = None
    allow_fallback: bool = False

    @property
    def digest(self) -> str:
        """Equal for equal model content, engine, sampling and device, whatever the candidate is called."""
        what = [self.model.digest, self.engine, self.quantisation, self.sampling.model_dump(mode="json")]
        where = [self.device, self.allow_fallback] if self.device or self.allow_fallback else []
        return content_hash(what + where)
