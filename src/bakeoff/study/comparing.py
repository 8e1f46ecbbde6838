"""Reading two candidates' scores for the same briefs from the store: of one run, or of two whose briefs are graded alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Comparison
from bakeoff.decide.cells import cells_of
from bakeoff.decide.contest import Cell, Cells
from bakeoff.decide.duel import duel
from bakeoff.decide.margin import BriefPair
from bakeoff.decide.shown import shown_ahead
from bakeoff.decide.table import BriefUnit
from bakeoff.decide.versus import Versus
from bakeoff.measure.memory import moved_work
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan, trials_for
from bakeoff.study.pulse import GONE
from bakeoff.study.racing import counted_briefs, lacking
from bakeoff.study.run_state import state_of
from bakeoff.study.scorers import scoring_version
from bakeoff.study.scoring import Scored
from bakeoff.study.suite import Brief


def find_candidate(plan: Plan, name: object) -> str:
    """Return the id of the candidate that is called so, or whose id alone ends so.

    Raises:
        UsageError: there is none, or several, or it is no text.
    """
    names = [candidate.id for candidate in plan.candidates]
    if not isinstance(name, str):
        raise UsageError(f"{name!r} is no candidate's id", f"candidates: {', '.join(names)}")
    found = [known for known in names if known == name] or [known for known in names if known.endswith(name)]
    if len(found) != 1:
        what = "is not a candidate of this run" if not found else "is the end of several candidates' ids"
        raise UsageError(f"{name} {what}", f"candidates: {', '.join(names)}")
    return found[0]


def compare_in_run(run: StoredRun, a: str, b: str) -> Versus:
    """Compare two candidates of a run, on the briefs that counted for both.

    Raises:
        UsageError: one is not a candidate of it, or they are the same.
        StoreError: the store refuses.
    """
    plan, store = run.plan, run.store
    first, second = find_candidate(plan, a), find_candidate(plan, b)
    if first == second:
        names = ", ".join(candidate.id for candidate in plan.candidates)
        raise UsageError(f"{first} cannot be compared with itself", f"candidates: {names}")
    side = _Side.of(run)
    counted = counted_briefs(plan, side.scored, side.given_up)
    in_both = {brief.id for brief in counted[second]}
    briefs = [brief for brief in counted[first] if brief.id in in_both]
    row = store.run(plan.run_id)
    document = {"comparisons": []} if row is None or row.result is None else row.result
    own = next((pair for pair in document["comparisons"] if {pair["a"], pair["b"]} == {first, second}), None)
    return Versus(
        run_id=plan.run_id,
        mode=plan.mode,
        a=first,
        b=second,
        duel=duel(first, second, briefs, side.cells),
        run_comparison=None if own is None else Comparison(**own),
        shown_ahead=None if own is None else shown_ahead(own, document),
        pairs=_pairs(briefs, side.cells, first, second),
        content_types=tuple(plan.suite.used_content_types()),
        unfit=side.unfit(first) or side.unfit(second) or _no_text(side.cells, second),
        fallbacks={name: side.moved[name] for name in (first, second) if name in side.moved},
    )


def compare_across(one_run: StoredRun, a: str, base_run: StoredRun, b: str) -> Versus:
    """Compare a candidate of one run with one of another, which may be the same model under another prompt.

    Briefs are the same where their ids are; prompts may differ, since that is what may be tried, and nothing else that a text is
    graded by. Only runs of a fixed number of briefs: a race stops by what its own candidates do.

    Raises:
        UsageError: one is not a candidate of its run, a run was a race, or the two are not graded alike.
        StoreError: a store refuses.
    """
    plan, base = one_run.plan, base_run.plan
    first, second = find_candidate(plan, a), find_candidate(base, b)
    for each in (plan, base):
        if each.mode == "race":
            raise UsageError(
                f"run {each.run_id} was a race, which stops by what its own candidates do",
                "compare runs of a fixed number of briefs: bakeoff run --fixed-n N",
            )
    common = _graded_alike(plan, base)
    one, other = _Side.of(one_run), _Side.of(base_run)
    named = f"{second} of {base.run_id}"
    cells = {(first, brief): cell for (name, brief), cell in one.cells.items() if name == first}
    cells |= {(named, brief): cell for (name, brief), cell in other.cells.items() if name == second}
    units = [BriefUnit(id=brief.id, content_type=brief.content_type, cluster=brief.cluster) for brief in common]
    return Versus(
        run_id=plan.run_id,
        base_run_id=base.run_id,
        mode="fixed",
        a=first,
        b=named,
        duel=duel(first, named, units, cells),
        run_comparison=None,
        pairs=_pairs(units, cells, first, named),
        content_types=tuple(dict.fromkeys(brief.content_type for brief in common)),
        unfit=one.unfit(first) or other.unfit(second) or _no_text(cells, named),
        same=_keys(plan, first, common) == _keys(base, second, common),
        fallbacks={
            named: side.moved[name]
            for side, name, named in ((one, first, first), (other, second, named))
            if name in side.moved
        },
    )


class StoredRun(NamedTuple):
    """A run, the store it is in, and the workspace whose processes work on it."""

    plan: Plan
    store: Store
    workspace: Path


class _Side(NamedTuple):
    """What is stored of one run."""

    scored: Scored
    cells: Cells
    given_up: set[str]
    state: str
    run_id: str
    moved: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, run: StoredRun) -> _Side:
        plan, store = run.plan, run.store
        scored = Scored.of(plan, store)
        given_up = {event.candidate for event in store.events(plan.run_id) if event.kind == GONE and event.candidate}
        cells = cells_of(scored.generations, plan.suite.replicates)
        moved = moved_work(store.loads(plan.run_id))
        gone = lacking(plan, scored, given_up)
        return cls(scored, cells, gone, state_of(store, plan.run_id, run.workspace), plan.run_id, moved)

    def unfit(self, candidate: str) -> str:
        """Say why nothing can be claimed of a candidate; "" where nothing stands in the way."""
        if self.state != "done":
            return f"run {self.run_id} is not finished ({self.state})"
        if candidate in self.given_up:
            return f"{candidate} was given up in run {self.run_id}: texts of it are missing"
        return ""


def _pairs(briefs: Sequence[BriefUnit], cells: Mapping[tuple[str, str], Cell], a: str, b: str) -> tuple[BriefPair, ...]:
    return tuple(
        BriefPair(
            brief=brief.id,
            content_type=brief.content_type,
            family=f"brief:{brief.id}" if brief.cluster is None else f"cluster:{brief.cluster}",
            a=cells[a, brief.id].quality,
            b=cells[b, brief.id].quality,
        )
        for brief in briefs
        if (a, brief.id) in cells and (b, brief.id) in cells
    )


def _no_text(cells: Mapping[tuple[str, str], Cell], b: str) -> str:
    """Say that there is nothing to be no worse than."""
    own = [cell for (name, _), cell in cells.items() if name == b]
    return f"{b} wrote no text: there is nothing to compare with" if own and all(cell.failed for cell in own) else ""


def _keys(plan: Plan, candidate: str, briefs: Sequence[Brief]) -> list[str]:
    own = {brief.id: brief for brief in plan.suite.briefs}
    return [trial.key for trial in trials_for(plan, plan.candidate(candidate), [own[brief.id] for brief in briefs])]


def _graded_alike(plan: Plan, base: Plan) -> list[Brief]:
    """Return the briefs that both runs asked for, graded by the same rules.

    Raises:
        UsageError: there are none, or something that grades them differs.
    """
    if scoring_version(plan) != scoring_version(base):
        raise UsageError(
            f"runs {plan.run_id} and {base.run_id} are scored by different scorers", "run both with the same ones"
        )
    if plan.suite.weights != base.suite.weights:
        raise UsageError(
            f"the suites of {plan.run_id} and {base.run_id} weigh differently (weights)",
            "a change of prompt or model is compared under the same weights",
        )
    asked = {brief.id: brief for brief in base.briefs()}
    common = [brief for brief in plan.briefs() if brief.id in asked]
    if not common:
        raise UsageError(
            f"runs {plan.run_id} and {base.run_id} have no brief in common", "briefs are the same where their ids are"
        )
    for brief in common:
        mine = plan.suite.checks(brief).model_dump(exclude={"prompt"}) | {"cluster": brief.family}
        theirs = base.suite.checks(asked[brief.id]).model_dump(exclude={"prompt"}) | {"cluster": asked[brief.id].family}
        unlike = [name for name, value in mine.items() if theirs[name] != value]
        if unlike:
            raise UsageError(
                f"brief {brief.id} is graded differently in {plan.run_id} and {base.run_id}: {', '.join(unlike)}",
                "only prompts and models may differ; start the older one again with the new suite's checks",
            )
    return common
