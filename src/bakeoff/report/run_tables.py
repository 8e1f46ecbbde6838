"""A stored run as rows: everything that there is of it, a table at a time, texts a batch in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bakeoff.core.records import Generation, Score
from bakeoff.core.spec import Candidate
from bakeoff.measure.energy import read_windows
from bakeoff.measure.memory import moved_work
from bakeoff.report.run_columns import COLUMNS, FALLBACKS, Column
from bakeoff.report.tails import told
from bakeoff.store.db import RunRow, Store

Value = str | int | float | bool | list[Any] | None
Row = Mapping[str, Value]


class Judgements(NamedTuple):
    """What one judge said: `judge`, and a record for each question (see the table `judgements`)."""

    judge: str
    records: Iterable[Mapping[str, Any]]


class RunTables:
    """The tables of one run, named as in `run_columns.COLUMNS`."""

    def __init__(self, store: Store, row: RunRow, scored_by: str, judgements: Iterable[Judgements] = ()) -> None:
        """Take a run, as stored.

        Args:
            store: where the rest of it is.
            row: a run without a result has no candidates' numbers, comparisons and routes yet.
            scored_by: which scores, by version of the rules.
            judgements: what judges said of it.
        """
        self._store = store
        self._row = row
        self._scored_by = scored_by
        self._judgements = judgements
        self._document: Mapping[str, Any] = row.result or {}
        self._moved = moved_work(store.loads(row.run_id))
        self._briefs: dict[str, Mapping[str, Any]] = {brief["id"]: brief for brief in row.plan["suite"]["briefs"]}

    def rows(self, table: str) -> Iterator[Row]:
        """Yield the rows of a table, each with all of its columns.

        Raises:
            KeyError: there is no such table.
            StoreError: the store refuses.
        """
        columns = COLUMNS[table]
        makers: dict[str, Callable[[], Iterable[Mapping[str, Any]]]] = {
            "run": self._run,
            "briefs": self._brief_rows,
            "candidates": self._candidates,
            "candidate_types": self._candidate_types,
            "generations": self._generations,
            "scores": self._scores,
            "dimensions": self._dimensions,
            "gates": self._gates,
            "comparisons": self._comparisons,
            "routes": self._routes,
            "loads": self._loads,
            "events": lambda: (event.model_dump(mode="json") for event in self._store.events(self._row.run_id)),
            "energy": self._energy,
            "labels": lambda: map(_read, self._store.labels(self._row.run_id)),
            "judgements": self._judged,
            "columns": _columns,
        }
        for record in makers[table]():
            yield {column.name: _value(record, column) for column in columns}

    def _run(self) -> Iterator[Mapping[str, Any]]:
        plan, row = self._row.plan, self._row
        machine = {**plan["machine"], "budget": plan["budget"]}
        yield {
            "machine": machine,
            "seed": plan["seed"],
            "mode": plan["mode"],
            "eps": plan["suite"]["eps"],
            "concurrency": plan["concurrency"],
            "bakeoff_version": plan["version"],
            **self._document,
            "run_id": row.run_id,
            "suite": {**self._document.get("suite", {}), "name": row.suite},
            "state": row.state,
            "started": row.started,
            "elapsed_s": row.elapsed_s,
            "scored_by": self._scored_by,
        }

    def _brief_rows(self) -> Iterator[Mapping[str, Any]]:
        held_back = set(self._row.plan["held_back"])
        for name in (*self._row.plan["brief_ids"], *self._row.plan["held_back"]):
            brief = self._briefs[name]
            yield {**brief, "brief": name, "family": brief["cluster"] or name, "held_back": name in held_back}

    def _candidates(self) -> Iterator[Mapping[str, Any]]:
        found = {candidate["id"]: candidate for candidate in self._document.get("candidates", ())}
        for planned in self._row.plan["candidates"]:
            candidate = Candidate.model_validate(planned)
            yield {
                "engine": candidate.engine,
                "model": candidate.model.name,
                "parameters": candidate.model.parameters,
                "licence": candidate.model.licence,
                "digest": candidate.digest,
                **_without_false_tails(found.get(candidate.id, {})),
                "id": candidate.id,
                **self._beside(candidate.id),
                "quantisation": candidate.quantisation or candidate.model.quantisation,
                "sampling": planned["sampling"],
            }

    def _candidate_types(self) -> Iterator[Mapping[str, Any]]:
        for candidate in self._document.get("candidates", ()):
            for content_type, quality in candidate["by_content_type"].items():
                told = {"candidate": candidate["id"], "content_type": content_type, "quality": quality}
                yield told | self._beside(candidate["id"])

    def _trials(self) -> Iterator[tuple[Generation, dict[str, Any]]]:
        for batch in self._store.generation_batches(self._row.run_id):
            for made in batch:
                content_type = self._briefs[made.brief]["content_type"]
                yield (
                    made,
                    {
                        "trial": made.trial,
                        "candidate": made.candidate,
                        "brief": made.brief,
                        "content_type": content_type,
                        "replicate": made.replicate,
                        **self._beside(made.candidate),
                    },
                )

    def _generations(self) -> Iterator[Mapping[str, Any]]:
        for made, trial in self._trials():
            yield {**made.model_dump(mode="json"), **trial}

    def _scored(self) -> Iterator[tuple[Score, dict[str, Any]]]:
        scores = {score.trial: score for score in self._store.scores(self._row.run_id, self._scored_by)}
        for made, trial in self._trials():
            if made.trial in scores:
                yield scores[made.trial], trial

    def _scores(self) -> Iterator[Mapping[str, Any]]:
        for score, trial in self._scored():
            gates = list(dict.fromkeys(hit.gate for hit in score.gates))
            yield {**score.model_dump(mode="json"), **trial, "gates": gates}

    def _dimensions(self) -> Iterator[Mapping[str, Any]]:
        for score, trial in self._scored():
            for name, value in score.dimensions.items():
                yield {**trial, "dimension": name, "value_points": value}

    def _gates(self) -> Iterator[Mapping[str, Any]]:
        for score, trial in self._scored():
            for hit in score.gates:
                yield {**trial, **hit.model_dump(mode="json")}

    def _comparisons(self) -> Iterator[Mapping[str, Any]]:
        by_type = {None: self._document.get("comparisons", ()), **self._document.get("comparisons_by_content_type", {})}
        for content_type, pairs in by_type.items():
            for pair in pairs:
                beside = {f"{end}_fallbacks": list(self._moved.get(pair[end], ())) for end in ("a", "b")}
                yield {**pair, "content_type": content_type, **beside}

    def _routes(self) -> Iterator[Mapping[str, Any]]:
        for content_type, route in self._document.get("routes", {}).items():
            moved = list(self._moved.get(route["candidate"], ()))
            yield {**route, "content_type": content_type, "candidate_fallbacks": moved}

    def _beside(self, candidate: str) -> dict[str, Any]:
        """Return what stands beside every figure of a candidate."""
        return {FALLBACKS.name: list(self._moved.get(candidate, ()))}

    def _energy(self) -> Iterator[Mapping[str, Any]]:
        run_id = self._row.run_id
        for window in read_windows(self._store.energy(run_id), self._store.loads(run_id)):
            yield {**window.model_dump(mode="json"), **self._beside(window.candidate)}

    def _loads(self) -> Iterator[Mapping[str, Any]]:
        last = {load.start or number: load for number, load in enumerate(self._store.loads(self._row.run_id))}
        for load in last.values():
            yield load.model_dump(mode="json")

    def _judged(self) -> Iterator[Mapping[str, Any]]:
        for one in self._judgements:
            for record in one.records:
                yield {**record, "judge": one.judge}


def _without_false_tails(candidate: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: told(candidate[name]) for name in ("latency_s", "ttft_s", "itl_s", "tpot_s") if candidate.get(name)}
    return {**candidate, **times}


def _read(record: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(record)
    return found


def _columns() -> Iterator[Mapping[str, Any]]:
    for table, columns in COLUMNS.items():
        for column in columns:
            yield {"table": table, "column": column.name, "kind": column.kind, "meaning": column.meaning}


def _value(record: Mapping[str, Any], column: Column) -> Value:
    """Return what is at the column's path, None where nothing is."""
    found: Any = record
    for name in (column.path or column.name).split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    value: Value = found
    return value
