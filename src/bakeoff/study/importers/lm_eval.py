"""Samples of lm-evaluation-harness: `samples_TASK_DATE.jsonl`, one line an item and filter (`--log_samples`).

Format: lm-eval 0.4. Metrics are called `METRIC,FILTER`, as in its results. The model's name is in the file of results
beside it (`results_DATE.json`), else in the folder's name; so is whether more is better. A metric that is made of the whole
set of answers (BLEU, perplexity) has no score of one answer, and is refused where it is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.study.importers.results import Answer, Results, digest_of

_FILE = re.compile(r"samples_(?P<task>.+?)_(?P<date>\d{4}-\d{2}-\d{2}T.+)\.jsonl")


def is_lm_eval(record: Any) -> bool:
    """Whether a line is a sample of lm-eval."""
    return isinstance(record, dict) and {"doc_id", "resps"} <= record.keys()


def is_lm_eval_totals(document: Any) -> bool:
    """Whether a JSON document is lm-eval's file of totals, which holds no samples."""
    return isinstance(document, dict) and "n-samples" in document


def read_samples(path: Path) -> Results:
    """Return what a file of samples holds.

    Raises:
        InvalidFile: a line is no sample.
        UsageError: the file cannot be read.
    """
    named = _FILE.fullmatch(path.name)
    totals = _totals(path, named["date"] if named else None)
    task = named["task"] if named else "task"
    model, notes = _model(path, totals)
    answers = [_answer(record, number, model, task) for number, record in _lines(path)]
    better = (totals.get("higher_is_better") or {}).get(task) or {}
    metrics = tuple(dict.fromkeys(name for answer in answers for name in answer.scores))
    lower = frozenset(name for name in metrics if better.get(name.partition(",")[0]) is False)
    return Results(path.name, "lm-eval", _merged(answers), metrics, notes, lower)


def _totals(path: Path, date: str | None) -> Mapping[str, Any]:
    beside = path.with_name(f"results_{date}.json")
    try:
        found = json.loads(beside.read_text(encoding="utf-8")) if date else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _model(path: Path, totals: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    named = totals.get("model_name")
    if isinstance(named, str) and named:
        return named, ()
    name = path.absolute().parent.name
    return name, (f"the model is called {name} after its folder: there is no file of results beside it",)


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError):
                record = None
            if not is_lm_eval(record):
                raise InvalidFile(
                    (Problem(path.name, number, "", "is no sample of lm-eval", "a JSON object with doc_id and resps"),)
                )
            yield number, record


def _answer(record: Mapping[str, Any], number: int, model: str, task: str) -> Answer:
    chosen = record.get("filter") or "none"
    names = [name for name in record.get("metrics") or () if isinstance(name, str)]
    return Answer(
        model=model,
        brief=f"{task}/{record['doc_id']}",
        task=task,
        replicate=1,
        asked=record.get("doc_hash") or digest_of(record.get("doc")),
        scores={f"{name},{chosen}": record.get(name) for name in names},
        error=None,
        place=f"line {number}",
    )


def _merged(answers: Sequence[Answer]) -> list[Answer]:
    """Return one answer an item: its lines differ in the filter, and so in the names of their metrics."""
    found: dict[str, Answer] = {}
    for answer in answers:
        known = found.get(answer.brief)
        found[answer.brief] = answer if known is None else known._replace(scores={**known.scores, **answer.scores})
    return list(found.values())
