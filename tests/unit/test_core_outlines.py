"""An outline says of a record all that is counted over it."""

from __future__ import annotations

import pytest

from bakeoff.core.outlines import GenerationOutline, outline_generation, outline_score
from bakeoff.core.records import GateHit, Score, Timings
from bakeoff.report.answers import answer_kind
from made_runs import generation


@pytest.mark.parametrize(
    ("text", "kept"), [("A text of some length.", "A"), ("\n  late", "l"), (" \n", ""), ("", ""), (None, None)]
)
def test_a_generation_keeps_what_shows_that_it_has_a_text(text: str | None, kept: str | None) -> None:
    made = generation("ann", "b0").model_copy(update={"text": text, "retried": ("busy",), "window": 3})
    outline = outline_generation(made)
    assert (outline.text, outline.failed, answer_kind(outline)) == (kept, made.failed, answer_kind(made))  # type: ignore[arg-type]
    for name in GenerationOutline.__slots__:
        if name not in {"text", "timings"}:
            assert getattr(outline, name) == getattr(made, name)


def test_timings_keep_what_is_computed_with() -> None:
    timings = Timings(latency_s=2.0, ttft_s=0.5, completion_tokens=7, itl_s=(0.1, 0.2), itl_at="worker")
    outline = outline_generation(generation("ann", "b0").model_copy(update={"timings": timings})).timings
    for name in type(outline).__slots__:
        assert getattr(outline, name) == getattr(timings, name)


def test_a_score_gives_its_parts_by_name() -> None:
    hit = GateHit(gate="empty", rule="no words", evidence="")
    score = Score(
        trial="t",
        value=4.5,
        publishable=False,
        gates=(hit,),
        dimensions={"a": 1.0, "b": None},
        comparison_only={"keyword_heuristic": 5.0},
    )
    outline = outline_score(score)
    for name in ("trial", "value", "publishable", "dimensions", "comparison_only"):
        assert getattr(outline, name) == getattr(score, name)
    (seen,) = outline.gates
    assert (seen.gate, seen.rule, seen.evidence) == (hit.gate, hit.rule, hit.evidence)
    assert outline_score(score.model_copy(update={"trial": "u"})).names is outline.names
