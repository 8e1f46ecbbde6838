"""Tables as files: CSV that a spreadsheet opens safely and a program reads back exactly, or Parquet.

CSV: UTF-8, a header, every text in quotes (with its line breaks), numbers and `true`/`false` bare, lists as JSON, and nothing at
all where nothing is known, so that an unknown text and an empty one (`""`) stay apart. A text that a spreadsheet could take
for a formula, since it begins with = + - @ (in any width), also behind blanks and characters that nobody sees, or with a tab
or a line break, gets an apostrophe in front, and so does one that begins with an apostrophe: who reads the file takes one
apostrophe from the front of a text, and has it as it was.

A folder is written beside its place and moved there when it is complete; what is there is never replaced unasked.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bakeoff.core.errors import MissingDependency, StoreError, UsageError
from bakeoff.core.installing import install_command
from bakeoff.core.plain import whole_characters
from bakeoff.report.run_columns import COLUMNS, Column
from bakeoff.report.run_tables import Row, RunTables, Value

Format = Literal["csv", "parquet"]
_FORMULA = frozenset("=+-@＝＋－＠")
_MARKED = ("\t", "\r", "\n", "'")
_UNSEEN = frozenset({"Cc", "Cf"})
"""Categories of characters that nobody sees, the byte order mark among them: some programs skip them."""
_BATCH = 1_000


class Written(NamedTuple):
    """A table that was written."""

    table: str
    file: str
    rows: int


def export_tables(
    tables: RunTables, folder: Path, kind: Format, *, guard: bool = True, replace: bool = False
) -> list[Written]:
    """Write every table of a run into `folder`, a file each, all or none.

    Args:
        tables: of the run.
        folder: made here; one that holds anything is refused unless `replace`, which replaces the files of the same names.
        kind: of the files.
        guard: whether texts in CSV that look like formulas are marked.
        replace: see `folder`.

    Raises:
        UsageError: the folder is there and not empty, or is no folder.
        MissingDependency: Parquet without pyarrow.
        StoreError: the disk or the store refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "name a folder: -o FOLDER")
    if not replace and folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is there already, and not empty", "name another folder (-o FOLDER), or say --replace"
        )
    write = _parquet_writer() if kind == "parquet" else _csv_writer(guard=guard)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=".export-"))
        try:
            written = [
                Written(name, f"{name}.{kind}", write(scratch / f"{name}.{kind}", columns, tables.rows(name)))
                for name, columns in COLUMNS.items()
            ]
            _put(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}", "free the disk, or name a folder that you may write: -o"
        ) from None
    return written


def _put(scratch: Path, folder: Path) -> None:
    """Move what was written to its place."""
    scratch.chmod(0o777 & ~_umask())
    if not folder.exists() or not any(folder.iterdir()):
        os.replace(scratch, folder)  # noqa: PTH105 - replaces an empty folder, which Path.rename does on some systems only
        return
    for file in scratch.iterdir():
        file.replace(folder / file.name)


def _umask() -> int:
    """Return what new folders of this process may not be; a temporary one is for its owner alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_Writer = Callable[[Path, tuple[Column, ...], Iterable[Row]], int]


def _csv_writer(*, guard: bool) -> _Writer:
    def write(path: Path, columns: tuple[Column, ...], rows: Iterable[Row]) -> int:
        count = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(column.name for column in columns) + "\n")
            for row in rows:
                file.write(",".join(_cell(row[column.name], guard=guard) for column in columns) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        return count

    return write


def _cell(value: Value, *, guard: bool) -> str:
    r"""Return a value as CSV.

    >>> _cell(" \ufeff=1+1", guard=True), _cell("a=1", guard=True)
    ('"\' \ufeff=1+1"', '"a=1"')
    >>> _cell("=1+1", guard=True), _cell(None, guard=True), _cell("", guard=True), _cell(-0.5, guard=True), _cell(True, guard=True)
    ('"\'=1+1"', '', '""', '-0.5', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = whole_characters(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if guard and _may_be_formula(text):
        text = f"'{text}"
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def _may_be_formula(text: str) -> bool:
    """Tell whether a spreadsheet could take a text for a formula, or for one that is marked already."""
    if text.startswith(_MARKED):
        return True
    first = next((it for it in text if not (it.isspace() or unicodedata.category(it) in _UNSEEN)), "")
    return first in _FORMULA


def _parquet_writer() -> _Writer:
    try:
        import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]
        from pyarrow.parquet import ParquetWriter  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise MissingDependency(
            "writing Parquet needs pyarrow", f"{install_command('parquet')}   (or --to csv)"
        ) from None
    kinds: dict[str, Any] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "numbers": pa.list_(pa.float64()),
        "texts": pa.list_(pa.string()),
    }

    def write(path: Path, columns: tuple[Column, ...], rows: Iterable[Row]) -> int:
        schema = pa.schema(
            [pa.field(column.name, kinds[column.kind], metadata={"meaning": column.meaning}) for column in columns]
        )
        count = 0
        with ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in _batches(rows):
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                count += len(batch)
        return count

    return write


def _batches(rows: Iterable[Row]) -> Iterator[list[dict[str, Value]]]:
    """Yield rows, so many at a time."""
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH)):
        yield [{name: _whole(value) for name, value in row.items()} for row in batch]


def _whole(value: Value) -> Value:
    return whole_characters(value) if isinstance(value, str) else value
