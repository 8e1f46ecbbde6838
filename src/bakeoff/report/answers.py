"""What came of every request of a candidate: texts, answers without one, failures by kind, and what was asked again.

The kinds and the rule for each are in docs/faults.md. Counted from the stored rows; nothing is left out of a total.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.generations import Generations, Way
from bakeoff.decide.wording import plural
from bakeoff.measure.selecting import failed, scored

TEXT, TRUNCATED, EMPTY, GONE = "text", "truncated", "empty", "gone"
ANSWERED = frozenset({TEXT, TRUNCATED, EMPTY, "null", "refused"})
"""Kinds that a model is answerable for: something was measured. All others are the endpoint's, or the worker's."""


def answer_kind(way: Way) -> str:
    """Return what a trial ended with: `text`, `truncated` (a text cut off at its limit), or why there is none."""
    if way.failed:
        return way.error_kind or "failed"
    if way.blank:
        return EMPTY
    return TRUNCATED if way.finish_reason == "length" else TEXT


def count_answers(own: Generations) -> dict[str, Any]:
    """Return the fields of one candidate's document. `answers_by_kind` adds up to its generations, `failures_by_kind` to
    its failures; `mean_score_of_texts` leaves failures out, and is no estimate: it may be of an easy part of the briefs.
    """
    answers, failures, retries = Counter[str](), Counter[str](), Counter[str]()
    for way, count in own.count_ways():
        answers[answer_kind(way)] += count
        if way.failed:
            failures[answer_kind(way)] += count
        for kind in way.retried:
            retries[kind] += count
    written = np.asarray(own.score)[~failed(own) & scored(own)]
    return {
        "answers_by_kind": _sorted(answers),
        "failures_by_kind": _sorted(failures),
        "retries": sum(count * max(0, way.attempts - 1) for way, count in own.count_ways()),
        "retries_by_kind": _sorted(retries),
        "retried_texts": sum(count for way, count in own.count_ways() if way.attempts > 1),
        "texts": written.size,
        "mean_score_of_texts": rounded_mean(written),
    }


def rounded_mean(values: NDArray[np.float64]) -> float | None:
    """Return the plain mean to three decimals, added up in order; None of no values."""
    return round(float(np.add.accumulate(values)[-1]) / values.size, 3) if values.size else None


def anything_measured(generations: Iterable[Generations]) -> bool:
    """Whether any model answered at all."""
    return any(answer_kind(way) in ANSWERED for own in generations for way in own.ways)


def was_given_up(candidate: Mapping[str, Any]) -> bool:
    """Whether a candidate's document lacks texts because it was given up."""
    return bool(candidate.get("failures_by_kind", {}).get(GONE))


def fault_lines(candidate: Mapping[str, Any], label: str) -> list[str]:
    """Return the sentences that a reader must see of one candidate's document; none where all was well."""
    made, lines = candidate["generations"], []
    kinds = candidate.get("failures_by_kind") or candidate["errors"]
    if kinds:
        lines.append(f"{label}: {sum(kinds.values())} of {made} texts failed: {_listed(kinds)}")
    if was_given_up(candidate):
        written = candidate["texts"]
        mean = candidate["mean_score_of_texts"]
        worth = "" if mean is None else f", and score {mean:.2f} on average"
        lines.append(f"{label}: was given up; {written} of its {made} texts came{worth}; the others count as 0")
    retries = candidate.get("retries", 0)
    if retries:
        why = _listed(candidate["retries_by_kind"])
        lines.append(
            f"{label}: {plural(retries, 'request')} made again ({why or 'why is not known'}), for "
            f"{plural(candidate['retried_texts'], 'text')}, with the latency of the last request"
        )
    cut = candidate.get("answers_by_kind", {}).get(TRUNCATED)
    if cut:
        lines.append(f"{label}: {cut} of {made} texts were cut off at the limit of tokens, and are not publishable")
    return lines


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in counts.items())
