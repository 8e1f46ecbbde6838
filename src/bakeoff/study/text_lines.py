"""Texts from anywhere, a JSON object a line: `id, content_type, brief, text`, and what the brief lets one check.

Read as it is scored, so that a file of any length takes the memory of a line. A line that cannot be scored is told with its
number and what would be right, and costs no other.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pydantic import ValidationError

from bakeoff.core.errors import UsageError
from bakeoff.core.plain import whole_characters
from bakeoff.score.brief import BriefChecks, Limits, make_checks

_REQUIRED = ("id", "content_type", "brief", "text")
_DECLARED = ("must_include", "must_not_include", "limits", "parts", "source", "language")
_OPTIONAL = (*_DECLARED, "finish_reason")
_ENDINGS = ("stop", "length")
_NEAR = 0.84
_MAX_LINE_BYTES = 4_000_000
_FIRST_LINES = 5
_EXAMPLE = (
    "expected a JSON object a line, such as "
    '{"id": "1", "content_type": "tweet", "brief": "Tweet that we open on 3 May.", "text": "Our doors open on 3 May!"}'
)


class TextLine(NamedTuple):
    """A text to score, and what can be checked about it. `finish_reason` is `length` for a text cut off at a limit."""

    line: int
    id: str
    checks: BriefChecks
    text: str
    finish_reason: str


class LineProblem(NamedTuple):
    """A line that cannot be scored; `line` counts from 1. `is_json` is False where it is not even JSON."""

    line: int
    message: str
    is_json: bool = True


def read_texts(path: Path) -> Iterator[TextLine | LineProblem]:
    """Yield a file's texts in order; blank lines are passed over.

    Raises:
        UsageError: the file cannot be read, or is another kind of file: its first lines are no JSON.
    """
    try:
        with path.open("rb") as file:
            lines = _read_lines(file)
            foreign: list[LineProblem] = []
            for found in islice(lines, _FIRST_LINES):
                if not isinstance(found, LineProblem) or found.is_json:
                    lines = chain([found], lines)
                    break
                foreign.append(found)
            else:
                # One line that is no JSON may be a slip of the pen; several and nothing else are another kind of file.
                if len(foreign) > 1:
                    raise UsageError(
                        f"{path} is no JSON Lines file: its first {len(foreign)} lines are no JSON", _EXAMPLE
                    )
            yield from chain(foreign, lines)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a file of JSON lines") from None


def _read_lines(file: BinaryIO) -> Iterator[TextLine | LineProblem]:
    seen: dict[str, int] = {}
    for number, raw in enumerate(_lines(file), 1):
        if raw.strip():
            yield _read_line(number, raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, seen)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is longer than any text, only as much as shows that."""
    while raw := file.readline(_MAX_LINE_BYTES + 1):
        yield raw
        while len(raw) > _MAX_LINE_BYTES and not raw.endswith(b"\n"):
            raw = file.readline(_MAX_LINE_BYTES + 1)


class _Unreadable(Exception):
    """Why a line is no text to score."""


class _NoJson(_Unreadable):
    """A line that is not even JSON."""


def _read_line(number: int, raw: bytes, seen: dict[str, int]) -> TextLine | LineProblem:
    try:
        fields = _fields(raw)
        checks = _checks(fields)
    except _Unreadable as error:
        return LineProblem(number, str(error), is_json=not isinstance(error, _NoJson))
    name = str(fields["id"])
    if seen.setdefault(name, number) != number:
        taken = f"id: {name!r} is the id of line {seen[name]} already, expected one that is not taken"
        return LineProblem(number, taken)
    return TextLine(number, name, checks, whole_characters(fields["text"]), fields.get("finish_reason") or "stop")


def _fields(raw: bytes) -> dict[str, Any]:
    if len(raw) > _MAX_LINE_BYTES:
        raise _Unreadable(f"is longer than {_MAX_LINE_BYTES:,} bytes, expected one text a line")
    try:
        fields = json.loads(raw.decode("utf-8"), object_pairs_hook=_once_each)
    except UnicodeDecodeError as error:
        raise _NoJson(f"byte {error.start} is not UTF-8, expected UTF-8 text") from None
    except (ValueError, RecursionError):
        raise _NoJson(f"is no JSON, expected an object with {', '.join(_REQUIRED)}") from None
    if not isinstance(fields, dict):
        raise _Unreadable(f"is no JSON object, expected one with {', '.join(_REQUIRED)}")
    wrong = _wrong_fields(fields)
    if wrong is not None:
        raise _Unreadable(wrong)
    return fields


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields.

    Raises:
        _Unreadable: one of them twice: JSON lets the last one win, and nobody would see it.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Unreadable(f"{twice}: stands there twice, expected each field once")
    return found


def _checks(fields: Mapping[str, Any]) -> BriefChecks:
    declared = {key: fields[key] for key in _DECLARED if fields.get(key) is not None}
    try:
        return make_checks(whole_characters(fields["brief"]), whole_characters(fields["content_type"]), **declared)
    except ValidationError as error:
        raise _Unreadable(_in_words(error)) from None


def _wrong_fields(fields: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a line's fields before any check is made of them; unknown fields are the user's own."""
    for name in _REQUIRED:
        value = fields.get(name)
        if value is None:
            return f"{name}: is missing{_meant(name, fields)}, expected {_expected(name)}"
        if name == "id" and isinstance(value, int) and not isinstance(value, bool):
            continue
        if not isinstance(value, str):
            return f"{name}: is {type(value).__name__}, expected {_expected(name)}"
        if name != "text" and not value.strip():
            return f"{name}: is empty, expected {_expected(name)}"
    if fields.get("finish_reason") not in (None, *_ENDINGS):
        return f"finish_reason: {fields['finish_reason']!r} is none, expected {' or '.join(_ENDINGS)}"
    for name in fields:
        near = difflib.get_close_matches(name.casefold().replace("-", "_"), _OPTIONAL, n=1, cutoff=_NEAR)
        if near and name not in _OPTIONAL:
            return f"{name}: is no field, did you mean {near[0]}?"
    return None


def _in_words(error: ValidationError) -> str:
    item = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in item["loc"]) or "checks"
    if item["type"] != "extra_forbidden":
        return f"{place}: {item['msg'].removeprefix('Value error, ')}"
    near = difflib.get_close_matches(str(item["loc"][-1]), Limits.model_fields, n=1)
    return f"{place}: is no limit, {f'did you mean {near[0]}?' if near else 'known: ' + ', '.join(Limits.model_fields)}"


def _meant(name: str, fields: Mapping[str, Any]) -> str:
    others = [field for field in fields if field not in (*_REQUIRED, *_DECLARED)]
    near = difflib.get_close_matches(name, others, n=1, cutoff=0.6)
    return f" ({near[0]} is there)" if near else ""


def _expected(name: str) -> str:
    return {
        "id": "a name of the text",
        "content_type": "such as tweet or business_email",
        "brief": "what was asked for",
        "text": "what was written",
    }[name]
