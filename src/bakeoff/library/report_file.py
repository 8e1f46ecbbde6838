"""The page of a stored run, finished or not: written where it is wanted, or put together for who serves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.core.errors import UsageError
from bakeoff.core.generations import Generations
from bakeoff.library.labelled import labelled
from bakeoff.library.page import page_facts, write_page
from bakeoff.library.workspace import workspace_folder
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.run_folder import run_folder
from bakeoff.study.run_state import lacks
from bakeoff.study.scoring import Scored
from bakeoff.study.stored_plan import load_plan

if TYPE_CHECKING:
    from bakeoff.report.page.assembly import Page


def write_report(store: Store, run_id: str, target: Path | None = None, workspace: Path | None = None) -> Path:
    """Write the page of a run and return where: `target`, or `report.html` in the run's folder.

    Raises:
        UsageError: no such run, nothing to tell yet, or a place that cannot be written to.
        StoreError: the store refuses.
    """
    if target is not None and target.exists() and not target.is_file():
        # A device or a pipe is never replaced by a file.
        what = "it is a folder" if target.is_dir() else "it is no regular file"
        raise UsageError(f"the report cannot be written to {target}: {what}", "name another file with -o FILE")
    told = _told(store, run_id, workspace, keep=True)
    place = target or run_folder(workspace_folder(workspace), told.plan.run_id) / "report.html"
    try:
        return write_page(told.plan, store, told.document, told.generations, place)
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {place}: {error.strerror}", "name another file with -o FILE"
        ) from None


def served_page(store: Store, run_id: str) -> Page:
    """Return the page of a run for who serves it; nothing is stored, though it may be that texts are scored.

    Raises:
        UsageError: no such run, or nothing to tell yet.
        StoreError: the store refuses.
    """
    from bakeoff.report.page.assembly import render_report

    told = _told(store, run_id, None, keep=False)
    return render_report(page_facts(told.plan, store, told.document, told.generations), served=True)


class _Told(NamedTuple):
    """What a page is made from."""

    plan: Plan
    document: dict[str, Any]
    generations: Mapping[str, Generations]


def _told(store: Store, run_id: str, workspace: Path | None, *, keep: bool) -> _Told:
    plan = load_plan(store, run_id)
    row = store.run(plan.run_id)
    if row is not None and row.result is not None:
        document = row.result | labelled(plan, store, row.result)
        return _Told(plan, document, Scored.of(plan, store, keep=keep).generations)
    if not store.finished_trials(plan.run_id):
        raise lacks("text", store, plan.run_id, workspace_folder(workspace))
    # Analysing loads the statistics: not for a run that has its result.
    from bakeoff.library.conclusion import document_of
    from bakeoff.study.conclude import conclude_scored

    conclusion = conclude_scored(plan, store, Scored.of(plan, store, keep=keep), complete=False)
    document = document_of(plan, store, conclusion, workspace=workspace)
    return _Told(plan, document, conclusion.generations)
