"""Which run is meant: its id, `latest`, or the beginning of its id, as far as no other begins so."""

from __future__ import annotations

from bakeoff.core.errors import UsageError
from bakeoff.store.db import RunRow, Store

FEWEST_CHARACTERS = 4
_MOST_LISTED = 5


def find_run(store: Store, name: str) -> RunRow:
    """Return the run that `name` means, finished or not.

    Raises:
        UsageError: none is called so, or several begin so (they are listed).
        StoreError: the store refuses.
    """
    found = store.run(name)
    if found is not None:
        return found
    begun = store.run_ids(name) if len(name) >= FEWEST_CHARACTERS else []
    if len(begun) > 1:
        more = f" and {len(begun) - _MOST_LISTED} more" if len(begun) > _MOST_LISTED else ""
        raise UsageError(
            f"{len(begun)} runs begin with {name!r}",
            f"one of: {', '.join(begun[:_MOST_LISTED])}{more}; write more of it",
        )
    found = store.run(begun[0]) if begun else None
    if found is None:
        ids = store.run_ids()
        more = f" and {len(ids) - _MOST_LISTED} more (all of them:  bakeoff runs)" if len(ids) > _MOST_LISTED else ""
        known = f"runs: {', '.join(ids[:_MOST_LISTED])}{more}"
        raise UsageError(f"there is no run {name!r} in this workspace", known if ids else "no runs yet")
    return found


def without_result(store: Store, run_id: str) -> UsageError:
    """Return what is said of a run that has no result: how to go on with it, and which is the newest that has one."""
    hint = f"go on with:  bakeoff run --resume {run_id}"
    finished = next((each for each in store.runs() if each.outcome is not None), None)
    if finished is not None:
        hint += f"    or name {finished.run_id}, the newest run that has one"
    return UsageError(f"run {run_id} has no result yet", hint)
