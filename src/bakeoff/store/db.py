"""What happened, append-only: runs, generations, scores, worker loads and events in one database.

A generation is committed within milliseconds and before it counts as finished, insert-or-ignore by (run, trial):
`kill -9` at any moment loses what was in flight or came in that very moment, and doing a trial again can never count it
twice. SQLite (WAL, synchronous=NORMAL) by default, PostgreSQL when the URL says so; the same tables, the same statements.
Records are stored as their JSON beside the few columns that queries need. Totals are never stored: they are counted from the rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import JSON, URL, Column, cast, delete, func, insert, select, type_coerce, update

from bakeoff.core.errors import RunHeld, StoreError
from bakeoff.core.records import Generation, RunEvent, Score, WorkerLoad
from bakeoff.store import claims
from bakeoff.store.database import Database
from bakeoff.store.tables import (
    CALIBRATION,
    ENERGY,
    EVENTS,
    GENERATIONS,
    JUDGEMENTS,
    JUDGES,
    LABELS,
    LOADS,
    PLANS,
    RUNS,
    SCORES,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Row, Select

_MOST_KEYS = 500
_IN_PLANS = "null"
"""What `runs.plan` holds where the plan is in `plans`."""
_HIGH, _LOW = r"\\ud[89ab][0-9a-f]{2}", r"\\ud[c-f][0-9a-f]{2}"
_NO_CHARACTER = rf"\\u0000|{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}"
"""Escapes that are JSON and that PostgreSQL refuses to read: zero bytes, and halves of characters (in names of files)."""


class RunRow(NamedTuple):
    """A run as stored. `state` is "running", "interrupted", "failed" or "done"; `plan` and `result` are JSON values."""

    run_id: str
    suite: str
    started: str
    state: str
    plan: Any
    result: Any
    elapsed_s: float


class RunSummary(NamedTuple):
    """A run in a list: how many texts it has; `outcome` and `choice` are its decision's, None where there is none."""

    run_id: str
    suite: str
    started: str
    state: str
    texts: int
    outcome: str | None
    choice: str | None


class Store(Database):
    """The only door to what is stored. Every method raises `StoreError` when the database refuses."""

    @classmethod
    def open_folder(cls, folder: Path) -> Store:
        """Open (or make) `bakeoff.db` in the workspace `folder`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the workspace folder {folder}: {error.strerror}",
                "set BAKEOFF_HOME to a folder that you may write",
            ) from None
        return cls(URL.create("sqlite", database=str(folder / "bakeoff.db")))

    # Runs

    def add_run(self, run_id: str, suite: str, started: str, plan: Any) -> None:
        """Store a new run in the state "running".

        Raises:
            StoreError: the id is taken.
        """
        row = {
            "run_id": run_id,
            "suite": suite,
            "started": started,
            "state": "running",
            "plan": _IN_PLANS,
            "elapsed_ms": 0,
        }
        with self._begin_with(PLANS) as connection:
            if not self._insert_new(connection, RUNS, row):
                raise StoreError(f"a run {run_id} is stored already", "start it again: it gets another id")
            self._insert_new(connection, PLANS, {"run_id": run_id, "plan": json.dumps(plan)})

    def replace_plan(self, run_id: str, plan: Any) -> None:
        """Store another plan with a run that is stored."""
        with self._begin_with(PLANS) as connection:
            values = {"plan": json.dumps(plan)}
            if not connection.execute(update(PLANS).where(PLANS.c.run_id == run_id).values(values)).rowcount:
                connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(values))

    def set_state(self, run_id: str, state: str, *, add_elapsed_s: float = 0.0, result: Any = None) -> None:
        """Set a run's state, add to its elapsed time, and store its result if there is one."""
        values: dict[str, Any] = {"state": state, "elapsed_ms": RUNS.c.elapsed_ms + round(add_elapsed_s * 1000)}
        if result is not None:
            values["result"] = json.dumps(result)
        with self._begin() as connection:
            connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(values))

    def runs(self) -> list[RunSummary]:
        """Return all runs, newest first; plans and results, which can be megabytes each, stay in the database."""
        texts = select(func.count()).where(GENERATIONS.c.run_id == RUNS.c.run_id).scalar_subquery()
        readable = func.regexp_replace(RUNS.c.result, _NO_CHARACTER, r"\\ufffd", "g")
        result = type_coerce(RUNS.c.result, JSON) if self._sqlite else cast(readable, JSON)
        decision = [result["decision", field].as_string() for field in ("outcome", "choice")]
        query = select(RUNS.c.run_id, RUNS.c.suite, RUNS.c.started, RUNS.c.state, texts, *decision)
        with self._begin() as connection:
            rows = connection.execute(query.order_by(RUNS.c.started.desc(), RUNS.c.run_id.desc())).all()
        return [RunSummary(*row) for row in rows]

    def run_ids(self, beginning: str = "") -> list[str]:
        """Return the ids that begin so, newest first."""
        query = select(RUNS.c.run_id).where(RUNS.c.run_id.startswith(beginning, autoescape=True))
        found = self._texts(query.order_by(RUNS.c.started.desc(), RUNS.c.run_id.desc()))
        return [run_id for run_id in found if run_id.startswith(beginning)]  # SQLite's LIKE takes A for a

    def run(self, run_id: str) -> RunRow | None:
        """Return one run; "latest" is the newest."""
        query = select(RUNS).order_by(RUNS.c.started.desc(), RUNS.c.run_id.desc()).limit(1)
        if run_id != "latest":
            query = query.where(RUNS.c.run_id == run_id)
        with self._begin() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            plan = row.plan
            if plan == _IN_PLANS:
                plan = connection.execute(select(PLANS.c.plan).where(PLANS.c.run_id == row.run_id)).scalar_one()
        result = None if row.result is None else json.loads(row.result)
        return RunRow(row.run_id, row.suite, row.started, row.state, json.loads(plan), result, row.elapsed_ms / 1000)

    def state(self, run_id: str) -> str | None:
        """Return the state of a run, None for one that is not stored."""
        with self._begin() as connection:
            found = connection.execute(select(RUNS.c.state).where(RUNS.c.run_id == run_id)).scalar()
        return None if found is None else str(found)

    def elapsed_s(self, run_id: str) -> float:
        """Return how many seconds a run has taken, 0 for one that is not stored."""
        with self._begin() as connection:
            found = connection.execute(select(RUNS.c.elapsed_ms).where(RUNS.c.run_id == run_id)).scalar()
        return (found or 0) / 1000

    @contextmanager
    def claim(self, run_id: str) -> Iterator[None]:
        """Work on a run alone, among all who share a store on a server; in a file, whose folder has a lock, nothing happens.

        Raises:
            RunHeld: somebody else works on it.
        """
        if self._sqlite:
            yield
            return
        with self._refusals():
            session, holder = claims.claim(self._engine, run_id)
        if session is None:
            raise RunHeld(f"{holder} is working on run {run_id}", "wait until it ends, or stop it there with Ctrl-C")
        try:
            yield
        finally:
            session.close()

    def claimed(self, run_ids: Collection[str]) -> set[str] | None:
        """Return those runs that somebody works on; None for a store in a file, which does not know."""
        if self._sqlite:
            return None
        with self._begin() as connection:
            return claims.held(connection, run_ids)

    # What happened in a run

    def add_generation(self, run_id: str, generation: Generation) -> bool:
        """Store a finished generation; False when that trial is stored already (and nothing was changed)."""
        return self.add_generations(run_id, [generation])[0]

    def add_generations(self, run_id: str, generations: Iterable[Generation]) -> list[bool]:
        """Store finished generations in one transaction, all or none; say of each whether it is new."""
        rows = [
            {
                "run_id": run_id,
                "trial": generation.trial,
                "candidate": generation.candidate,
                "brief": generation.brief,
                "failed": int(generation.failed),
                "record": generation.model_dump_json(),
            }
            for generation in generations
        ]
        if not rows:
            return []
        statement = self._insert_into(GENERATIONS)

        def all_new(connection: Connection) -> bool:
            inserted = connection.execute(statement, rows).rowcount
            if inserted < len(rows):
                connection.rollback()
            return inserted == len(rows)

        if self._put(all_new):
            return [True] * len(rows)
        # Rare: some are stored already, and the count does not tell which.
        return self._put(lambda connection: [connection.execute(statement, row).rowcount == 1 for row in rows])

    def generations(self, run_id: str) -> list[Generation]:
        """Return a run's generations, ordered by trial key."""
        query = select(GENERATIONS.c.record).where(GENERATIONS.c.run_id == run_id).order_by(GENERATIONS.c.trial)
        return [Generation.model_validate_json(text) for text in self._texts(query)]

    def generation_batches(self, run_id: str, size: int = 200) -> Iterator[list[Generation]]:
        """Yield a run's generations, ordered by trial key, at most `size` at a time; others may be stored meanwhile."""
        columns = select(GENERATIONS.c.trial, GENERATIONS.c.record).where(GENERATIONS.c.run_id == run_id)
        for rows in self._pages(columns, GENERATIONS.c.trial, size):
            yield [Generation.model_validate_json(row.record) for row in rows]

    def _pages(self, columns: Select[Any], trial: Column[str], size: int) -> Iterator[Sequence[Row[Any]]]:
        """Yield a query's rows by trial key, at most `size` at a time: no query is open meanwhile."""
        last = ""
        while True:
            with self._begin() as connection:
                rows = connection.execute(columns.where(trial > last).order_by(trial).limit(size)).all()
            if not rows:
                return
            last = rows[-1].trial
            yield rows

    def generations_of(self, run_id: str, trials: Sequence[str]) -> list[Generation]:
        """Return the generations of some trials of a run, as far as they are stored, ordered by trial key."""
        found: list[Generation] = []
        ordered = sorted(trials)
        for low in range(0, len(ordered), _MOST_KEYS):
            some = ordered[low : low + _MOST_KEYS]
            query = select(GENERATIONS.c.record).where(GENERATIONS.c.run_id == run_id, GENERATIONS.c.trial.in_(some))
            records = self._texts(query.order_by(GENERATIONS.c.trial))
            found += [Generation.model_validate_json(record) for record in records]
        return found

    def text_bytes(self, run_id: str) -> int:
        """Return about how many bytes a run's generations take as they are stored."""
        query = select(func.sum(func.length(GENERATIONS.c.record))).where(GENERATIONS.c.run_id == run_id)
        with self._begin() as connection:
            return int(connection.execute(query).scalar() or 0)

    def finished_trials(self, run_id: str) -> set[str]:
        """Return the keys of all stored trials of a run."""
        return set(self._texts(select(GENERATIONS.c.trial).where(GENERATIONS.c.run_id == run_id)))

    def add_scores(self, run_id: str, scorer: str, scores: Iterable[Score]) -> None:
        """Store scores by one version of the scorer; those stored already stay as they are."""
        self.add_score_records(run_id, scorer, {score.trial: score.model_dump_json() for score in scores})

    def add_score_records(self, run_id: str, scorer: str, records: Mapping[str, str]) -> None:
        """Store scores as `add_scores` does: trial -> the score as JSON."""
        rows = [
            {"run_id": run_id, "trial": trial, "scorer": scorer, "record": record} for trial, record in records.items()
        ]
        if rows:
            self._put(lambda connection: connection.execute(self._insert_into(SCORES), rows))

    def scores(self, run_id: str, scorer: str) -> list[Score]:
        """Return a run's scores by one version of the scorer, ordered by trial key."""
        return [score for batch in self.score_batches(run_id, scorer) for score in batch]

    def scores_of(self, run_id: str, scorer: str, trials: Sequence[str]) -> list[Score]:
        """Return the scores of some trials of a run by one version of the scorer, as far as they are stored, by trial key."""
        found: list[Score] = []
        ordered = sorted(trials)
        for low in range(0, len(ordered), _MOST_KEYS):
            some = ordered[low : low + _MOST_KEYS]
            ours = (SCORES.c.run_id == run_id, SCORES.c.scorer == scorer, SCORES.c.trial.in_(some))
            records = self._texts(select(SCORES.c.record).where(*ours).order_by(SCORES.c.trial))
            found += [Score.model_validate_json(record) for record in records]
        return found

    def score_batches(self, run_id: str, scorer: str, size: int = 500) -> Iterator[list[Score]]:
        """Yield a run's scores by one version of the scorer, ordered by trial key, at most `size` at a time."""
        columns = select(SCORES.c.trial, SCORES.c.record).where(SCORES.c.run_id == run_id, SCORES.c.scorer == scorer)
        for rows in self._pages(columns, SCORES.c.trial, size):
            yield [Score.model_validate_json(row.record) for row in rows]

    def add_load(self, run_id: str, load: WorkerLoad) -> None:
        """Store what one start of a worker took."""
        with self._begin() as connection:
            connection.execute(insert(LOADS).values(run_id=run_id, record=load.model_dump_json()))

    def loads(self, run_id: str) -> list[WorkerLoad]:
        """Return all worker starts of a run, oldest first."""
        query = select(LOADS.c.record).where(LOADS.c.run_id == run_id).order_by(LOADS.c.id)
        return [WorkerLoad.model_validate_json(text) for text in self._texts(query)]

    def add_event(self, run_id: str, happened: RunEvent) -> None:
        """Store something worth telling."""
        with self._begin() as connection:
            connection.execute(insert(EVENTS).values(run_id=run_id, record=happened.model_dump_json()))

    def events(self, run_id: str) -> list[RunEvent]:
        """Return a run's events, oldest first."""
        query = select(EVENTS.c.record).where(EVENTS.c.run_id == run_id).order_by(EVENTS.c.id)
        return [RunEvent.model_validate_json(text) for text in self._texts(query)]

    # What people and judges said

    def add_label(self, run_id: str, number: int, record: str) -> None:
        """Store a person's answer, as JSON, to the pair of this number; one that is there already stays."""
        with self._begin_with(LABELS) as connection:
            self._insert_new(connection, LABELS, {"run_id": run_id, "number": number, "record": record})

    def drop_label(self, run_id: str, number: int) -> None:
        """Forget a person's answer."""
        with self._begin_with(LABELS) as connection:
            connection.execute(delete(LABELS).where(LABELS.c.run_id == run_id, LABELS.c.number == number))

    def labels(self, run_id: str) -> list[str]:
        """Return a run's labels, as JSON, in the order in which they were asked."""
        query = select(LABELS.c.record).where(LABELS.c.run_id == run_id).order_by(LABELS.c.number)
        with self._begin_with(LABELS) as connection:
            return list(connection.execute(query).scalars())

    def add_judgements(self, records: Mapping[str, str]) -> None:
        """Store what judges said: key -> JSON; what is there is replaced. A key is of all that it depends on, whatever the run."""
        with self._begin_with(JUDGEMENTS) as connection:
            for key, record in records.items():
                connection.execute(delete(JUDGEMENTS).where(JUDGEMENTS.c.key == key))
                self._insert_new(connection, JUDGEMENTS, {"key": key, "record": record})

    def add_judge(self, run_id: str, judge: str, record: str) -> None:
        """Remember that a judge was asked about a run, as JSON; what was remembered of it before is replaced."""
        with self._begin_with(JUDGES) as connection:
            connection.execute(delete(JUDGES).where(JUDGES.c.run_id == run_id, JUDGES.c.judge == judge))
            self._insert_new(connection, JUDGES, {"run_id": run_id, "judge": judge, "record": record})

    def judges(self, run_id: str) -> list[str]:
        """Return the judges that were asked about a run, as JSON, by name."""
        query = select(JUDGES.c.record).where(JUDGES.c.run_id == run_id).order_by(JUDGES.c.judge)
        with self._begin_with(JUDGES) as connection:
            return list(connection.execute(query).scalars())

    def judgements(self, keys: Sequence[str]) -> dict[str, str]:
        """Return those judgements that are there, by key."""
        found: dict[str, str] = {}
        with self._begin_with(JUDGEMENTS) as connection:
            for low in range(0, len(keys), _MOST_KEYS):
                some = keys[low : low + _MOST_KEYS]
                rows = connection.execute(
                    select(JUDGEMENTS.c.key, JUDGEMENTS.c.record).where(JUDGEMENTS.c.key.in_(some))
                )
                found.update((row.key, row.record) for row in rows)
        return found

    def add_energy(self, run_id: str, record: str) -> None:
        """Store what a stretch of a candidate's work drew, as JSON."""
        with self._begin_with(ENERGY) as connection:
            connection.execute(insert(ENERGY).values(run_id=run_id, record=record))

    def energy(self, run_id: str) -> list[str]:
        """Return what a run drew, stretch by stretch, as JSON, in order."""
        query = select(ENERGY.c.record).where(ENERGY.c.run_id == run_id).order_by(ENERGY.c.id)
        with self._begin_with(ENERGY) as connection:
            return list(connection.execute(query).scalars())

    def add_observation(self, key: str, record: str) -> None:
        """Remember what a load took beside what was predicted, as JSON; one of the same key is replaced."""
        with self._begin_with(CALIBRATION) as connection:
            connection.execute(delete(CALIBRATION).where(CALIBRATION.c.key == key))
            self._insert_new(connection, CALIBRATION, {"key": key, "record": record})

    def observations(self) -> list[str]:
        """Return all loads that were held against a prediction, as JSON."""
        with self._begin_with(CALIBRATION) as connection:
            return list(connection.execute(select(CALIBRATION.c.record).order_by(CALIBRATION.c.key)).scalars())
