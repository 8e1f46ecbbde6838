"""Which MLflow: the address that somebody gave, or the workspace's own database; checked before MLflow itself is loaded.

MLflow keeps folders of files (`file:`) in maintenance mode and refuses them; a database that cannot be reached it asks again for minutes.
"""

from __future__ import annotations

import http.client
import os
import sqlite3
import ssl
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from bakeoff.core.errors import MissingDependency, StoreError, UsageError
from bakeoff.core.installing import install_command

if TYPE_CHECKING:
    from sqlalchemy import URL

ENVIRONMENT = "MLFLOW_TRACKING_URI"
CONNECT_S = 10
_DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}
_SERVERS = {"http", "https", "databricks"}


class Address(NamedTuple):
    """`uri` as MLflow takes it; `shown` has no password. `artifacts` is where files go, None where a server decides."""

    uri: str
    shown: str
    artifacts: Path | None

    @property
    def is_server(self) -> bool:
        """Whether a tracking server is spoken to, and not a database."""
        return _scheme(self.uri) in _SERVERS

    @property
    def sqlite_file(self) -> Path | None:
        """The database file, None where it is no SQLite."""
        return Path(self.uri.removeprefix("sqlite:///")) if _scheme(self.uri) == "sqlite" else None


def find_address(given: str | None, workspace: Path) -> Address:
    """Return `given`, or MLFLOW_TRACKING_URI's, or else the workspace's own `mlflow.db`.

    Raises:
        UsageError: a folder of files, or an address that is none.
    """
    artifacts = workspace.absolute() / "mlflow-artifacts"
    named = given or os.environ.get(ENVIRONMENT) or ""
    if not named:
        uri = f"sqlite:///{workspace.absolute() / 'mlflow.db'}"
        return Address(uri, uri, artifacts)
    scheme = _scheme(named)
    if scheme in {"", "file"}:
        raise UsageError(
            f"{named}: MLflow keeps tracking folders in maintenance mode, and refuses them",
            f"give a database, such as sqlite:///{workspace.absolute() / 'mlflow.db'}, or a server: http://127.0.0.1:5000",
        )
    if scheme not in _DATABASES | _SERVERS:
        raise UsageError(
            f"{_without_password(named)}: no such address is known to MLflow",
            "http://HOST:PORT, sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        )
    if scheme == "sqlite":
        if not named.startswith("sqlite:///") or not named.removeprefix("sqlite:///"):
            raise UsageError(f"{named}: which file?", "sqlite:///FILE, or sqlite:////absolute/path/FILE")
        named = f"sqlite:///{Path(named.removeprefix('sqlite:///')).absolute()}"
    return Address(named, _without_password(named), artifacts if scheme in _DATABASES else None)


def require_mlflow(address: Address) -> None:
    """Make sure that what this address needs is installed; MLflow's slim package speaks to servers only.

    Raises:
        MissingDependency: with the command that adds it.
    """
    if find_spec("mlflow") is None:
        raise MissingDependency("MLflow is not installed", install_command("mlflow"))
    if not address.is_server and find_spec("alembic") is None:
        raise MissingDependency(
            "mlflow-skinny is installed, which speaks to servers only; a database needs all of MLflow",
            install_command("mlflow"),
        )


def check_reachable(address: Address) -> None:
    """Make sure that a database takes what is written, or that a server answers, whatever it says.

    Raises:
        StoreError: it does not.
        MissingDependency: its driver is not installed.
    """
    file = address.sqlite_file
    if file is not None:
        _check_file(file)
    elif not address.is_server:
        _check_database(address)
    elif address.uri.lower().startswith("http"):
        _check_server(address)


def _check_server(address: Address) -> None:
    waits = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "")
    limit_s = int(waits) if waits.isdecimal() else CONNECT_S
    try:
        urllib.request.urlopen(f"{address.uri.rstrip('/')}/health", timeout=limit_s).close()  # noqa: S310 - http or https
    except urllib.error.HTTPError:
        return  # somebody is there; MLflow's own client knows what else it needs, such as a password
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return
        told = f"nothing came in {limit_s} s" if isinstance(reason, TimeoutError) else str(reason)
        raise StoreError(
            f"MLflow at {address.shown} does not answer: {told}",
            "check that the server runs, and its address: --tracking-uri",
        ) from None


def _check_file(file: Path) -> None:
    hint = "free the disk, or name another database: --tracking-uri sqlite:///FILE"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=CONNECT_S)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE IF NOT EXISTS bakeoff_probe (probe)")
            connection.rollback()
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"MLflow's database {file} cannot be written: {error}", hint) from None


def _check_database(address: Address) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    hint = "check that the database server runs, and the address, user and rights in it"
    try:
        engine = create_engine(database_url(address.uri), connect_args=_patience(address.uri))
        try:
            with engine.connect():
                return
        finally:
            engine.dispose()
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"{address.shown} needs the Python package {error.name}", "for PostgreSQL: pip install 'psycopg[binary]'"
        ) from None
    except SQLAlchemyError as error:
        told = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise StoreError(f"MLflow's database {address.shown} cannot be reached: {told}", hint) from None


def database_url(uri: str) -> URL:
    """Return a database's address; PostgreSQL without a named driver means psycopg 3, as everywhere in bakeoff."""
    from sqlalchemy import make_url

    url = make_url(uri)
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _patience(uri: str) -> dict[str, int]:
    return {"connect_timeout": CONNECT_S} if _scheme(uri) in {"postgresql", "mysql"} else {}


def _scheme(uri: str) -> str:
    return (
        uri.partition(":")[0].partition("+")[0].lower() if ":" in uri else "databricks" if uri == "databricks" else ""
    )


def _without_password(uri: str) -> str:
    """Return the address as it may be shown.

    >>> _without_password("postgresql://me:secret@db.example/mlflow")
    'postgresql://me:***@db.example/mlflow'
    """
    try:
        secret = urlsplit(uri).password
    except ValueError:
        return f"{_scheme(uri)}://..."
    return uri.replace(f":{secret}@", ":***@") if secret else uri
