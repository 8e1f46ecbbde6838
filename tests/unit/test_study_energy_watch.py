"""Energy that is read back for a run: what counters do not cover is no candidate's, whatever they told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bakeoff.core.clock import HandClock
from bakeoff.core.records import Timings, WorkerLoad
from bakeoff.core.spec import Candidate, ModelSpec
from bakeoff.measure.energy import EnergySample, EnergyWindow, Reading, Scope, energy_between, read_windows
from bakeoff.measure.energy_counters import RaplMeter
from bakeoff.report.energy import energy_and_cost
from bakeoff.report.run_tables import RunTables
from bakeoff.store.db import Store
from bakeoff.study.energy_watch import EnergyWatch, read_energy
from bakeoff.study.plan import Plan, trials_of
from made_generations import column_of
from nvml_boards import Boards, drawn_by
from sample_runs import make_plan

PROBLEM = "it ran on cpu, and the counters of nvml do not cover that"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open_folder(tmp_path)
    yield made
    made.close()


def start(candidate: str, device: str | None) -> WorkerLoad:
    return WorkerLoad(
        candidate=candidate,
        load_s=1.0,
        first_token_s=0.1,
        device=device,
        dtype="float32",
        engine_version="transformers 5",
        peak_memory_bytes=None,
        weight_bytes=None,
    )


def run_beside_boards(store: Store, **devices: tuple[str | None, ...]) -> Plan:
    """A run of which two boards told 500 J in 2 s of 4 texts by each candidate, whose starts said where they ran."""
    return run_beside(drawn_by(Boards(100.0, 100.0), 100.0, 400.0, idle_w=100.0), store, **devices)


def run_beside(sample: EnergySample, store: Store, **devices: tuple[str | None, ...]) -> Plan:
    plan = make_plan(12, tuple(devices))
    store.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    for candidate, seen in devices.items():
        window = EnergyWindow(candidate=candidate, texts=4, tokens=100, sample=sample)
        store.add_energy(plan.run_id, window.model_dump_json())
        for device in seen:
            store.add_load(plan.run_id, start(candidate, device))
    return plan


def test_a_board_that_idled_beside_the_processor_is_not_what_a_text_took(store: Store) -> None:
    plan = run_beside_boards(store, ann=("cpu",), bob=("cuda:1",))
    found = read_energy(plan, store)
    assert (found["ann"].j_per_text, found["ann"].idle_w, found["ann"].problem) == (None, None, PROBLEM)
    assert (found["bob"].j_per_text, found["bob"].net_j) == (pytest.approx(125.0), pytest.approx(300.0))
    assert found["bob"].problem == ""


def test_its_energy_is_assumed_then_and_the_reason_told(store: Store) -> None:
    plan = run_beside_boards(store, ann=("cpu",))
    candidate: Candidate = plan.candidates[0]
    ours = candidate.model_copy(
        update={"model": ModelSpec(reference="ann", name="ann", source="folder", location="ann", digest="d1")}
    )
    written = [
        trial.generation(
            text="A text.", finish_reason="stop", timings=Timings(latency_s=2.0), finished_unix_s=100.0 + 2 * number
        )
        for number, trial in enumerate(trials_of(plan, candidate))
    ]
    told = energy_and_cost(column_of(written), ours, "cpu", "Linux", read_energy(plan, store)["ann"])
    energy = told["energy_j_per_generation"]
    assert (energy["provenance"], energy["value"]) == ("assumed", pytest.approx(2.0 * 65))
    assert energy["reason"].startswith(f"ASSUMED 65 W, not measured ({PROBLEM}): ")


def test_an_exported_window_says_that_it_is_none(store: Store) -> None:
    plan = run_beside_boards(store, ann=("cpu",), bob=("cuda",))
    row = store.run(plan.run_id)
    assert row is not None
    rows = list(RunTables(store, row, "rules/7").rows("energy"))
    assert [(each["candidate"], each["quality"], each["problem"]) for each in rows] == [
        ("ann", "invalid", PROBLEM),
        ("bob", "measured", ""),
    ]


def test_of_a_candidate_that_ran_on_both_nobody_knows_which_window_was_which(store: Store) -> None:
    plan = run_beside_boards(store, ann=("cpu", "cuda"), bob=("cuda", "cpu"), eve=("cuda", "cuda"))
    told = {name: found.j_per_text is not None for name, found in read_energy(plan, store).items()}
    assert told == {"ann": False, "bob": False, "eve": True}


@pytest.mark.parametrize(("device", "counts"), [("rocm", False), ("vulkan", True), (None, True)])
def test_other_devices_beside_nvidias_boards(store: Store, device: str | None, counts: bool) -> None:
    plan = run_beside_boards(store, ann=(device,))
    assert (read_energy(plan, store)["ann"].j_per_text is not None) == counts


@pytest.mark.parametrize(("device", "counts"), [("cpu", True), ("vulkan", False), ("sycl", False), ("cuda:1", False)])
def test_a_processors_counters_see_nothing_else(device: str, counts: bool) -> None:
    sample = EnergySample(
        gross_j=90.0,
        idle_w=None,
        net_j=None,
        seconds=9.0,
        source="rapl",
        scope="cpu_pkg",
        quality="measured",
        channels={},
    )
    window = EnergyWindow(candidate="ann", texts=3, tokens=30, sample=sample)
    (found,) = read_windows([window.model_dump_json()], [start("ann", device)])
    assert (found.sample.quality == "measured") == counts


def test_a_meter_that_tells_nothing_at_first_is_waited_for(store: Store) -> None:
    """macmon's first line comes after its first sample, and a resumed run has nothing to do before."""

    clock = HandClock(datetime(2026, 11, 28, tzinfo=UTC))

    class Late:
        source = "macmon"
        scope: Scope = "system"

        def read(self) -> Reading:
            at_s = clock.monotonic_s()
            if at_s < 0.25:
                raise OSError("nothing yet")
            return Reading(
                at_s=at_s, joules={"system": 5.0 * at_s}, source="macmon", scope="system", quality="estimated"
            )

        def close(self) -> None:
            """Nothing runs."""

    kept: list[EnergyWindow] = []
    watch = EnergyWatch(Late(), kept.append, clock)
    asyncio.run(watch.watch_idle(clock))
    watch.begin()
    clock.advance(10.0)
    watch.end("ann", 3, 30)
    assert kept[0].sample.idle_w == pytest.approx(5.0)


def test_a_processor_that_waited_for_a_card_is_not_what_a_text_took(store: Store, tmp_path: Path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "max_energy_range_uj").write_text("262143328850")
    meter = RaplMeter(tmp_path)
    (zone / "energy_uj").write_text("1000000")
    before = meter.read()
    (zone / "energy_uj").write_text("41000000")
    sample = energy_between(before, meter.read().model_copy(update={"at_s": before.at_s + 2}))
    found = read_energy(run_beside(sample, store, ann=("cuda:0",), bob=("cpu",)), store)
    assert found["ann"].problem == "it ran on cuda:0, and the counters of rapl do not cover that"
    assert found["bob"].j_per_text == pytest.approx(10.0)
