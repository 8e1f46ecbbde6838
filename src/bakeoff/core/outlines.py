"""Generations and scores without what only readers need, small enough that a large run's all fit into memory.

A `Generation` with its text takes 3 to 10 kB of memory, its outline about 0.4 kB. Analysis, timings and reports count over outlines; field names
and meanings are those of the records. A record passes for its own outline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Literal, NamedTuple

from bakeoff.core.records import FinishReason, GateHit, Generation, Score


@dataclass(frozen=True, slots=True)
class TimingsOutline:
    """What is computed with of `Timings`, in seconds and tokens."""

    latency_s: float | None
    ttft_s: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    itl_s: tuple[float, ...] | None
    itl_at: Literal["worker", "client"] | None


@dataclass(frozen=True, slots=True)
class GenerationOutline:
    """A generation; of its text only the first character that is not blank, which shows that there is one, and a digest."""

    trial: str
    candidate: str
    brief: str
    replicate: int
    text: str | None
    finish_reason: FinishReason
    error_kind: str | None
    timings: TimingsOutline
    concurrency: int | None
    attempts: int
    retried: tuple[str, ...]
    device: str | None
    dtype: str | None
    recorded: bool
    finished_unix_s: float | None
    window: int | None
    text_digest: bytes | None

    @property
    def failed(self) -> bool:
        """Whether there is no text to score."""
        return self.text is None


class GateOutline(NamedTuple):
    """A gate that a text did not pass; the record takes three times the memory."""

    gate: str
    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class ScoreOutline:
    """A score; `dimensions` and `comparison_only` are kept as values beside names that all scores share."""

    trial: str
    value: float
    publishable: bool
    gates: tuple[GateHit | GateOutline, ...]
    names: tuple[str, ...]
    values: tuple[float | None, ...]
    compared: tuple[tuple[str, float], ...]

    @property
    def dimensions(self) -> Mapping[str, float | None]:
        """The value of each dimension, None where it does not apply."""
        return dict(zip(self.names, self.values, strict=True))

    @property
    def comparison_only(self) -> Mapping[str, float]:
        """Scores that decide nothing."""
        return dict(self.compared)


def outline_generation(generation: Generation) -> GenerationOutline:
    """Return the outline of a generation."""
    timings = generation.timings
    return GenerationOutline(
        trial=intern(generation.trial),
        candidate=intern(generation.candidate),
        brief=intern(generation.brief),
        replicate=generation.replicate,
        text=None if generation.text is None else generation.text.lstrip()[:1],
        finish_reason=generation.finish_reason,
        error_kind=generation.error_kind,
        timings=TimingsOutline(
            timings.latency_s,
            timings.ttft_s,
            timings.prompt_tokens,
            timings.completion_tokens,
            timings.itl_s,
            timings.itl_at,
        ),
        concurrency=generation.concurrency,
        attempts=generation.attempts,
        retried=generation.retried,
        device=generation.device,
        dtype=generation.dtype,
        recorded=generation.recorded,
        finished_unix_s=generation.finished_unix_s,
        window=generation.window,
        text_digest=generation.text_digest,
    )


_shared_names: dict[tuple[str, ...], tuple[str, ...]] = {}
_shared_values: dict[float | None, float | None] = {}  # grades have three decimals: there are few
_shared_compared: dict[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]] = {}  # few, too


def outline_score(score: Score) -> ScoreOutline:
    """Return the outline of a score."""
    names = tuple(score.dimensions)
    compared = tuple((intern(name), value) for name, value in score.comparison_only.items())
    return ScoreOutline(
        trial=intern(score.trial),
        value=score.value,
        publishable=score.publishable,
        gates=tuple(GateOutline(intern(hit.gate), intern(hit.rule), hit.evidence) for hit in score.gates),
        names=_shared_names.setdefault(names, names),
        values=tuple(_shared_values.setdefault(value, value) for value in score.dimensions.values()),
        compared=_shared_compared.setdefault(compared, compared),
    )
