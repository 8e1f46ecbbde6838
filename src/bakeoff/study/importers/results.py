"""What every reader of another harness's results hands over, and the rules that all of them share.

- An answer that ended in an error, and one without a score of this metric (or with NaN), is missing, never 0 and never dropped in
  silence: it is counted, and the analysis leaves its brief out for all models and says within what bounds that could matter.
  With `errors="floor"` errors count as the lower end of the scale instead; a score that is missing for no error stays missing.
- Grades that are words are numbers as their harness has it; anything else that is no number is refused, with its place.
- Scales: 0 to 1, unless told otherwise; what lies outside is refused.
- The same brief must have been asked in the same words of every model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Literal, NamedTuple

from bakeoff.core.errors import InvalidFile, Problem, UsageError

Errors = Literal["missing", "floor"]
WORDS: Mapping[str, float] = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
"""As `value_to_float` of Inspect: correct, incorrect, partial, no answer."""


class Answer(NamedTuple):
    """One scored answer. `asked` tells equal questions (None: not known); `scores` may lack the metric that is wanted."""

    model: str
    brief: str
    task: str
    replicate: int
    asked: str | None
    scores: Mapping[str, Any]
    error: str | None
    place: str


class Results(NamedTuple):
    """A file's answers; `metrics` in the file's order, the first is what is taken unless another is asked for."""

    file: str
    harness: str
    answers: Sequence[Answer]
    metrics: tuple[str, ...]
    notes: tuple[str, ...] = ()
    lower_is_better: frozenset[str] = frozenset()


class Taken(NamedTuple):
    """What was taken of a file: answers with a score, without one, and those that ended in an error."""

    file: str
    harness: str
    models: tuple[str, ...]
    metric: str
    other_metrics: tuple[str, ...]
    scored: int
    unscored: int
    errors: int
    errors_are: Errors
    notes: tuple[str, ...]


def choose_metric(results: Results, wanted: str | None) -> str:
    """Return the metric to take.

    Raises:
        UsageError: there is none of that name, or lower values of it are better.
    """
    if not results.metrics:
        raise UsageError(f"{results.file}: no answer in it has a score", "score it with its harness first")
    metric = results.metrics[0] if wanted is None else wanted
    if metric not in results.metrics:
        raise UsageError(f"{results.file}: there is no metric {metric!r}", f"there are: {', '.join(results.metrics)}")
    if metric in results.lower_is_better:
        others = [name for name in results.metrics if name not in results.lower_is_better]
        raise UsageError(
            f"{results.file}: of {metric}, less is better, and here more is",
            f"take another metric: {', '.join(others)}" if others else "write a table of its negative, with --bounds",
        )
    return metric


def value_of(answer: Answer, metric: str, file: str) -> float | None:
    """Return an answer's score, None where it is missing.

    Raises:
        InvalidFile: it is no number, and no grade that is known.
    """
    value = answer.scores.get(metric)
    if value is None:
        return None
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        word = WORDS.get(value, WORDS.get(value.lower()))
        value = word if word is not None else _number(value)
    if isinstance(value, int | float):
        return None if isnan(value) else float(value)
    shown = json.dumps(answer.scores[metric], ensure_ascii=False)[:60]
    expected = "a number, true or false, or one of C, I, P, N: a score of this one answer"
    raise InvalidFile((Problem(file, None, f"{answer.place}, {metric}", f"{shown} is no score", expected),))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def digest_of(asked: object) -> str | None:
    """Return what is equal for equal questions; of long ones the first 1,000 characters, as summaries cut them."""
    if asked is None or asked == {}:
        return None
    text = asked if isinstance(asked, str) else json.dumps(asked, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text[:1000].encode("utf-8", "replace"), digest_size=8).hexdigest()
