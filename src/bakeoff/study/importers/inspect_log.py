"""Logs of Inspect AI: `.json`, and `.eval`, a ZIP archive whose members it packs with Zstandard.

Format: `EvalLog` of inspect_ai 0.3 (log version 2). Of an `.eval` the header and the summaries of samples are read, which hold
the scores; of one that was cut short the journal, which holds as much. A scorer that gives several values at once makes a metric
of each, `SCORER/NAME`. Epochs are replicates of a sample.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import unpack
from typing import Any, BinaryIO

from bakeoff.core.errors import InvalidFile, MissingDependency, Problem
from bakeoff.core.installing import install_command
from bakeoff.study.importers.results import Answer, Results, digest_of

_ZSTANDARD = 93
_MOST_BYTES = 2_000_000_000
_LOCAL_HEADER = 30


def is_inspect(document: Any) -> bool:
    """Whether a JSON document is a log of Inspect."""
    return isinstance(document, dict) and isinstance(document.get("eval"), dict) and "model" in document["eval"]


def read_log(path: Path, document: Mapping[str, Any]) -> Results:
    """Return what a `.json` log holds."""
    return _results(path.name, document, document.get("samples") or ())


def read_eval(path: Path) -> Results:
    """Return what an `.eval` log holds.

    Raises:
        InvalidFile: it is no such archive.
        MissingDependency: it is packed with Zstandard, and nothing here unpacks it.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            members = {member.filename: member for member in archive.infolist()}

            def read(name: str) -> Any:
                return json.loads(_unpack(archive, file, members[name], path.name))

            header = read("header.json" if "header.json" in members else "_journal/start.json")
            if "summaries.json" in members:
                samples = read("summaries.json")
            else:
                parts = [name for name in members if name.startswith("_journal/summaries/")]
                samples = [sample for name in parts for sample in read(name)]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InvalidFile((Problem(path.name, None, "", f"is no log of Inspect: {error}", "an .eval file"),)) from None
    return _results(path.name, header, samples)


def _unpack(archive: zipfile.ZipFile, file: BinaryIO, member: zipfile.ZipInfo, name: str) -> bytes:
    """Return a member's content; zipfile knows Zstandard from Python 3.14 on."""
    if member.file_size > _MOST_BYTES:
        raise InvalidFile((Problem(name, None, member.filename, f"has {member.file_size:,} bytes", "2 GB at most"),))
    try:
        return archive.read(member)
    except NotImplementedError:
        if member.compress_type != _ZSTANDARD:
            raise InvalidFile(
                (Problem(name, None, member.filename, "is packed in an unknown way", "Zstandard or deflate"),)
            ) from None
    try:
        import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise MissingDependency(
            f"{name}: it is packed with Zstandard, which takes pyarrow to read",
            f"{install_command('parquet')}   (or: inspect log convert LOG --to json)",
        ) from None
    file.seek(member.header_offset)
    local = file.read(_LOCAL_HEADER)
    name_length, extra_length = unpack("<HH", local[26:30])
    file.seek(member.header_offset + _LOCAL_HEADER + name_length + extra_length)
    packed = file.read(member.compress_size)
    try:
        unpacked: bytes = pa.decompress(packed, decompressed_size=member.file_size, codec="zstd", asbytes=True)
    except OSError as error:  # pyarrow's own kind
        raise zipfile.BadZipFile(str(error)) from None
    return unpacked


def _results(file: str, log: Mapping[str, Any], samples: Any) -> Results:
    about = log["eval"]
    task, model = str(about.get("task") or "task").rpartition("/")[2], about["model"]
    if not isinstance(model, str):
        raise _wrong(file, "eval.model", model, "a name")
    if not isinstance(samples, list | tuple):
        raise _wrong(file, "samples", samples, "a list of samples")
    for number, sample in enumerate(samples):
        _check_sample(file, number, sample)
    answers = [_answer(sample, model, task) for sample in samples]
    metrics = tuple(dict.fromkeys(name for answer in answers for name in answer.scores))
    status = log.get("status", "started")
    notes = () if status == "success" else (f"the log's status is {status!r}: it may lack samples",)
    return Results(file, "Inspect", answers, metrics, notes)


def _check_sample(file: str, number: int, sample: Any) -> None:
    """Raise InvalidFile where a sample is not of the shape that is read."""
    where = f"samples[{number}]"
    if not isinstance(sample, dict):
        raise _wrong(file, where, sample, "an object")
    epoch = sample.get("epoch")
    if epoch is not None and (isinstance(epoch, bool) or not isinstance(epoch, int)):
        raise _wrong(file, f"{where}.epoch", epoch, "a whole number")
    if sample.get("scores") is not None and not isinstance(sample["scores"], dict):
        raise _wrong(file, f"{where}.scores", sample["scores"], "scores by scorer")


def _wrong(file: str, field: str, value: Any, expected: str) -> InvalidFile:
    return InvalidFile((Problem(file, None, field, f"is {json.dumps(value)[:60]}", expected),))


def _answer(sample: Mapping[str, Any], model: str, task: str) -> Answer:
    name, epoch = str(sample.get("id")), int(sample.get("epoch") or 1)
    error = sample.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    asked = sample.get("input")
    return Answer(
        model=model,
        brief=f"{task}/{name}",
        task=task,
        replicate=epoch,
        asked=digest_of(asked) if isinstance(asked, str) else None,
        scores=dict(_scores(sample.get("scores") or {})),
        error=None if said is None else str(said),
        place=f"sample {name}, epoch {epoch}",
    )


def _scores(scores: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for scorer, score in scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict):
            yield from ((f"{scorer}/{name}", part) for name, part in value.items())
        else:
            yield scorer, value
