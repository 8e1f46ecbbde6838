"""Scores from files of any kind that is known, recognised by what is in them: tables, and results of other harnesses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from bakeoff.core.errors import InvalidFile, Problem, UsageError
from bakeoff.decide.score_analysis import Scored
from bakeoff.study.importers.inspect_log import is_inspect, read_eval, read_log
from bakeoff.study.importers.lm_eval import is_lm_eval, is_lm_eval_totals, read_samples
from bakeoff.study.importers.promptfoo import is_promptfoo, is_promptfoo_result, read_results
from bakeoff.study.importers.results import Answer, Errors, Results, Taken, choose_metric, value_of
from bakeoff.study.score_table import read_scores

_TABLES = {".csv", ".tsv", ".parquet"}
_LINES = {".jsonl", ".ndjson"}
TABLE_SCALE = (0.0, 10.0)
HARNESS_SCALE = (0.0, 1.0)


class Reading(NamedTuple):
    """How files are to be read. None: the scale that goes without saying, and the file's first metric."""

    bounds: tuple[float, float] | None = None
    columns: Mapping[str, str] = {}
    metric: str | None = None
    errors: Errors = "missing"


class Scores(NamedTuple):
    """Rows for `decide.score_analysis`, the ends of their scale, and what was taken of each file of another harness."""

    rows: list[Scored]
    bounds: tuple[float, float]
    taken: tuple[Taken, ...]


def read_files(paths: Sequence[Path], reading: Reading) -> Scores:
    """Read one table, or the results of harnesses from one file or several.

    Raises:
        UsageError: a file that cannot be read or is of no known kind, a table among several files, a metric that is not there.
        InvalidFile: what is wrong in it.
        MissingDependency: a format that takes a package which is not installed.
    """
    for path in paths:
        if not path.is_file() and (path.exists() or path.suffix):
            wrong = "it is no file" if path.exists() else "there is no such file"
            raise UsageError(f"{path} cannot be read: {wrong}", "name a table, or results of a harness")
    found = [_open(path) for path in paths]
    if len(paths) == 1 and found[0] is None:
        if reading.metric is not None:
            raise UsageError(
                f"--metric {reading.metric}: a table has one score a row", "for instance --columns score=NAME"
            )
        bounds = reading.bounds or TABLE_SCALE
        rows = read_scores(paths[0], bounds, reading.columns)
        return Scores(
            [Scored(r.model, r.brief, r.score, r.content_type, r.cluster, r.fallbacks) for r in rows], bounds, ()
        )
    tables = [path for path, results in zip(paths, found, strict=True) if results is None]
    if tables:
        raise UsageError(f"{tables[0]} is a table, and one is read at a time", "put all rows into one table")
    if reading.columns:
        raise UsageError("--columns names columns of a table, and these files have none", "choose by --metric NAME")
    return _merge([results for results in found if results is not None], reading)


def _open(path: Path) -> Results | None:
    """Return a file's results, None if it is a table."""
    try:
        if path.suffix.lower() in _TABLES:
            return None
        if path.suffix.lower() == ".eval":
            return read_eval(path)
        if path.suffix.lower() in _LINES:
            return _open_lines(path)
        if path.suffix.lower() == ".json":
            return _open_json(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a table, or results of a harness") from None
    except UnicodeDecodeError as error:
        problem = Problem(path.name, None, "", f"byte {error.start} is not UTF-8", "a text file in UTF-8")
        raise InvalidFile((problem,)) from None
    return None  # what a table may be called is told by whoever reads tables


def _open_lines(path: Path) -> Results | None:
    with path.open(encoding="utf-8-sig") as file:
        first = next((line for line in islice(file, 100) if line.strip()), "")
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return None
    if is_lm_eval(record):
        return read_samples(path)
    if not is_promptfoo_result(record):
        return None
    listed = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            listed += [_result(path, number, line)] if line.strip() else []
    return read_results(path, listed)


def _result(path: Path, number: int, line: str) -> Any:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not is_promptfoo_result(found):
        raise InvalidFile((Problem(path.name, number, "", "is no result of promptfoo", "one JSON object a result"),))
    return found


def _open_json(path: Path) -> Results:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidFile((Problem(path.name, None, "", f"is no JSON: {error}", "one JSON document"),)) from None
    if is_inspect(document):
        return read_log(path, document)
    if is_promptfoo(document):
        return read_results(path, document)
    if is_lm_eval_totals(document):
        raise UsageError(
            f"{path}: these are lm-eval's totals, and statistics take each answer",
            "name the file samples_*.jsonl beside it (lm-eval writes it with --log_samples)",
        )
    raise UsageError(
        f"{path}: is none of the JSON files that are known here",
        "a log of Inspect, results of promptfoo (eval -o results.json); tables are .csv, .tsv, .jsonl or .parquet",
    )


def _merge(found: Sequence[Results], reading: Reading) -> Scores:
    bounds = reading.bounds or HARNESS_SCALE
    names = _apart(found)
    rows: list[Scored] = []
    taken: list[Taken] = []
    asked: dict[str, tuple[str, str]] = {}
    for results, name in zip(found, names, strict=True):
        metric = choose_metric(results, reading.metric or (taken[0].metric if taken else None))
        values = [_valued(answer, metric, results.file, bounds, reading) for answer in results.answers]
        for answer, value in zip(results.answers, values, strict=True):
            _same_question(answer, results.file, asked)
            rows.append(Scored(name.get(answer.model, answer.model), answer.brief, value, answer.task, None))
        errors = sum(answer.error is not None for answer in results.answers)
        unscored = sum(
            value is None and answer.error is None for answer, value in zip(results.answers, values, strict=True)
        )
        taken.append(
            Taken(
                file=results.file,
                harness=results.harness,
                models=tuple(dict.fromkeys(name.get(answer.model, answer.model) for answer in results.answers)),
                metric=metric,
                other_metrics=tuple(other for other in results.metrics if other != metric),
                scored=len(values) - errors - unscored,
                unscored=unscored,
                errors=errors,
                errors_are=reading.errors,
                notes=results.notes,
            )
        )
    return Scores(rows, bounds, tuple(taken))


def _valued(answer: Answer, metric: str, file: str, bounds: tuple[float, float], reading: Reading) -> float | None:
    if answer.error is not None:
        return bounds[0] if reading.errors == "floor" else None
    value = value_of(answer, metric, file)
    if value is not None and not bounds[0] <= value <= bounds[1]:
        expected = f"a number from {bounds[0]:g} to {bounds[1]:g}: say --bounds LO,HI for another scale"
        raise InvalidFile(
            (Problem(file, None, f"{answer.place}, {metric}", f"{value:g} is outside the scale", expected),)
        )
    return value


def _apart(found: Sequence[Results]) -> list[dict[str, str]]:
    """Return new names, a file at a time, for models that wrote the same briefs in several files: two runs are two candidates."""
    wrote: dict[tuple[str, str], set[int]] = {}
    for place, results in enumerate(found):
        for answer in results.answers:
            wrote.setdefault((answer.model, answer.brief), set()).add(place)
    twice = {model for (model, _), places in wrote.items() if len(places) > 1}
    return [
        {answer.model: f"{answer.model} [{results.file}]" for answer in results.answers if answer.model in twice}
        for results in found
    ]


def _same_question(answer: Answer, file: str, asked: dict[str, tuple[str, str]]) -> None:
    if answer.asked is None:
        return
    first, where = asked.setdefault(answer.brief, (answer.asked, file))
    if first != answer.asked:
        wrong = f"brief {answer.brief} is not what it is in {where}"
        raise InvalidFile(
            (Problem(file, None, answer.place, wrong, "the same data set, in the same order, for every model"),)
        )
