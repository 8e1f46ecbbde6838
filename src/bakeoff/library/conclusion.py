"""The end of a run: conclude, write the report files, store the document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from bakeoff.decide.conclusion import Conclusion
    from bakeoff.store.db import Store
    from bakeoff.study.plan import Plan
    from bakeoff.study.suite import Suite


def finish(plan: Plan, store: Store, *, page: bool = False, workspace: Path | None = None) -> dict[str, Any]:
    """Conclude a complete run, store its result, write `report.txt`, `result.json` and, where asked for, a page.

    The page costs a tenth of a large run's time and a third of its memory: for somebody who looks, not for a script.

    Raises:
        BakeoffError: a generation is missing, or the store or the run's folder refuses.
    """
    from bakeoff.core.errors import StoreError
    from bakeoff.library.page import write_page
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.report.text import as_text
    from bakeoff.study.conclude import conclude
    from bakeoff.study.run_folder import run_folder

    conclusion = conclude(plan, store, complete=True)
    document = document_of(plan, store, conclusion, page=page, workspace=workspace)
    store.set_state(plan.run_id, "done", result=document)
    folder = run_folder(workspace_folder(workspace), plan.run_id)
    try:
        (folder / "report.txt").write_text(as_text(document), encoding="utf-8")
        (folder / "result.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        if page:
            write_page(plan, store, document, conclusion.generations, folder / "report.html")
    except OSError as error:
        raise StoreError(
            f"the result is stored, and cannot be written to {folder}: {error.strerror}",
            f"free the disk, then: bakeoff show {plan.run_id}",
        ) from None
    return document


def document_of(
    plan: Plan, store: Store, conclusion: Conclusion, *, page: bool = False, workspace: Path | None = None
) -> dict[str, Any]:
    """Return the `bakeoff.run/1` document of a run, finished or not.

    Raises:
        StoreError: the store refuses.
    """
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.report.document import RunFacts, build_document
    from bakeoff.study.confirming import unconfirmed
    from bakeoff.study.run_folder import run_folder

    steps = next_steps(plan, conclusion.decision.choice or conclusion.decision.leader)
    if not page:
        steps = (*steps, f"bakeoff report {plan.run_id} --open    makes a page of it, with every text")
    cut_short = unconfirmed(plan, conclusion)
    steps = (*_resuming(plan, _lacking(conclusion) | cut_short), *steps)
    conclusion = conclusion.model_copy(
        update={"decision": conclusion.decision.model_copy(update={"next": (*conclusion.decision.next, *steps)})}
    )
    briefs = plan.briefs()
    facts = RunFacts(
        run_id=plan.run_id,
        suite_name=plan.suite.name,
        suite_hash=plan.suite.hash,
        briefs=len(briefs),
        families=len({brief.family for brief in briefs}),
        mode=plan.mode,
        eps=plan.suite.eps,
        baseline=_baseline(plan),
        concurrency=plan.concurrency,
        endpoint_concurrency=plan.endpoint_concurrency,
        seed=plan.seed,
        machine=plan.machine.model_dump(mode="json"),
        budget=plan.budget.model_dump(mode="json"),
        placement=None if plan.placement is None else plan.placement.model_dump(mode="json"),
        elapsed_s=store.elapsed_s(plan.run_id),
        report=str(run_folder(workspace_folder(workspace), plan.run_id) / f"report.{'html' if page else 'txt'}"),
        version=plan.version,
        weights=_weights(plan),
    )
    document = build_document(facts, plan.candidates, conclusion)
    document["notes"] += [*_selection_note(plan, document, cut_short), *_placement_note(plan), *suite_notes(plan.suite)]
    return document


def finished_result(plan: Plan, store: Store) -> dict[str, Any] | None:
    """Return the result of a run that is done and lacks nothing, None where there is something to go on with.

    Raises:
        UsageError: a scorer of the suite has changed since.
        BakeoffError: the store refuses, or a scorer fails.
    """
    from bakeoff.core.errors import EndpointGone
    from bakeoff.library.labelled import labelled
    from bakeoff.study.conclude import conclude
    from bakeoff.study.confirming import unconfirmed
    from bakeoff.study.pulse import GONE
    from bakeoff.study.scorers import scorers_for

    row = store.run(plan.run_id)
    if row is None or row.state != "done" or row.result is None:
        return None
    document: dict[str, Any] = row.result
    if not document["measured"] or any(EndpointGone.kind in each["errors"] for each in document["candidates"]):
        return None
    scorers_for(plan)
    # What would confirm a score is in no count of what is missing.
    given_up = any(event.kind == GONE for event in store.events(plan.run_id))
    if given_up and unconfirmed(plan, conclude(plan, store, complete=True)):
        return None
    return document | labelled(plan, store, document)


def _lacking(conclusion: Conclusion) -> set[str]:
    """Return who was given up, and lacks texts that count as failures."""
    from bakeoff.core.errors import EndpointGone

    made = conclusion.generations.items()
    return {name for name, own in made if any(way.error_kind == EndpointGone.kind for way in own.ways)}


def _resuming(plan: Plan, lacking: Collection[str]) -> list[str]:
    """Return how to get the texts of those that lack some."""
    ours = {plan.candidate(name).model.is_ours_to_run for name in lacking}
    if not ours:
        return []
    workers = "its worker" if len(lacking) == 1 else "their workers"
    whats = {
        (True,): f"starts {workers} anew, and asks for the missing texts",
        (False,): "asks for the missing texts, once their endpoint answers again",
        (False, True): "starts workers anew, and asks for the missing texts, once their endpoints answer again",
    }
    return [f"bakeoff run --resume {plan.run_id}    {whats[tuple(sorted(ours))]}"]


def _weights(plan: Plan) -> dict[str, dict[str, float]]:
    """Return the weight of each dimension for each content type of the plan."""
    from bakeoff.score.weights import weights_for

    types = plan.suite.used_content_types()
    extra = plan.suite.scorer_names()
    found = {name: weights_for(name, plan.suite.weights, extra) for name in types}
    return {name: {key: weight for key, weight in weights.items() if weight > 0} for name, weights in found.items()}


def _selection_note(plan: Plan, document: dict[str, Any], cut_short: Collection[str]) -> list[str]:
    """Return what a reader must know of a winner's score that comes from the briefs that made it win."""
    choice = document["decision"]["choice"]
    confirmed = any(found["id"] == choice and found["confirmed"] for found in document["candidates"])
    if choice is None or confirmed or plan.mode == "race" or len(plan.candidates) == 1:
        return []
    curse = f"the score of {choice} is that of the briefs that chose it, and on average a little too good"
    if choice in cut_short:
        return [f"{curse}: it was given up before it had written those that were to confirm it"]
    return [f"{curse}: too few other briefs of the suite are left to confirm it"]


def _placement_note(plan: Plan) -> list[str]:
    """Return what a reader must know of times that were taken on other machines than the one that is named."""
    if plan.placement is None:
        return []
    from bakeoff.decide.wording import plural

    nodes = plural(len(plan.placement.nodes), "node")
    return [f"models ran on a Ray cluster ({nodes} at the start): times are of these, and of the way to them"]


def suite_notes(suite: Suite) -> list[str]:
    """Return what a suite says that changes nothing in its runs."""
    notes = []
    unused = suite.unused_content_types()
    if unused:
        notes.append(f"no brief of the suite is of the declared content types: {', '.join(unused)}")
    return notes


def _baseline(plan: Plan) -> str | None:
    """Return the suite's baseline, if it competes in this run."""
    names = {candidate.id for candidate in plan.candidates}
    return plan.suite.baseline if plan.suite.baseline in names else None


def next_steps(plan: Plan, candidate_id: str | None) -> tuple[str, ...]:
    """Return commands that make sense after this run; every one of them works as printed."""
    steps = []
    if candidate_id is not None and plan.candidate(candidate_id).model.source != "recorded":
        steps.append(f"bakeoff serve --run {plan.run_id}    serves these routes at one OpenAI-compatible URL")
    steps.append(f"bakeoff show {plan.run_id} --texts BRIEF    reads what each candidate wrote for a brief")
    return tuple(steps)
