"""What reads a Mac, against what real Macs said: `tests/data/apple/recordings.json`, each with its source and date.

Not found recorded anywhere: an `AppleEnergyMetrics` of zeus-apple-silicon as it is returned (its counters are here as others
read them from IOReport), torch's driver memory before and after a load of a known model, and MLX's active memory. What
stands for these in other tests is made up, and says so. `powermetrics` and `system_profiler` are not read by bakeoff.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.core.errors import DoesNotFit, UnsupportedModel
from bakeoff.engines.mlx_devices import MemoryLimit
from bakeoff.engines.torch_devices import DeviceWitness, explain_missing_operator, read_fallbacks
from bakeoff.machine.accelerators import assumed_working_set
from bakeoff.machine.detect import detect_machine, model_threads, read_vm_stat
from bakeoff.measure.energy import EnergyWindow, energy_between, summarise_energy
from bakeoff.measure.energy_counters import AppleMeter
from power_program import power_program

FILE = Path(__file__).parents[1] / "data" / "apple" / "recordings.json"
SAID: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
MIB, GIB = 1 << 20, 1 << 30


def test_each_recording_says_whose_it_is_and_when() -> None:
    listed = [each for found in SAID.values() for each in (found if isinstance(found, list) else [found])]
    recordings = [each for each in listed if isinstance(each, dict)]
    assert len(recordings) >= 15
    for each in recordings:
        assert each["source"].startswith("https://github.com/"), each
        assert each["date"][:2] == "20", each


@pytest.mark.parametrize(
    ("recording", "pages", "page", "ram_gib"),
    [
        (SAID["vm_stat"][0], 3857 + 443760 + 1075 + 17340, 16384, 24),
        (SAID["vm_stat"][1], 6127229 + 628646 + 430715 + 11820, 4096, 32),
    ],
)
def test_what_a_mac_can_hand_out(recording: dict[str, Any], pages: int, page: int, ram_gib: int) -> None:
    found = read_vm_stat(recording["output"])
    assert found == pages * page
    assert found < ram_gib * GIB  # all that it lists adds up to a little less than a size that Macs are sold with


def test_a_mac_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    told = dict(line.split(": ", 1) for kind in ("sysctl", "brand") for line in SAID[kind]["output"].splitlines())

    def run(command: list[str], **_options: Any) -> SimpleNamespace:
        if command == ["vm_stat"]:
            return SimpleNamespace(stdout=SAID["vm_stat"][0]["output"])
        assert command[:2] == ["sysctl", "-n"]
        if command[2] not in told:
            raise subprocess.CalledProcessError(1, command)
        return SimpleNamespace(stdout=f"{told[command[2]]}\n")

    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    found = detect_machine()
    assert (found.allowed_cores, model_threads()) == (10, 8)  # models are computed on the performance cores
    assert (found.chip, found.performance_cores, found.efficiency_cores) == ("Apple processor", 8, 2)
    assert found.available_bytes == read_vm_stat(SAID["vm_stat"][0]["output"])
    del told["hw.perflevel0.logicalcpu"], told["hw.perflevel1.logicalcpu"]  # as on Macs with Intel's processors
    assert detect_machine().performance_cores is None
    del told["hw.perflevel0.physicalcpu"]
    assert model_threads() == 10


@pytest.mark.parametrize("glitch", [None, *SAID["power_glitch"]["watts"]])
def test_the_whole_macs_power_is_read_and_what_no_mac_draws_is_left_out(tmp_path: Path, glitch: float | None) -> None:
    line = SAID["macmon"]["output"]
    watts = json.loads(line)["sys_power"]
    wrong = [] if glitch is None else [json.dumps(json.loads(line) | {"sys_power": glitch})]
    with power_program(tmp_path) as program:
        program.tell(line)
        before = program.meter.read()
        program.tell(*wrong, line)
        sample = energy_between(before, program.meter.read())
    assert sample.gross_j / sample.seconds == pytest.approx(watts, rel=1e-6)
    assert (sample.quality, sample.scope) == ("estimated", "system")


class Windows:
    """zeus's monitor, as far as it is used; what it returns is put together from counters that others recorded."""

    def __init__(self, *windows: dict[str, float]) -> None:
        self._windows = iter(windows)

    def begin_window(self, name: str) -> None: ...

    def end_window(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(**next(self._windows))


def window_of(recording: dict[str, Any]) -> dict[str, float]:
    """Both dies' counters in zeus's names, millijoules."""
    return {
        "cpu_total_mj": sum(recording["cpu_mj"]),
        "gpu_mj": recording["gpu_nj"] / 1e6,
        "dram_mj": sum(recording["dram_mj"]),
        "ane_mj": sum(recording["ane_mj"]),
    }


def test_an_apple_chips_counters_add_up_to_what_was_said_of_them() -> None:
    told = SAID["ioreport"]
    still, step = window_of(told["still"]), window_of(told["step"])
    meter = AppleMeter(Windows(still, step))
    before, after = meter.read(), meter.read()
    joules = {name: after.joules[name] - before.joules[name] for name in after.joules}
    for name in ("cpu", "ane", "dram"):
        assert joules[name] / told["step"]["since_s"] == pytest.approx(told["said_w"][name], abs=0.006), name
    assert joules["gpu"] / told["step"]["gpu_since_s"] == pytest.approx(told["said_w"]["gpu"], abs=0.006)


def test_counters_that_move_once_a_second_are_not_taken_for_stuck_nor_a_few_steps_for_a_measurement() -> None:
    told = SAID["ioreport"]
    still, step = window_of(told["still"]), window_of(told["step"])
    meter = AppleMeter(Windows(still, still, step))
    first, second, third = meter.read(), meter.read(), meter.read()
    resting = energy_between(first, second.model_copy(update={"at_s": first.at_s + 1.2}))
    assert resting.quality == "estimated"  # 0 J of the processor in 1.2 s: its counter steps that rarely
    worked = energy_between(first, third.model_copy(update={"at_s": first.at_s + 5.0}))
    short, long = (
        summarise_energy([EnergyWindow(candidate="a", texts=4, tokens=None, sample=worked)] * times) for times in (1, 3)
    )
    assert short.watts is None
    assert short.problem == "nothing was written for long enough"
    assert long.watts == pytest.approx(worked.gross_j / 5.0)


def test_a_chip_whose_cpu_reads_nothing_is_found_out() -> None:
    said = SAID["ioreport_still"]["said_w"]
    seconds = 5.0
    window = {
        "cpu_total_mj": 1e3 * seconds * said["cpu"],
        "gpu_mj": 1e3 * seconds * said["gpu"],
        "dram_mj": 1e3 * seconds * sum(said["dram"]),
    }
    meter = AppleMeter(Windows(window, window))
    before, after = meter.read(), meter.read()
    sample = energy_between(before, after.model_copy(update={"at_s": before.at_s + seconds}))
    assert (sample.quality, sample.problem) == ("invalid", "the counter cpu stood still under load")


def test_metals_recommendation_is_taken_from_what_mlx_says() -> None:
    info = SAID["device_info"]["output"]
    limits: list[int] = []
    mlx = SimpleNamespace(device_info=lambda: info, set_memory_limit=limits.append, set_wired_limit=limits.append)
    limit = MemoryLimit("metal", mlx)
    assert limits == [188743680000, 188743680000]
    limit.check_weights(188743680000)
    with pytest.raises(DoesNotFit, match=r"at most 175\.8 GiB"):
        limit.check_weights(188743680001)


@pytest.mark.parametrize("mac", SAID["working_sets"], ids=lambda mac: f"{mac['ram_gib']} GiB, {mac['recommended_gib']}")
def test_what_is_assumed_of_metal_is_never_more_than_what_macs_said_and_not_much_less(mac: dict[str, Any]) -> None:
    assumed = assumed_working_set(mac["ram_gib"] * GIB)
    assert assumed is not None
    assert 0.9 * mac["recommended_gib"] < assumed / GIB < mac["recommended_gib"] + 0.01


@pytest.mark.parametrize("warning", SAID["torch_warnings"], ids=lambda warning: str(warning["operator"]))
def test_torchs_warnings_are_read_and_others_left_alone(warning: dict[str, Any]) -> None:
    names, others = read_fallbacks([warning["message"]])
    expected = ((), [warning["message"]]) if warning["operator"] is None else ((warning["operator"],), [])
    assert (names, others) == expected


def test_an_operator_that_metal_lacks_is_named() -> None:
    told = SAID["torch_missing"]

    def run() -> None:
        raise NotImplementedError(told["message"])

    with pytest.raises(UnsupportedModel, match=f"torch cannot compute {told['operator']} on mps"):
        explain_missing_operator(run, "mps")


def test_metals_allocator_holds_more_than_the_tensors_so_that_its_growth_proves_them() -> None:
    told = SAID["torch_memory"]
    held, tensors = (int(told[name] * MIB) for name in ("driver_allocated_mib", "current_allocated_peak_mib"))
    readings = iter([0, held, held])
    mps = SimpleNamespace(
        driver_allocated_memory=lambda: next(readings), set_per_process_memory_fraction=lambda _share: None
    )
    witness = DeviceWitness("mps", SimpleNamespace(mps=mps))
    weight = SimpleNamespace(device=SimpleNamespace(type="mps"))
    assert witness.confirm([("weight", weight)], tensors) == "mps"
    assert witness.idle(tensors) == ""
