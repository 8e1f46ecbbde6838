"""Will it fit: weights + KV cache + scratch + runtime, as an interval against a budget, and the longest context that fits.

need = the larger of what it takes to load and what it takes to write, weights + kv + graph + runtime. `high` adds a margin:
a quarter of everything but the weights and a tenth of the weights (assumed; a fiftieth where they stay as stored) until this machine has measured enough loads
of its own (`calibration`); `low` subtracts it. Whatever had to be guessed doubles the margin.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bakeoff.catalog.calibration import UNMEASURED, Bound
from bakeoff.catalog.engine_memory import Held, Where, default_kv_type, engine_memory
from bakeoff.catalog.fit_subject import Subject, Weights
from bakeoff.catalog.kv_cache import CacheShape, KvType, kv_bytes
from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Record

Verdict = Literal["fits", "tight", "no", "unknown"]
DEFAULT_CONTEXT = 4096
_MOST_ROWS = 1 << 16
_MOST_TOKENS = 1 << 32
"""Where the model does not say how many it holds; a thousand times what any does."""


class Load(NamedTuple):
    """How a model would be run: `rows` texts at a time, each of up to `tokens` tokens; None takes the usual."""

    engine: str
    where: Where
    tokens: int | None = None
    rows: int = 1
    kv_type: KvType | None = None


class Need(Record):
    """Bytes. `estimate` is the larger of `load_peak_bytes` and the four parts together; `margin_bytes` lies on either side.

    `resident_bytes` is what the system is expected to count at the peak: the estimate, and pages of the model's files that it
    may take back, which are no need. `host_bytes` is what its process takes at most of the machine's memory beside a card's own: assumed,
    and 0 on a CPU.
    """

    estimate: int
    low: int
    high: int
    margin_bytes: int
    weights_bytes: int
    kv_bytes: int
    graph_bytes: int
    runtime_bytes: int
    load_peak_bytes: int
    resident_bytes: int
    host_bytes: int = 0


class Prediction(Record):
    """What a model needs, and whether that fits. `need` is None where nobody knows how large the model is.

    `max_context` is the longest context whose upper bound still fits (None: not even the shortest, or nothing to tell it
    by); `provenance` says of each part where it comes from.
    """

    model: str
    engine: str
    where: Where
    tokens: int
    rows: int
    kv_type: str
    need: Need | None
    verdict: Verdict
    max_context: int | None
    provenance: dict[str, str]
    notes: tuple[str, ...] = ()


class ContextTooLong(UsageError):
    """More tokens than the model was made for."""


def predict(subject: Subject, load: Load, budget_bytes: int | None, bound: Bound = UNMEASURED) -> Prediction:
    """Predict what a model needs when it is run so, and hold it against `budget_bytes` (None: the machine does not say).

    Raises:
        ContextTooLong: `load.tokens` is more than the model's context.
        UsageError: no tokens or no rows at all, or beyond all measure.
    """
    tokens, rows = _tokens(subject, load), load.rows
    if not 1 <= rows <= _MOST_ROWS:
        raise UsageError(f"a batch of {_short(rows)}", f"give from 1 to {_MOST_ROWS} texts at a time")
    kv_type = load.kv_type or default_kv_type(load.engine, load.where)
    shape = CacheShape(load.engine, rows, tokens, kv_type)
    if subject.weights is None:
        need, verdict, longest = None, _UNKNOWN, None
    else:
        need = _need(subject, subject.weights, load.where, shape, bound)
        verdict = _verdict(need, budget_bytes) if subject.architecture.known else _UNKNOWN
        longest = _longest(subject, subject.weights, load.where, shape, bound, budget_bytes)
    return Prediction(
        model=subject.name,
        engine=load.engine,
        where=load.where,
        tokens=tokens,
        rows=rows,
        kv_type=kv_type,
        need=need,
        verdict=verdict,
        max_context=longest,
        provenance=_provenance(subject, shape, bound),
        notes=_notes(subject),
    )


_UNKNOWN: Verdict = "unknown"


def seed_need_bytes(parameters: int, *, half: bool = True) -> int:
    """Return what the formula that this project grew from gives, to be compared with: parameters x 2 (else 4) bytes x 1.4."""
    return round(parameters * (2 if half else 4) * 1.4)


def _tokens(subject: Subject, load: Load) -> int:
    most = subject.architecture.max_context
    if load.tokens is None:
        return min(DEFAULT_CONTEXT, most or DEFAULT_CONTEXT)
    if load.tokens < 1 or (most is None and load.tokens > _MOST_TOKENS):
        raise UsageError(f"a context of {_short(load.tokens)} tokens", f"give from 1 to {most or _MOST_TOKENS} tokens")
    if most is not None and load.tokens > most:
        raise ContextTooLong(
            f"{subject.name}: a context of {_short(load.tokens)} tokens exceeds the model's {most} (context_exceeds_model)",
            f"ask for {most} or fewer:  --context {most}",
        )
    return load.tokens


def _short(count: int) -> str:
    """Return a number that somebody typed, fit for a message."""
    text = str(count)
    return text if len(text) <= 24 else f"{text[:12]}... ({len(text)} digits)"


def _need(subject: Subject, weights: Weights, where: Where, shape: CacheShape, bound: Bound) -> Need:
    held = engine_memory(subject, weights, shape.engine, where, shape.rows, shape.tokens)
    cache = kv_bytes(subject.architecture, shape)
    writing = held.weights + cache + held.graph + held.runtime
    estimate = max(writing, held.loading)
    margin = _margin(subject, held, cache)
    unneeded = held.graph if shape.engine == "llamacpp" else 0  # an upper bound: llama.cpp often reserves far less
    high = estimate + round(bound.margins * margin) + max(0, held.high - held.weights)
    return Need(
        estimate=estimate,
        low=max(0, min(estimate - margin, writing - (held.weights - held.low) - margin - unneeded)),
        high=max(estimate, high),
        margin_bytes=margin,
        weights_bytes=held.weights,
        kv_bytes=cache,
        graph_bytes=held.graph,
        runtime_bytes=held.runtime,
        load_peak_bytes=held.loading,
        resident_bytes=estimate + held.reclaimable,
        host_bytes=held.beside,
    )


def _margin(subject: Subject, held: Held, cache: int) -> int:
    exact = subject.weights is not None and subject.weights.provenance == "exact" and subject.weights.packed
    margin = 0.25 * (cache + held.graph + held.runtime) + (0.02 if exact else 0.1) * held.weights
    guessed = bool(subject.architecture.guessed) or not subject.architecture.known
    return round(margin * (2 if guessed else 1))


def _verdict(need: Need, budget_bytes: int | None) -> Verdict:
    if budget_bytes is None:
        return _UNKNOWN
    if need.high <= budget_bytes:
        return "fits"
    return "tight" if need.estimate <= budget_bytes else "no"


def _longest(
    subject: Subject, weights: Weights, where: Where, shape: CacheShape, bound: Bound, budget_bytes: int | None
) -> int | None:
    """Return the longest context whose upper bound fits, by halving; need only grows with the context."""
    most = subject.architecture.max_context
    if budget_bytes is None or most is None or not subject.architecture.known:
        return None

    def fits(tokens: int) -> bool:
        return _need(subject, weights, where, shape._replace(tokens=tokens), bound).high <= budget_bytes

    if not fits(1):
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _provenance(subject: Subject, shape: CacheShape, bound: Bound) -> dict[str, str]:
    weights, architecture = subject.weights, subject.architecture
    layers = f"{architecture.layer_count} layers of {architecture.family or 'an unnamed family'}"
    cache = f"derived: {layers}, {shape.rows} x {shape.tokens} tokens in {shape.kv_type} as {shape.engine} keeps them"
    graph = "upper bound: 4 x 512 x (vocabulary + width)" if shape.engine == "llamacpp" else "derived from sizes"
    if bound.models:
        margin = f"measured: {bound.models} models loaded here, {bound.level:.0%} of loads need no more"
    else:
        margin = "assumed: a quarter of everything but the weights, up to a tenth of the weights"
    return {
        "weights_bytes": "unknown" if weights is None else f"{weights.provenance}: {weights.told}",
        "kv_bytes": cache if architecture.layers and not architecture.guessed else f"guessed: {cache}",
        "graph_bytes": graph,
        "runtime_bytes": f"assumed for {shape.engine}",
        "load_peak_bytes": "derived: the form of the weights that the engine makes, and the runtime",
        "resident_bytes": "derived: what is needed, and pages of the model's files",
        "high": margin,
    }


def _notes(subject: Subject) -> tuple[str, ...]:
    architecture = subject.architecture
    notes = list(architecture.guessed)
    if subject.weights is None:
        notes.append("the number of parameters is not known")
    if not architecture.layers:
        notes.append("the number of layers is not known: no cache was counted")
    elif not architecture.known:
        named = repr(architecture.family) if architecture.family else "without a name"
        notes.append(f"the architecture {named} is not known here: counted as full attention in every layer")
    return tuple(notes)
