"""Grading an answer by its request alone: the gates and the score, as `bakeoff score` gives them, in [0, 1]."""

from __future__ import annotations

from typing import Literal, NamedTuple

Measure = Literal["publishable", "score", "judge"]


class Graded(NamedTuple):
    """Grades in [0, 1], and the gates that held the text back."""

    grades: dict[Measure, float]
    gates: tuple[str, ...]


def grade_answer(prompt: str, content_type: str, text: str, finish_reason: str) -> Graded:
    """Grade one text; `prompt` is what was asked, `finish_reason` is `stop` or `length`."""
    # A gateway that grades nothing does without them.
    from bakeoff.score.brief import make_checks
    from bakeoff.score.composite import score_text

    scored = score_text(text, finish_reason, make_checks(prompt, content_type))
    grades: dict[Measure, float] = {"publishable": float(scored.publishable), "score": scored.value / 10.0}
    return Graded(grades, tuple(sorted({hit.gate for hit in scored.gates})))
