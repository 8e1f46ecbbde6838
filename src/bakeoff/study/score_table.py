"""Anyone's scores, from a CSV, JSONL or Parquet file: a row a score, with the line that it came from.

An empty score is missing (a judge that gave none); anything else that is no number within the bounds is an error, which names
file, line and column. Nothing is guessed: columns are named `model, brief, score`, or the user says which are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from bakeoff.core.errors import InvalidFile, MissingDependency, Problem, UsageError
from bakeoff.core.installing import install_command

REQUIRED = ("model", "brief", "score")
OPTIONAL = ("replicate", "content_type", "cluster", "fallbacks")
_MOST_PROBLEMS = 10


class ScoreRow(NamedTuple):
    """One score; None where it is missing. `line` counts from 1 in a text file, and rows in Parquet.

    `fallbacks` is what was computed elsewhere than on the model's device, as `bakeoff export` writes it.
    """

    line: int
    model: str
    brief: str
    score: float | None
    replicate: str
    content_type: str
    cluster: str | None
    fallbacks: tuple[str, ...] = ()


def read_scores(path: Path, bounds: tuple[float, float], columns: Mapping[str, str]) -> list[ScoreRow]:
    """Read a table of scores.

    Args:
        path: `.csv` (or `.tsv`), `.jsonl` (or `.ndjson`), `.parquet`.
        bounds: the ends of the scale.
        columns: what our columns are called in this file, where it is otherwise.

    Raises:
        InvalidFile: with the first ten things that are wrong.
        MissingDependency: Parquet without pyarrow.
        UsageError: the file cannot be read, or is of another kind.
    """
    names = {column: columns.get(column, column) for column in (*REQUIRED, *OPTIONAL)}
    rows: list[ScoreRow] = []
    seen: dict[tuple[str, str, str], int] = {}
    kinds: dict[str, tuple[str, str | None, int]] = {}
    problems: list[Problem] = []
    try:
        for line, fields in _records(path, names):
            row, problem = _row(path.name, line, fields, bounds, names)
            if row is not None:
                problem = _conflict(path.name, row, seen, kinds)
                rows.append(row)
            if problem is not None:
                problems.append(problem)
                if len(problems) == _MOST_PROBLEMS:
                    break
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a CSV, JSONL or Parquet file") from None
    except UnicodeDecodeError as error:
        raise InvalidFile(
            (Problem(path.name, None, "", f"byte {error.start} is not UTF-8", "a text file in UTF-8"),)
        ) from None
    if problems:
        raise InvalidFile(tuple(problems), "mend the file; the first ten problems are shown")
    if not rows:
        raise InvalidFile((Problem(path.name, None, "", "there is no score in it", f"rows of {', '.join(REQUIRED)}"),))
    return rows


def _records(path: Path, names: Mapping[str, str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    kind = path.suffix.lower()
    if kind in {".csv", ".tsv"}:
        yield from _csv_records(path, names, "\t" if kind == ".tsv" else ",")
    elif kind in {".jsonl", ".ndjson"}:
        yield from _json_records(path, names)
    elif kind == ".parquet":
        yield from _parquet_records(path, names)
    else:
        raise UsageError(
            f"{path}: a table of scores is .csv, .tsv, .jsonl or .parquet", "rename it, or export it as one of these"
        )


def _csv_records(path: Path, names: Mapping[str, str], delimiter: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise InvalidFile(
                    (Problem(path.name, None, "", "the file is empty", f"a header {','.join(REQUIRED)}"),)
                )
            _check_columns(path.name, header, names)
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    wrong = f"{len(fields)} fields, and the header has {len(header)}"
                    raise InvalidFile(
                        (Problem(path.name, reader.line_num, "", wrong, "as many fields as columns; quote commas"),)
                    )
                yield reader.line_num, dict(zip(header, fields, strict=True))
        except csv.Error as error:
            raise InvalidFile((Problem(path.name, reader.line_num, "", str(error), "a well-formed CSV"),)) from None


def _json_records(path: Path, names: Mapping[str, str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError):
                raise InvalidFile((Problem(path.name, number, "", "is no JSON", "one JSON object a line"),)) from None
            if not isinstance(fields, dict):
                raise InvalidFile((Problem(path.name, number, "", "is no JSON object", "one JSON object a line"),))
            lacking = [names[column] for column in ("model", "brief") if names[column] not in fields]
            if lacking:
                raise InvalidFile((Problem(path.name, number, lacking[0], "is not there", "a name"),))
            yield number, fields


def _parquet_records(path: Path, names: Mapping[str, str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    try:
        from pyarrow import ArrowInvalid  # type: ignore[import-not-found,import-untyped,unused-ignore]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise MissingDependency(
            f"{path.name}: reading Parquet needs pyarrow", f"{install_command('parquet')}   (or export it as CSV)"
        ) from None
    try:
        with ParquetFile(path) as table:
            _check_columns(path.name, table.schema_arrow.names, names)
            wanted = [names[column] for column in (*REQUIRED, *OPTIONAL) if names[column] in table.schema_arrow.names]
            number = 0
            for batch in table.iter_batches(columns=wanted):
                for fields in batch.to_pylist():
                    number += 1
                    yield number, fields
    except ArrowInvalid as error:
        first = str(error).splitlines()[0]
        raise InvalidFile((Problem(path.name, None, "", first, "a Parquet file"),)) from None


def _check_columns(file: str, header: Iterable[str], names: Mapping[str, str]) -> None:
    there = list(header)
    twice = next((name for name in there if there.count(name) > 1), None)
    if twice is not None:
        raise InvalidFile((Problem(file, 1, twice, "is a column twice", "each column once"),))
    lacking = [column for column in REQUIRED if names[column] not in there]
    if lacking:
        wrong = f"there is no column {', '.join(names[column] for column in lacking)}; there are: {', '.join(there)}"
        how = ",".join(f"{column}=NAME" for column in lacking)
        raise InvalidFile((Problem(file, 1, "", wrong, f"columns model, brief, score, or --columns {how}"),))
    renamed = [names[column] for column in OPTIONAL if names[column] != column and names[column] not in there]
    if renamed:
        raise InvalidFile((Problem(file, 1, "", f"there is no column {renamed[0]}", f"one of: {', '.join(there)}"),))


def _row(
    file: str, line: int, fields: Mapping[str, object], bounds: tuple[float, float], names: Mapping[str, str]
) -> tuple[ScoreRow | None, Problem | None]:
    def text(column: str) -> str:
        value = fields.get(names[column])
        return "" if value is None else str(value).strip()

    for column in ("model", "brief"):
        if not text(column):
            return None, Problem(file, line, names[column], "is empty", "a name")
    score, wrong = _score(fields.get(names["score"]), bounds)
    if wrong:
        low, high = bounds
        expected = (
            f"a number from {low:g} to {high:g} (--bounds LO,HI for another scale), or nothing where it is missing"
        )
        return None, Problem(file, line, names["score"], wrong, expected)
    row = ScoreRow(
        line,
        text("model"),
        text("brief"),
        score,
        text("replicate"),
        text("content_type"),
        text("cluster") or None,
        _listed(fields.get(names["fallbacks"])),
    )
    return row, None


def _listed(value: object) -> tuple[str, ...]:
    """Return a list of texts: of Parquet or JSON as it is, of a CSV as JSON, or any text as the one thing in it."""
    if isinstance(value, str) and value.strip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    found = value if isinstance(value, list) else [value]
    return tuple(str(each).strip() for each in found if each is not None and str(each).strip())


def _score(value: object, bounds: tuple[float, float]) -> tuple[float | None, str]:
    """Return the score and nothing, or nothing and what is wrong with it."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None, ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None, f"{value!r} is no number"
    try:
        score = float(value)
    except (ValueError, OverflowError):
        comma = "; write decimals with a point" if isinstance(value, str) and "," in value else ""
        return None, f"{value!r} is no number{comma}"
    if not isfinite(score):
        return None, f"{value!r} is no finite number"
    if not bounds[0] <= score <= bounds[1]:
        return None, f"{value!r} is outside the scale"
    return score, ""


def _conflict(
    file: str,
    row: ScoreRow,
    seen: dict[tuple[str, str, str], int],
    kinds: dict[str, tuple[str, str | None, int]],
) -> Problem | None:
    """Return what contradicts an earlier row, after noting this one."""
    key = (row.model, row.brief, row.replicate)
    first = seen.setdefault(key, row.line)
    if first != row.line:
        wrong = f"{row.model} has a score for brief {row.brief} on line {first} already"
        return Problem(file, row.line, "", wrong, "one score a model, brief and replicate (number the replicates)")
    kind = kinds.setdefault(row.brief, (row.content_type, row.cluster, row.line))
    if kind[:2] != (row.content_type, row.cluster):
        wrong = f"brief {row.brief} is of another content_type or cluster than on line {kind[2]}"
        return Problem(file, row.line, "", wrong, "one content type and one cluster a brief")
    return None
