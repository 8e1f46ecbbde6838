"""The page of a run: its facts gathered from the store, and the file written whole or not at all."""

from __future__ import annotations

import os
import shlex
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bakeoff.core.generations import Generations
    from bakeoff.core.spec import Candidate
    from bakeoff.decide.methodology import Methodology
    from bakeoff.report.page.facts import BriefText, CostBasis, Origin, PageFacts, RunCost
    from bakeoff.store.db import Store
    from bakeoff.study.costing import Work
    from bakeoff.study.plan import Plan


def write_page(
    plan: Plan,
    store: Store,
    document: Mapping[str, Any],
    generations: Mapping[str, Generations],
    target: Path,
) -> Path:
    """Write the page of a run to `target`, replacing what is there.

    Raises:
        OSError: it cannot be written.
        StoreError: the store refuses.
    """
    from bakeoff.report.page.assembly import render_report

    named, target = target, target.resolve()  # of a link what it points to, never the link itself
    page = render_report(page_facts(plan, store, document, generations))
    # Under another name first: who looks at the file meanwhile sees the old page, never half of one.
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(page.pieces())
        umask = os.umask(0)
        os.umask(umask)
        written.chmod(0o666 & ~umask)
        written.replace(target)
    except BaseException:
        written.unlink()
        raise
    return named


def page_facts(
    plan: Plan,
    store: Store,
    document: Mapping[str, Any],
    generations: Mapping[str, Generations],
) -> PageFacts:
    """Return what the page is made from.

    Raises:
        StoreError: the store refuses.
    """
    from bakeoff.library.judged import judges_before
    from bakeoff.report.page.facts import PageFacts
    from bakeoff.study.costing import work_of
    from bakeoff.study.scoring import Scored

    cost, no_cost = _cost(plan, document["decision"]["choice"], work_of(plan, store, generations))
    return PageFacts(
        document=document,
        origin=_origin(plan, store),
        briefs=_briefs(plan),
        generations=generations,
        rested_on=_rested_on(plan, store, generations, complete=document["complete"]),
        read_texts=Scored(plan, store, keep=False).read,
        text_bytes=partial(store.text_bytes, plan.run_id),
        cost=cost,
        no_cost=no_cost,
        judges=judges_before(plan, store),
        methods=_methods(plan, document, generations),
    )


def _rested_on(
    plan: Plan, store: Store, generations: Mapping[str, Generations], *, complete: bool
) -> dict[str, set[str]]:
    from bakeoff.study.pulse import GONE
    from bakeoff.study.rested import rested_on

    gone = {event.candidate for event in store.events(plan.run_id) if event.kind == GONE and event.candidate}
    return rested_on(plan, generations, gone if complete else (), complete=complete)


def _methods(
    plan: Plan,
    document: Mapping[str, Any],
    generations: Mapping[str, Generations],
) -> Methodology | None:
    """Return what small samples would have concluded; None of a run that is not complete, or too small to draw from."""
    from bakeoff.core.errors import UsageError
    from bakeoff.library.methods import methods_of

    if not document["complete"] or not document["measured"]:
        return None
    try:
        return methods_of(plan, document, generations)
    except UsageError:
        return None


def _briefs(plan: Plan) -> dict[str, BriefText]:
    from bakeoff.report.page.facts import BriefText

    held_back = set(plan.held_back)
    return {
        brief.id: BriefText(
            id=brief.id,
            content_type=brief.content_type,
            family=brief.family,
            prompt=brief.prompt,
            source=brief.source,
            must_include=tuple((fact,) if isinstance(fact, str) else tuple(fact) for fact in brief.must_include),
            held_back=brief.id in held_back,
        )
        for brief in (*plan.briefs(), *plan.held_back_briefs())
    }


def _origin(plan: Plan, store: Store) -> Origin:
    from bakeoff.library.run_state import state_of
    from bakeoff.report.page.facts import Origin

    loads = store.loads(plan.run_id)
    return Origin(
        state=state_of(store, plan.run_id),
        started=next((found.started for found in store.runs() if found.run_id == plan.run_id), ""),
        command=_command(plan),
        sampling=plan.suite.sampling.model_dump(mode="json"),
        replicates=plan.suite.replicates,
        threshold=plan.suite.threshold,
        held_back=len(plan.held_back),
        engines={load.candidate: load.engine_version for load in loads},
    )


def _command(plan: Plan) -> str:
    """Return the command that makes such a run again, on the same suite and models."""
    references = list(dict.fromkeys(_reference(candidate) for candidate in plan.candidates))
    parts = ["bakeoff", "run", _suite_argument(plan), "--models", ",".join(references), "--seed", str(plan.seed)]
    if plan.mode == "fixed":
        parts += ["--fixed-n", str(len(plan.brief_ids))]
    if plan.evidence == "strict":
        parts.append("--strict")
    parts += ["--concurrency", str(plan.concurrency)]
    if plan.endpoint_concurrency is not None:
        parts += ["--concurrency-per-endpoint", str(plan.endpoint_concurrency)]
    devices = list(dict.fromkeys(candidate.device for candidate in plan.candidates if candidate.device))
    if devices:
        parts += ["--device", ",".join(devices)]
    if any(candidate.allow_fallback for candidate in plan.candidates):
        parts.append("--allow-fallback")
    if plan.scorer_files:
        parts.append("--allow-code")
    return shlex.join(parts)


def _reference(candidate: Candidate) -> str:
    """Return what names a model and, where it would not be chosen anyway, its engine."""
    from bakeoff.core.errors import BakeoffError
    from bakeoff.engines.local import choose_engine

    model = candidate.model
    if not model.is_ours_to_run:
        return model.reference
    try:
        chosen = choose_engine(model, None, [candidate.device] if candidate.device else [])
    except BakeoffError:  # no engine of this machine runs it; it may be of another
        chosen = None
    return model.reference if candidate.engine == chosen else f"{candidate.engine}+{model.reference}"


def _suite_argument(plan: Plan) -> str:
    """Return what names the suite for `bakeoff run`: a built-in one has no file that a user would know of."""
    from bakeoff.core.errors import UsageError
    from bakeoff.study.suite import find_suite, load_suite

    name = Path(plan.suite_file).stem
    if name == plan.suite.name:
        try:
            if load_suite(find_suite(name)).hash == plan.suite.hash:
                return name
        except UsageError:
            pass
    return plan.suite_path or plan.suite_file


def _cost(plan: Plan, choice: str | None, read: Sequence[Work]) -> tuple[RunCost | None, str]:
    """Return what texts cost for terms that nobody has stated, or why nothing is known."""
    from bakeoff.core.errors import UsageError
    from bakeoff.cost.tariffs import ASSUMED_TARIFF
    from bakeoff.report.page.facts import RunCost
    from bakeoff.study.pricing import Terms, cost_of_run

    work = [found._replace(by_content_type={}) for found in read]
    try:
        costed = cost_of_run(plan, work, choice, Terms(), tornado=False)
    except UsageError as error:
        return None, error.message
    tariff, low, high = ASSUMED_TARIFF
    missing = {found.candidate: found.missing for found in costed.candidates}
    bases = tuple(_basis(found, missing.get(found.candidate) or "", plan) for found in work)
    return RunCost(
        bases=bases, costed=costed, tariff=tariff, tariff_low=low, tariff_high=high, tariff_provenance="assumed"
    ), ""


def _basis(work: Work, missing: str, plan: Plan) -> CostBasis:
    from bakeoff.cost.arithmetic import Values
    from bakeoff.cost.uncertainty import TokenPrices, means_of
    from bakeoff.cost.watts import assumed_watts
    from bakeoff.report.page.facts import CostBasis

    if missing or work.sample is None:
        return CostBasis(candidate=work.candidate, missing=missing or work.missing)
    nothing = Values(busy_s=0.0, watts=0.0, tariff=0.0, cloud_text=0.0)
    # With one token in or out at a price of one, the price of a text is how many tokens it has.
    read = means_of(work.sample, TokenPrices(prompt=1.0, completion=0.0), nothing)
    written = means_of(work.sample, TokenPrices(prompt=0.0, completion=1.0), nothing)
    drawn, assumed = work.energy, assumed_watts(work.device, plan.machine.system)
    measured = drawn.watts is not None
    watts = drawn.watts if drawn.watts is not None else assumed.value
    return CostBasis(
        candidate=work.candidate,
        busy_s=read.busy_s,
        prompt_tokens=read.cloud_text,
        completion_tokens=written.cloud_text,
        accepted=read.accepted,
        watts=watts,
        watts_low=watts if measured else assumed.low,
        watts_high=watts if measured else assumed.high,
        watts_provenance=("derived" if drawn.quality == "estimated" else "measured") if measured else "assumed",
        watts_note=f"{drawn.source}, scope {drawn.scope}" if measured else assumed.note,
    )
