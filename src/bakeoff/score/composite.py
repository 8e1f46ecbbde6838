"""One number for one text: gates cap it, dimensions fill it.

value = weighted mean of the dimensions that apply, weights renormalised over them. Where a text has fewer than half of
the facts that the brief declares, the mean is scaled down, by half for a text that has none (by 30 % where facts had to
be read off the prompt, and there are at least three): fluent text about something else is worth little. A gate then
caps at 4.0, each further one at 0.5 less. A text without words, and a failed generation, score 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from bakeoff.core.records import GateHit, Generation, Score
from bakeoff.core.spec import Record
from bakeoff.score.base import Scorer, scaled_score
from bakeoff.score.brief import BriefChecks
from bakeoff.score.compliance import FactCheck, brief_compliance, check_facts
from bakeoff.score.dimensions import Dimension, business_quality, language_quality, length_quality, structure_quality
from bakeoff.score.gates import run_gates
from bakeoff.score.keyword_heuristic import heuristic_of, keyword_heuristic
from bakeoff.score.substance import substance_quality
from bakeoff.score.technical import technical_quality
from bakeoff.score.text import Text
from bakeoff.score.weights import DIMENSIONS, Weights, weights_for

_GATE_CAP = 4.0
_FURTHER_GATE = 0.5
# How much of the mean is lost at a recall of 0: a line from nothing lost at one half, so that no cliff makes ties.
_LOST_DECLARED = 0.5
_LOST_GUESSED = 0.3
_LEAST_GUESSED_FACTS = 3
# A model in a loop can write megabytes. No brief asks for 8,000 words: beginning and end of a longer text speak for it.
_HEAD = 40_000
_TAIL = 10_000


class TextScore(Record):
    """What one text is worth, and why. Fields as in `core.records.Score`; `evidence` says what each dimension saw.

    `weights` are those used, renormalised over the dimensions that applied; `capped_by` is `empty`, `gates` or `facts`
    where one of them held the value below the mean.
    """

    value: float = Field(ge=0, le=10)
    publishable: bool
    gates: tuple[GateHit, ...] = ()
    dimensions: dict[str, float | None] = Field(default_factory=dict)
    evidence: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict)
    capped_by: str | None = None
    comparison_only: dict[str, float] = Field(default_factory=dict)


def score_text(
    text: str, finish_reason: str, checks: BriefChecks, weights: Weights | None = None, scorers: Sequence[Scorer] = ()
) -> TextScore:
    """Score one text against one brief. Pure: equal arguments, equal result.

    `finish_reason` is `stop` or `length`, as the endpoint said; for texts written elsewhere, `stop`. Of a text above
    50,000 characters the first 40,000 and the last 10,000 are read.

    Raises:
        UsageError: weights that make no sense (see `weights_for`), or a scorer that breaks its protocol.

    >>> checks = BriefChecks(prompt="Tweet that Kiln Cafe opens on 3 May.", content_type="tweet", must_include=(("3 May",),))
    >>> score_text("Kiln Cafe opens its doors on 3 May. Come and try our first batch of cardamom buns!", "stop", checks).value
    9.8
    """
    found = _assess(text, finish_reason, checks, weights, scorers)
    return TextScore(
        value=found.value,
        publishable=not found.gates,
        gates=found.gates,
        dimensions={name: dimension.value for name, dimension in found.graded.items()},
        evidence={name: dimension.evidence for name, dimension in found.graded.items() if dimension.evidence},
        weights=found.weights,
        capped_by=found.capped_by,
        comparison_only={"keyword_heuristic": found.heuristic},
    )


def score_generation(
    generation: Generation, checks: BriefChecks, weights: Weights | None = None, scorers: Sequence[Scorer] = ()
) -> Score:
    """Score a stored generation; one that failed scores 0, gated by `failed`."""
    if generation.text is None:
        hit = GateHit(gate="failed", rule=generation.error_kind or "no text", evidence=(generation.error or "")[:160])
        return Score(
            trial=generation.trial, value=0.0, publishable=False, gates=(hit,), dimensions=dict.fromkeys(DIMENSIONS)
        )
    return score_written(generation.trial, generation.text, generation.finish_reason, checks, weights, scorers)


def score_written(
    trial: str,
    text: str,
    finish_reason: str,
    checks: BriefChecks,
    weights: Weights | None = None,
    scorers: Sequence[Scorer] = (),
) -> Score:
    """Score the text of a trial, as `score_text` does."""
    found = _assess(text, finish_reason, checks, weights, scorers)
    return Score(
        trial=trial,
        value=found.value,
        publishable=not found.gates,
        gates=found.gates,
        dimensions={name: dimension.value for name, dimension in found.graded.items()},
        comparison_only={"keyword_heuristic": found.heuristic},
    )


class _Assessed(NamedTuple):
    """What `score_text` tells, with the dimensions as they were graded."""

    value: float
    gates: tuple[GateHit, ...]
    graded: Mapping[str, Dimension]
    weights: dict[str, float]
    capped_by: str | None
    heuristic: float


_NOT_GRADED = Dimension(value=None)


def _assess(
    text: str, finish_reason: str, checks: BriefChecks, weights: Weights | None, scorers: Sequence[Scorer]
) -> _Assessed:
    whole = len(text) <= _HEAD + _TAIL
    parsed = Text(text if whole else f"{text[:_HEAD]}\n\n{text[-_TAIL:]}")
    used = weights_for(checks.content_type, weights, [scorer.name for scorer in scorers])
    if whole:
        heuristic = heuristic_of(len(parsed.tokens), parsed.lowered, text.count("."), checks.content_type)
    else:
        heuristic = keyword_heuristic(text, checks.content_type)
    gates = run_gates(parsed, finish_reason, checks)
    if gates and gates[0].gate == "empty":
        return _Assessed(0.0, gates, dict.fromkeys(used, _NOT_GRADED), {}, "empty", heuristic)
    facts = check_facts(parsed, checks)
    graded = _grade(parsed, checks, facts)
    for scorer in scorers:
        graded[scorer.name] = Dimension(value=scaled_score(scorer, text, checks))
    applied = {name: used[name] for name, dimension in graded.items() if dimension.value is not None and used[name] > 0}
    total = sum(applied.values())
    mean = sum([weight * (graded[name].value or 0.0) for name, weight in applied.items()]) / total if total else 0.0
    value, capped_by = _combine(mean, gates, facts)
    shares = {name: weight / total for name, weight in applied.items()}
    return _Assessed(round(value, 3), gates, graded, shares, capped_by, heuristic)


def _grade(text: Text, checks: BriefChecks, facts: FactCheck) -> dict[str, Dimension]:
    return {
        "brief_compliance": brief_compliance(text, checks, facts),
        "structure_quality": structure_quality(text, checks),
        "length_quality": length_quality(text, checks),
        "language_quality": language_quality(text, checks),
        "business_quality": business_quality(text, checks),
        "technical_quality": technical_quality(text, checks, facts),
        "substance_quality": substance_quality(text, checks),
    }


def _fact_factor(facts: FactCheck) -> float:
    recall = facts.recall
    if recall is None or recall >= 0.5 or (not facts.declared and facts.total < _LEAST_GUESSED_FACTS):
        return 1.0
    lost = _LOST_DECLARED if facts.declared else _LOST_GUESSED
    return 1.0 - lost * (1.0 - 2.0 * recall)


def _combine(mean: float, gates: tuple[GateHit, ...], facts: FactCheck) -> tuple[float, str | None]:
    factor = _fact_factor(facts)
    value, reason = mean * factor, "facts" if factor < 1 else None
    cap = max(0.0, _GATE_CAP - _FURTHER_GATE * (len(gates) - 1)) if gates else 10.0
    return (value, reason) if value <= cap else (cap, "gates")
