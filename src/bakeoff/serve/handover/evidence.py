"""The evidence behind a plan, as comments, labels and metadata of other servers' files. Nothing that was not measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from bakeoff.core.plain import printable
from bakeoff.core.records import Estimate
from bakeoff.core.spec import Sampling
from bakeoff.core.units import bytes_text
from bakeoff.decide.wording import plural
from bakeoff.serve.handover.handover import Handover, routes_of
from bakeoff.serve.plan import ServedModel

Fact = str | int | float
UNMEASURED = "NOT MEASURED"


def head(target: str, hand: Handover, notes: Sequence[str] = (), only: str | None = None) -> str:
    """Return the comment that begins a file: which run, each model, each route; `notes` are what its reader must know.

    A note that something was not measured comes first. `only` is the one model that the file is of.
    """
    plan = hand.plan
    run = f"run {plan.run_id}" if plan.suite is None else f"run {plan.run_id}, suite {plan.suite}"
    lines = [f"Made by: bakeoff export {plan.run_id} --to {target}", f"Evidence: {run}", ""]
    last = [line for note in notes if not note.startswith(UNMEASURED) for line in note.splitlines()]
    for note in (note for note in notes if note.startswith(UNMEASURED)):
        lines += [*note.splitlines(), ""]
    lines += [
        "Models, as they were measured:",
        *(f"  {_model(model)}" for model in plan.models if only in {None, model.id}),
        "",
    ]
    lines += ["Routes, first to last:", *(f"  {line}" for line in _routes(hand, only))]
    lines += ["", *last]
    return comment(lines)


def comment(lines: Iterable[str]) -> str:
    """Return lines as a comment, whatever is in them."""
    return "".join(f"# {part}".rstrip() + "\n" for line in lines for part in (printable(line).splitlines() or [""]))


def facts(model: ServedModel, run_id: str | None) -> dict[str, Fact]:
    """Return what is known of a model by flat names; what nobody measured is not there."""
    spec = model.candidate.model
    quality = model.quality
    found: dict[str, Fact | None] = {
        "run": run_id,
        "candidate": model.id,
        "weights_digest": spec.digest,
        "measured_on_engine": model.candidate.engine,
        "measured_on_device": model.device,
        "measured_in_dtype": model.dtype,
        "quantisation": model.candidate.quantisation or spec.quantisation,
        "revision": spec.revision,
        "temperature": model.candidate.sampling.temperature,
        "top_p": model.candidate.sampling.top_p,
        "top_k": model.candidate.sampling.top_k,
        "max_tokens": model.candidate.sampling.max_tokens,
        "score": None if quality is None else quality.estimate,
        "score_low": None if quality is None else quality.low,
        "score_high": None if quality is None else quality.high,
        "score_level": None if quality is None or quality.low is None else quality.level,
        "briefs": None if quality is None else quality.briefs,
        "tokens_per_s": model.tokens_per_s,
        "tokens_per_s_low": model.tokens_per_s_low,
        "tokens_per_s_high": model.tokens_per_s_high,
        "tokens_per_s_concurrency": model.tokens_per_s_concurrency,
        "ttft_s": model.ttft_s,
        "peak_memory_bytes": model.peak_memory_bytes,
    }
    return {name: _plain(value) for name, value in found.items() if value is not None}


def texts(model: ServedModel, run_id: str | None, prefix: str = "bakeoff.") -> dict[str, str]:
    """Return the same as texts, for labels and annotations."""
    return {f"{prefix}{name}": str(value) for name, value in facts(model, run_id).items()}


def estimate_text(estimate: Estimate | None) -> str:
    """Return `6.4 [5.2, 7.3] of 10 on 38 briefs`.

    >>> estimate_text(None)
    'no score'
    """
    if estimate is None or estimate.estimate is None:
        return "no score"
    sure = "" if estimate.low is None or estimate.high is None else f" [{estimate.low:.1f}, {estimate.high:.1f}]"
    return f"{estimate.estimate:.1f}{sure} of 10 on {plural(estimate.briefs, 'brief')}"


def drawing_text(sampling: Sampling) -> str:
    """Return how tokens were drawn.

    >>> drawing_text(Sampling(top_k=40))
    'temperature 0.7, top_p 0.95, top_k 40'
    """
    limit = "" if sampling.top_k is None else f", top_k {sampling.top_k}"
    return f"temperature {sampling.temperature}, top_p {sampling.top_p}{limit}"


def ending_text(sampling: Sampling) -> str:
    r"""Return where answers were ended.

    >>> ending_text(Sampling()), ending_text(Sampling(stop=("###", "\n\n")))
    ('max_tokens 512', 'max_tokens 512, stop ["###", "\\n\\n"]')
    """
    return f"max_tokens {sampling.max_tokens}{stop_text(sampling)}"


def stop_text(sampling: Sampling) -> str:
    """Return the stop texts as a request says them, after a comma; nothing where there are none."""
    return f", stop {json.dumps(list(sampling.stop), ensure_ascii=False)}" if sampling.stop else ""


def _plain(value: Fact) -> Fact:
    return round(value, 4) if isinstance(value, float) else printable(value) if isinstance(value, str) else value


def _model(model: ServedModel) -> str:
    spec = model.candidate.model
    where = f" on {model.device}" if model.device else ""
    engine = f"{model.candidate.engine}{where}" + (f" in {model.dtype}" if model.dtype else "")
    speed = ""
    if model.tokens_per_s is not None:
        low, high = model.tokens_per_s_low, model.tokens_per_s_high
        sure = "" if low is None or high is None else f" [{low:,.0f}, {high:,.0f}]"
        beside = "" if model.tokens_per_s_concurrency is None else f", {model.tokens_per_s_concurrency} in flight"
        speed = f"; {model.tokens_per_s:,.0f} tokens/s{sure}{beside}"
    memory = "" if model.peak_memory_bytes is None else f"; peak memory {bytes_text(model.peak_memory_bytes)}"
    form = model.candidate.quantisation or spec.quantisation
    weights = f"weights {spec.digest}" + (f", {form}" if form else "")
    return f"{model.id}: {estimate_text(model.quality)}; {engine}{speed}{memory}; {weights}"


def _routes(hand: Handover, only: str | None) -> list[str]:
    lines = []
    for name, route in routes_of(hand.plan).items():
        if only not in {None, route.candidate}:
            continue
        lines.append(f"{name}: {' > '.join(route.order)} ({route.how_sure}), {estimate_text(route.evidence)}")
    return lines or ["none of its own"]
