"""The plan of a stored run, read again; apart from what carries it out, which loads the clients of every endpoint."""

from __future__ import annotations

from pydantic import ValidationError

from bakeoff.catalog.references import look_again
from bakeoff.core.errors import UsageError
from bakeoff.core.version import __version__
from bakeoff.store.db import Store
from bakeoff.store.named import find_run
from bakeoff.study.plan import Plan


def load_plan(store: Store, run_id: str) -> Plan:
    """Return the plan of a stored run, named as `store.named.find_run` understands it.

    Raises:
        UsageError: no such run, several that begin so, or one whose plan another version wrote in a way that this one cannot read.
    """
    row = find_run(store, run_id)
    try:
        return Plan.model_validate(row.plan)
    except ValidationError as error:
        version = row.plan.get("version") if isinstance(row.plan, dict) else None
        where = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        raise UsageError(
            f"run {row.run_id} was planned by bakeoff {version or 'of an unknown version'}, and this version "
            f"({__version__}) cannot read its plan (at {where or 'its top'})",
            "use the version that wrote it, or start a new run",
        ) from None


def check_unchanged(plan: Plan) -> None:
    """Make sure that the models are still those that the plan was made for.

    Raises:
        UsageError: a model is gone, or its files changed: texts of two models would be mixed.
    """
    for candidate in plan.candidates:
        if look_again(candidate.model).digest != candidate.model.digest:
            raise UsageError(
                f"{candidate.id} has changed since the run {plan.run_id} began",
                "put the old files back, or start a new run",
            )
