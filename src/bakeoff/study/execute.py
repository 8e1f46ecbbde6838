"""One bake-off from plan to stored generations: preflight, store the plan, generate, close everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.core.clock import Clock
from bakeoff.core.errors import BakeoffError, UsageError
from bakeoff.engines.endpoint_keys import EndpointKeys
from bakeoff.machine.accelerators import find_accelerators
from bakeoff.machine.detect import detect_machine
from bakeoff.measure.energy_sources import open_meter
from bakeoff.store.db import Store
from bakeoff.study.admission import Budgets, check_fit, expected_place, observe, read_observations
from bakeoff.study.cluster_room import Placement
from bakeoff.study.energy_watch import EnergyWatch
from bakeoff.study.fixed import run_fixed
from bakeoff.study.gathering import Gathering, RaceProgress, Reloading
from bakeoff.study.news import News
from bakeoff.study.placed import place_writers
from bakeoff.study.plan import Plan, count_unfinished
from bakeoff.study.preflight import Pace, Probe, check_recorded, find_dead_endpoints, load_cold, probe_pace, refuse
from bakeoff.study.retries import Patience
from bakeoff.study.rows import Room
from bakeoff.study.run_folder import run_folder
from bakeoff.study.runner import Beside, Runner, warm_up_for
from bakeoff.study.score_ahead import ScoringAhead, is_worth_it
from bakeoff.study.scorers import scorers_for
from bakeoff.study.stored_plan import load_plan
from bakeoff.study.writer_choice import make_writer
from bakeoff.study.writers import Writer

if TYPE_CHECKING:
    from bakeoff.study.ray_cluster import RayCluster


class Going(NamedTuple):
    """How a run goes: who hears of its pace; on without candidates that do not start; on which cluster (None: here)."""

    on_pace: Callable[[Pace], None]
    keep_going: bool = False
    cluster: RayCluster | None = None


async def execute(
    plan: Plan, store: Store, workspace: Path, progress: RaceProgress, clock: Clock, going: Going
) -> Plan:
    """Do what is unfinished of a plan, and return it; it is stored when the preflight has passed.

    If it is to keep going, candidates that do not start or answer are left out of a new plan, as long as one does.
    Cancelling it stops the workers and leaves a run that can be resumed.

    Raises:
        UsageError: the preflight found something wrong; nothing was generated or stored.
        StoreError: the store refuses.
    """
    scorers_for(plan)  # a scorer that cannot be loaded is told now, not after the last text
    check_recorded(plan)
    news = News(plan.run_id, store, progress, clock)
    budgets, writers, together, rooms = await _make_writers(plan, store, workspace, going.cluster, news)
    patience = Patience.from_environment()
    gathering = Gathering(progress)
    watch = _energy_watch(plan, budgets, store)
    unfinished = count_unfinished(plan, store.finished_trials(plan.run_id))
    beside = Beside(watch, _scoring_ahead(plan, store, workspace, unfinished))

    def make_runner() -> Runner:
        return Runner(plan, store, writers, gathering if plan.mode == "race" else progress, clock, patience, beside)

    runner = make_runner()
    stored = store.state(plan.run_id) is not None
    probe = Probe(clock, patience, progress.told)
    leave_out = _LeaveOut(plan, writers, news, wanted=going.keep_going and not stored)
    text_s: Mapping[str, float] = {}
    try:
        pace = await _preflight(leave_out, unfinished, watch, probe, together=together, cold=not stored)
        if pace is not None and pace.per_text_s:
            text_s = pace.per_text_s
            going.on_pace(pace)
        if leave_out.out:
            plan = leave_out.plan
            runner = make_runner()
            progress.standing((), dict.fromkeys(unfinished, 0) | count_unfinished(plan, ()), leave_out.out)
        runner.expect(text_s)
        if not stored:
            store.add_run(plan.run_id, plan.suite.name, clock.now().isoformat(), plan.model_dump(mode="json"))
            stored = True
        news.store_from_now_on()
        if plan.mode == "race":
            from bakeoff.study.racing import run_race  # loads the statistics: not before the first request

            await run_race(plan, store, runner, gathering, _reloading(writers, text_s), together=together)
        else:
            await run_fixed(plan, store, runner, progress, together=together)
    finally:
        watch.close()
        await runner.close(store_loads=stored)
    observe(plan, store, rooms)
    return plan


def _reloading(writers: Mapping[str, Writer], text_s: Mapping[str, float]) -> Reloading:
    """Return what a lap costs: a worker that is loaded writes a text that is not counted."""
    load_s = sum(load.ready_s for writer in writers.values() for load in writer.loads[-1:])
    writing_s = sum(text_s.values())
    return Reloading(load_s + writing_s, writing_s)


def _scoring_ahead(plan: Plan, store: Store, workspace: Path, unfinished: Mapping[str, int]) -> ScoringAhead | None:
    """Return what scores while texts are written, where that is worth it."""
    if not is_worth_it(plan, sum(unfinished.values())):
        return None
    return ScoringAhead(plan, store, run_folder(workspace, plan.run_id) / "logs")


class _Made(NamedTuple):
    """What workers may take, the writers, whether the workers of all of them are in memory at once, and the room for texts of those
    on this machine.
    """

    budgets: Budgets
    writers: dict[str, Writer]
    together: bool
    rooms: Mapping[str, Room]


async def _budgets(plan: Plan) -> Budgets:
    """Return what workers may take, and which engines have no use for the accelerator here: of those that would be expected on it."""
    found = Budgets(plan.budget, plan.accelerator_budget, plan.card_budgets)
    if plan.placement is not None or plan.machine.system == "Darwin":  # what is built for a Mac computes on its GPU
        return found
    from bakeoff.engines.device_probe import computing_on_cpu

    ours = (candidate for candidate in plan.candidates if candidate.model.is_ours_to_run)
    asked = {candidate.engine for candidate in ours if expected_place(candidate, found) == "accelerator"}
    return found._replace(on_cpu=await computing_on_cpu(sorted(asked))) if asked else found


async def _make_writers(plan: Plan, store: Store, workspace: Path, cluster: RayCluster | None, news: News) -> _Made:
    """Return what a run writes with; on a cluster candidates take it in turn.

    Raises:
        UsageError: one does not fit, here or on any node; or a run on a cluster, without one.
    """
    budgets = await _budgets(plan)
    if cluster is None and plan.placement is not None:
        raise UsageError(f"run {plan.run_id} is on a cluster", f"bakeoff run --resume {plan.run_id}")
    if cluster is not None and plan.placement is not None:

        def go_on() -> str:
            stored = store.state(plan.run_id) is not None
            return f"go on with: bakeoff run --resume {plan.run_id}" if stored else "start it again"

        writers = place_writers(plan, plan.placement, cluster, news.tell, go_on)
        if store.state(plan.run_id) is not None:
            _keep_placement(plan, plan.placement, store, news)
        return _Made(budgets, writers, together=False, rooms={})
    seen = read_observations(store, workspace)
    fit = check_fit(plan.candidates, budgets, plan.concurrency, seen)
    if store.state(plan.run_id) is not None:
        _tell_moved(plan, news)
    logs = run_folder(workspace, plan.run_id) / "logs"
    keys = EndpointKeys(candidate.model for candidate in plan.candidates)
    writers = {
        candidate.id: make_writer(
            candidate,
            keys,
            partial(news.tell, candidate.id),
            logs,
            fit.rooms[candidate.id],
            warm_up_for(plan, candidate),
        )
        for candidate in plan.candidates
    }
    return _Made(budgets, writers, fit.together, fit.rooms)


def _keep_placement(plan: Plan, placement: Placement, store: Store, news: News) -> None:
    """Store with how many CPUs a worker goes on, where a run was begun with another number of them, and say so."""
    before = load_plan(store, plan.run_id).placement
    if before is not None and before.cpus != placement.cpus:
        store.replace_plan(plan.run_id, plan.model_dump(mode="json"))
        said = f"begun with {before.cpus} CPUs a worker, gone on with on {placement.cpus}: its times are of both"
        news.tell(None, "resumed_elsewhere", said)


def _tell_moved(plan: Plan, news: News) -> None:
    """Say so where a run goes on that was begun on another machine, which a shared store makes possible."""
    here = detect_machine()
    ours = any(candidate.model.is_ours_to_run for candidate in plan.candidates)
    if ours and (here.chip, here.cores) != (plan.machine.chip, plan.machine.cores):
        before, now = (f"{machine.chip or 'unknown'}, {machine.cores} cores" for machine in (plan.machine, here))
        news.tell(None, "resumed_elsewhere", f"begun on {before}, gone on with on {now}: its times are of both")


class _LeaveOut:
    """Which candidates go on, and what is told of those that do not; where they may not be left out, they are refused."""

    def __init__(self, plan: Plan, writers: dict[str, Writer], news: News, *, wanted: bool) -> None:
        self.plan = plan
        self.out: dict[str, str] = {}
        """Who was left out, and that it was."""
        self.writers = writers
        self._news = news
        self._wanted = wanted

    async def all_of(self, wrong: Mapping[str, BakeoffError]) -> None:
        """Leave out candidates with what is wrong with them.

        Raises:
            BakeoffError: nobody asked for that, or none is left.
        """
        if not wrong:
            return
        kept = tuple(candidate for candidate in self.plan.candidates if candidate.id not in wrong)
        if not (self._wanted and kept):
            refuse(wrong, others=bool(kept) and not self._wanted)
        # One alone has nobody to race against.
        alone = {"mode": "fixed", "held_back": ()} if len(kept) == 1 and self.plan.mode == "race" else {}
        self.plan = self.plan.model_copy(update={"candidates": kept, **alone})
        for name, error in wrong.items():
            message = f"left out before the first text: {error.message.removeprefix(f'{name}: ')}"
            self._news.tell(name, "left_out", message)
            self.out[name] = "left out"
            await self.writers.pop(name).close()


async def _preflight(
    leave_out: _LeaveOut,
    unfinished: Mapping[str, int],
    watch: EnergyWatch,
    probe: Probe,
    *,
    together: bool,
    cold: bool,
) -> Pace | None:
    """Make sure that all can write, and return the pace; None where nothing is left to write."""
    await leave_out.all_of(await find_dead_endpoints(leave_out.writers))
    if cold:
        await leave_out.all_of(await load_cold(leave_out.writers))
    if not any(unfinished.values()):
        return None
    await watch.watch_idle(probe.clock)
    pace, wrong = await probe_pace(leave_out.plan, leave_out.writers, unfinished, probe, together=together)
    await leave_out.all_of(wrong)
    return pace


def _energy_watch(plan: Plan, budgets: Budgets, store: Store) -> EnergyWatch:
    """Watch what covers the workers where they are expected; where some compute on a card and some do not, only a wall meter does.

    Where each really ran is seen when the energy is read (`read_energy`).
    """
    ours = [candidate for candidate in plan.candidates if candidate.model.is_ours_to_run]
    if not ours or plan.placement is not None:
        return EnergyWatch(None, lambda _: None)
    placed = {expected_place(candidate, budgets) for candidate in ours}
    accelerators = find_accelerators(plan.machine) if "accelerator" in placed else ()
    apart = len(placed) > 1 and any(found.kind != "metal" for found in accelerators)
    kind = "both" if apart else accelerators[0].kind if accelerators else "cpu"
    meter = open_meter(plan.machine.system, accelerators, kind)
    return EnergyWatch(meter, lambda window: store.add_energy(plan.run_id, window.model_dump_json()))
