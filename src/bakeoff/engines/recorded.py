"""Texts that were written earlier, by a model, a colleague or another harness: `recorded:FILE.jsonl`.

A line is `{"brief_id", "text"}` with optional `replicate` (default 0), `model`, `latency_s`, `prompt_tokens`,
`completion_tokens`; empty lines are skipped. The file is read strictly and whole: a misspelt key or a text given twice
would otherwise pass for a result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.core.records import MOST_TOKENS
from bakeoff.core.spec import Record


class RecordedText(Record):
    """One text; numbers that the file does not give are None. `latency_s` is in seconds."""

    brief_id: str = Field(min_length=1)
    text: str
    replicate: int = Field(default=0, ge=0, strict=True)
    model: str | None = None
    latency_s: float | None = Field(default=None, ge=0)
    prompt_tokens: int | None = Field(default=None, ge=0, le=MOST_TOKENS, strict=True)
    completion_tokens: int | None = Field(default=None, ge=0, le=MOST_TOKENS, strict=True)


EXPECTED = {
    "brief_id": "the id of a brief, a string",
    "text": "the text, a string",
    "replicate": "an integer, at least 0",
    "model": "a model's name, a string",
    "latency_s": "seconds, a number of at least 0",
    "prompt_tokens": "an integer, at least 0 and below 2^53",
    "completion_tokens": "an integer, at least 0 and below 2^53",
}

_MOST_TOLD = 20
"""Unknown briefs that are told one by one: a file for another suite has nothing but such."""


class _Place(NamedTuple):
    """Where a text is in its file: bytes from the start, bytes long, and its line."""

    offset: int
    length: int
    line: int


class RecordedTexts:
    """The texts of one file, by brief and replicate. They stay in the file: a large one's would not fit into memory.

    `model` is the one that wrote them, where the file says.
    """

    def __init__(self, places: dict[tuple[str, int], _Place], path: Path, model: str | None) -> None:
        self._places = places
        self._path = path
        self.model = model

    def __len__(self) -> int:
        return len(self._places)

    def get(self, brief_id: str, replicate: int = 0) -> RecordedText | None:
        """Return the text for a brief, None when the file has none.

        Raises:
            InvalidFile: the file is gone, or has changed since it was read.
        """
        place = self._places.get((brief_id, replicate))
        if place is None:
            return None
        problems: list[Problem] = []
        try:
            with self._path.open("rb") as file:
                file.seek(place.offset)
                found = _read_line(str(self._path), place.line, file.read(place.length), problems)
        except OSError:
            found = None
        if found is None or (found.brief_id, found.replicate) != (brief_id, replicate):
            problem = Problem(str(self._path), place.line, "", "has changed since it was read", "the file as it was")
            raise InvalidFile((problem,), "leave the file alone until the run has ended, then start again")
        return found

    def unknown_briefs(self, known: Sequence[str]) -> tuple[Problem, ...]:
        """Return a problem for each text whose brief is not among `known`: a misspelt id would leave its brief empty."""
        names = set(known)
        unknown = [(brief_id, line) for (brief_id, _), (_, _, line) in self._places.items() if brief_id not in names]
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


def read_recorded(path: Path) -> RecordedTexts:
    """Read a file of recorded texts.

    Raises:
        InvalidFile: it cannot be read, or some lines are wrong; every one of them is named.
    """
    problems: list[Problem] = []
    places: dict[tuple[str, int], _Place] = {}
    named: list[tuple[str, int]] = []  # models and the lines that name them first
    offset = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = _read_line(str(path), number, line, problems) if line.strip() else None
                if text is not None:
                    place = _Place(offset, len(line), number)
                    problems += _noted(str(path), text, place, places, named)
                offset += len(line)
    except OSError as error:
        problem = Problem(str(path), None, "", error.strerror or str(error), "a file with one JSON object a line")
        raise InvalidFile((problem,)) from error
    if not places and not problems:
        problems.append(Problem(str(path), None, "", "no texts", "at least one line"))
    if problems:
        raise InvalidFile(tuple(sorted(problems, key=lambda problem: problem.line or 0)))
    return RecordedTexts(places, path, named[0][0] if named else None)


def _noted(
    path: str,
    text: RecordedText,
    place: _Place,
    places: dict[tuple[str, int], _Place],
    named: list[tuple[str, int]],
) -> list[Problem]:
    """Note where a text is and who wrote it; return what of that contradicts an earlier line. A file is one candidate."""
    key = (intern(text.brief_id), text.replicate)
    if key in places:
        wrong = f"brief {text.brief_id!r}, replicate {text.replicate}, is on line {places[key].line} already"
        return [Problem(path, place.line, "brief_id", wrong, "one text per brief and replicate")]
    places[key] = place
    if text.model is None or text.model in (model for model, _ in named):
        return []
    named.append((text.model, place.line))
    if len(named) != 2:
        return []
    wrong = f"{text.model!r}, while line {named[0][1]} says {named[0][0]!r}"
    return [Problem(path, place.line, "model", wrong, "one file for each model")]


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
    if not detail["loc"]:  # JSON can spell a name that is no text
        return Problem(path, number, "", "a name of a field is half a character", ", ".join(EXPECTED))
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return Problem(path, number, name, "is missing", EXPECTED[name])
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(name, EXPECTED, n=1)
        expected = f"did you mean {near[0]}?" if near else f"one of {', '.join(EXPECTED)}"
        return Problem(path, number, name, "is no field of a recorded text", expected)
    shown = json.dumps(value.get(name), ensure_ascii=False)
    return Problem(path, number, name, f"{shown[:60]} is not allowed", EXPECTED[name])
