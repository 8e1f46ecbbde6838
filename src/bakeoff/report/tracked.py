"""A candidate of a run as an experiment tracker sees it: name, parameters, tags, metrics, steps. Pure; knows no tracker.

Keys are the same for every candidate of a run, so that a table of several has no holes but those of what is not known;
what is the same for all of them by its nature is a parameter, and no metric that would draw equal bars.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from bakeoff.core.plain import printable
from bakeoff.core.spec import Candidate, Record, content_hash
from bakeoff.decide.wording import plural
from bakeoff.report.metric_values import GIB, Found
from bakeoff.report.moved import MEANING, marked, moved_lines, moved_of

RUN_TAG, CANDIDATE_TAG, FINGERPRINT_TAG = "suite.run", "bakeoff.candidate", "bakeoff.fingerprint"
LONGEST_TAG = 5000
"""Characters; trackers allow a little more."""
_NOT_KNOWN = "not known"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A6D00", "#555555")
"""Told apart by colour-blind people too (Okabe & Ito, "Color Universal Design"); MLflow's own are drawn at random, and collide."""


class StepMetric(NamedTuple):
    """A value of a series; `step` is how many families of briefs had been written."""

    name: str
    step: int
    value: float


class Tracked(Record):
    """One candidate. Times are milliseconds since 1970; `fingerprint` is equal for equal content, files excluded."""

    candidate: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    steps: tuple[StepMetric, ...]
    start_ms: int
    end_ms: int

    @property
    def fingerprint(self) -> str:
        """A hash of all of it."""
        return content_hash(self.model_dump(mode="json"))


class Settings(Record):
    """What a run was made with, as far as its document does not say: the suite's, and what a budget and money rest on."""

    started_ms: int
    sampling_seed: int
    replicates: int
    threshold: float
    budget_bytes: int | None
    requests_per_day: float | None


def track(
    document: Mapping[str, Any],
    candidate: Candidate,
    found: Sequence[Found],
    steps: Iterable[StepMetric],
    settings: Settings,
    cost: Mapping[str, Any],
) -> Tracked:
    """Put one candidate together; `found` are its metrics, known or not, `cost` its part of `bakeoff.cost/1`."""
    own = next(each for each in document["candidates"] if each["id"] == candidate.id)
    known = {each.name: each.value.number for each in found if each.value.number is not None}
    return Tracked(
        candidate=candidate.id,
        name=marked(
            candidate.id,
            moved_of([own]),
            _short_names([each["id"] for each in document["candidates"]])[candidate.id],
        ),
        params={
            name: printable(str(value)) for name, value in _params(document, candidate, own, settings, cost).items()
        },
        tags={name: printable(value)[:LONGEST_TAG] for name, value in _tags(document, own, found).items()},
        metrics={name: number for name, number in known.items() if isfinite(number)},
        steps=tuple(steps),
        start_ms=settings.started_ms,
        end_ms=settings.started_ms + round(document["elapsed_s"] * 1000),
    )


def _params(
    document: Mapping[str, Any],
    candidate: Candidate,
    own: Mapping[str, Any],
    settings: Settings,
    cost: Mapping[str, Any],
) -> dict[str, Any]:
    model, sampling = candidate.model, candidate.sampling
    assumed = {each["name"]: each for each in cost.get("assumptions", ())}
    cloud = cost.get("cloud") or {}
    given = {
        "model": model.name,
        "revision": model.revision,
        "parameters": model.parameters,
        "licence": model.licence,
        "engine": candidate.engine,
        "device": own["device"],
        "dtype": own["dtype"],
        "fallbacks": ", ".join(own.get("fallbacks", ())) or "none",
        "quantisation": candidate.quantisation or model.quantisation or "none",
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or "none",
        "max_tokens": sampling.max_tokens,
        "seed": settings.sampling_seed,
        "replicates": settings.replicates,
        "suite": document["suite"]["name"],
        "suite_hash": document["suite"]["hash"],
        "suite_briefs": document["suite"]["briefs"],
        "mode": document["mode"],
        "concurrency": document["concurrency"],
        "eps": document["eps"],
        "threshold": f"{settings.threshold:g}",
        "baseline": document["baseline"] or "none",
        "memory_budget_gib": None if settings.budget_bytes is None else round(settings.budget_bytes / GIB, 2),
        "watts": _assumption(assumed.get("watts")),
        "tariff": _assumption(assumed.get("tariff")),
        "requests_per_day": settings.requests_per_day or "none stated",
        "cloud_model": cloud.get("model"),
        "cloud_usd_per_m_in": cloud.get("input_per_million"),
        "cloud_usd_per_m_out": cloud.get("output_per_million"),
        "bakeoff_version": document["bakeoff_version"],
    }
    return {name: _NOT_KNOWN if value is None else value for name, value in given.items()}


def _assumption(each: Mapping[str, Any] | None) -> str | None:
    return None if each is None else f"{each['value']:g} {each['unit']} ({each['provenance']})"


def _tags(document: Mapping[str, Any], own: Mapping[str, Any], found: Sequence[Found]) -> dict[str, str]:
    machine, decision = document["machine"], document["decision"]
    memory = machine.get("ram_bytes")
    size = "" if memory is None else f", {memory / GIB:.0f} GiB"
    placement = document.get("placement")
    cluster = "" if placement is None else f"a Ray cluster of {plural(len(placement['nodes']), 'node')}"
    said = verdict_of(document, own["id"])
    return {
        RUN_TAG: document["run_id"],
        CANDIDATE_TAG: own["id"],
        "suite.name": document["suite"]["name"],
        "verdict": said,
        "outcome": decision["outcome"],
        "chosen": decision["choice"] or "nobody",
        "methodology": "rigorous",
        "design": f"{document['mode']}, paired by families of briefs",
        "confidence_level": f"{own['quality']['level']:g}",
        "quality_from": "briefs held back to confirm it" if own["confirmed"] else "briefs that it competed on",
        "hardware": cluster or f"{machine.get('chip') or _NOT_KNOWN}, {plural(machine['cores'], 'core')}{size}",
        "platform": f"{machine['system']} {machine['architecture']}",
        "assumed": _assumed(found) or "nothing",
        "not_logged": _reasons(found) or "nothing",
        "mlflow.source.name": "bakeoff run",
        "mlflow.source.type": "LOCAL",
        "mlflow.runColor": _COLOURS[[each["id"] for each in document["candidates"]].index(own["id"]) % len(_COLOURS)],
        "mlflow.note.content": _note(document, own, said),
    }


def verdict_of(document: Mapping[str, Any], candidate: str) -> str:
    """Return what the run says of one candidate, in a few words."""
    decision, race = document["decision"], document.get("race")
    out = next(
        (each for each in (race or {}).get("overall", {}).get("eliminations", ()) if each["candidate"] == candidate),
        None,
    )
    if candidate == decision["choice"]:
        return "chosen"
    if candidate in decision["equivalent"]:
        return f"within {document['eps']:g} of the best"
    if out is not None:
        return f"out after {plural(out['after'], 'family', 'families')}"
    if decision["choice"] is None and candidate == decision.get("leader"):
        return "leads, which is not enough to choose it"
    first = decision["choice"] or decision.get("leader")
    pair = next((each for each in document["comparisons"] if {each["a"], each["b"]} == {candidate, first}), None)
    if pair is None:
        return "not chosen"
    shown = pair["p_adjusted"] is not None and pair["p_adjusted"] < 1 - pair["level"]
    return f"worse than {first}" if shown else "not shown to be worse"


def _note(document: Mapping[str, Any], own: Mapping[str, Any], said: str) -> str:
    """Return the description: what was decided, and how far these numbers go. No text of a model is in it."""
    reasons = "\n".join(f"- {reason}" for reason in document["decision"]["reasons"])
    moved = [f"- {MEANING}: {line}" for line in moved_lines(moved_of([own]))]
    reasons = "\n".join([*moved, reasons])
    return (
        f"**{own['id']}**: {said}. Bake-off `{document['run_id']}`, suite {document['suite']['name']}.\n\n{reasons}\n\n"
        "The report is among the artifacts, with the intervals that bars cannot show: `report.txt`, and `report.html` "
        "where one was made. The texts are in `samples.json`; unit and provenance of each metric in `metrics.json`."
    )


def _assumed(found: Sequence[Found]) -> str:
    return ", ".join(
        each.name for each in found if each.value.provenance == "assumed" and each.value.number is not None
    )


def _reasons(found: Sequence[Found]) -> str:
    """Return what is not known, by reason."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for each in found:
        if each.value.number is None or not isfinite(each.value.number):
            by_reason[each.value.reason or "no finite number"].append(each.name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())


def _short_names(ids: Sequence[str]) -> dict[str, str]:
    """Return a name for each candidate that a chart's legend can hold; the whole id where two would be one.

    >>> _short_names(["bundled:social", "mlx+hf:ORG/Model-1B-4bit"])
    {'bundled:social': 'social', 'mlx+hf:ORG/Model-1B-4bit': 'Model-1B-4bit'}
    """
    short = {each: printable(each.rpartition("/")[2].partition(":")[2] or each.rpartition("/")[2]) for each in ids}
    names = list(short.values())
    return {each: name if names.count(name) == 1 and name else printable(each) for each, name in short.items()}
