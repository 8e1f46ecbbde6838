"""The page of a stored run, finished or not, written where it is wanted."""

from __future__ import annotations

from pathlib import Path

from bakeoff.core.errors import UsageError
from bakeoff.library.conclusion import document_of
from bakeoff.library.labelled import labelled
from bakeoff.library.page import write_page
from bakeoff.library.workspace import workspace_folder
from bakeoff.store.db import Store
from bakeoff.study.conclude import conclude
from bakeoff.study.execute import load_plan
from bakeoff.study.runner import run_folder
from bakeoff.study.scoring import Scored


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
    plan = load_plan(store, run_id)
    row = store.run(plan.run_id)
    if row is not None and row.result is not None:
        document = row.result | labelled(plan, store, row.result)
        scored = Scored.of(plan, store)
        generations, scores = tuple(scored.generations), tuple(scored.scores.values())
    else:
        if not store.finished_trials(plan.run_id):
            raise UsageError(f"run {plan.run_id} has no text yet", f"go on with: bakeoff run --resume {plan.run_id}")
        conclusion = conclude(plan, store, complete=False)
        document = document_of(plan, store, conclusion, workspace=workspace)
        generations, scores = conclusion.generations, conclusion.scores
    place = target or run_folder(workspace_folder(workspace), plan.run_id) / "report.html"
    try:
        return write_page(plan, store, document, generations, scores, place)
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {place}: {error.strerror}", "name another file with -o FILE"
        ) from None
