"""The tables that a run is exported as: every column with its kind and what it means, in one place.

Names carry units: `_s` seconds, `_bytes`, `_j` joules, `_w` watts, `_points` points of the score (0 to 10), `_share` 0 to 1. What is
not known is empty (null in Parquet), never 0. `trial` joins the tables of texts.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["text", "integer", "number", "boolean", "numbers", "texts"]


class Column(NamedTuple):
    """One column. `path` is where its value is in the record it comes from, where that is not its name."""

    name: str
    kind: Kind
    meaning: str
    path: str = ""


def _interval(name: str, path: str, what: str, unit: str) -> tuple[Column, ...]:
    return (
        Column(f"{name}_{unit}", "number", what, f"{path}.estimate"),
        Column(f"{name}_low_{unit}", "number", "lower end of its interval", f"{path}.low"),
        Column(f"{name}_high_{unit}", "number", "upper end of its interval", f"{path}.high"),
    )


def _percentiles(name: str, what: str, of: str = "texts") -> tuple[Column, ...]:
    return (
        Column(f"{name}_p50_s", "number", f"{what}: median", f"{name}_s.p50"),
        Column(f"{name}_p50_low_s", "number", "lower end of the median's interval", f"{name}_s.p50_low"),
        Column(f"{name}_p50_high_s", "number", "upper end of the median's interval", f"{name}_s.p50_high"),
        Column(f"{name}_p95_s", "number", f"{what}: 95th percentile; empty under 20 {of}", f"{name}_s.p95"),
        Column(f"{name}_p99_s", "number", f"{what}: 99th percentile; empty under 100 {of}", f"{name}_s.p99"),
        Column(f"{name}_{of}", "integer", f"{of} that these come from", f"{name}_s.count"),
    )


FALLBACKS = Column(
    "fallbacks",
    "texts",
    "what the candidate computed elsewhere than on its device: these are not the device's own figures",
)
_RUN = (
    Column("run_id", "text", "the run"),
    Column("suite", "text", "name of its suite", "suite.name"),
    Column("suite_hash", "text", "equal for equal suites", "suite.hash"),
    Column("mode", "text", "race or fixed"),
    Column("state", "text", "running, interrupted, failed or done"),
    Column("started", "text", "when, UTC, ISO 8601"),
    Column("elapsed_s", "number", "how long it took"),
    Column("seed", "integer", "of order and sampling"),
    Column("eps_points", "number", "score points not worth telling apart", "eps"),
    Column("baseline", "text", "the suite's baseline, if it competes"),
    Column("concurrency", "integer", "texts in flight a candidate"),
    Column("outcome", "text", "of the decision", "decision.outcome"),
    Column("choice", "text", "the candidate that was chosen, if any", "decision.choice"),
    Column("leader", "text", "who has the highest mean", "decision.leader"),
    Column("equivalent", "texts", "those equal to the choice within eps", "decision.equivalent"),
    Column("reasons", "texts", "of the decision", "decision.reasons"),
    Column("system", "text", "operating system", "machine.system"),
    Column("chip", "text", "processor", "machine.chip"),
    Column("cores", "integer", "of the processor", "machine.cores"),
    Column("ram_bytes", "integer", "memory of the machine", "machine.ram_bytes"),
    Column("memory_budget_bytes", "integer", "what models may take", "machine.budget.value"),
    Column("bakeoff_version", "text", "that made the run"),
    Column("scored_by", "text", "version of the scoring rules"),
)
_BRIEFS = (
    Column("brief", "text", "its id"),
    Column("content_type", "text", "what is to be written"),
    Column("family", "text", "briefs of one family share a situation and count as one; a brief without is its own"),
    Column("held_back", "boolean", "whether it had no part in choosing"),
    Column("prompt", "text", "what was asked"),
    Column("source", "text", "text that the prompt refers to"),
)
_CANDIDATES = (
    Column("candidate", "text", "its id", "id"),
    Column("model", "text", "name of the model"),
    Column("engine", "text", "what ran it"),
    Column("device", "text", "where it was seen to run"),
    Column("dtype", "text", "what it computed in"),
    FALLBACKS,
    Column("quantisation", "text", "how its weights are stored"),
    Column("parameters", "integer", "of the model"),
    Column("licence", "text", "of the model"),
    Column("digest", "text", "equal for equal weights, engine and sampling"),
    Column("temperature", "number", "of sampling", "sampling.temperature"),
    Column("top_p", "number", "of sampling", "sampling.top_p"),
    Column("max_tokens", "integer", "limit of a text", "sampling.max_tokens"),
    *_interval("quality", "quality", "mean score over families of briefs", "points"),
    Column("quality_level_share", "number", "what the interval claims", "quality.level"),
    Column("quality_briefs", "integer", "briefs that it rests on", "quality.briefs"),
    Column("quality_families", "integer", "families that it rests on", "quality.clusters"),
    Column("confirmed", "boolean", "whether it comes from briefs that did not choose the candidate"),
    Column(
        "quality_in_selection_points", "number", "its mean on those that did, if so", "quality_in_selection.estimate"
    ),
    *_interval("publishable", "publishable_rate", "families' mean share of texts that no gate stopped", "share"),
    *_interval("success", "success_rate", "families' mean share of requests that gave a text", "share"),
    Column("keyword_heuristic_points", "number", "mean over texts; decides nothing", "keyword_heuristic"),
    Column("generations", "integer", "requests that ended"),
    Column("failures", "integer", "those without a text"),
    Column("gated", "integer", "texts that a gate stopped"),
    Column("retries", "integer", "requests that were made again"),
    *_percentiles("latency", "request to last byte, one text at a time"),
    *_percentiles("ttft", "request to first text"),
    *_percentiles("itl", "between two tokens", "times"),
    *_percentiles("tpot", "a token, after the first"),
    Column("tokens_per_s", "number", "with `tokens_per_s_concurrency` texts in flight"),
    Column("tokens_per_s_low", "number", "lower end of its interval"),
    Column("tokens_per_s_high", "number", "upper end of its interval"),
    Column("tokens_per_s_concurrency", "integer", "texts in flight"),
    Column("import_s", "number", "before a load: importing the engine's library"),
    Column("calibration_s", "number", "before a load: choosing its arithmetic"),
    Column("load_cold_s", "number", "loading from disk"),
    Column("load_warm_s", "number", "loading from the page cache"),
    Column("first_token_s", "number", "after loading"),
    Column("peak_memory_bytes", "integer", "the worker's own peak"),
    Column("device_peak_bytes", "integer", "the accelerator's"),
    Column("weight_bytes", "integer", "of the model's files"),
    Column("energy_per_generation_j", "number", "a text's energy", "energy_j_per_generation.value"),
    Column("energy_provenance", "text", "measured, reported, derived or assumed", "energy_j_per_generation.provenance"),
    Column("cost_per_generation", "number", "a text's cost, in `cost_currency`", "cost_per_generation.value"),
    Column("cost_currency", "text", "such as USD", "cost_per_generation.currency"),
    Column("cost_provenance", "text", "measured, reported, derived or assumed", "cost_per_generation.provenance"),
)
_CANDIDATE_TYPES = (
    Column("candidate", "text", "its id"),
    Column("content_type", "text", "the content type"),
    *_interval("quality", "quality", "mean score over the type's families", "points"),
    Column("level_share", "number", "what the interval claims", "quality.level"),
    Column("briefs", "integer", "that it rests on", "quality.briefs"),
    Column("families", "integer", "that it rests on", "quality.clusters"),
    FALLBACKS,
)
_TRIAL = (
    Column("trial", "text", "key of the text"),
    Column("candidate", "text", "who wrote it"),
    Column("brief", "text", "what for"),
    Column("content_type", "text", "of the brief"),
    Column("replicate", "integer", "number of the text for this brief, from 0"),
)
_GENERATIONS = (
    *_TRIAL,
    Column("seed", "integer", "of sampling"),
    Column("text", "text", "what it wrote; empty where it failed"),
    Column("finish_reason", "text", "stop, length or error"),
    Column("error_kind", "text", "why there is no text"),
    Column("error", "text", "the same in words"),
    Column("latency_s", "number", "request to last byte", "timings.latency_s"),
    Column("ttft_s", "number", "request to first text", "timings.ttft_s"),
    Column("first_piece_s", "number", "request to first piece of anything, a thought too", "timings.first_piece_s"),
    Column("pieces", "integer", "pieces that came apart", "timings.pieces"),
    Column("connect_s", "number", "before that: until there was a connection", "timings.connect_s"),
    Column("queue_s", "number", "waiting in the worker", "timings.queue_s"),
    Column("prefill_s", "number", "reading the prompt, in the worker", "timings.prefill_s"),
    Column("decode_s", "number", "writing, in the worker", "timings.decode_s"),
    Column("itl_s", "numbers", "times between tokens, of a text written alone", "timings.itl_s"),
    Column("itl_at", "text", "where they were taken: worker or client", "timings.itl_at"),
    Column("prompt_tokens", "integer", "read", "timings.prompt_tokens"),
    Column("completion_tokens", "integer", "written", "timings.completion_tokens"),
    Column("tokens_from", "text", "who counted", "timings.tokens_from"),
    Column("concurrency", "integer", "texts that might be in flight"),
    Column("attempts", "integer", "requests it took"),
    Column("retried", "texts", "why each but the last was not enough"),
    Column("device", "text", "where it was made"),
    Column("dtype", "text", "in what"),
    Column("recorded", "boolean", "whether it existed before the run"),
    Column("finished_unix_s", "number", "when, in seconds since 1970"),
    Column("window", "integer", "stretch of the candidate's work"),
    FALLBACKS,
)
_SCORES = (
    *_TRIAL,
    Column("score_points", "number", "what the text is worth; 0 where there is none", "value"),
    Column("publishable", "boolean", "whether no gate stopped it"),
    Column("gates", "texts", "those that did"),
    Column("keyword_heuristic_points", "number", "for comparison only", "comparison_only.keyword_heuristic"),
    FALLBACKS,
)
_DIMENSIONS = (
    *_TRIAL,
    Column("dimension", "text", "one property of the text"),
    Column("value_points", "number", "its grade; empty where it does not apply"),
)
_GATES = (
    *_TRIAL,
    Column("gate", "text", "that stopped the text"),
    Column("rule", "text", "by which rule"),
    Column("evidence", "text", "the part of the text that shows it"),
)
_COMPARISONS = (
    Column("content_type", "text", "empty: over everything"),
    Column("a", "text", "one candidate"),
    Column("b", "text", "another, on the same briefs"),
    Column("difference_points", "number", "a minus b", "difference"),
    Column("low_points", "number", "lower end of its interval", "low"),
    Column("high_points", "number", "upper end of its interval", "high"),
    Column("level_share", "number", "what the interval claims", "level"),
    Column("method", "text", "of the interval"),
    Column("p", "number", "of the paired t test"),
    Column("p_adjusted", "number", "after Holm"),
    Column("p_sign_flip", "number", "of the sign-flip test"),
    Column("e_value", "number", "evidence of the race"),
    Column("briefs", "integer", "in common"),
    Column("families", "integer", "in common", "clusters"),
    Column("correlation", "number", "of the two candidates' scores"),
    Column("sd_difference_points", "number", "spread of the differences", "sd_difference"),
    Column("minimum_detectable_points", "number", "detected with 80 % power", "minimum_detectable"),
    FALLBACKS._replace(name="a_fallbacks", meaning="what a computed elsewhere than on its device"),
    FALLBACKS._replace(name="b_fallbacks", meaning="what b did"),
)
_ROUTES = (
    Column("content_type", "text", "what is to be written"),
    Column("candidate", "text", "who serves it"),
    Column("outcome", "text", "how that was decided"),
    *_interval("quality", "evidence", "its mean score there", "points"),
    Column("briefs", "integer", "that it rests on", "evidence.briefs"),
    Column("fallbacks", "texts", "who serves if it cannot, in order"),
    Column("reasons", "texts", "why"),
    FALLBACKS._replace(name="candidate_fallbacks"),
)
_LOADS = (
    Column("candidate", "text", "whose worker was started"),
    Column("start", "text", "key of the start"),
    Column("import_s", "number", "importing the engine's library; empty where it was not timed apart from `load_s`"),
    Column("calibration_s", "number", "choosing its arithmetic; likewise"),
    Column("load_s", "number", "after that: from the weights to ready"),
    Column("first_token_s", "number", "the first token after that"),
    Column("cached_share", "number", "of its files that was in memory before"),
    Column("device", "text", "seen to do the work"),
    Column("dtype", "text", "computed in"),
    Column("engine_version", "text", "name and version"),
    Column("kernels", "text", "how its matrices are multiplied"),
    Column("peak_memory_bytes", "integer", "of the process"),
    Column("device_peak_bytes", "integer", "of the accelerator"),
    Column("weight_bytes", "integer", "of its files"),
    FALLBACKS,
)
_EVENTS = (
    Column("at", "text", "when, UTC, ISO 8601"),
    Column("kind", "text", "what kind of event"),
    Column("candidate", "text", "whose; empty: the run's"),
    Column("message", "text", "what happened"),
)
_ENERGY = (
    Column("candidate", "text", "whose work"),
    Column("texts", "integer", "finished in the window"),
    Column("tokens", "integer", "written in it"),
    Column("seconds_s", "number", "how long it was", "sample.seconds"),
    Column("gross_j", "number", "all that was drawn", "sample.gross_j"),
    Column("net_j", "number", "above idling", "sample.net_j"),
    Column("idle_w", "number", "drawn when nothing runs", "sample.idle_w"),
    Column("source", "text", "which counters", "sample.source"),
    Column("scope", "text", "what they cover", "sample.scope"),
    Column("quality", "text", "measured, estimated or invalid", "sample.quality"),
    Column("problem", "text", "why it is invalid", "sample.problem"),
    FALLBACKS,
)
_LABELS = (
    Column("number", "integer", "of the pair", "pair.number"),
    Column("brief", "text", "what the texts are for", "pair.brief"),
    Column("content_type", "text", "of the brief", "pair.content_type"),
    Column("left_trial", "text", "key of the text on the left", "pair.left"),
    Column("right_trial", "text", "key of the text on the right", "pair.right"),
    Column("repeats", "integer", "number of the pair that it shows again", "pair.repeats"),
    Column("choice", "text", "left, right, tie or skip"),
    Column("at", "text", "when"),
)
_JUDGEMENTS = (
    Column("judge", "text", "which model"),
    Column("kind", "text", "grades, pairs or rewards"),
    Column("brief", "text", "what the texts are for"),
    Column("first_trial", "text", "key of the text, or of the first of two"),
    Column("second_trial", "text", "key of the second"),
    Column("value", "number", "grade 1 to 5; 1 the first is better, 0 the second, 0.5; or a reward"),
    Column("valid_answers_share", "number", "probability that the judge gave to valid answers", "mass"),
    Column("answer", "text", "what it said, where it was kept"),
    Column("error_kind", "text", "why there is no answer"),
    Column("prompt_tokens", "integer", "read"),
    Column("completion_tokens", "integer", "written"),
    Column("latency_s", "number", "it took"),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "run": _RUN,
    "briefs": _BRIEFS,
    "candidates": _CANDIDATES,
    "candidate_types": _CANDIDATE_TYPES,
    "generations": _GENERATIONS,
    "scores": _SCORES,
    "dimensions": _DIMENSIONS,
    "gates": _GATES,
    "comparisons": _COMPARISONS,
    "routes": _ROUTES,
    "loads": _LOADS,
    "events": _EVENTS,
    "energy": _ENERGY,
    "labels": _LABELS,
    "judgements": _JUDGEMENTS,
    "columns": (
        Column("table", "text", "which table"),
        Column("column", "text", "which column"),
        Column("kind", "text", "text, integer, number, boolean; numbers and texts are lists (JSON in CSV)"),
        Column("meaning", "text", "what it says"),
    ),
}
"""By name of the table, in the order in which they are written."""
