"""One request to a batcher: what was asked, what is delivered, where its time went, and why it may fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, NamedTuple

from bakeoff.core.errors import UsageError, WorkerError
from bakeoff.core.spec import Sampling
from bakeoff.engines.base import Sight

Finish = Literal["stop", "length"]


class PromptTooLong(UsageError):
    """A prompt that leaves no room for an answer in the context."""


class ModelFailed(WorkerError):
    """The engine raised, or computed no finite logits, while this request was in its batch."""


class BatcherClosed(WorkerError):
    """The batcher takes no more requests: the worker is ending."""


@dataclass(frozen=True, slots=True)
class RequestTimings:
    """Where the time of one request went, in seconds; tokens are counted from ids.

    `queue_s` is submit to prefill, `prefill_s` the prefill call with the first token's choice, `ttft_s` submit to
    first token, `decode_s` first to last token, `rows` the most rows that were batched with it, itself included.
    `itl_s` are the times between its tokens; None where it was not alone all the time, since they are its neighbours' too.
    `device`, `dtype` and `fallbacks` are what was seen to do the work at its end; None where the engine cannot look again.
    """

    queue_s: float
    prefill_s: float
    ttft_s: float
    decode_s: float
    prompt_tokens: int
    completion_tokens: int
    rows: int
    itl_s: tuple[float, ...] | None = None
    device: str | None = None
    dtype: str | None = None
    fallbacks: tuple[str, ...] | None = None


class TokenLogprobs(NamedTuple):
    """The natural logarithm of a chosen token's probability, and of the likeliest tokens' before temperature and cuts."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is new for one request: text, and at its end either how it finished, with timings, or what broke."""

    request: Request
    text: str
    finish: Finish | None = None
    timings: RequestTimings | None = None
    error: WorkerError | None = None

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.finish is not None or self.error is not None


@dataclass(eq=False, slots=True)
class Request:
    """One submitted request: the handle to cancel it, and the loop's own notes about it.

    `sink` is for the receiver: what `deliver` should do with this request's deliveries. `top_logprobs` asks for so many of
    the likeliest tokens in `logprobs`, None for none of it.
    """

    prompt: Sequence[int]
    sampling: Sampling
    seed: int
    sink: Callable[[Delivery], None]
    max_new: int = 0
    cancelled: bool = False
    submitted_at: float = field(default_factory=perf_counter)
    prefill_at: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0
    produced: int = 0
    rows: int = 0
    gaps_s: list[float] = field(default_factory=list)
    pending: str = ""
    top_logprobs: int | None = None
    logprobs: list[TokenLogprobs] = field(default_factory=list)

    def cancel(self) -> None:
        """Stop within one token; nothing is delivered afterwards. Safe from any thread, and more than once."""
        self.cancelled = True

    def count_token(self, now: float) -> None:
        """Note that a token was chosen at `now`, in seconds of `perf_counter`."""
        self.produced += 1
        if self.produced == 1:
            self.first_at = now
        elif self.rows == 1:
            self.gaps_s.append(round(now - self.last_at, 6))
        self.last_at = now

    @property
    def reserved(self) -> int:
        """KV tokens that it may come to use."""
        return len(self.prompt) + self.max_new

    def timings(self, sight: Sight | None = None) -> RequestTimings:
        """Return its timings as they stand, with what is seen to do the work."""
        return RequestTimings(
            queue_s=self.prefill_at - self.submitted_at,
            prefill_s=self.first_at - self.prefill_at,
            ttft_s=self.first_at - self.submitted_at,
            decode_s=self.last_at - self.first_at,
            prompt_tokens=len(self.prompt),
            completion_tokens=self.produced,
            rows=self.rows,
            itl_s=tuple(self.gaps_s) if self.rows == 1 else None,
            device=None if sight is None else sight.device,
            dtype=None if sight is None else sight.dtype,
            fallbacks=None if sight is None else sight.fallbacks,
        )
