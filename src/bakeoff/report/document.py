"""The result as one JSON document, `bakeoff.run/1`: what `--json` prints and what the store keeps.

Unknown numbers are null. What was not measured has its provenance beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, Field

from bakeoff.core.generations import Generations
from bakeoff.core.records import Route
from bakeoff.core.spec import Candidate, Record
from bakeoff.decide.analysis import Analysis
from bakeoff.decide.conclusion import Conclusion
from bakeoff.measure.energy import EnergySummary
from bakeoff.measure.memory import LoadSummary
from bakeoff.measure.selecting import failed
from bakeoff.measure.timing import TimingSummary
from bakeoff.report.answers import anything_measured, count_answers, rounded_mean
from bakeoff.report.energy import energy_and_cost
from bakeoff.report.ranking import rank_candidates
from bakeoff.report.worth import worth_fields

SCHEMA = "bakeoff.run/1"


class RunFacts(Record):
    """What a document says of the run itself."""

    run_id: str
    suite_name: str
    suite_hash: str
    briefs: int
    families: int
    mode: str
    eps: float
    baseline: str | None
    concurrency: int
    seed: int
    machine: dict[str, Any]
    budget: dict[str, Any]
    elapsed_s: float
    report: str | None
    version: str
    endpoint_concurrency: int | None = None
    placement: dict[str, Any] | None = None
    weights: dict[str, dict[str, float]] = Field(default_factory=dict)


def build_document(facts: RunFacts, candidates: Sequence[Candidate], conclusion: Conclusion) -> dict[str, Any]:
    """Put a run together. Every total is counted from the rows that the conclusion holds."""
    analysis = conclusion.analysis
    document = {
        "schema": SCHEMA,
        "run_id": facts.run_id,
        "suite": {
            "name": facts.suite_name,
            "hash": facts.suite_hash,
            "briefs": facts.briefs,
            "families": facts.families,
        },
        "analysed": {"briefs": analysis.overall.briefs, "families": analysis.overall.clusters},
        "mode": facts.mode,
        "eps": facts.eps,
        "baseline": facts.baseline,
        "seed": facts.seed,
        "concurrency": facts.concurrency,
        "concurrency_per_endpoint": facts.endpoint_concurrency,
        "machine": {**facts.machine, "budget": facts.budget},
        "placement": facts.placement,
        "elapsed_s": round(facts.elapsed_s, 3),
        "complete": conclusion.complete,
        "measured": anything_measured(conclusion.generations.values()),
        "report": facts.report,
        "bakeoff_version": facts.version,
        "candidates": [_candidate(candidate, conclusion, facts) for candidate in candidates],
        "race": None if conclusion.race is None else _json(conclusion.race),
        "comparisons": [_json(comparison) for comparison in analysis.overall.comparisons],
        "comparisons_by_content_type": {
            content_type: [_json(comparison) for comparison in section.comparisons]
            for content_type, section in analysis.by_content_type.items()
        },
        "same_weights": [_json(pair) for pair in conclusion.same_weights],
        "decision": _json(conclusion.decision),
        "routes": {
            content_type: _json(route) | {"confirmed": _confirmed(analysis, content_type, route)}
            for content_type, route in conclusion.routes.items()
        },
        **worth_fields(list(analysis.by_content_type)),
        "events": [_json(event) for event in conclusion.events],
        "weights": facts.weights,
        "notes": list(analysis.notes),
    }
    return document | {"ranked_by": rank_candidates(document)}


def _candidate(candidate: Candidate, conclusion: Conclusion, facts: RunFacts) -> dict[str, Any]:
    own, load = conclusion.generations[candidate.id], conclusion.loads[candidate.id]
    ran = _ran(candidate, own, load)
    drawn = conclusion.energy.get(candidate.id, EnergySummary())
    system, workers = str(facts.machine.get("system")), facts.placement["workers"] if facts.placement else 1
    return {
        **ran,
        **_scores(conclusion.analysis, candidate.id, own),
        **_times(conclusion.timings[candidate.id]),
        **_needs(load),
        **energy_and_cost(own, candidate, ran["device"], system, drawn, workers),
    }


def _ran(candidate: Candidate, own: Generations, load: LoadSummary) -> dict[str, Any]:
    """Return what ran, and on what."""
    return {
        "id": candidate.id,
        "model": candidate.model.name,
        "digest": candidate.digest,
        "parameters": candidate.model.parameters,
        "licence": candidate.model.licence,
        "engine": candidate.engine,
        "device": _only(way.device for way in own.ways) or load.device,
        "dtype": _only(way.dtype for way in own.ways) or load.dtype,
        "kernels": load.kernels,
        "kernels_reason": load.kernels_reason,
        "fallbacks": list(load.fallbacks),
        "unknown": list(load.unknown),
    }


def _scores(analysis: Analysis, candidate: str, own: Generations) -> dict[str, Any]:
    """Return how good its texts are, and what became of those that are none."""
    overall = analysis.overall.result(candidate)
    chose = overall.in_selection
    sections = {content_type: section.result(candidate) for content_type, section in analysis.by_content_type.items()}
    return {
        "quality": _json(overall.quality),
        "quality_t": _json(overall.t_interval),
        "confirmed": overall.in_selection is not None,
        "quality_in_selection": _maybe(chose and chose.quality),
        "publishable_rate_in_selection": _maybe(chose and chose.publishable_rate),
        "success_rate_in_selection": _maybe(chose and chose.success_rate),
        "by_content_type": {content_type: _json(result.quality) for content_type, result in sections.items()},
        "by_content_type_in_selection": {
            content_type: _json(result.in_selection.quality)
            for content_type, result in sections.items()
            if result.in_selection is not None
        },
        "dimensions": _dimension_means(own),
        "keyword_heuristic": _known_mean(own.heuristic),
        "publishable_rate": _json(overall.publishable_rate),
        "success_rate": _json(overall.success_rate),
        "generations": overall.generations,
        "failures": overall.failures,
        "gated": overall.gated,
        "gates": _gate_counts(own),
        "errors": _error_counts(own),
        **count_answers(own),
    }


def _times(timing: TimingSummary) -> dict[str, Any]:
    """Return how long a text took."""
    return {
        "latency_s": _json(timing.latency_s),
        "ttft_s": _json(timing.ttft_s),
        "itl_s": _json(timing.itl_s),
        "itl_at": timing.itl_at,
        "tpot_s": _json(timing.tpot_s),
        "timing_provenance": timing.provenance,
        "tokens_per_s": timing.throughput.tokens_per_s,
        "tokens_per_s_low": timing.throughput.low,
        "tokens_per_s_high": timing.throughput.high,
        "tokens_per_s_windows": timing.throughput.windows,
        "tokens_per_s_concurrency": timing.throughput.concurrency,
    }


def _needs(load: LoadSummary) -> dict[str, Any]:
    """Return what it takes to have it loaded."""
    return {
        "load_s": load.load_s,
        "import_s": load.import_s,
        "calibration_s": load.calibration_s,
        "ready_s": load.ready_s,
        "load_cold_s": load.load_cold_s,
        "load_warm_s": load.load_warm_s,
        "first_token_s": load.first_token_s,
        "peak_memory_bytes": load.peak_memory_bytes,
        "process_peak_bytes": load.process_peak_bytes,
        "device_peak_bytes": load.device_peak_bytes,
        "weight_bytes": load.weight_bytes,
    }


def _confirmed(analysis: Analysis, content_type: str, route: Route) -> bool:
    """Whether the score of a route comes from briefs that had no part in choosing it."""
    shown = route.candidate is not None and content_type in analysis.by_content_type
    return shown and analysis.by_content_type[content_type].result(str(route.candidate)).in_selection is not None


def _dimension_means(own: Generations) -> dict[str, float | None]:
    """Return exploratory plain means over texts, None for a dimension that never applied."""
    means = {name: total.mean for name, total in own.dimensions.items()}
    return {name: None if mean is None else round(mean, 3) for name, mean in means.items()}


def _known_mean(column: ArrayLike) -> float | None:
    values = np.asarray(column)
    return rounded_mean(values[~np.isnan(values)])


def _gate_counts(own: Generations) -> dict[str, int]:
    """Return how many texts each gate stopped, most first."""
    texts = Counter(np.asarray(own.verdict)[~failed(own)].tolist())
    counts = Counter[str]()
    for verdict, number in own.verdicts.items():
        for gate in verdict.gates:
            counts[gate] += texts[number]
    return {gate: count for gate, count in counts.most_common() if count}


def _error_counts(own: Generations) -> dict[str, int]:
    counts = Counter[str]()
    for way, count in own.count_ways():
        if way.error_kind is not None:
            counts[way.error_kind] += count
    return dict(counts)


def _only(values: Iterable[str | None]) -> str | None:
    """Return the value that all texts share; several are shown joined, so that a mixture is never hidden."""
    return " + ".join(sorted({value for value in values if value is not None})) or None


def _maybe(record: BaseModel | None) -> dict[str, Any] | None:
    return None if record is None else _json(record)


def _json(record: BaseModel) -> dict[str, Any]:
    return record.model_dump(mode="json")
