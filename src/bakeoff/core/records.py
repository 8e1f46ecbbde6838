"""What is stored: one record per thing that happened, or that was concluded.

Unknown numbers are None, never 0. Field names carry units. Records are frozen; a new version of a record is a new
field with a default, never a renamed one.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field

from bakeoff.core.spec import Record

FinishReason = Literal["stop", "length", "error"]
Outcome = Literal["winner", "best_within_eps", "no_clear_winner", "insufficient_data", "none_qualified"]
Provenance = Literal["measured", "reported", "derived", "assumed"]

NOT_TRIED = "the trial was not tried"
"""How the error of a trial ends that was not asked for, since its worker had died too often before. No run stores it any
more: the candidate is given up then. Stores from before that hold some."""
MOST_TOKENS = 2**53
"""A larger count of tokens is a fault of whoever told it, and fits into no table."""


class Timings(Record):
    """Seconds and tokens of one generation. `client` values are seen from outside, `worker` values from inside.

    `connect_s` is until there was a connection, next to nothing where one was kept; from then on all others count:
    `latency_s` is request sent to last byte; `ttft_s` is request sent to first non-empty text (stream only), `first_piece_s` to
    the first piece of anything, a thought too, of `pieces` that came apart (each None where there was no stream, or nobody
    looked; `first_piece_s` also where thoughts were counted that nobody saw);
    `queue_s`, `prefill_s`, `decode_s` are the worker's own (None for endpoints that do not say).
    `tokens_from` is None where nobody counted: the token counts are None then. `itl_s` are the times between tokens of a
    text that was written alone, taken inside a worker, or at the client where every token came in a piece of its own.
    """

    latency_s: float | None = None
    ttft_s: float | None = None
    queue_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_from: Provenance | None = "reported"
    itl_s: tuple[float, ...] | None = None
    itl_at: Literal["worker", "client"] | None = None
    connect_s: float | None = None
    first_piece_s: float | None = None
    pieces: int | None = None

    @property
    def writing_s(self) -> float | None:
        """Seconds from the first token to the end, None where they are not known.

        All of a text that comes in one piece comes at its end: nothing is known of its pace. Where pieces were not counted
        (other tools' records), the first text is the first token.
        """
        began_s = self.ttft_s if self.pieces is None else self.first_piece_s
        if self.latency_s is None or began_s is None or (self.pieces is not None and self.pieces < 2):
            return None
        return self.latency_s - began_s


class Generation(Record):
    """One text by one candidate for one brief. `error` is None exactly when there is a text.

    `attempts` counts requests, and `retried` says why each one but the last was not enough (kinds of error, in order);
    `timings` are the last one's. `concurrency` is how many requests were allowed in flight; `finished_unix_s` is wall
    time, for telling busy seconds. `window` numbers the stretch of the candidate's work in which it was made.
    """

    trial: str
    candidate: str
    brief: str
    replicate: int
    seed: int
    text: str | None
    finish_reason: FinishReason
    error_kind: str | None = None
    error: str | None = None
    timings: Timings = Timings()
    concurrency: int | None = None
    attempts: int = 1
    retried: tuple[str, ...] = ()
    device: str | None = None
    dtype: str | None = None
    recorded: bool = False
    finished_unix_s: float | None = None
    window: int | None = None

    @property
    def text_digest(self) -> bytes | None:
        """Equal for equal texts."""
        return None if self.text is None else hashlib.blake2b(self.text.encode(), digest_size=8).digest()

    @property
    def failed(self) -> bool:
        """Whether there is no text to score."""
        return self.text is None

    @property
    def tried(self) -> bool:
        """Whether it was asked for at all: not where its worker had died too often, or its endpoint was given up, before."""
        refused = self.error_kind == "worker_died" and (self.error or "").endswith(NOT_TRIED)
        return self.attempts > 0 and (bool(self.retried) or not refused)


class GateHit(Record):
    """A gate that a text did not pass: which, by which rule, and the span of text that shows it."""

    gate: str
    rule: str
    evidence: str


class Score(Record):
    """What one text is worth. `dimensions` are 0-10, None where a dimension does not apply.

    `value` (0-10) is the combination; `publishable` is False when any gate hit. A failed generation scores 0, gated
    by `failed`.
    """

    trial: str
    value: float = Field(ge=0, le=10)
    publishable: bool
    gates: tuple[GateHit, ...] = ()
    dimensions: dict[str, float | None] = Field(default_factory=dict)
    comparison_only: dict[str, float] = Field(default_factory=dict)


class Estimate(Record):
    """A mean or proportion with its interval. `briefs` counts prompts, never prompts x replicates.

    `clusters` counts families of briefs, the unit that the interval rests on (None where nobody said). All three
    numbers are None where there was nothing to estimate from.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float = 0.95
    method: str
    briefs: int
    clusters: int | None = None


class Comparison(Record):
    """Paired difference a - b on the same briefs. `p_adjusted` is Holm-corrected; `e_value` belongs to the race.

    `low` and `high` are this pair's own interval at `level`. `simultaneous_low` and `simultaneous_high` are one-sided
    bounds that hold for all rivals of one candidate together. `p_sign_flip` is a line of robustness beside `p`;
    `clusters` counts families of briefs.
    """

    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    p_adjusted: float | None = None
    e_value: float | None = None
    briefs: int
    correlation: float | None = None
    method: str = "t"
    minimum_detectable: float | None = None
    level: float = 0.95
    clusters: int | None = None
    p: float | None = None
    p_sign_flip: float | None = None
    sd_difference: float | None = None
    simultaneous_low: float | None = None
    simultaneous_high: float | None = None


class Decision(Record):
    """What to run, why, how sure. `leader` has the highest mean, which by itself is no reason to choose it.

    `excluded` do not qualify, and `withdrawn` left the race for a reason that is no evidence: whatever was shown of the choice,
    it was shown against the others.
    """

    outcome: Outcome
    choice: str | None
    equivalent: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    leader: str | None = None
    excluded: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


class Route(Record):
    """Content type -> candidate, with the evidence behind it. `excluded` and `withdrawn` are as in a `Decision`."""

    candidate: str | None
    outcome: Outcome
    evidence: Estimate
    fallbacks: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


class WorkerLoad(Record):
    """One start of one worker: what it took, and what was seen to do the work.

    Stored again whenever more is known (its peak memory grows): of equal `start`, the last one counts.
    `peak_memory_bytes` is the process's own, `device_peak_bytes` that of an accelerator's allocator. `cached_share` tells
    how much of the model's files was in the page cache before (0 to 1), `unknown` why a server that is not ours leaves something None.
    `node` is the node of a cluster on which it ran, None for this machine. `load_s` is from the weights to ready; before it
    come `import_s` (the engine's library) and `calibration_s` (the choice of its arithmetic). Where those are None, as in
    earlier versions, nobody timed them apart, and `load_s` holds them.
    """

    candidate: str
    load_s: float
    first_token_s: float
    device: str | None
    dtype: str | None
    engine_version: str
    peak_memory_bytes: int | None
    weight_bytes: int | None
    start: str | None = None
    kernels: str | None = None
    kernels_reason: str | None = None
    fallbacks: tuple[str, ...] = ()
    device_peak_bytes: int | None = None
    cached_share: float | None = None
    unknown: tuple[str, ...] = ()
    node: str | None = None
    import_s: float | None = None
    calibration_s: float | None = None

    @property
    def ready_s(self) -> float:
        """From the start of the worker's work to ready, first token aside."""
        return self.load_s + (self.import_s or 0.0) + (self.calibration_s or 0.0)


class RunEvent(Record):
    """Something worth telling about a run: a worker that died, a retry, an interruption."""

    at: str
    kind: str
    candidate: str | None
    message: str
