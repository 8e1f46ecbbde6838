"""A run that is over, as an object: the same numbers that `bakeoff show --json` prints, as the records that they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Comparison, Decision, Estimate, Generation, Route, Score
from bakeoff.decide.versus import Versus
from bakeoff.library.labelled import labelled
from bakeoff.library.report_file import write_report
from bakeoff.library.workspace import open_store, workspace_folder
from bakeoff.store.db import RunSummary, Store
from bakeoff.study.comparing import StoredRun, compare_across, compare_in_run, find_candidate
from bakeoff.study.plan import Plan
from bakeoff.study.run_state import find_finished, states_of
from bakeoff.study.scorers import scoring_version
from bakeoff.study.stored_plan import load_plan
from bakeoff.study.suite import Suite


@dataclass(frozen=True)
class Run:
    """A finished run. It holds no connection: the store is opened for what is asked of it, and closed again.

    `document` is the JSON document of schema `bakeoff.run/1`, with everything that is known; the properties are its parts as
    frozen records. `workspace` is the folder that it lives in. Candidates may be named by the end of their id that no
    other shares, as in the commands.

    Examples:
        >>> run = bakeoff.open_run("latest")  # doctest: +SKIP
        >>> run.decision.choice, run.quality("generalist").low  # doctest: +SKIP
        ('bundled:generalist', 5.23)
    """

    plan: Plan = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    workspace: Path = field(repr=False)

    def __repr__(self) -> str:
        """Return its id and what it decided."""
        return f"<run {self.id}: {self.decision.choice or self.decision.outcome}>"

    def __str__(self) -> str:
        """What `bakeoff show` prints."""
        from bakeoff.report.text import as_text

        return as_text(dict(self.document))

    @property
    def id(self) -> str:
        """Its id: it is found again by `open_run(id)`, and by every command."""
        return self.plan.run_id

    @property
    def suite(self) -> Suite:
        """The suite, as it was when the run began."""
        return self.plan.suite

    @property
    def candidates(self) -> tuple[str, ...]:
        """The candidates' ids, in the order in which they were named."""
        return tuple(candidate.id for candidate in self.plan.candidates)

    @property
    def measured(self) -> bool:
        """Whether any text was written at all; where none was, the command ends with exit code 1."""
        return bool(self.document["measured"])

    @cached_property
    def decision(self) -> Decision:
        """What to run, why, and how sure."""
        return Decision.model_validate(self.document["decision"])

    @cached_property
    def routes(self) -> dict[str, Route]:
        """Which candidate serves which content type, with the evidence."""
        return {name: _route(found) for name, found in self.document["routes"].items()}

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every pair once, corrected for how many there are (and, in a race, for looking early)."""
        return tuple(Comparison.model_validate(found) for found in self.document["comparisons"])

    def quality(self, candidate: str, content_type: str | None = None) -> Estimate:
        """Return a candidate's score, 0 to 10, with its interval: of everything, or of one content type.

        Raises:
            UsageError: the run has no such candidate or content type.
        """
        name = find_candidate(self.plan, candidate)
        found = next(each for each in self.document["candidates"] if each["id"] == name)
        if content_type is None:
            return Estimate.model_validate(found["quality"])
        return Estimate.model_validate(_of_type(found["by_content_type"], content_type))

    def route(self, content_type: str) -> Route:
        """Return who serves a content type.

        Raises:
            UsageError: the run has no brief of that type.
        """
        found: Route = _of_type(self.routes, content_type)
        return found

    def compare(self, a: str, b: str, *, base: Run | None = None) -> Versus:
        """Compare two candidates in pairs, brief by brief, as `bakeoff compare` does; b is of the run `base`, if one is given.

        Raises:
            UsageError: a run has no such candidate, the two are the same, or two runs are not graded alike.
            StoreError: the store refuses.
        """
        if base is not None and not isinstance(base, Run):
            raise UsageError(f"base is {base!r}, which is no run", "give a Run, such as base=bakeoff.open_run(ID)")
        store = open_store(self.workspace)
        try:
            one = StoredRun(self.plan, store, self.workspace)
            if base is None or base.id == self.id:
                return compare_in_run(one, a, b)
            other = open_store(base.workspace)
            try:
                return compare_across(one, a, StoredRun(base.plan, other, base.workspace), b)
            finally:
                other.close()
        finally:
            store.close()

    def texts(self, candidate: str | None = None, *, brief: str | None = None) -> Iterator[Generation]:
        """Yield what was written, failures too, ordered by trial: of everybody, or of one candidate or for one brief.

        Raises:
            UsageError: the run has no such candidate.
            StoreError: the store refuses.
        """
        wanted = None if candidate is None else find_candidate(self.plan, candidate)
        store = open_store(self.workspace)
        try:
            for batch in store.generation_batches(self.id):
                for text in batch:
                    if wanted in {None, text.candidate} and brief in {None, text.brief}:
                        yield text
        finally:
            store.close()

    def scores(self) -> dict[str, Score]:
        """Return what each text is worth, by its trial (`Generation.trial`).

        Raises:
            StoreError: the store refuses.
        """
        store = open_store(self.workspace)
        try:
            return {score.trial: score for score in store.scores(self.id, scoring_version(self.plan))}
        finally:
            store.close()

    def write_report(self, target: str | Path | None = None) -> Path:
        """Write the run as one HTML page and return where: `target`, or `report.html` in the run's folder.

        Raises:
            UsageError: the place cannot be written to.
            StoreError: the store refuses.
        """
        store = open_store(self.workspace)
        try:
            return write_report(store, self.id, None if target is None else Path(target), self.workspace)
        finally:
            store.close()


def open_run(name: str = "latest", *, workspace: str | Path | None = None) -> Run:
    """Return a finished run.

    Args:
        name: its id, the beginning of it (four characters at least) if no other begins so, or `latest`.
        workspace: the folder of results; by default BAKEOFF_HOME, or `.bakeoff` in the current folder. Where BAKEOFF_STORE names
            a database, that is read.

    Raises:
        UsageError: there is no such run, or it has no result yet.
        StoreError: the store cannot be read.
    """
    store = open_store(workspace)
    try:
        return read_run(store, name, workspace_folder(workspace))
    finally:
        store.close()


def list_runs(*, workspace: str | Path | None = None) -> tuple[RunSummary, ...]:
    """Return all runs of the workspace, newest first, finished or not.

    Raises:
        StoreError: the store cannot be read.
    """
    store = open_store(workspace)
    try:
        rows = store.runs()
        states = states_of(store, {row.run_id: row.state for row in rows}, workspace_folder(workspace))
        return tuple(row._replace(state=states[row.run_id]) for row in rows)
    finally:
        store.close()


def read_run(store: Store, name: str, workspace: Path) -> Run:
    """Return a finished run of an open store.

    Raises:
        UsageError: there is no such run, or it has no result yet.
        StoreError: the store refuses.
    """
    row = find_finished(store, name, workspace)
    plan = load_plan(store, row.run_id)
    return Run(plan, row.result | labelled(plan, store, row.result), workspace.absolute())


def _route(found: Mapping[str, Any]) -> Route:
    return Route.model_validate({name: value for name, value in found.items() if name in Route.model_fields})


def _of_type(found: Mapping[str, Any], content_type: object) -> Any:
    if not isinstance(content_type, str) or content_type not in found:
        raise UsageError(f"the run has no brief of type {content_type!r}", f"its types: {', '.join(found)}")
    return found[content_type]
