"""Texts that were written earlier, by a model, a colleague or another harness: `recorded:FILE.jsonl`.

A line is `{"brief_id", "text"}` with optional `replicate` (default 0), `model`, `latency_s`, `prompt_tokens`,
`completion_tokens`; empty lines are skipped. The file is read strictly and whole: a misspelt key or a text given twice
would otherwise pass for a result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.core.spec import Record


class RecordedText(Record):
    """One text; numbers that the file does not give are None. `latency_s` is in seconds."""

    brief_id: str = Field(min_length=1)
    text: str
    replicate: int = Field(default=0, ge=0, strict=True)
    model: str | None = None
    latency_s: float | None = Field(default=None, ge=0)
    prompt_tokens: int | None = Field(default=None, ge=0, strict=True)
    completion_tokens: int | None = Field(default=None, ge=0, strict=True)


EXPECTED = {
    "brief_id": "the id of a brief, a string",
    "text": "the text, a string",
    "replicate": "an integer, at least 0",
    "model": "a model's name, a string",
    "latency_s": "seconds, a number of at least 0",
    "prompt_tokens": "an integer, at least 0",
    "completion_tokens": "an integer, at least 0",
}

_MOST_TOLD = 20
"""Unknown briefs that are told one by one: a file for another suite has nothing but such."""


class RecordedTexts:
    """The texts of one file, by brief and replicate."""

    def __init__(
        self, texts: Mapping[tuple[str, int], RecordedText], lines: Mapping[tuple[str, int], int], path: Path
    ) -> None:
        self._texts = dict(texts)
        self._lines = dict(lines)
        self._path = path

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[RecordedText]:
        return iter(self._texts.values())

    def get(self, brief_id: str, replicate: int = 0) -> RecordedText | None:
        """Return the text for a brief, None when the file has none."""
        return self._texts.get((brief_id, replicate))

    def unknown_briefs(self, known: Sequence[str]) -> tuple[Problem, ...]:
        """Return a problem for each text whose brief is not among `known`: a misspelt id would leave its brief empty."""
        names = set(known)
        unknown = [(brief_id, line) for (brief_id, _), line in self._lines.items() if brief_id not in names]
        problems = []
        for brief_id, line in unknown[:_MOST_TOLD]:
            near = get_close_matches(brief_id, known, n=1)
            expected = f"did you mean {near[0]}?" if near else "the id of a brief of this suite"
            wrong = f"{brief_id[:60]!r} is no brief of this suite"
            problems.append(Problem(str(self._path), line, "brief_id", wrong, expected))
        if len(unknown) > _MOST_TOLD:
            wrong = f"{len(unknown) - _MOST_TOLD} further lines are for no brief of this suite"
            problems.append(Problem(str(self._path), unknown[_MOST_TOLD][1], "brief_id", wrong, "texts for this suite"))
        return tuple(problems)

    @property
    def model(self) -> str | None:
        """The model that wrote them, where the file says."""
        return next((text.model for text in self if text.model is not None), None)


def read_recorded(path: Path) -> RecordedTexts:
    """Read a file of recorded texts.

    Raises:
        InvalidFile: it cannot be read, or some lines are wrong; every one of them is named.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = Problem(str(path), None, "", error.strerror or str(error), "a file with one JSON object a line")
        raise InvalidFile((problem,)) from error
    problems: list[Problem] = []
    texts: dict[tuple[str, int], RecordedText] = {}
    lines: dict[tuple[str, int], int] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        text = _read_line(str(path), number, line, problems)
        if text is None:
            continue
        key = (text.brief_id, text.replicate)
        if key in texts:
            wrong = f"brief {text.brief_id!r}, replicate {text.replicate}, is on line {lines[key]} already"
            problems.append(Problem(str(path), number, "brief_id", wrong, "one text per brief and replicate"))
        else:
            texts[key], lines[key] = text, number
    problems += _one_model(str(path), texts, lines)
    if not texts and not problems:
        problems.append(Problem(str(path), None, "", "no texts", "at least one line"))
    if problems:
        raise InvalidFile(tuple(sorted(problems, key=lambda problem: problem.line or 0)))
    return RecordedTexts(texts, lines, path)


def _read_line(path: str, number: int, line: bytes, problems: list[Problem]) -> RecordedText | None:
    """Return the text on one line, or None after adding what is wrong with it to `problems`."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:  # JSONDecodeError, UnicodeDecodeError, thousands of brackets
        problems.append(Problem(path, number, "", f"not JSON: {error}", "one JSON object a line"))
        return None
    if not isinstance(value, dict):
        problems.append(Problem(path, number, "", f"a JSON {type(value).__name__}", "one JSON object a line"))
        return None
    try:
        return RecordedText.model_validate(value)
    except ValidationError as error:
        problems.extend(_as_problem(path, number, value, detail) for detail in error.errors(include_url=False))
        return None


def _as_problem(path: str, number: int, value: Mapping[str, Any], detail: Mapping[str, Any]) -> Problem:
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return Problem(path, number, name, "is missing", EXPECTED[name])
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(name, EXPECTED, n=1)
        expected = f"did you mean {near[0]}?" if near else f"one of {', '.join(EXPECTED)}"
        return Problem(path, number, name, "is no field of a recorded text", expected)
    shown = json.dumps(value.get(name), ensure_ascii=False)
    return Problem(path, number, name, f"{shown[:60]} is not allowed", EXPECTED[name])


def _one_model(
    path: str, texts: Mapping[tuple[str, int], RecordedText], lines: Mapping[tuple[str, int], int]
) -> list[Problem]:
    """Return a problem for the first text of another model than the file's first: a file is one candidate."""
    named = [(key, text.model) for key, text in texts.items() if text.model is not None]
    for key, model in named:
        if model != named[0][1]:
            wrong = f"{model!r}, while line {lines[named[0][0]]} says {named[0][1]!r}"
            return [Problem(path, lines[key], "model", wrong, "one file for each model")]
    return []
