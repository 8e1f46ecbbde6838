"""Whether anything was exported to a database of MLflow's: asked of its tables, which is quicker than loading MLflow."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from bakeoff.core.errors import UsageError
from bakeoff.report.mlflow_address import Address, check_reachable, database_url
from bakeoff.report.tracked import RUN_TAG

_HINT = "export one first: bakeoff export latest --to mlflow"


def require_exports(address: Address) -> None:
    """Make sure that there is something to look at.

    Raises:
        UsageError: nothing was exported to this database.
        StoreError: it cannot be reached.
    """
    file = address.sqlite_file
    if file is not None and not file.exists():
        raise UsageError(f"nothing was exported to MLflow yet: there is no {file}", _HINT)
    check_reachable(address)
    if not _count(address):
        raise UsageError(f"nothing was exported to MLflow yet: no run of bakeoff's is in {address.shown}", _HINT)


def _count(address: Address) -> int:
    engine = create_engine(database_url(address.uri))
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT count(*) FROM tags WHERE key = :key"), {"key": RUN_TAG}).scalar()
        return int(found or 0)
    except SQLAlchemyError:  # tables that nobody made
        return 0
    finally:
        engine.dispose()
