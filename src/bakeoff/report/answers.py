"""What came of every request of a candidate: texts, answers without one, failures by kind, and what was asked again.

The kinds and the rule for each are in docs/faults.md. Counted from the stored rows; nothing is left out of a total.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.core.outlines import GenerationOutline, ScoreOutline
from bakeoff.decide.wording import plural

TEXT, TRUNCATED, EMPTY, GONE = "text", "truncated", "empty", "gone"
ANSWERED = frozenset({TEXT, TRUNCATED, EMPTY, "null", "refused"})
"""Kinds that a model is answerable for: something was measured. All others are the endpoint's, or the worker's."""


def answer_kind(generation: GenerationOutline) -> str:
    """Return what a trial ended with: `text`, `truncated` (a text cut off at its limit), or why there is none."""
    if generation.text is None:
        return generation.error_kind or "failed"
    if not generation.text.strip():
        return EMPTY
    return TRUNCATED if generation.finish_reason == "length" else TEXT


def count_answers(own: Sequence[GenerationOutline], scores: Mapping[str, ScoreOutline]) -> dict[str, Any]:
    """Return the fields of one candidate's document. `answers_by_kind` adds up to its generations, `failures_by_kind` to
    its failures; `mean_score_of_texts` leaves failures out, and is no estimate: it may be of an easy part of the briefs.
    """
    retries = Counter(kind for generation in own for kind in generation.retried)
    written = [scores[g.trial].value for g in own if g.text is not None and g.trial in scores]
    return {
        "answers_by_kind": _sorted(Counter(map(answer_kind, own))),
        "failures_by_kind": _sorted(Counter(answer_kind(generation) for generation in own if generation.failed)),
        "retries": sum(max(0, generation.attempts - 1) for generation in own),
        "retries_by_kind": _sorted(retries),
        "retried_texts": sum(generation.attempts > 1 for generation in own),
        "texts": len(written),
        "mean_score_of_texts": round(sum(written) / len(written), 3) if written else None,
    }


def anything_measured(generations: Sequence[GenerationOutline]) -> bool:
    """Whether any model answered at all."""
    return any(answer_kind(generation) in ANSWERED for generation in generations)


def was_given_up(candidate: Mapping[str, Any]) -> bool:
    """Whether a candidate's document lacks texts because it stopped answering."""
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
