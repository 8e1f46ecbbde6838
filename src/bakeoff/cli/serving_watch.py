"""What `bakeoff serve` watches its models by: the terms of their cost, and the quality that the run had.

Worked out in a process beside the gateway, which stays small: prices come from a large catalogue, references from every text of
the run, graded once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bakeoff.cli.beside import beside, printed
from bakeoff.core.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.cost.prices import CloudPrice
    from bakeoff.serve.cost_terms import CostSettings, CostTerms, Figure
    from bakeoff.serve.monitor import Monitor
    from bakeoff.serve.plan import ServedModel, ServingPlan
    from bakeoff.study.admission import Budgets

log = logging.getLogger(__name__)

REFERENCES_SCHEMA = "bakeoff.live_references/1"
RETRY_S = 60.0
"""How long a judge that could not be asked about the run is left alone, in seconds; twice as long each time after."""
_LONGEST_RETRY_S = 3600.0


def cost_terms(
    plan: ServingPlan, settings: CostSettings, told: Mapping[str, Mapping[str, Any]], budgets: Budgets
) -> CostTerms:
    """Return what costs follow from; `told` is what the run says of each candidate.

    Raises:
        UsageError: no price is known for the cloud model that is named.
    """
    from bakeoff.cost.tariffs import ASSUMED_TARIFF
    from bakeoff.serve.cost_terms import CostTerms, Figure

    if settings.tariff is None:
        tariff = Figure(value=ASSUMED_TARIFF[0], provenance="assumed", note="dollars a kWh, where nobody said")
    else:
        tariff = Figure(value=settings.tariff, provenance="reported", note="dollars a kWh, from the settings")
    own = [model for model in plan.models if model.is_resident]
    devices = {model.id: _device(model, told, budgets) for model in own}
    return CostTerms(
        watts={model.id: _watts(model.id, settings, told, devices[model.id]) for model in own},
        devices=devices,
        tariff=tariff,
        cloud=_cloud(settings),
    )


def _device(model: ServedModel, told: Mapping[str, Mapping[str, Any]], budgets: Budgets) -> str:
    from bakeoff.study.admission import expected_place

    known = told.get(model.id, {}).get("device") or model.candidate.device
    if known is not None:
        return str(known)
    accelerator = "mps" if platform.system() == "Darwin" else "cuda"
    return accelerator if expected_place(model.candidate, budgets) == "accelerator" else "cpu"


def _watts(name: str, settings: CostSettings, told: Mapping[str, Mapping[str, Any]], device: str) -> Figure:
    from bakeoff.cost.watts import assumed_watts
    from bakeoff.serve.cost_terms import Figure

    if settings.watts is not None:
        return Figure(value=settings.watts, provenance="reported", note="from the settings")
    energy = told.get(name, {}).get("energy_j_per_generation") or {}
    if energy.get("watts") is not None and energy.get("provenance") in {"measured", "derived"}:
        return Figure(value=energy["watts"], provenance=energy["provenance"], note=f"in the run: {energy['reason']}")
    assumed = assumed_watts(device, platform.system())
    return Figure(value=assumed.value, provenance="assumed", note=assumed.note)


def _cloud(settings: CostSettings) -> CloudPrice | None:
    from datetime import UTC, datetime

    from bakeoff.cost.prices import CloudPrice, UnknownPrice, find_price

    if (settings.price_in is None) != (settings.price_out is None):
        raise UsageError("cost.price_in and cost.price_out belong together", "give both, or neither")
    if settings.price_in is not None and settings.price_out is not None:
        return CloudPrice(
            model=settings.against or "your price",
            provider=None,
            input_per_million=settings.price_in,
            output_per_million=settings.price_out,
            catalogue="stated",
            date=datetime.now(UTC).date().isoformat(),
        )
    if settings.against is None:
        return None
    try:
        return find_price(settings.against)
    except UnknownPrice as error:
        instead = "or give its price in a file for --config, under [cost]: price_in = 0.15, price_out = 0.60"
        raise UnknownPrice(error.message, error.meant, f"{instead} (dollars per million tokens)") from None


def references_document(run_id: str) -> dict[str, Any]:
    """Return the quality that a run's texts had, graded as a gateway's answers are."""
    from bakeoff.library.workspace import open_store
    from bakeoff.score.gates import GATES
    from bakeoff.study.live_references import read_live_references
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        found = read_live_references(load_plan(store, run_id), store)
    finally:
        store.close()
    return {
        "schema": REFERENCES_SCHEMA,
        "references": [each.model_dump(mode="json") for each in found],
        "gates": ["empty", *GATES],
    }


async def watch_quality(monitor: Monitor, plan: ServingPlan, judge: str | None = None) -> None:
    """Have a run's texts graded in processes of their own, and answers held against them as soon as that is done.

    The rules come first; then the judge, if one is named, which may take long.
    """
    from bakeoff.decide.live_reference import LiveReference
    from bakeoff.serve.quality_sampling import NO_RUN

    quality = monitor.quality
    if plan.run_id is None:
        quality.note = NO_RUN
        return
    quality.note = "not watched yet: the run's texts are being graded"
    served = [model.id for model in plan.models]
    try:
        document = await _graded_beside("--run", plan.run_id)
    except UsageError as error:
        quality.note = "not watched: the run's texts could not be graded; the log says why"
        log.warning("the quality of answers is not watched: the run's texts could not be graded (%s)", error.message)
        return
    found = [LiveReference.model_validate(each) for each in document["references"]]
    quality.refer_to((each for each in found if each.candidate in served), document["gates"])
    if judge is not None:
        quality.judging.note = "no answer is judged yet: the judge is asked about the run's texts"
        await _watch_by_judge(monitor, plan.run_id, judge, served)


async def _watch_by_judge(monitor: Monitor, run_id: str, name: str, served: Sequence[str]) -> None:
    from bakeoff.cli.serving_judge import EndpointJudge
    from bakeoff.core.spec import Candidate
    from bakeoff.decide.live_reference import LiveReference

    judging = monitor.quality.judging
    candidates = [part for each in served for part in ("--judged-candidate", each)]
    document: dict[str, Any] | None = None
    pause_s = RETRY_S
    while document is None:
        try:
            document = await _graded_beside("--run", run_id, "--judge", name, *candidates)
        except UsageError as error:
            why = "no answer is judged yet: the judge could not be asked about the run's texts"
            judging.note = f"{why}, and is tried again; the log says more"
            log.warning("%s (%s); tried again in %.0f s", why, error.message, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
    found = [LiveReference.model_validate(each) for each in document["references"]]
    if not document["validated"]:
        judging.note = f"no answer is judged: by the requests alone, the judge {document['validity']}"
        log.warning("%s", judging.note)
    elif not found:
        judging.note = (
            "no answer is judged: the judge graded texts of too few briefs (5 families of a content type at least)"
        )
        log.warning("%s", judging.note)
    else:
        monitor.quality.judge_by(EndpointJudge(Candidate.model_validate(document["judge"])), found)


async def _graded_beside(*arguments: str) -> dict[str, Any]:
    """Return what `bakeoff serve --print-references` says in a process of its own.

    Raises:
        UsageError: it ended without.
    """
    async with beside("--print-references", *arguments) as grading:
        with contextlib.suppress(ProcessLookupError):  # it has ended by now
            os.setpriority(os.PRIO_PROCESS, grading.pid, 10)  # clients come first
        document: dict[str, Any] = json.loads(await printed(grading, "grades"))
    return document
