"""What `bakeoff serve` serves: from a stored run, or from models that are named, each checked to be there and to fit.

Nothing is served as measured that is not what was measured: a model whose files have changed since the run is left out, with a
note, and the next one of the route serves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.cli.serving_routes import Routes, estimate_of, overridden, routes_of
from bakeoff.cli.serving_words import NAMED_FIRST
from bakeoff.core.errors import BakeoffError, UsageError
from bakeoff.core.records import Estimate
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.core.units import bytes_text
from bakeoff.machine.budget import HOST
from bakeoff.serve.need import admitted_on
from bakeoff.serve.plan import ServedModel, ServedRoute, ServingPlan
from bakeoff.serve.pools import PerPool, pool_text, short

if TYPE_CHECKING:
    from bakeoff.catalog.calibration import Observation
    from bakeoff.catalog.fit import Need
    from bakeoff.machine.budget import Budget
    from bakeoff.store.db import RunRow
    from bakeoff.study.admission import Budgets
    from bakeoff.study.plan import Plan

_DEFAULT_ROWS = 8
"""Texts at a time that a model without a run is expected to write."""

_MORE_MEMORY = "give models more memory with --budget, or say what one needs: keeping.models.NAME.need_bytes in the settings (--config)"

Admission = Callable[[ServedModel], PerPool]
"""What a model is admitted on, in bytes by memory."""


class Served(NamedTuple):
    """A plan to serve, what its models may take of each memory, and what is to be said of how it came about."""

    plan: ServingPlan
    budgets: Mapping[str, Budget]
    notes: tuple[str, ...]


def plan_of_run(
    row: RunRow,
    plan: Plan,
    budgets: Budgets,
    seen: Sequence[Observation],
    routes: Routes,
    admitted_on: Admission = admitted_on,
) -> Served:
    """Return what a finished run earned, with the `routes` of the user's own above it.

    Raises:
        UsageError: nothing was measured, or no model of it can be served.
    """
    told = _told(row)
    usable, notes = _usable(plan.candidates, budgets, plan.concurrency, seen)
    measured = [
        _placed(_measured(candidate, need, told[candidate.id]), need, told[candidate.id], budgets)
        for candidate, need in usable
        if candidate.id in told
    ]
    models, too_large = _fitting(measured, budgets, admitted_on)
    notes += too_large
    served = _earned(row, models, told, notes, f"run again, name --models, or {_MORE_MEMORY}" if too_large else "")
    return Served(overridden(served, routes, told), _budgets_of(served, budgets), tuple(notes))


def plan_elsewhere(row: RunRow, plan: Plan) -> tuple[ServingPlan, tuple[str, ...]]:
    """Return what a finished run earned, to be served by others on other machines, and what is to be said of it.

    No engine need be here, nothing need fit here, and weights may be gone; where they are here, they must be unchanged.

    Raises:
        UsageError: nothing was measured, or no model of it can be served.
    """
    told = _told(row)
    models: list[ServedModel] = []
    notes = []
    for candidate in plan.candidates:
        try:
            _check_writes(candidate)
            if candidate.model.is_ours_to_run and Path(candidate.model.location).exists():
                _check_unchanged(candidate)
        except BakeoffError as error:
            notes.append(f"{candidate.id} is left out: {error.message.partition(chr(10))[0]}")
        else:
            if candidate.id in told:
                models.append(_measured(candidate, None, told[candidate.id]))
    served = _earned(row, models, told, notes)
    return served.model_copy(update={"suite_file": _name_of_suite(plan)}), tuple(notes)


def _name_of_suite(plan: Plan) -> str | None:
    """Return how `bakeoff run` names the suite from here: a built-in one by its name, another by its file; None if it is not found."""
    from bakeoff.study.suite import find_suite, load_suite

    built_in = find_suite(None).parent / plan.suite_file
    if built_in.is_file() and load_suite(built_in) == plan.suite:
        return built_in.stem
    return next((path for path in (plan.suite_path, plan.suite_file) if path and Path(path).is_file()), None)


def _told(row: RunRow) -> Mapping[str, Mapping[str, Any]]:
    """Return what a run says of each candidate.

    Raises:
        UsageError: nothing was measured.
    """
    if row.result.get("measured") is False:
        raise UsageError(f"run {row.run_id} measured nothing: no model answered", "serve another run, or name --models")
    return {found["id"]: found for found in row.result["candidates"]}


def _earned(
    row: RunRow,
    models: Sequence[ServedModel],
    told: Mapping[str, Mapping[str, Any]],
    notes: Sequence[str],
    hint: str = "",
) -> ServingPlan:
    """Return the plan over those that can be served.

    Raises:
        UsageError: there is none; with the notes that say why, and the hint.
    """
    if not models:
        raise UsageError(
            f"no model of run {row.run_id} can be served:\n" + "\n".join(notes),
            hint or "run again, or name --models",
        )
    names = [model.id for model in models]
    routes, general = routes_of(row.result, told, names)
    return ServingPlan(run_id=row.run_id, suite=row.suite, models=tuple(models), routes=routes, general=general)


def plan_of_models(
    candidates: Sequence[Candidate],
    budgets: Budgets,
    seen: Sequence[Observation],
    routes: Routes,
    admitted_on: Admission = admitted_on,
) -> Served:
    """Return a plan over models that no run stands behind: the first serves, the others stand in.

    Raises:
        UsageError: one of them cannot be served.
    """
    usable, notes = _usable(candidates, budgets, _DEFAULT_ROWS, seen)
    predicted = [_placed(_predicted(candidate, need), need, {}, budgets) for candidate, need in usable]
    models, too_large = _fitting(predicted, budgets, admitted_on)
    if notes or too_large:
        hint = f"name other models, or {_MORE_MEMORY}" if too_large else "name other models"
        raise UsageError("\n".join((*notes, *too_large)), hint)
    names = [model.id for model in models]
    general = ServedRoute(
        candidate=names[0], fallbacks=tuple(names[1:]), sure=NAMED_FIRST, reasons=("it was named first",)
    )
    served = ServingPlan(run_id=None, models=tuple(models), general=general)
    return Served(overridden(served, routes, {}), _budgets_of(served, budgets), ())


def make_served_candidates(references: Sequence[str]) -> tuple[Candidate, ...]:
    """Return candidates of references.

    Raises:
        UsageError: with every one that cannot be run.
    """
    from bakeoff.study.candidates import make_candidates

    return make_candidates(references, Sampling())


def _usable(
    candidates: Sequence[Candidate], budgets: Budgets, rows: int, seen: Sequence[Observation]
) -> tuple[list[tuple[Candidate, Need | None]], list[str]]:
    """Return those that are there to be served with what each is predicted to need, and a note for each other one."""
    from bakeoff.machine.budget import Budget
    from bakeoff.study.admission import Budgets, check_fit

    unbounded = Budget(value=None, source="not asked for here")
    places = Budgets(unbounded, None if budgets.accelerator is None else unbounded)
    found: list[tuple[Candidate, Need | None]] = []
    notes = []
    for candidate in candidates:
        try:
            _check_servable(candidate)
            need = check_fit([candidate], places, rows, seen).needs.get(candidate.id)
        except BakeoffError as error:
            notes.append(f"{candidate.id} is not served: {error.message.partition(chr(10))[0]}")
            continue
        found.append((candidate, need))
    return found, notes


def _fitting(
    models: Sequence[ServedModel], budgets: Budgets, admitted_on: Admission
) -> tuple[list[ServedModel], list[str]]:
    """Return those that would be admitted to an empty machine, and a note for each other one."""
    notes = {model.id: too_much for model in models if (too_much := _too_much(model, budgets, admitted_on(model)))}
    fitting = [model for model in models if model.id not in notes]
    return fitting, [f"{name} is not served: it may need {too_much}" for name, too_much in notes.items()]


def _too_much(model: ServedModel, budgets: Budgets, need: PerPool) -> str:
    """Say of which memories a model needs more than there is; nothing where it fits."""
    from bakeoff.study.admission import expected_place

    host = budgets.host if budgets.cards else budgets.of(expected_place(model.candidate, budgets))
    sizes = {name: budget.value for name, budget in ({HOST: host} | dict(budgets.cards)).items()}
    bounds = {name: size for name, size in sizes.items() if size is not None}
    return "; ".join(
        f"{pool_text(need, pool, sizes)}, and the budget is {bytes_text(bounds[pool])}" for pool in short(need, bounds)
    )


def _check_servable(candidate: Candidate) -> None:
    """Make sure that a candidate is there, unchanged, and that something runs it.

    Raises:
        BakeoffError: it is not.
    """
    from bakeoff.engines.local import require_engine

    _check_writes(candidate)
    if candidate.model.is_ours_to_run:
        require_engine(candidate.engine)
        _check_unchanged(candidate)


def _check_writes(candidate: Candidate) -> None:
    if candidate.model.source == "recorded":
        raise UsageError("it is a file of recorded texts, which answers nothing new")


def _check_unchanged(candidate: Candidate) -> None:
    from bakeoff.catalog.references import look_again

    if look_again(candidate.model).digest != candidate.model.digest:
        raise UsageError("its files have changed since they were measured")


def _predicted(candidate: Candidate, need: Need | None) -> ServedModel:
    return ServedModel(
        candidate=candidate,
        need_bytes=None if need is None else need.estimate,
        need_high_bytes=None if need is None else need.high,
    )


def _measured(candidate: Candidate, need: Need | None, told: Mapping[str, Any]) -> ServedModel:
    return ServedModel(
        candidate=candidate,
        need_bytes=None if need is None else need.estimate,
        need_high_bytes=None if need is None else need.high,
        peak_memory_bytes=told["peak_memory_bytes"],
        load_s=told.get("ready_s") or told["load_s"],
        ttft_s=(told["ttft_s"] or {}).get("p50"),
        tokens_per_s=told["tokens_per_s"],
        tokens_per_s_low=told["tokens_per_s_low"],
        tokens_per_s_high=told["tokens_per_s_high"],
        tokens_per_s_concurrency=told["tokens_per_s_concurrency"],
        quality=estimate_of(told["quality"]),
        by_content_type={name: Estimate.model_validate(found) for name, found in told["by_content_type"].items()},
        in_contest=estimate_of(told.get("quality_in_selection") or told["quality"]),
        by_content_type_in_contest=_types_in_contest(told),
        device=told.get("device"),
        dtype=told.get("dtype"),
    )


def _types_in_contest(told: Mapping[str, Any]) -> dict[str, Estimate]:
    """Return the scores on the briefs that all competed on; none where a run of an earlier version does not tell them apart."""
    chosen_by = told.get("by_content_type_in_selection", {} if not told.get("confirmed") else None)
    if chosen_by is None:
        return {}
    return {name: Estimate.model_validate(found) for name, found in {**told["by_content_type"], **chosen_by}.items()}


def _placed(model: ServedModel, need: Need | None, seen: Mapping[str, Any], budgets: Budgets) -> ServedModel:
    """Return a model with what it takes of which memory, where its weights lie in a card's own; `seen` is what a run says of it."""
    from bakeoff.study.admission import expected_memory, reserved_bytes

    memory = HOST if seen.get("device") == "cpu" else expected_memory(model.candidate, budgets)
    if memory == HOST or not model.is_resident:
        return model
    on_card = seen.get("device_peak_bytes") is not None
    return model.model_copy(
        update={
            "memory": memory,
            "need_high_bytes": None if need is None else reserved_bytes(model.candidate, need, budgets.cards[memory]),
            "device_peak_bytes": seen.get("device_peak_bytes"),
            "host_high_bytes": None if need is None else need.host_bytes,
            "host_peak_bytes": seen.get("process_peak_bytes") if on_card else None,
        }
    )


def _budgets_of(plan: ServingPlan, budgets: Budgets) -> Mapping[str, Budget]:
    """Return what models may take of each memory that they use, and of the machine's own.

    Where that is the only one it is the smaller of what they may take there: a Mac's GPU may not have all of it.
    """
    from bakeoff.study.admission import expected_place

    if budgets.cards:
        used = {model.memory for model in plan.models}
        return {HOST: budgets.host} | {name: budget for name, budget in budgets.cards.items() if name in used}
    places = {expected_place(model.candidate, budgets) for model in plan.models if model.is_resident}
    held = [budgets.of(place) for place in places] or [budgets.host]
    return {HOST: min(held, key=lambda budget: float("inf") if budget.value is None else budget.value)}
