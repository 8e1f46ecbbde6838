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
        known = ", ".join(store.run_ids()[:_MOST_LISTED])
        raise UsageError(f"there is no run {name!r} in this workspace", f"runs: {known}" if known else "no runs yet")
    return found


def find_finished(store: Store, name: str) -> RunRow:
    """Return the run that `name` means, which has a result.

    Raises:
        UsageError: there is no such run, or it has no result yet.
        StoreError: the store refuses.
    """
    found = find_run(store, name)
    if found.result is None:
        raise UsageError(f"run {found.run_id} has no result yet", f"go on with: bakeoff run --resume {found.run_id}")
    return found
