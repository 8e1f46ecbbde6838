"""`--config FILE`: the settings in TOML, read whole before any of it is used, every mistake with its line.

    [server]
    port = 8081

    [keeping]
    budget_bytes = 12_000_000_000

    [keeping.models."bundled:social"]
    pinned = true

    [routes]
    tweet = ["bundled:social", "bundled:generalist"]

Keys are never in a file: they are read from the environment alone.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.score.norms import canonical_content_type
from bakeoff.serve.plan import AUTO
from bakeoff.serve.router import GENERAL
from bakeoff.serve.settings import ServeSettings

_EXPECTED = "TOML with the tables server, waiting, keeping, routes, endpoints, cache, embeddings, quality, alerts, cost"
_MOST_BYTES = 1 << 20
_TOML_LINE = re.compile(r"at line (\d+)")
_HEADER = re.compile(r"\s*\[\[?(?P<name>.*?)\]\]?\s*(?:#.*)?")
_SECRET = re.compile(r"(^|_)(api_?)?(key|token|secret|password)s?$", re.IGNORECASE)
_KINDS = {
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


def read_settings(file: Path) -> ServeSettings:
    """Read settings from a TOML file.

    Raises:
        InvalidFile: it cannot be read, is no TOML, or says something that no setting says; all mistakes at once.
    """
    text = _read_text(file)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise InvalidFile((Problem(str(file), line, "", f"is not TOML: {str(error)[:200]}", _EXPECTED),)) from None
    problems = _secrets(document, (), text, str(file))
    routes = document.get("routes")
    if isinstance(routes, dict):
        document["routes"], wrong = _read_routes(routes, text, str(file))
        problems += wrong
    try:
        settings = ServeSettings.model_validate(document)
    except ValidationError as error:
        known = {problem.field for problem in problems}
        problems += [each for each in _problems_of(error, text, str(file)) if each.field not in known]
        settings = ServeSettings()
    if problems:
        raise InvalidFile(tuple(sorted(problems, key=lambda each: each.line or 0)))
    return settings


def problem_at(file: Path, path: Sequence[str], wrong: str, expected: str) -> Problem:
    """Return a problem with what a settings file says at `path`, with its line."""
    return Problem(str(file), _line_of(_read_text(file), tuple(path)), ".".join(path), wrong, expected)


def _read_text(file: Path) -> str:
    try:
        if not file.is_file():
            wrong = "is no file" if file.exists() else "is not there"
            raise InvalidFile((Problem(str(file), None, "", wrong, _EXPECTED),))
        if file.stat().st_size > _MOST_BYTES:
            raise InvalidFile((Problem(str(file), None, "", "is larger than 1 MiB", _EXPECTED),))
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile((Problem(str(file), None, "", f"is not UTF-8 (byte {error.start})", _EXPECTED),)) from None
    except OSError as error:
        raise InvalidFile((Problem(str(file), None, "", f"cannot be read ({error.strerror})", _EXPECTED),)) from None


def _secrets(value: Mapping[str, Any], path: tuple[str, ...], text: str, file: str) -> list[Problem]:
    """Return keys that stand in the file: a file is copied, shown and committed."""
    found = []
    for name, inner in value.items():
        here = (*path, name)
        if isinstance(inner, dict):
            found += _secrets(inner, here, text, file)
        elif _SECRET.search(name):
            expected = "keys in the environment: BAKEOFF_API_KEY for clients, OPENAI_API_KEY for endpoints"
            found.append(Problem(file, _line_of(text, here), ".".join(here), "is a key in a file", expected))
    return found


def _read_routes(routes: Mapping[str, Any], text: str, file: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the routes by the content types' own names, one model alone as a list of one."""
    read: dict[str, Any] = {}
    problems = []
    for name, models in routes.items():
        content_type = canonical_content_type(name)
        if content_type in read:
            wrong = f"is the same content type as another route: {content_type}"
            problems.append(Problem(file, _line_of(text, ("routes", name)), f"routes.{name}", wrong, "each once"))
        if content_type == AUTO:
            expected = f"a content type, or {GENERAL}"
            problems.append(Problem(file, _line_of(text, ("routes", name)), f"routes.{name}", "is no route", expected))
        read.setdefault(content_type, [models] if isinstance(models, str) else models)
    return read, problems


def _problems_of(error: ValidationError, text: str, file: str) -> list[Problem]:
    problems: dict[str, Problem] = {}
    for item in error.errors(include_url=False):
        path = tuple(str(part) for part in item["loc"] if isinstance(part, str))
        if path[:1] == ("routes",) and len(path) > 1:
            path = path[:2]
        if item["type"] == "extra_forbidden":
            wrong, expected = "is not a known setting", _meant(path)
        else:
            wrong = f"is {_shown(item['input'])}" if item["type"] != "missing" else "is missing"
            expected = _KINDS.get(item["type"], item["msg"].removeprefix("Input should be "))
        line = _line_of(text, path)
        problems.setdefault(".".join(path), Problem(file, line, ".".join(path), wrong, expected))
    return list(problems.values())


def _shown(value: object) -> str:
    return f"{value!r}"[:60]


def _meant(path: tuple[str, ...]) -> str:
    """Return which settings there are beside an unknown one, the nearest first."""
    fields = _fields_at(path[:-1])
    near = difflib.get_close_matches(path[-1], fields, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"known here: {', '.join(fields)}"


def _fields_at(path: tuple[str, ...]) -> list[str]:
    model: type[BaseModel] = ServeSettings
    rest = list(path)
    while rest:
        annotation = model.model_fields[rest.pop(0)].annotation
        inner = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]
        records = [each for each in inner if issubclass(each, BaseModel)]
        if not records:
            return []
        if annotation not in records and rest and type(None) not in get_args(annotation):
            rest.pop(0)  # the name of an entry
        model = records[0]
    return list(model.model_fields)


def _line_of(text: str, path: tuple[str, ...]) -> int | None:
    """Return the line, from 1, where `path` is set; that of the nearest table around it where it has none of its own."""
    here: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("[") and (header := _HEADER.fullmatch(line)):
            here = found = _key_path(header["name"])
        elif "=" in line:
            found = (*here, *_key_path(line.partition("=")[0]))
        else:
            continue
        if found and path[: len(found)] == found and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return None if best is None else best[1]


def _key_path(written: str) -> tuple[str, ...]:
    """Return the parts of a dotted key as TOML reads them; none for what is no key."""
    try:
        found: Any = tomllib.loads(f"{written} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str] = []
    while isinstance(found, dict) and found:
        part, found = next(iter(found.items()))
        parts.append(part)
    return tuple(parts)
