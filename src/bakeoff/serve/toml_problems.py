"""What is wrong with a TOML file of ours, each mistake with its line: no file, no TOML, or not what a record takes."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.core.toml_lines import line_of

_MOST_BYTES = 1 << 20
_TOML_LINE = re.compile(r"at line (\d+)")
_KINDS: Mapping[str, str] = {
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list of texts in quotes",
    "model_type": "a table",
    "dict_type": "a table",
    "mapping_type": "a table",
    "missing": "it to be there",
}


def read_toml(file: Path, expected: str) -> tuple[str, dict[str, Any]]:
    """Return a file's text, and what it holds. `expected` is said of what is none.

    Raises:
        InvalidFile: it cannot be read, or is no TOML.
    """
    text = read_text(file, expected)
    try:
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise InvalidFile((Problem(str(file), line, "", f"is not TOML: {str(error)[:200]}", expected),)) from None


def read_text(file: Path, expected: str) -> str:
    """Return a file's text.

    Raises:
        InvalidFile: it cannot be read.
    """
    try:
        if not file.is_file():
            wrong = "is no file" if file.exists() else "is not there"
            raise InvalidFile((Problem(str(file), None, "", wrong, expected),))
        if file.stat().st_size > _MOST_BYTES:
            raise InvalidFile((Problem(str(file), None, "", "is larger than 1 MiB", expected),))
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile((Problem(str(file), None, "", f"is not UTF-8 (byte {error.start})", expected),)) from None
    except OSError as error:
        raise InvalidFile((Problem(str(file), None, "", f"cannot be read ({error.strerror})", expected),)) from None


def problems_of(
    error: ValidationError, text: str, file: str, record: type[BaseModel], whole: Sequence[str] = ()
) -> list[Problem]:
    """Return what `record` does not take of a file. What is wrong inside of the tables `whole` is told of their entries."""
    problems: dict[str, Problem] = {}
    for item in error.errors(include_url=False):
        path = tuple(str(part) for part in item["loc"] if isinstance(part, str) and part != "[key]")
        if path[:1] and path[0] in whole:
            path = path[:2]
        if item["type"] == "extra_forbidden":
            wrong, expected = "is not a known setting", _meant(path, record)
        else:
            wrong = f"is {_shown(item['input'])}" if item["type"] != "missing" else "is missing"
            expected = _KINDS.get(item["type"], item["msg"].removeprefix("Input should be "))
        problems.setdefault(".".join(path), Problem(file, line_of(text, path), ".".join(path), wrong, expected))
    return list(problems.values())


def _shown(value: object) -> str:
    return f"{value!r}"[:60]


def _meant(path: tuple[str, ...], record: type[BaseModel]) -> str:
    """Return which settings there are beside an unknown one, the nearest first."""
    fields = _fields_at(path[:-1], record)
    near = difflib.get_close_matches(path[-1], fields, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"known here: {', '.join(fields)}"


def _fields_at(path: tuple[str, ...], record: type[BaseModel]) -> list[str]:
    rest = list(path)
    while rest:
        annotation = record.model_fields[rest.pop(0)].annotation
        inner = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]
        records = [each for each in inner if issubclass(each, BaseModel)]
        if not records:
            return []
        if annotation not in records and rest and type(None) not in get_args(annotation):
            rest.pop(0)  # the name of an entry
        record = records[0]
    return list(record.model_fields)
