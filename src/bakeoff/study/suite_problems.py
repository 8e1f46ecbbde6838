"""Words for what the schema found wrong: file, line, field, what is wrong, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bakeoff.core.errors import Problem
from bakeoff.study.yaml_lines import LinedData, Path, dotted, one_line

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "finite_number": "a finite number",
}

_RULES = {
    "limits": "each minimum at most its maximum",
    "soft_words": "the lowest first, such as [100, 400]",
    "must_include": "words or numbers to look for",
    "must_not_include": "words or numbers to look for",
    "id": "printable characters on one line",
    "cluster": "printable characters on one line",
    "name": "printable characters on one line",
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean X? " when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}? " if near else ""


def problems_of(error: ValidationError, schema: type[BaseModel], lined: LinedData, file: str) -> list[Problem]:
    """Turn a pydantic error into problems, one for each place in the file."""
    problems: dict[Path, Problem] = {}
    for item in error.errors(include_url=False):
        kind = item["type"]
        path = _path_in_file(item["loc"], lined, missing=kind == "missing")
        # `Text | list of Text` reports each way of failing: the place is one, and of a list only the list's problems count.
        tried_as_text = kind == "string_type" and isinstance(item["input"], list) and len(path) < len(item["loc"])
        if path in problems or tried_as_text:
            continue
        if kind == "missing" and isinstance(item["loc"][-1], int):
            wrong, expected = "has too few values", f"at least {item['loc'][-1] + 1}"
        elif kind == "missing":
            holder, name = path[:-1], str(path[-1])
            wrong, expected = "is missing", f"every {_noun(holder)} has {name}"
        elif kind == "extra_forbidden":
            known = sorted(_fields_at(schema, path[:-1]))
            wrong = "is not a known key"
            expected = f"{did_you_mean(str(path[-1]), known)}known here: {', '.join(known)}"
        else:
            wrong, expected = _wording(kind, item, lined.written.get(path))
        problems[path] = Problem(file, lined.line(path), dotted(path), wrong, expected)
    return list(problems.values())


def _wording(kind: str, item: Any, written: str | None) -> tuple[str, str]:
    """Return what is wrong and what would be right; `written` is the file's own spelling of a scalar that is not text."""
    value, context = item["input"], item.get("ctx", {})
    found = "is empty" if value is None else f"is {one_line(written, 60) if written else _shown(value)}"
    if kind in _KINDS:
        quote = (
            ' (put it in quotes: "...")'
            if kind == "string_type" and isinstance(value, int | float | bool | dict)
            else ""
        )
        return found, f"{_KINDS[kind]}{quote}"
    if kind == "literal_error":
        options = [word.strip("' ") for word in str(context["expected"]).replace(" or ", ",").split(",")]
        return found, f"{did_you_mean(str(value), options)}one of {', '.join(options)}"
    if kind == "too_short" or (kind == "string_too_short" and not str(value).strip()):
        return "is empty", "at least one" if kind == "too_short" else "some text"
    message = str(item["msg"])
    for beginning in ("Input should be ", "String should have ", "List should have ", "Tuple should have "):
        message = message.removeprefix(beginning)
    if kind == "value_error":
        return message.removeprefix("Value error, "), _what_agrees(item["loc"])
    return found, message


def _what_agrees(location: tuple[str | int, ...]) -> str:
    """Return what would be right where a field's own rule is broken; the rules are the fields'."""
    names = [part for part in location if part in _RULES]
    return _RULES[str(names[-1])] if names else "another value"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _noun(path: Path) -> str:
    if not path:
        return "suite"
    return {"briefs": "brief"}.get(str(path[0]), dotted(path)) if len(path) == 2 else dotted(path)


def _path_in_file(location: tuple[str | int, ...], lined: LinedData, *, missing: bool) -> Path:
    """Drop what pydantic adds to a location (names of union members), keep what is in the file, or missing there."""
    path: Path = ()
    value = lined.data
    for position, part in enumerate(location):
        if isinstance(value, dict) and isinstance(part, str):
            if part in value or (missing and position == len(location) - 1):
                path = (*path, part)
                value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path = (*path, part)
            value = value[part]
    return path


def _fields_at(schema: type[BaseModel], path: Path) -> set[str]:
    """Return the keys that the schema knows at `path`."""
    current: Any = schema
    for part in path:
        if _is_model(current):
            known = current.model_fields
            current = known[part].annotation if part in known else None
        else:
            # An item of a list or mapping of models.
            current = next(iter(_models_in(current)), None)
    return set(current.model_fields) if _is_model(current) else set()


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
