"""`--config FILE`: the settings in TOML, read whole before any of it is used, every mistake with its line.

    [server]
    port = 8081

    [keeping]
    budget_bytes = 12_000_000_000

    [keeping.models."bundled:social"]
    pinned = true

    [routes]
    tweet = ["bundled:social", "bundled:generalist"]

Keys are never in this file. Those of clients are hashed in one of their own (`key_file`) or in the environment, all others in the
environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.core.toml_lines import line_of
from bakeoff.score.norms import canonical_content_type
from bakeoff.serve.plan import AUTO
from bakeoff.serve.router import GENERAL
from bakeoff.serve.settings import ServeSettings
from bakeoff.serve.toml_problems import problems_of, read_text, read_toml

_EXPECTED = "TOML with the tables server, waiting, keeping, routes, endpoints, cache, embeddings, quality, alerts, cost"
_SECRET = re.compile(r"(^|_)(api_?)?(key|token|secret|password)s?$", re.IGNORECASE)


def read_settings(file: Path) -> ServeSettings:
    """Read settings from a TOML file.

    Raises:
        InvalidFile: it cannot be read, is no TOML, or says something that no setting says; all mistakes at once.
    """
    text, document = read_toml(file, _EXPECTED)
    problems = _secrets(document, (), text, str(file))
    routes = document.get("routes")
    if isinstance(routes, dict):
        document["routes"], wrong = _read_routes(routes, text, str(file))
        problems += wrong
    try:
        settings = ServeSettings.model_validate(document)
    except ValidationError as error:
        known = {problem.field for problem in problems}
        problems += [
            each for each in problems_of(error, text, str(file), ServeSettings, ("routes",)) if each.field not in known
        ]
        settings = ServeSettings()
    if problems:
        raise InvalidFile(tuple(sorted(problems, key=lambda each: each.line or 0)))
    return settings


def problem_at(file: Path, path: Sequence[str], wrong: str, expected: str) -> Problem:
    """Return a problem with what a settings file says at `path`, with its line."""
    return Problem(str(file), line_of(read_text(file, _EXPECTED), tuple(path)), ".".join(path), wrong, expected)


def _secrets(value: Mapping[str, Any], path: tuple[str, ...], text: str, file: str) -> list[Problem]:
    """Return keys that stand in the file: a file is copied, shown and committed."""
    found = []
    for name, inner in value.items():
        here = (*path, name)
        if isinstance(inner, dict):
            found += _secrets(inner, here, text, file)
        elif _SECRET.search(name):
            expected = "clients' keys in a key file (bakeoff serve keys new NAME), or in BAKEOFF_API_KEY; endpoints' in OPENAI_API_KEY"
            found.append(Problem(file, line_of(text, here), ".".join(here), "is a key in a file", expected))
    return found


def _read_routes(routes: Mapping[str, Any], text: str, file: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the routes by the content types' own names, one model alone as a list of one."""
    read: dict[str, Any] = {}
    problems = []
    for name, models in routes.items():
        content_type = canonical_content_type(name)
        if content_type in read:
            wrong = f"is the same content type as another route: {content_type}"
            problems.append(Problem(file, line_of(text, ("routes", name)), f"routes.{name}", wrong, "each once"))
        if content_type == AUTO:
            expected = f"a content type, or {GENERAL}"
            problems.append(Problem(file, line_of(text, ("routes", name)), f"routes.{name}", "is no route", expected))
        read.setdefault(content_type, [models] if isinstance(models, str) else models)
    return read, problems
