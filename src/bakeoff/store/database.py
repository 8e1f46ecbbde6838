"""A connection to the store's database, SQLite or PostgreSQL: what differs between them, and how each says no."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bakeoff.core.errors import StoreError
from bakeoff.store.tables import INFO, METADATA, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine, Table
    from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

Result = TypeVar("Result")

_BUSY_S = 15.0
_LOOK_AGAIN_S = 0.01
_LOCK = 0x62616B65
"""Names the lock under which tables are made in PostgreSQL; any number that nobody else uses."""


class Database:
    """An opened database with the store's tables. Whatever it refuses is a `StoreError`."""

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
        query = select(INFO.c.value).where(INFO.c.key == "schema_version")
        with self._begin() as connection:
            if inspect(connection).has_table(INFO.name):
                found = connection.execute(query).scalar()
                if found is not None:
                    return str(found)
        with self._begin() as connection:
            # Several processes may open a new store at once: one makes the tables, the others wait for it.
            connection.execute(text("BEGIN IMMEDIATE" if self._sqlite else f"SELECT pg_advisory_xact_lock({_LOCK})"))
            METADATA.create_all(connection)
            self._insert_new(connection, INFO, {"key": "schema_version", "value": str(SCHEMA_VERSION)})
            return str(connection.execute(query).scalar_one())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self._refusals(), self._engine.begin() as connection:
            yield connection

    def _put(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction; it writes what may be written twice, and is done again where its session ends meanwhile.

        Whether a transaction counts whose session ended is not known.
        """
        with self._refusals():
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            with self._engine.begin() as connection:
                return work(connection)

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
    # What the driver says of a session that has ended is told, where it matters, as a StoreError.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    try:
        # A server, or what is on the way to it, ends sessions that are idle: each is tried before it is used.
        return create_engine(url, pool_pre_ping=not make_url(url).drivername.startswith("sqlite"))
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
