"""Grading an answer by its request alone, in [0, 1]: the gates and the score, as `bakeoff score` gives them, and a judge's grade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from bakeoff.score.judge import Message

Measure = Literal["publishable", "score", "judge"]


class Graded(NamedTuple):
    """Grades in [0, 1], and the gates that held the text back."""

    grades: dict[Measure, float]
    gates: tuple[str, ...]


def grade_answer(
    prompt: str, content_type: str, text: str, finish_reason: str, languages: Sequence[str] = ("en",)
) -> Graded:
    """Grade one text; `prompt` is what was asked, `finish_reason` is `stop` or `length`.

    `languages` are those in which a run asked for such texts, one at least. A request does not say which it means, so that a text is
    right in each of them, and in the request's own where that is plain.
    """
    # A gateway that grades nothing does without them.
    from bakeoff.score.brief import make_checks
    from bakeoff.score.composite import score_text
    from bakeoff.score.language import detect_other_language, words_in

    own = detect_other_language(words_in(prompt.lower()), languages[0])
    scored = [
        score_text(text, finish_reason, make_checks(prompt, content_type, language=language))
        for language in dict.fromkeys((*languages, own or languages[0]))
    ]
    found = next((each for each in scored if all(hit.gate != "wrong_language" for hit in each.gates)), scored[0])
    grades: dict[Measure, float] = {"publishable": float(found.publishable), "score": found.value / 10.0}
    return Graded(grades, tuple(sorted({hit.gate for hit in found.gates})))


def judge_messages(prompt: str, content_type: str, text: str) -> list[Message]:
    """Return what a judge is asked about one text: for a grade, with nothing declared but the request."""
    from bakeoff.score.brief import make_checks
    from bakeoff.score.judge import grade_question

    return grade_question(make_checks(prompt, content_type), text)


def judge_grade(value: float) -> float:
    """Return a judge's grade of 1 to 5 on 0 to 1."""
    return min(max((value - 1.0) / 4.0, 0.0), 1.0)  # a mean by probabilities may be a rounding error beyond
