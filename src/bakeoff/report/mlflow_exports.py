"""Whether anything was exported to a database of MLflow's: asked of its tables, which is quicker than loading MLflow."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from bakeoff.core.errors import UsageError
from bakeoff.report.mlflow_address import Address, check_reachable, database_url
from bakeoff.report.tracked import RUN_TAG

_HINT = "export one first: bakeoff export latest --to mlflow"


def newest_experiment(address: Address) -> str:
    """Return the id of the experiment that was exported to last.

    Raises:
        UsageError: nothing was exported to this database.
        StoreError: it cannot be reached.
    """
    file = address.sqlite_file
    if file is not None and not file.exists():
        raise UsageError(f"nothing was exported to MLflow yet: there is no {file}", _HINT)
    check_reachable(address)
    found = _experiment_of_the_newest(address)
    if found is None:
        raise UsageError(f"nothing was exported to MLflow yet: no run of bakeoff's is in {address.shown}", _HINT)
    return found


def _experiment_of_the_newest(address: Address) -> str | None:
    query = text(
        "SELECT runs.experiment_id FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid "
        "WHERE tags.key = :key AND runs.lifecycle_stage = 'active' ORDER BY runs.start_time DESC LIMIT 1"
    )
    engine = create_engine(database_url(address.uri))
    try:
        with engine.connect() as connection:
            found = connection.execute(query, {"key": RUN_TAG}).scalar()
        return None if found is None else str(found)
    except SQLAlchemyError:  # tables that nobody made
        return None
    finally:
        engine.dispose()
