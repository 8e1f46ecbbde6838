"""Which of the models that were found may compete here: criteria, licences, memory, and an order. Pure.

Nothing disappears: what is not a candidate is rejected with every reason. The order weighs fit first, then community use on
a logarithmic scale, and takes a family that is there already for ten times less used: many relatives teach little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import log10
from typing import Literal

from bakeoff.catalog.architecture import read_architecture
from bakeoff.catalog.found import Found
from bakeoff.catalog.licence import LicenceVerdict, judge_licence
from bakeoff.core.spec import Record
from bakeoff.core.units import bytes_text

_TASKS = {None, "text-generation", "text2text-generation", "image-text-to-text", "any-to-any", "llm", "vlm"}
_FITS = {"fits": 0, "tight": 1, "unknown": 2}
_RELATIVE = 1.0
"""A decade of downloads, for each relative that stands before."""
_FEWEST_USES = 1.0


class Criteria(Record):
    """What a candidate must be. Downloads are asked of models from the hub alone: no other source counts any."""

    min_parameters: int = 1_000_000_000
    max_parameters: int = 10_000_000_000
    min_downloads: int = 50_000
    commercial: bool = True
    context: int | None = None


class Fit(Record):
    """Whether it fits here; `need_bytes` is what is expected, None where too little is known.

    `quantised_to` is the format without which it would not: None for weights as they are stored.
    """

    verdict: Literal["fits", "tight", "no", "unknown"]
    need_bytes: int | None = None
    quantised_to: str | None = None


class Discovered(Record):
    """A candidate; `also_at` are other places with the same weights."""

    model: Found
    licence: LicenceVerdict
    fit: Fit | None
    also_at: tuple[str, ...] = ()


class Rejected(Record):
    """A model that is none, with every reason."""

    name: str
    source: str
    reasons: tuple[str, ...]


class Discovery(Record):
    """What came of it; candidates best first."""

    candidates: tuple[Discovered, ...]
    rejected: tuple[Rejected, ...]


def sort_out(
    found: Iterable[Found],
    criteria: Criteria,
    look: Callable[[Found], tuple[Found, Fit | None]],
    budget_text: str = "the budget",
) -> Discovery:
    """Judge every model; `look` looks closer at one that meets the criteria so far: what else is known of it, and whether it fits
    (None: nobody knows).
    """
    candidates, rejected = [], []
    for model, places in merge(found):
        verdict = _judge(model)
        reasons = _reasons(model, criteria, verdict)
        fit = None
        if not reasons:
            model, fit = look(model)  # noqa: PLW2901 - the same model, better known
            verdict = _judge(model)
            reasons = _reasons(model, criteria, verdict)
        if fit is not None and fit.verdict == "no":
            needs = "more than fits" if fit.need_bytes is None else bytes_text(fit.need_bytes)
            reasons.append(f"does not fit: needs {needs}, and {budget_text}")
        if reasons:
            rejected.append(Rejected(name=model.name, source=model.source, reasons=tuple(reasons)))
        else:
            candidates.append(Discovered(model=model, licence=verdict, fit=fit, also_at=places))
    return Discovery(candidates=tuple(order(candidates)), rejected=tuple(rejected))


def _judge(model: Found) -> LicenceVerdict:
    own = model.licence
    return judge_licence(own.tag, own.name, own.link, own.commercial_use, model.base_licences)


def merge(found: Iterable[Found]) -> list[tuple[Found, tuple[str, ...]]]:
    """Return models once each, with the other places: the same reference, or files that are the same.

    Of several the one whose weights are here speaks, and what only another one knows is added to it.
    """
    groups: list[list[Found]] = []
    by_key: dict[str, list[Found]] = {}
    for model in found:
        keys = [key for key in (model.fingerprint, _plain_reference(model)) if key]
        group = next((by_key[key] for key in keys if key in by_key), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(model)
        by_key.update(dict.fromkeys(keys, group))
    merged = []
    for group in groups:
        speaks, *others = sorted(group, key=lambda model: not model.local)
        for other in others:
            speaks = _filled(speaks, other)
        places = tuple(dict.fromkeys(f"{other.source}: {other.reference or other.name}" for other in others))
        merged.append((speaks, places))
    return merged


def _plain_reference(model: Found) -> str | None:
    """Return what names the same model in the hub and in its cache."""
    return model.reference.partition("@")[0] if model.reference and model.reference.startswith("hf:") else None


def _filled(model: Found, other: Found) -> Found:
    """Return the model with what only the other source knows."""
    known = model.model_dump()
    empty = [name for name, value in known.items() if value is None or value in ({}, ())]
    if not model.licence.is_named and other.licence.is_named:
        empty.append("licence")
    return model.model_copy(update={name: getattr(other, name) for name in empty})


def _reasons(model: Found, criteria: Criteria, licence: LicenceVerdict) -> list[str]:
    reasons = []
    if model.remote_host is not None:
        reasons.append(f"runs on {model.remote_host}, not on this machine")
    if model.task not in _TASKS:
        reasons.append(f"is for {model.task}, not for writing text")
    reasons += _size_reasons(model, criteria)
    if model.source == "hub" and not model.local and (model.downloads or 0) < criteria.min_downloads:
        told = "no downloads told" if model.downloads is None else f"{model.downloads:,} downloads in 30 days"
        reasons.append(f"{told}, under {criteria.min_downloads:,}")
    if criteria.commercial and licence.commercial in {"no", "unknown"}:
        reasons.append(licence.reason)
    if model.facts and model.task is None and not (found := read_architecture(model.facts)).known:
        reasons.append(f"nothing says that its architecture {found.family or 'without a name'} writes text")
    if criteria.context is not None and model.context_length is not None and model.context_length < criteria.context:
        reasons.append(f"its context of {model.context_length:,} tokens is under {criteria.context:,}")
    return reasons


def _size_reasons(model: Found, criteria: Criteria) -> list[str]:
    if model.parameters is None:
        return ["how many parameters it has is not told"]
    if model.parameters < criteria.min_parameters:
        return [f"{model.parameters / 1e9:.2f} billion parameters, under {criteria.min_parameters / 1e9:g}"]
    if model.parameters > criteria.max_parameters:
        return [f"{model.parameters / 1e9:.2f} billion parameters, over {criteria.max_parameters / 1e9:g}"]
    return []


def order(candidates: Sequence[Discovered]) -> list[Discovered]:
    """Return them best first; a family that stands there already counts a tenth as used for each relative before."""
    left, chosen = list(candidates), []
    relatives: dict[str | None, int] = {}
    while left:
        best = max(left, key=lambda candidate: _worth(candidate, relatives))
        left.remove(best)
        chosen.append(best)
        family = _family(best.model)
        relatives[family] = relatives.get(family, 0) + (family is not None)
    return chosen


def _worth(candidate: Discovered, relatives: dict[str | None, int]) -> tuple[float, float, str]:
    model = candidate.model
    fit = _FITS.get(candidate.fit.verdict if candidate.fit else "unknown", 2)
    use = log10(max(_FEWEST_USES, model.downloads or _FEWEST_USES)) + (5.0 if model.local else 0.0)
    return (
        -fit,
        use - _RELATIVE * relatives.get(_family(model), 0),
        "".join(chr(0x10FFFF - ord(c)) for c in model.name),
    )


def _family(model: Found) -> str | None:
    told = model.facts.get("model_type")
    return str(told) if told else model.architecture
