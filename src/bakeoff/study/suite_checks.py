"""What one field of a suite cannot know about another, checked on the raw data, so that it is told with all the rest."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from bakeoff.core.errors import Problem
from bakeoff.score.base import installed_scorers
from bakeoff.score.norms import NORMS, canonical_content_type
from bakeoff.score.weights import DIMENSIONS
from bakeoff.study.suite_problems import did_you_mean
from bakeoff.study.yaml_lines import LinedData, Path, dotted, one_line


def cross_checks(lined: LinedData, file: str) -> list[Problem]:
    """Return what is wrong between the fields of `lined.data`, which may be wrong in any other way as well."""
    data = lined.data
    if not isinstance(data, dict):
        return []
    own_types = data.get("content_types")
    own = [name for name in own_types if isinstance(name, str)] if isinstance(own_types, dict) else []
    known = list(dict.fromkeys([*NORMS, *(canonical_content_type(name) for name in own)]))
    briefs = [(index, brief) for index, brief in enumerate(_list(data.get("briefs"))) if isinstance(brief, dict)]
    found = [*_own_types(own), *_ids(briefs, lined), *_content_types(briefs, known), *_limits(briefs)]
    if isinstance(data.get("version"), bool | float):  # equal to 1 as Python compares
        found.append((("version",), f"is {data['version']}", "one of 1"))
    found += _weights(data.get("weights"), known, data.get("scorers"))
    found += _contradictions(briefs)
    return [Problem(file, lined.line(path), dotted(path), wrong, expected) for path, wrong, expected in found]


def misspelt_types(unused: list[str], used: list[str], lined: LinedData, file: str) -> list[Problem]:
    """Return a problem for each declared type without a brief whose name is nearly that of a built-in type with some.

    Its norms would be meant for that one, and would never be used. For a file that has no other problem.
    """
    written = {canonical_content_type(name): name for name in lined.data.get("content_types") or {}}
    problems = []
    for name in unused:
        near = difflib.get_close_matches(name, [other for other in used if other not in written], n=1, cutoff=0.75)
        if near:
            path: Path = ("content_types", written[name])
            expected = f"did you mean {near[0]}?"
            problems.append(Problem(file, lined.line(path), dotted(path), "is the type of no brief", expected))
    return problems


_Found = tuple[Path, str, str]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _own_types(own: list[str]) -> Iterator[_Found]:
    first: dict[str, str] = {}
    for name in own:
        canonical = canonical_content_type(name)
        if not canonical:
            yield ("content_types", name), "is no name", "letters, such as press_release"
        elif canonical in first:
            yield ("content_types", name), f"is the same type as {first[canonical]!r}", "each content type once"
        first.setdefault(canonical, name)


def _ids(briefs: list[tuple[int, dict[str, Any]]], lined: LinedData) -> Iterator[_Found]:
    first: dict[str, Path] = {}
    for index, brief in briefs:
        path: Path = ("briefs", index, "id")
        key = brief.get("id")
        if not isinstance(key, str):
            continue
        key = key.strip()
        if key in first:
            wrong = f"{one_line(key, 60)!r} is taken by the brief on line {lined.line(first[key])}"
            yield path, wrong, "a different id for each brief"
        first.setdefault(key, path)


def _content_types(briefs: list[tuple[int, dict[str, Any]]], known: list[str]) -> Iterator[_Found]:
    for index, brief in briefs:
        wanted = brief.get("content_type")
        if not isinstance(wanted, str) or not wanted.strip() or canonical_content_type(wanted) in known:
            continue
        near = did_you_mean(canonical_content_type(wanted), known)
        expected = f"{near}one of {', '.join(known)}; or declare it under content_types"
        yield ("briefs", index, "content_type"), f"unknown: {one_line(wanted, 60)!r}", expected


def _contradictions(briefs: list[tuple[int, dict[str, Any]]]) -> Iterator[_Found]:
    """A fact each of whose alternatives must not be there: no answer could pass."""
    for index, brief in briefs:
        banned = {
            text.strip().casefold(): number
            for number, text in enumerate(_list(brief.get("must_not_include")))
            if isinstance(text, str)
        }
        for fact in _list(brief.get("must_include")):
            ways = [str(way).strip().casefold() for way in (fact if isinstance(fact, list) else [fact])]
            if ways and all(way in banned for way in ways):
                wrong = f"{one_line(ways[0], 60)!r} is in must_include as well"
                yield ("briefs", index, "must_not_include", banned[ways[0]]), wrong, "each text in one of the two"


def _limits(briefs: list[tuple[int, dict[str, Any]]]) -> Iterator[_Found]:
    """Numbers that only look like some: `true` would count as 1, and "5" as 5."""
    for index, brief in briefs:
        limits = brief.get("limits")
        for name, value in limits.items() if isinstance(limits, dict) else ():
            if isinstance(value, bool | str | float):
                yield ("briefs", index, "limits", name), f"is {one_line(repr(value), 60)}", "a whole number"


def _weights(weights: object, types: list[str], files: object) -> Iterator[_Found]:
    if not isinstance(weights, dict):
        return
    own = [name.removesuffix(".py") for name in files if isinstance(name, str)] if isinstance(files, list) else []
    dimensions = [*DIMENSIONS, *installed_scorers(), *own]
    by_type = {name: given for name, given in weights.items() if isinstance(given, Mapping)}
    if not by_type:
        yield from _dimensions(("weights",), weights, dimensions)
    for name, given in by_type.items():
        if name != "*" and canonical_content_type(name) not in types:
            near = did_you_mean(canonical_content_type(name), types)
            yield ("weights", name), "is no content type of this suite", f"{near}one of *, {', '.join(types)}"
        yield from _dimensions(("weights", name), given, dimensions)


def _dimensions(path: Path, given: Mapping[str, object], dimensions: list[str]) -> Iterator[_Found]:
    for name in given:
        if name not in dimensions:
            near = did_you_mean(name, dimensions)
            yield (
                (*path, name),
                "is neither a dimension nor an installed scorer",
                f"{near}one of {', '.join(dimensions)}",
            )
