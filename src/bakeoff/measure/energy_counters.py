"""Reading energy counters: thin on purpose, what readings mean is `measure.energy`'s. Every path and module is a parameter.

- RAPL: Linux's powercap files, microjoules of each processor package, which wrap; root's on most systems.
- NVML: NVIDIA's counter of each board's energy since its driver was loaded, in millijoules (Volta and newer).
- Apple: IOReport's counters by zeus-apple-silicon, in millijoules; a model of the chip, no sensor.
- macmon: samples of the whole Mac's power from the program `macmon pipe`, added up here.
- CSV: a wall meter's log, `time,watts` a line, time in Unix seconds; named by BAKEOFF_WATTS_CSV.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.measure.energy import Reading, Scope

POWERCAP = Path("/sys/class/powercap")
_NO_PERMISSION = 4
"""NVML_ERROR_NO_PERMISSION."""
WATTS_CSV = "BAKEOFF_WATTS_CSV"
_WINDOW = "bakeoff"
_MOST_STEP_S = 60.0
"""A meter's log with a longer gap says nothing about it."""
_MOST_PAUSE_S = 5.0
"""The same of a program that tells five samples a second."""
_MOST_WATTS = 1e6
_MOST_MAC_WATTS = 2_000.0
"""More than any Mac's power supply gives. Under load single samples of 20 to 60 kW were seen (mactop's issue 94, 2026-09): one
of them would add as much as minutes of work.
"""


class Meter(Protocol):
    """Something with counters. `read` raises OSError where they cannot be read any more."""

    @property
    def source(self) -> str:
        """Its name."""
        ...

    @property
    def scope(self) -> Scope:
        """What its counters cover."""
        ...

    def read(self) -> Reading:
        """Return the counters now."""
        ...

    def close(self) -> None:
        """Stop whatever runs."""
        ...


class RaplMeter:
    """The processor packages under `root`."""

    source = "rapl"
    scope: Scope = "cpu_pkg"

    def __init__(self, root: Path = POWERCAP) -> None:
        # intel-rapl:0 is a package, intel-rapl:0:1 a part of it, which would count twice; so would intel-rapl-mmio:0, the same
        # package by another way, and a laptop's psys, which is the package and all around it.
        zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self._zones = [zone for zone in zones if _is_package(zone)]

    @property
    def zones(self) -> int:
        """How many packages there are."""
        return len(self._zones)

    def read(self) -> Reading:
        """Return every package's joules.

        Raises:
            OSError: a counter cannot be read: it belongs to root.
            ValueError: it holds no number.
        """
        names = ["package" if number == 0 else f"package-{number}" for number in range(self.zones)]
        wraps = [_microjoules(zone / "max_energy_range_uj") for zone in self._zones]
        joules = [_microjoules(zone / "energy_uj") for zone in self._zones]
        return Reading(
            at_s=time.monotonic(),
            joules=dict(zip(names, joules, strict=True)),
            wraps_at=dict(zip(names, wraps, strict=True)),
            source=self.source,
            scope=self.scope,
        )

    def close(self) -> None:
        """Nothing runs."""


def _is_package(zone: Path) -> bool:
    """Tell whether a zone is a processor package by its own name (`package-0`, `package-0-die-1`); one without a name is."""
    try:
        name = (zone / "name").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return name.startswith("package")


def _microjoules(file: Path) -> float:
    return int(file.read_text(encoding="ascii")) / 1e6


class NvmlMeter:
    """Every NVIDIA board that may be used from here; `nvml` is the module pynvml.

    Which of them a model takes is not known: CUDA numbers boards otherwise than the driver, and a model may take several. What
    others compute on them counts too.

    Raises:
        OSError: no driver, no board, or one that does not count: what a model computes there would be missed.
    """

    source = "nvml"
    scope: Scope = "gpu"

    def __init__(self, nvml: Any = None) -> None:
        self._nvml = nvml or import_module("pynvml")
        self._ask("nvmlInit")
        self._boards = dict(self._find_boards())
        if not self._boards:
            raise OSError("NVML: no board may be used")
        self.read()

    @property
    def boards(self) -> int:
        """How many boards there are."""
        return len(self._boards)

    def _find_boards(self) -> Iterator[tuple[str, Any]]:
        """Yield a name and a handle of each board; the driver counts those too that a batch system keeps from this program."""
        for index in range(self._ask("nvmlDeviceGetCount")):
            try:
                handle = self._ask("nvmlDeviceGetHandleByIndex", index)
            except OSError as error:
                if getattr(error.__cause__, "value", None) == _NO_PERMISSION:
                    continue
                raise
            yield "gpu" if index == 0 else f"gpu-{index}", handle

    def read(self) -> Reading:
        """Return every board's joules.

        Raises:
            OSError: the driver does not tell them (any more).
        """
        joules = {
            name: self._ask("nvmlDeviceGetTotalEnergyConsumption", handle) / 1e3
            for name, handle in self._boards.items()
        }
        return Reading(at_s=time.monotonic(), joules=joules, source=self.source, scope=self.scope)

    def _ask(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._nvml, function)(*arguments)
        except Exception as error:  # NVMLError, which is nobody's subclass
            raise OSError(f"NVML: {error}") from error

    def close(self) -> None:
        """Let go of the driver."""
        self._ask("nvmlShutdown")


class AppleMeter:
    """The chip of a Mac; `monitor` is zeus_apple_silicon's AppleEnergyMonitor."""

    source = "apple"
    scope: Scope = "soc"

    def __init__(self, monitor: Any = None) -> None:
        self._monitor = monitor or import_module("zeus_apple_silicon").AppleEnergyMonitor()
        self._joules: dict[str, float] = {}
        self._monitor.begin_window(_WINDOW)

    def read(self) -> Reading:
        """Return the joules of those parts of the chip that this model of it counts."""
        told = self._monitor.end_window(_WINDOW)
        self._monitor.begin_window(_WINDOW)
        parts = {"cpu": "cpu_total_mj", "gpu": "gpu_mj", "gpu_sram": "gpu_sram_mj", "dram": "dram_mj", "ane": "ane_mj"}
        for name, field in parts.items():
            millijoules = getattr(told, field, None)
            if millijoules is not None:
                self._joules[name] = self._joules.get(name, 0.0) + millijoules / 1e3
        return Reading(
            at_s=time.monotonic(),
            joules=dict(self._joules),
            source=self.source,
            scope=self.scope,
            quality="estimated",
        )

    def close(self) -> None:
        """Nothing runs."""


class PowerPipe:
    """A program that prints a line of JSON for every sample of power, whose watts are added up: macmon."""

    source = "macmon"
    scope: Scope = "system"

    def __init__(self, program: Sequence[str] = ("macmon", "pipe", "-i", "200"), field: str = "sys_power") -> None:
        self._field = field
        self._joules = self._unseen_s = 0.0
        self._last: tuple[float, float] | None = None
        self._lock = threading.Lock()
        self._process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for line in self._process.stdout or ():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                watts = float(json.loads(line)[self._field])
                if 0 <= watts < _MOST_MAC_WATTS:  # which what is not a number is not
                    self._add(time.monotonic(), watts)

    def _add(self, at_s: float, watts: float) -> None:
        with self._lock:
            if self._last is not None:
                step_s = at_s - self._last[0]
                if step_s > _MOST_PAUSE_S:
                    self._unseen_s += step_s
                else:
                    self._joules += step_s * (watts + self._last[1]) / 2
            self._last = (at_s, watts)

    def read(self) -> Reading:
        """Return the joules up to the last sample, at its time.

        Raises:
            OSError: the program ended, or has told nothing yet.
        """
        with self._lock:
            if self._last is None or self._process.poll() is not None:
                raise OSError("the program that tells the power has ended, or tells nothing")
            at_s, joules, unseen_s = self._last[0], self._joules, self._unseen_s
        return Reading(
            at_s=at_s,
            joules={self.scope: joules},
            unseen_s=unseen_s,
            source=self.source,
            scope=self.scope,
            quality="estimated",
        )

    def close(self) -> None:
        """End the program."""
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class CsvMeter:
    """A wall meter's log, which its own program goes on writing."""

    source = "csv"
    scope: Scope = "wall"

    def __init__(self, file: Path) -> None:
        self._file = file
        self.read()

    def read(self) -> Reading:
        """Return the joules from the log's beginning to its last line, at that line's time.

        Raises:
            OSError: the file cannot be read.
            InvalidFile: a line is none.
        """
        rows = list(self._rows())
        if not rows:
            raise self._invalid(None, "has no line", "time,watts a line, time in Unix seconds")
        joules = unseen_s = 0.0
        for (before, low), (after, high) in pairwise(rows):
            if after < before:
                raise self._invalid(None, "goes back in time", "ascending times")
            if after - before <= _MOST_STEP_S:
                joules += (after - before) * (low + high) / 2
            else:
                unseen_s += after - before
        return Reading(
            at_s=rows[-1][0],
            joules={self.scope: joules},
            unseen_s=unseen_s,
            source=self.source,
            scope=self.scope,
        )

    def _rows(self) -> list[tuple[float, float]]:
        lines = self._file.read_text(encoding="utf-8").splitlines()
        rows = []
        for number, line in enumerate(lines, 1):
            if not line.strip() or (number == 1 and not line[0].isdigit()):  # a heading
                continue
            parts = line.split(",")
            try:
                at_s, watts = float(parts[0]), float(parts[1])
            except (ValueError, IndexError):
                if number == len(lines):  # being written just now
                    continue
                raise self._invalid(number, f"is {line[:40]!r}", "time,watts") from None
            if not (0 <= watts < _MOST_WATTS) or not (0 < at_s < 1e12):
                raise self._invalid(number, f"is {line[:40]!r}", "Unix seconds, and watts of at least 0")
            rows.append((at_s, watts))
        return rows

    def _invalid(self, line: int | None, wrong: str, expected: str) -> InvalidFile:
        return InvalidFile((Problem(str(self._file), line, "", wrong, expected),))

    def close(self) -> None:
        """Nothing runs."""


def macmon_is_here() -> bool:
    """Tell whether the program macmon is on PATH."""
    return shutil.which("macmon") is not None
