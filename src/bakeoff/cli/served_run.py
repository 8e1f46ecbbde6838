"""Which run `bakeoff serve` and the exports take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.core.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.store.db import RunRow, RunSummary, Store


class Found(NamedTuple):
    """The run that is served or handed over, and what is to be said of newer ones that are not."""

    row: RunRow
    notes: tuple[str, ...] = ()


def find_run(store: Store, wanted: str | None) -> Found:
    """Return a run with a result: the one that is named, the newest for `latest`, the newest that decided something for None.

    That a newer run was passed over is said in the notes.

    Raises:
        UsageError: there is none.
    """
    if wanted not in {None, "latest"}:
        from bakeoff.library.workspace import workspace_folder
        from bakeoff.study.run_state import find_finished

        return Found(find_finished(store, str(wanted), workspace_folder()))
    runs = store.runs()
    finished = [found for found in runs if found.state == "done" and found.outcome is not None]
    decided = [found for found in finished if found.outcome != "insufficient_data"]
    by_decision = wanted is None and bool(decided)
    for found in (decided if by_decision else finished)[:1]:
        row = store.run(found.run_id)
        if row is not None:
            return Found(row, _passed_over(runs[: runs.index(found)], found.run_id, decided=by_decision))
    without = "make one with: bakeoff run; or name models: bakeoff serve --models bundled:generalist"
    if runs:
        raise UsageError(
            f"no run of this workspace is finished; the newest is {runs[0].run_id} ({runs[0].state})",
            f"go on with: bakeoff run --resume {runs[0].run_id}; or name models with --models",
        )
    raise UsageError("there is no run in this workspace", without)


def _passed_over(newer: Sequence[RunSummary], taken: str, *, decided: bool) -> tuple[str, ...]:
    """Return what is to be said of newer runs than the one that was taken: the newest of them, and why it was not."""
    if not newer:
        return ()
    newest = newer[0]
    if newest.state == "done" and newest.outcome is not None:
        why = (
            f"run {newest.run_id} is newer, but has too few briefs to decide anything: --run {newest.run_id} serves it"
        )
    else:
        why = f"run {newest.run_id} is newer, but has no result ({newest.state}); go on with it: bakeoff run --resume {newest.run_id}"
    return (f"{why}. Taken is run {taken}, the newest that {'decided something' if decided else 'has one'}.",)
