"""One bake-off from plan to stored generations: preflight, store the plan, generate, close everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from bakeoff import __version__
from bakeoff.catalog.references import look_again
from bakeoff.core.clock import Clock
from bakeoff.core.errors import UsageError
from bakeoff.machine.accelerators import find_accelerators
from bakeoff.measure.energy_sources import open_meter
from bakeoff.store.db import Store
from bakeoff.study.admission import Budgets, check_fit, expected_place, observe, read_observations
from bakeoff.study.energy_watch import EnergyWatch
from bakeoff.study.fixed import run_fixed
from bakeoff.study.gathering import Gathering, RaceProgress, Reloading
from bakeoff.study.plan import Plan, count_unfinished
from bakeoff.study.preflight import Pace, Probe, check_recorded, load_cold, probe_endpoints, probe_pace
from bakeoff.study.retries import Patience
from bakeoff.study.runner import Runner, run_folder
from bakeoff.study.scorers import scorers_for
from bakeoff.study.writers import make_writer


async def execute(
    plan: Plan,
    store: Store,
    workspace: Path,
    progress: RaceProgress,
    clock: Clock,
    *,
    on_pace: Callable[[Pace], None],
) -> None:
    """Do what is unfinished of a plan; the plan is stored when the preflight has passed.

    Cancelling it stops the workers and leaves a run that can be resumed.

    Raises:
        UsageError: the preflight found something wrong; nothing was generated or stored.
        StoreError: the store refuses.
    """
    scorers_for(plan)  # a scorer that cannot be loaded is told now, not after the last text
    check_recorded(plan)
    budgets = Budgets(plan.budget, plan.accelerator_budget)
    fit = check_fit(plan.candidates, budgets, plan.concurrency, read_observations(store))
    logs = run_folder(workspace, plan.run_id) / "logs"
    writers = {candidate.id: make_writer(candidate, logs) for candidate in plan.candidates}
    patience = Patience.from_environment()
    gathering = Gathering(progress)
    watch = _energy_watch(plan, store)
    runner = Runner(plan, store, writers, gathering if plan.mode == "race" else progress, clock, patience, watch)
    stored = store.run(plan.run_id) is not None
    unfinished = count_unfinished(plan, store.finished_trials(plan.run_id))
    text_s = 0.0
    try:
        await probe_endpoints(writers)
        if not stored:
            await load_cold(writers)
        if any(unfinished.values()):
            await watch.watch_idle(clock)
            probe = Probe(clock, patience, progress.told)
            pace = await probe_pace(plan, writers, unfinished, probe, together=fit.together)
            text_s = sum(pace.per_text_s.values())
            if pace.per_text_s:
                on_pace(pace)
        if not stored:
            store.add_run(plan.run_id, plan.suite.name, clock.now().isoformat(), plan.model_dump(mode="json"))
            stored = True
        if plan.mode == "race":
            from bakeoff.study.racing import run_race  # loads the statistics: not before the first request

            load_s = sum(load.load_s for writer in writers.values() for load in writer.loads[-1:])
            await run_race(plan, store, runner, gathering, Reloading(load_s, text_s), together=fit.together)
        else:
            await run_fixed(plan, store, runner, progress, together=fit.together)
    finally:
        watch.close()
        await runner.close(store_loads=stored)
    observe(plan, store)


def _energy_watch(plan: Plan, store: Store) -> EnergyWatch:
    """Watch what covers the workers; where some compute on a card and some do not, only a wall meter does."""
    ours = [candidate for candidate in plan.candidates if candidate.model.is_ours_to_run]
    if not ours:
        return EnergyWatch(None, lambda _: None)
    budgets = Budgets(plan.budget, plan.accelerator_budget)
    placed = {expected_place(candidate, budgets) for candidate in ours}
    accelerators = find_accelerators(plan.machine) if "accelerator" in placed else ()
    apart = len(placed) > 1 and not all(found.unified for found in accelerators)
    kind = "both" if apart else accelerators[0].kind if accelerators else "cpu"
    meter = open_meter(plan.machine.system, accelerators, kind)
    return EnergyWatch(meter, lambda window: store.add_energy(plan.run_id, window.model_dump_json()))


def load_plan(store: Store, run_id: str) -> Plan:
    """Return the plan of a stored run.

    Raises:
        UsageError: no such run, or one whose plan another version wrote in a way that this one cannot read.
    """
    row = store.run(run_id)
    if row is None:
        known = ", ".join(found.run_id for found in store.runs()[:5])
        raise UsageError(f"there is no run {run_id!r} in this workspace", f"runs: {known}" if known else "no runs yet")
    try:
        return Plan.model_validate(row.plan)
    except ValidationError as error:
        version = row.plan.get("version") if isinstance(row.plan, dict) else None
        where = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        raise UsageError(
            f"run {row.run_id} was planned by bakeoff {version or 'of an unknown version'}, and this version "
            f"({__version__}) cannot read its plan (at {where or 'its top'})",
            "use the version that wrote it, or start a new run",
        ) from None


def check_unchanged(plan: Plan) -> None:
    """Make sure that the models are still those that the plan was made for.

    Raises:
        UsageError: a model is gone, or its files changed: texts of two models would be mixed.
    """
    for candidate in plan.candidates:
        if look_again(candidate.model).digest != candidate.model.digest:
            raise UsageError(
                f"{candidate.id} has changed since the run {plan.run_id} began",
                "put the old files back, or start a new run",
            )
