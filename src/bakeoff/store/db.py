"""What happened, append-only: runs, generations, scores, worker loads and events in one database.

A generation is committed within milliseconds and before it counts as finished, insert-or-ignore by (run, trial):
`kill -9` at any moment loses what was in flight or came in that very moment, and doing a trial again can never count it
twice. SQLite (WAL, synchronous=NORMAL) by default, PostgreSQL
when the URL says so; the same tables, the same statements. Records are stored as their JSON beside the few columns
that queries need. Totals are never stored: they are counted from the rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    JSON,
    URL,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    cast,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bakeoff.core.errors import RunHeld, StoreError
from bakeoff.core.records import Generation, RunEvent, Score, WorkerLoad
from bakeoff.store import claims

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine, Row, Select
    from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

SCHEMA_VERSION = 1
_MOST_KEYS = 500
_IN_PLANS = "null"
"""What `runs.plan` holds where the plan is in `plans`."""
_BUSY_S = 15.0
_LOOK_AGAIN_S = 0.01
_LOCK = 0x62616B65
"""Names the lock under which tables are made in PostgreSQL; any number that nobody else uses."""
_HIGH, _LOW = r"\\ud[89ab][0-9a-f]{2}", r"\\ud[c-f][0-9a-f]{2}"
_NO_CHARACTER = rf"\\u0000|{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}"
"""Escapes that are JSON and that PostgreSQL refuses to read: zero bytes, and halves of characters (in names of files)."""

_metadata = MetaData()
_info = Table("info", _metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False))
_runs = Table(
    "runs",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("suite", String(200), nullable=False),
    Column("started", String(40), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("plan", Text, nullable=False),  # of runs that began before there was a table of plans
    Column("result", Text),
    Column("elapsed_ms", Integer, nullable=False, default=0),
)
_plans = Table(
    "plans",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("plan", Text, nullable=False),
)
"""Megabytes each, and never changed: in the row of the run, which changes all the time, they would be written each time."""
_generations = Table(
    "generations",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("trial", String(64), primary_key=True),
    Column("candidate", Text, nullable=False),  # a path has no length that one could count on
    Column("brief", String(200), nullable=False),
    Column("failed", Integer, nullable=False),
    Column("record", Text, nullable=False),
)
_scores = Table(
    "scores",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("trial", String(64), primary_key=True),
    Column("scorer", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)
_loads = Table(
    "loads",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False, index=True),
    Column("record", Text, nullable=False),
)
_events = Table(
    "events",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False, index=True),
    Column("record", Text, nullable=False),
)
_labels = Table(
    "labels",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("record", Text, nullable=False),
)
_judgements = Table(
    "judgements",
    _metadata,
    Column("key", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)
_judges = Table(
    "judges",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("judge", String(500), primary_key=True),
    Column("record", Text, nullable=False),
)
_energy = Table(
    "energy",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False, index=True),
    Column("record", Text, nullable=False),
)
_calibration = Table(
    "calibration",
    _metadata,
    Column("key", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)


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


class Store:
    """The only door to the database. Every method raises `StoreError` when the database refuses."""

    def __init__(self, url: str | URL) -> None:
        """Open the database at an SQLAlchemy `url`, and make the tables if it has none yet.

        Raises:
            StoreError: no such database, no driver for it, no rights, or a store of another version.
        """
        self._engine = _make_engine(url)
        self._sqlite = self._engine.dialect.name == "sqlite"
        self._inserts: dict[str, Any] = {}
        if self._sqlite:
            event.listen(self._engine, "connect", _set_pragmas)
        found = self._schema_version()
        if found != str(SCHEMA_VERSION):
            self.close()
            raise StoreError(
                f"the store has schema version {found}, and this bakeoff reads version {SCHEMA_VERSION}",
                "use the bakeoff version that wrote it, or another workspace (BAKEOFF_HOME)",
            )

    def _schema_version(self) -> str:
        """Return the stored version; writes only where there is none, so that a store may be read without rights."""
        query = select(_info.c.value).where(_info.c.key == "schema_version")
        with self._begin() as connection:
            if inspect(connection).has_table(_info.name):
                found = connection.execute(query).scalar()
                if found is not None:
                    return str(found)
        with self._begin() as connection:
            # Several processes may open a new store at once: one makes the tables, the others wait for it.
            connection.execute(text("BEGIN IMMEDIATE" if self._sqlite else f"SELECT pg_advisory_xact_lock({_LOCK})"))
            _metadata.create_all(connection)
            self._insert_new(connection, _info, {"key": "schema_version", "value": str(SCHEMA_VERSION)})
            return str(connection.execute(query).scalar_one())

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

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self._refusals(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            file = "check that the disk is not full and that the file is a bakeoff store which you may write"
            server = "check that the server runs, and the address, user and rights in BAKEOFF_STORE"
            raise StoreError(
                f"the store at {self._engine.url.render_as_string(hide_password=True)} refused: {error.orig}",
                file if self._sqlite else server,
            ) from error
        except SQLAlchemyError as error:
            raise StoreError(f"the store failed: {error}", "") from error

    def _insert_new(self, connection: Connection, table: Table, row: dict[str, Any]) -> bool:
        """Insert `row` unless its key is there already; say whether it was inserted."""
        return connection.execute(self._insert_into(table), row).rowcount == 1

    def _insert_into(self, table: Table) -> Any:
        """Return the statement that inserts what is not there already."""
        statement = self._inserts.get(table.name)
        if statement is None:
            statement = self._inserts[table.name] = self._write_insert(table)
        return statement

    def _write_insert(self, table: Table) -> Any:
        if self._sqlite:
            statement: Any = insert(table).prefix_with("OR IGNORE")
        else:
            from sqlalchemy.dialects.postgresql import insert as pg_insert

            statement = pg_insert(table).on_conflict_do_nothing()
        # Without this option SQLAlchemy forgets PostgreSQL's count of an INSERT: every row would pass for an old one.
        return statement.execution_options(preserve_rowcount=True)

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
        with self._begin_with(_plans) as connection:
            if not self._insert_new(connection, _runs, row):
                raise StoreError(f"a run {run_id} is stored already", "start it again: it gets another id")
            self._insert_new(connection, _plans, {"run_id": run_id, "plan": json.dumps(plan)})

    def set_state(self, run_id: str, state: str, *, add_elapsed_s: float = 0.0, result: Any = None) -> None:
        """Set a run's state, add to its elapsed time, and store its result if there is one."""
        values: dict[str, Any] = {"state": state, "elapsed_ms": _runs.c.elapsed_ms + round(add_elapsed_s * 1000)}
        if result is not None:
            values["result"] = json.dumps(result)
        with self._begin() as connection:
            connection.execute(update(_runs).where(_runs.c.run_id == run_id).values(values))

    def runs(self) -> list[RunSummary]:
        """Return all runs, newest first; plans and results, which can be megabytes each, stay in the database."""
        texts = select(func.count()).where(_generations.c.run_id == _runs.c.run_id).scalar_subquery()
        readable = func.regexp_replace(_runs.c.result, _NO_CHARACTER, r"\\ufffd", "g")
        result = type_coerce(_runs.c.result, JSON) if self._sqlite else cast(readable, JSON)
        decision = [result["decision", field].as_string() for field in ("outcome", "choice")]
        query = select(_runs.c.run_id, _runs.c.suite, _runs.c.started, _runs.c.state, texts, *decision)
        with self._begin() as connection:
            rows = connection.execute(query.order_by(_runs.c.started.desc(), _runs.c.run_id.desc())).all()
        return [RunSummary(*row) for row in rows]

    def run_ids(self, beginning: str = "") -> list[str]:
        """Return the ids that begin so, newest first."""
        query = select(_runs.c.run_id).where(_runs.c.run_id.startswith(beginning, autoescape=True))
        found = self._texts(query.order_by(_runs.c.started.desc(), _runs.c.run_id.desc()))
        return [run_id for run_id in found if run_id.startswith(beginning)]  # SQLite's LIKE takes A for a

    def run(self, run_id: str) -> RunRow | None:
        """Return one run; "latest" is the newest."""
        query = select(_runs).order_by(_runs.c.started.desc(), _runs.c.run_id.desc()).limit(1)
        if run_id != "latest":
            query = query.where(_runs.c.run_id == run_id)
        with self._begin() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            plan = row.plan
            if plan == _IN_PLANS:
                plan = connection.execute(select(_plans.c.plan).where(_plans.c.run_id == row.run_id)).scalar_one()
        result = None if row.result is None else json.loads(row.result)
        return RunRow(row.run_id, row.suite, row.started, row.state, json.loads(plan), result, row.elapsed_ms / 1000)

    def state(self, run_id: str) -> str | None:
        """Return the state of a run, None for one that is not stored."""
        with self._begin() as connection:
            found = connection.execute(select(_runs.c.state).where(_runs.c.run_id == run_id)).scalar()
        return None if found is None else str(found)

    def elapsed_s(self, run_id: str) -> float:
        """Return how many seconds a run has taken, 0 for one that is not stored."""
        with self._begin() as connection:
            found = connection.execute(select(_runs.c.elapsed_ms).where(_runs.c.run_id == run_id)).scalar()
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
        statement = self._insert_into(_generations)
        with self._begin() as connection:
            if connection.execute(statement, rows).rowcount == len(rows):
                return [True] * len(rows)
            connection.rollback()
        # Rare: some are stored already, and the count does not tell which.
        with self._begin() as connection:
            return [connection.execute(statement, row).rowcount == 1 for row in rows]

    def generations(self, run_id: str) -> list[Generation]:
        """Return a run's generations, ordered by trial key."""
        query = select(_generations.c.record).where(_generations.c.run_id == run_id).order_by(_generations.c.trial)
        return [Generation.model_validate_json(text) for text in self._texts(query)]

    def generation_batches(self, run_id: str, size: int = 200) -> Iterator[list[Generation]]:
        """Yield a run's generations, ordered by trial key, at most `size` at a time; others may be stored meanwhile."""
        columns = select(_generations.c.trial, _generations.c.record).where(_generations.c.run_id == run_id)
        for rows in self._pages(columns, _generations.c.trial, size):
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
            query = select(_generations.c.record).where(_generations.c.run_id == run_id, _generations.c.trial.in_(some))
            records = self._texts(query.order_by(_generations.c.trial))
            found += [Generation.model_validate_json(record) for record in records]
        return found

    def text_bytes(self, run_id: str) -> int:
        """Return about how many bytes a run's generations take as they are stored."""
        query = select(func.sum(func.length(_generations.c.record))).where(_generations.c.run_id == run_id)
        with self._begin() as connection:
            return int(connection.execute(query).scalar() or 0)

    def finished_trials(self, run_id: str) -> set[str]:
        """Return the keys of all stored trials of a run."""
        return set(self._texts(select(_generations.c.trial).where(_generations.c.run_id == run_id)))

    def add_scores(self, run_id: str, scorer: str, scores: Iterable[Score]) -> None:
        """Store scores by one version of the scorer; those stored already stay as they are."""
        rows = [
            {"run_id": run_id, "trial": score.trial, "scorer": scorer, "record": score.model_dump_json()}
            for score in scores
        ]
        if rows:
            with self._begin() as connection:
                connection.execute(self._insert_into(_scores), rows)

    def scores(self, run_id: str, scorer: str) -> list[Score]:
        """Return a run's scores by one version of the scorer, ordered by trial key."""
        return [score for batch in self.score_batches(run_id, scorer) for score in batch]

    def scores_of(self, run_id: str, scorer: str, trials: Sequence[str]) -> list[Score]:
        """Return the scores of some trials of a run by one version of the scorer, as far as they are stored, by trial key."""
        found: list[Score] = []
        ordered = sorted(trials)
        for low in range(0, len(ordered), _MOST_KEYS):
            some = ordered[low : low + _MOST_KEYS]
            ours = (_scores.c.run_id == run_id, _scores.c.scorer == scorer, _scores.c.trial.in_(some))
            records = self._texts(select(_scores.c.record).where(*ours).order_by(_scores.c.trial))
            found += [Score.model_validate_json(record) for record in records]
        return found

    def score_batches(self, run_id: str, scorer: str, size: int = 500) -> Iterator[list[Score]]:
        """Yield a run's scores by one version of the scorer, ordered by trial key, at most `size` at a time."""
        columns = select(_scores.c.trial, _scores.c.record).where(
            _scores.c.run_id == run_id, _scores.c.scorer == scorer
        )
        for rows in self._pages(columns, _scores.c.trial, size):
            yield [Score.model_validate_json(row.record) for row in rows]

    def add_load(self, run_id: str, load: WorkerLoad) -> None:
        """Store what one start of a worker took."""
        with self._begin() as connection:
            connection.execute(insert(_loads).values(run_id=run_id, record=load.model_dump_json()))

    def loads(self, run_id: str) -> list[WorkerLoad]:
        """Return all worker starts of a run, oldest first."""
        query = select(_loads.c.record).where(_loads.c.run_id == run_id).order_by(_loads.c.id)
        return [WorkerLoad.model_validate_json(text) for text in self._texts(query)]

    def add_event(self, run_id: str, happened: RunEvent) -> None:
        """Store something worth telling."""
        with self._begin() as connection:
            connection.execute(insert(_events).values(run_id=run_id, record=happened.model_dump_json()))

    def events(self, run_id: str) -> list[RunEvent]:
        """Return a run's events, oldest first."""
        query = select(_events.c.record).where(_events.c.run_id == run_id).order_by(_events.c.id)
        return [RunEvent.model_validate_json(text) for text in self._texts(query)]

    # What people and judges said

    def add_label(self, run_id: str, number: int, record: str) -> None:
        """Store a person's answer, as JSON, to the pair of this number; one that is there already stays."""
        with self._begin_with(_labels) as connection:
            self._insert_new(connection, _labels, {"run_id": run_id, "number": number, "record": record})

    def drop_label(self, run_id: str, number: int) -> None:
        """Forget a person's answer."""
        with self._begin_with(_labels) as connection:
            connection.execute(delete(_labels).where(_labels.c.run_id == run_id, _labels.c.number == number))

    def labels(self, run_id: str) -> list[str]:
        """Return a run's labels, as JSON, in the order in which they were asked."""
        query = select(_labels.c.record).where(_labels.c.run_id == run_id).order_by(_labels.c.number)
        with self._begin_with(_labels) as connection:
            return list(connection.execute(query).scalars())

    def add_judgements(self, records: Mapping[str, str]) -> None:
        """Store what judges said: key -> JSON; what is there is replaced. A key is of all that it depends on, whatever the run."""
        with self._begin_with(_judgements) as connection:
            for key, record in records.items():
                connection.execute(delete(_judgements).where(_judgements.c.key == key))
                self._insert_new(connection, _judgements, {"key": key, "record": record})

    def add_judge(self, run_id: str, judge: str, record: str) -> None:
        """Remember that a judge was asked about a run, as JSON; what was remembered of it before is replaced."""
        with self._begin_with(_judges) as connection:
            connection.execute(delete(_judges).where(_judges.c.run_id == run_id, _judges.c.judge == judge))
            self._insert_new(connection, _judges, {"run_id": run_id, "judge": judge, "record": record})

    def judges(self, run_id: str) -> list[str]:
        """Return the judges that were asked about a run, as JSON, by name."""
        query = select(_judges.c.record).where(_judges.c.run_id == run_id).order_by(_judges.c.judge)
        with self._begin_with(_judges) as connection:
            return list(connection.execute(query).scalars())

    def judgements(self, keys: Sequence[str]) -> dict[str, str]:
        """Return those judgements that are there, by key."""
        found: dict[str, str] = {}
        with self._begin_with(_judgements) as connection:
            for low in range(0, len(keys), _MOST_KEYS):
                some = keys[low : low + _MOST_KEYS]
                rows = connection.execute(
                    select(_judgements.c.key, _judgements.c.record).where(_judgements.c.key.in_(some))
                )
                found.update((row.key, row.record) for row in rows)
        return found

    def add_energy(self, run_id: str, record: str) -> None:
        """Store what a stretch of a candidate's work drew, as JSON."""
        with self._begin_with(_energy) as connection:
            connection.execute(insert(_energy).values(run_id=run_id, record=record))

    def energy(self, run_id: str) -> list[str]:
        """Return what a run drew, stretch by stretch, as JSON, in order."""
        query = select(_energy.c.record).where(_energy.c.run_id == run_id).order_by(_energy.c.id)
        with self._begin_with(_energy) as connection:
            return list(connection.execute(query).scalars())

    def add_observation(self, key: str, record: str) -> None:
        """Remember what a load took beside what was predicted, as JSON; one of the same key is replaced."""
        with self._begin_with(_calibration) as connection:
            connection.execute(delete(_calibration).where(_calibration.c.key == key))
            self._insert_new(connection, _calibration, {"key": key, "record": record})

    def observations(self) -> list[str]:
        """Return all loads that were held against a prediction, as JSON."""
        with self._begin_with(_calibration) as connection:
            return list(connection.execute(select(_calibration.c.record).order_by(_calibration.c.key)).scalars())

    @contextmanager
    def _begin_with(self, table: Table) -> Iterator[Connection]:
        """Begin, with a table that stores of the same version may lack: it came later, and nothing else changed."""
        with self._begin() as connection:
            if not inspect(connection).has_table(table.name):
                table.create(connection, checkfirst=True)
            yield connection

    def _texts(self, query: Any) -> list[str]:
        with self._begin() as connection:
            return list(connection.execute(query).scalars())


def _make_engine(url: str | URL) -> Engine:
    try:
        return create_engine(url)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the store needs the Python package {error.name}", "for PostgreSQL: pip install 'psycopg[binary]'"
        ) from None
    except (SQLAlchemyError, ValueError):  # not quoted: it may hold a password
        raise StoreError(
            "BAKEOFF_STORE is no database address", "such as postgresql+psycopg://user:password@host/database"
        ) from None


def _set_pragmas(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={round(_BUSY_S * 1000)}")
    _switch_to_wal(cursor)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: DBAPICursor) -> None:
    """Make it a WAL database, which it stays. SQLite's own timeout does not hold while another process is at just that."""
    give_up_at = monotonic() + _BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > give_up_at:
                raise
            sleep(_LOOK_AGAIN_S)
        else:
            return
