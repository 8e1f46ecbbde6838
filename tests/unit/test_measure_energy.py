"""Energy counters: what a window of them says, what is wrong with some, and every kind of meter read for real."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace

import pytest

from bakeoff.core.clock import HandClock
from bakeoff.core.errors import InvalidFile, UsageError
from bakeoff.machine.accelerators import Accelerator
from bakeoff.measure.energy import EnergyWindow, Reading, energy_between, summarise_energy
from bakeoff.measure.energy_counters import AppleMeter, CsvMeter, NvmlMeter, RaplMeter
from bakeoff.measure.energy_sources import find_energy_sources, open_meter
from bakeoff.study.energy_watch import EnergyWatch
from nvml_boards import Boards, drawn_by
from power_program import power_program

GPU = Accelerator(kind="cuda", name="x", memory_bytes=1, free_bytes=1, power_w=80.0, source="test")


def reading(at_s: float, wraps_at: float | None = None, **joules: float) -> Reading:
    wraps = None if wraps_at is None else dict.fromkeys(joules, wraps_at)
    return Reading(at_s=at_s, joules=joules, wraps_at=wraps, source="test", scope="cpu_pkg")


def test_a_counter_that_starts_over() -> None:
    # 32 bits of microjoules: from 10 before the end to 90 after the beginning.
    wraps_at = 2**32 / 1e6
    sample = energy_between(reading(0, wraps_at, package=(2**32 - 10) / 1e6), reading(2, wraps_at, package=90e-6))
    assert sample.gross_j == pytest.approx(100e-6)
    assert sample.quality == "measured"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (reading(0, cpu=5.0, gpu=1.0), reading(5, cpu=5.0, gpu=90.0), "cpu stood still under load"),
        (reading(0, wall=5.0), reading(5, wall=5.0), "wall stood still under load"),
        (reading(0, package=5.0), reading(5, package=4.0), "package went backwards"),
        (reading(0, package=0.0), reading(1, package=1e6), "W cannot be"),
        (reading(1, package=0.0), reading(1, package=1.0), "no time passed"),
        (reading(0, package=1.0, **{"package-1": 1.0}), reading(5, package=90.0), "package-1 is gone"),
        (reading(0, wall=1.0), reading(5), "wall is gone"),
        (
            reading(0, package=1.0, **{"package-1": 7.0}),
            reading(5, package=90.0, **{"package-1": 7.0}),
            "package-1 stood still under load",
        ),
        # Set back to 0 by a driver that was loaded anew: as if it had wrapped, it would have drawn 8.7 kW.
        (reading(0, 262143.0, package=900.0), reading(30, 262143.0, package=10.0), "W cannot be"),
        (reading(0, wall=1.0), reading(90, wall=2.0).model_copy(update={"unseen_s": 70.0}), "told nothing for 70 s"),
    ],
)
def test_counters_that_cannot_be_believed(before: Reading, after: Reading, problem: str) -> None:
    sample = energy_between(before, after)
    assert sample.quality == "invalid"
    assert problem in sample.problem
    window = EnergyWindow(candidate="a", texts=3, tokens=10, sample=sample)
    found = summarise_energy([window])
    assert (found.j_per_text, found.watts) == (None, None)
    assert problem in found.problem


def test_a_part_that_does_nothing_is_no_fault() -> None:
    assert energy_between(reading(0, cpu=1.0, ane=0.0), reading(5, cpu=9.0, ane=0.0)).quality == "measured"
    # A window shorter than the counter's step may show nothing.
    assert energy_between(reading(0, package=1.0), reading(0.05, package=1.0)).quality == "measured"


def window(
    joules: float, seconds: float, texts: int = 2, tokens: int | None = 100, idle_w: float | None = 4.0
) -> EnergyWindow:
    sample = energy_between(reading(0, package=0.0), reading(seconds, package=joules), idle_w)
    return EnergyWindow(candidate="a", texts=texts, tokens=tokens, sample=sample)


def test_a_candidate_is_the_sum_of_its_windows() -> None:
    found = summarise_energy([window(100, 4), window(50, 1), window(0, 3)])
    assert (found.gross_j, found.seconds, found.texts) == (150, 5, 4)
    assert (found.watts, found.j_per_text, found.j_per_token) == (30, 37.5, 0.75)
    assert found.net_j == 150 - 4 * 5
    assert found.problem.startswith("1 windows left out")
    assert summarise_energy([window(100, 4, tokens=None)]).j_per_token is None
    assert summarise_energy([window(100, 4, idle_w=None)]).net_j is None
    assert summarise_energy([window(1, 0.5)]).watts is None  # too short to say anything
    assert summarise_energy([]).problem == ""
    with pytest.raises(ValueError, match="one candidate"):
        summarise_energy([window(1, 1), window(1, 1).model_copy(update={"candidate": "b"})])


def package(root: Path, name: str, microjoules: str, called: str | None = None) -> Path:
    zone = root / name
    zone.mkdir(parents=True)
    if called is not None:
        (zone / "name").write_text(f"{called}\n")
    (zone / "energy_uj").write_text(microjoules)
    (zone / "max_energy_range_uj").write_text("262143328850\n")
    return zone / "energy_uj"


def test_the_packages_of_a_processor(tmp_path: Path) -> None:
    counter = package(tmp_path, "intel-rapl:0", "1000000\n")
    package(tmp_path, "intel-rapl:1", "5000000\n")
    package(tmp_path, "intel-rapl:0:0", "700000\n")  # a part of the first, which would count twice
    meter = RaplMeter(tmp_path)
    before = meter.read()
    assert before.joules == {"package": 1.0, "package-1": 5.0}
    counter.write_text("3500000\n")
    assert energy_between(before, meter.read()).gross_j == pytest.approx(2.5)


@pytest.mark.parametrize("of_the_package", [0, 1])
def test_a_laptop_whose_counter_of_everything_stands_beside_its_package(tmp_path: Path, of_the_package: int) -> None:
    """psys is drawn by the package, and by what is around it: their sum is drawn by nobody."""
    counter = package(tmp_path, f"intel-rapl:{of_the_package}", "1000000\n", "package-0")
    package(tmp_path, f"intel-rapl:{of_the_package}:0", "700000\n", "core")
    everything = package(tmp_path, f"intel-rapl:{1 - of_the_package}", "4000000\n", "psys")
    mapped = package(tmp_path, "intel-rapl-mmio:0", "1000000\n", "package-0")  # the same package, read by another way
    meter = RaplMeter(tmp_path)
    before = meter.read()
    assert before.joules == {"package": 1.0}
    counter.write_text("21000000\n")
    mapped.write_text("21000000\n")
    everything.write_text("34000000\n")
    assert energy_between(before, meter.read()).gross_j == pytest.approx(20.0)


def test_two_packages_of_two_dies_each_beside_a_counter_of_everything(tmp_path: Path) -> None:
    names = ["package-0-die-0", "package-0-die-1", "package-1-die-0", "package-1-die-1", "psys"]
    for number, called in enumerate(names):
        package(tmp_path, f"intel-rapl:{number}", "1000000\n", called)
    assert list(RaplMeter(tmp_path).read().joules) == ["package", "package-1", "package-2", "package-3"]


def test_a_counter_of_everything_alone_is_no_package(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "4000000\n", "psys")
    assert "no counters" in find_energy_sources("Linux", (), tmp_path)[0].reason


def test_counters_of_the_package_can_be_read_or_not(tmp_path: Path) -> None:
    rapl, nvml = find_energy_sources("Linux", (), tmp_path)
    assert not rapl.available
    assert not nvml.available
    counter = package(tmp_path, "intel-rapl:0", "12345\n")
    assert find_energy_sources("Linux", (GPU,), tmp_path)[0].available
    counter.write_text("no number")
    assert "cannot be read" in find_energy_sources("Linux", (), tmp_path)[0].reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_counters_of_root_are_told(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "1").chmod(0)
    assert not find_energy_sources("Linux", (), tmp_path)[0].available


def test_a_mac_has_ways_of_its_own(tmp_path: Path) -> None:
    assert [found.source for found in find_energy_sources("Darwin", ())] == ["apple", "macmon"]
    silent = GPU.model_copy(update={"power_w": None})
    assert not find_energy_sources("Linux", (silent,), tmp_path)[1].available


def test_a_board_by_its_own_counter() -> None:
    sample = drawn_by(Boards(1000.0), 250.0)
    assert (sample.gross_j, sample.scope, sample.quality) == (pytest.approx(250.0), "gpu", "measured")


def test_all_boards_are_read_since_a_model_may_compute_on_any() -> None:
    sample = drawn_by(Boards(1000.0, 5.0, 70.0), 30.0, 500.0, 450.0, idle_w=45.0)
    assert sample.channels == pytest.approx({"gpu": 30.0, "gpu-1": 500.0, "gpu-2": 450.0})
    assert (sample.gross_j, sample.net_j) == (pytest.approx(980.0), pytest.approx(890.0))
    assert sample.quality == "measured"


def test_what_eight_boards_draw_can_be_and_what_one_cannot() -> None:
    joules = [1400.0] * 8
    assert drawn_by(Boards(*joules), *joules).quality == "measured"
    assert "W cannot be" in drawn_by(Boards(1.0), 5600.0).problem


def test_a_board_of_several_whose_counter_is_stuck() -> None:
    """It may be the one that computes."""
    assert drawn_by(Boards(1000.0, 1000.0), 30.0, 0.0).problem == "the counter gpu-1 stood still under load"
    assert drawn_by(Boards(1000.0, 1000.0), 0.0, 0.0).quality == "invalid"


def test_a_board_that_a_batch_system_keeps_away_is_nobodys() -> None:
    sample = drawn_by(Boards(1000.0, 1000.0, kept_away=(0,)), 500.0, 70.0)
    assert sample.channels == pytest.approx({"gpu-1": 70.0})
    with pytest.raises(OSError, match="no board"):
        NvmlMeter(Boards(1.0, kept_away=(0,)))
    with pytest.raises(OSError, match="no board"):
        NvmlMeter(Boards())


def test_the_source_says_which_boards_it_covers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # What find_spec looks for is there where the module is loaded.
    for boards, said in ((Boards(1.0), "the GPU's board"), (Boards(1.0, 2.0), "all 2 NVIDIA boards together")):
        boards.__spec__ = ModuleSpec("pynvml", None)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pynvml", boards)  # type: ignore[arg-type]
        nvml = find_energy_sources("Linux", (GPU,), tmp_path)[1]
        assert nvml.available
        assert said in nvml.reason


@pytest.mark.parametrize("boards", [(None,), (1.0, None)])
def test_a_board_that_does_not_count(boards: tuple[float | None, ...]) -> None:
    with pytest.raises(OSError, match="Not Supported"):
        NvmlMeter(Boards(*boards))


def test_a_board_that_goes_away() -> None:
    boards = Boards(1.0, 1.0)
    meter = NvmlMeter(boards)
    kept: list[EnergyWindow] = []
    clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
    watch = EnergyWatch(meter, kept.append, clock)
    watch.begin()
    boards.joules[1] = None
    watch.end("a", 5, 100)
    watch.close()
    found = summarise_energy(kept)
    assert (found.j_per_text, found.problem) == (None, "the counters could not be read")


def test_without_a_driver_nvml_is_told_and_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pynvml", reason="needs the extra energy")
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a driver here")
    (nvml,) = (found for found in find_energy_sources("Linux", (GPU,)) if found.source == "nvml")
    assert not nvml.available
    assert "cannot be read (NVML: " in nvml.reason
    monkeypatch.delenv("BAKEOFF_WATTS_CSV", raising=False)
    assert open_meter("Linux", (GPU,), "cuda") is None


class Turned:
    """A meter whose readings are given, and a clock that goes on with them."""

    source = "test"
    scope = "wall"

    def __init__(self, *readings: Reading | None) -> None:
        self._left = iter(readings)

    def read(self) -> Reading:
        found = next(self._left)
        if found is None:
            raise OSError("gone")
        return found

    def close(self) -> None: ...


def test_a_run_keeps_what_its_meter_failed_to_tell() -> None:
    """Of 10 s that a candidate wrote the meter told 2: what it told is no measurement of the whole."""
    clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
    kept: list[EnergyWindow] = []
    watch = EnergyWatch(
        Turned(reading(0, wall=0.0), reading(2, wall=80.0), None, reading(9, wall=9.0)), kept.append, clock
    )
    for seconds in (10.0, 3.0):
        watch.begin()
        clock.advance(seconds)
        watch.end("a", 4, None)
    assert [window.sample.problem for window in kept] == ["the meter told 2 of 10 s", "the counters could not be read"]
    assert summarise_energy(kept).j_per_text is None
    watch.end("a", 1, None)  # nothing was begun
    assert kept[-1].sample.quality == "invalid"


class Chip:
    """What zeus-apple-silicon's monitor answers: millijoules of each window, None for parts that a chip does not tell."""

    def __init__(self, *windows: dict[str, int | None]) -> None:
        self._windows = iter(windows)

    def begin_window(self, name: str) -> None: ...

    def end_window(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(**next(self._windows))


def test_an_apple_chip_tells_parts_and_not_all() -> None:
    meter = AppleMeter(
        Chip(
            {"cpu_total_mj": 100, "gpu_mj": 10, "ane_mj": None}, {"cpu_total_mj": 2000, "gpu_mj": 5000, "ane_mj": None}
        )
    )
    before = meter.read()
    after = meter.read().model_copy(update={"at_s": before.at_s + 5})
    sample = energy_between(before, after)
    assert sample.channels == {"cpu": 2.0, "gpu": 5.0}
    assert (sample.quality, sample.scope) == ("estimated", "soc")


def test_an_apple_chip_whose_counter_is_stuck() -> None:
    meter = AppleMeter(Chip({"cpu_total_mj": 0, "gpu_mj": 10}, {"cpu_total_mj": 0, "gpu_mj": 4000}))
    before = meter.read()
    sample = energy_between(before, meter.read().model_copy(update={"at_s": before.at_s + 5}))
    assert sample.quality == "invalid"


def test_a_program_that_prints_watts(tmp_path: Path) -> None:
    sample = json.dumps({"sys_power": 20.0})
    with power_program(tmp_path) as program:
        with pytest.raises(OSError, match="tells nothing"):
            program.meter.read()
        program.tell("not json", sample)
        before = program.meter.read()
        program.tell("[]", sample)
        program.tell(sample)
        drawn = energy_between(before, program.meter.read())
        assert drawn.gross_j / drawn.seconds == pytest.approx(20.0, rel=1e-6)
    with pytest.raises(OSError, match="has ended"):
        program.meter.read()


def test_the_log_of_a_wall_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "w.csv"
    log.write_text("time,watts\n1000,10\n1002,30\n")
    meter = CsvMeter(log)
    before = meter.read()
    assert (before.at_s, before.joules) == (1002.0, {"wall": 40.0})
    with log.open("a") as stream:
        stream.write("1004,30\n2000,30\n2001,50\n20")  # a gap that nobody saw, and a line that is being written
    # From 1004 to 2000 nobody saw what was drawn: what was seen would be a tenth of a watt.
    assert energy_between(before, meter.read()).problem == "the meter told nothing for 996 s"
    log.write_text("1000,10\n1002,30\n1004,30\n1006,50\n20")  # a line that is being written
    sample = energy_between(before, meter.read())
    assert (sample.gross_j, sample.seconds) == (pytest.approx(60.0 + 80.0), 4.0)
    # The work took a second longer than the log tells so far: its mean power counts for all of it.
    longer = energy_between(before, meter.read(), 10.0, passed_s=5.0)
    assert (longer.gross_j, longer.net_j, longer.seconds) == (pytest.approx(175.0), pytest.approx(125.0), 5.0)
    # It took a minute, and the log ended after four seconds.
    assert energy_between(before, meter.read(), passed_s=60.0).problem == "the meter told 4 of 60 s"
    for wrong, said in (
        ("", "has no line"),
        ("5,1\n4,1\n", "goes back in time"),
        ("5,x\n6,1\n", "is '5,x'"),
        ("5,-1\n6,1\n", "is '5,-1'"),
        ("5,nan\n6,1\n", "is '5,nan'"),
    ):
        log.write_text(wrong)
        with pytest.raises(InvalidFile, match=said):
            meter.read()
    monkeypatch.setenv("BAKEOFF_WATTS_CSV", str(tmp_path / "nowhere.csv"))
    assert "is no file" in find_energy_sources("Linux", ())[0].reason
    with pytest.raises(UsageError, match="BAKEOFF_WATTS_CSV names"):
        open_meter("Linux", (), "cuda")
    log.write_text("1000,10\n")
    monkeypatch.setenv("BAKEOFF_WATTS_CSV", str(log))
    for where in ("cpu", "cuda", "both"):
        assert isinstance(open_meter("Linux", (), where), CsvMeter)
