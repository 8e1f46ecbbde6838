"""Which ways to measure energy this machine offers, and why not the others; and the first that works, opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from bakeoff.core.errors import UsageError
from bakeoff.core.installing import install_command
from bakeoff.core.spec import Record
from bakeoff.machine.accelerators import Accelerator
from bakeoff.measure.energy_counters import (
    POWERCAP,
    WATTS_CSV,
    AppleMeter,
    CsvMeter,
    Meter,
    NvmlMeter,
    PowerPipe,
    RaplMeter,
    macmon_is_here,
)

_CANNOT_OPEN = (OSError, ValueError, ImportError, RuntimeError, AttributeError)
"""What opening somebody's counters can raise; zeus's own errors are RuntimeErrors."""


class EnergySource(Record):
    """A way to measure energy; `reason` says why it cannot be used, or what it covers."""

    source: str
    available: bool
    reason: str


def find_energy_sources(
    system: str, accelerators: Sequence[Accelerator], powercap: Path = POWERCAP
) -> tuple[EnergySource, ...]:
    """Return every known way for this operating system ("Linux", "Darwin"), usable or not, the best one first."""
    wall = (_wall(os.environ[WATTS_CSV]),) if WATTS_CSV in os.environ else ()
    if system == "Darwin":
        return (*wall, _apple(), _macmon())
    return (*wall, _rapl(powercap), _nvml(accelerators))


def open_meter(system: str, accelerators: Sequence[Accelerator], where: str) -> Meter | None:
    """Open the first way that covers what workers draw; None where there is none.

    A wall meter covers everything; a processor's counters say nothing of a card's draw, nor a card's of the processor's.
    `where` is "cpu", "metal", "cuda" or "rocm", or "both" for workers on the processor and on a card: where they are expected.
    What they did not draw there is told apart by their loads (`measure.energy.read_windows`).

    Raises:
        UsageError: BAKEOFF_WATTS_CSV names no file, or one that is no meter's log.
    """
    if WATTS_CSV in os.environ and not Path(os.environ[WATTS_CSV]).is_file():
        raise UsageError(
            f"{WATTS_CSV} names {os.environ[WATTS_CSV]}, which is no file", "name the log of a meter, or unset it"
        )
    for found in find_energy_sources(system, accelerators):
        if found.available and found.source in _COVER[where]:
            try:
                return _OPEN[found.source]()
            except _CANNOT_OPEN:
                continue
    return None


_CHIP = {"csv", "rapl", "apple", "macmon"}
_COVER = {"cpu": _CHIP, "metal": _CHIP, "cuda": {"csv", "nvml"}, "rocm": {"csv"}, "both": {"csv"}}
_OPEN: dict[str, Callable[[], Meter]] = {
    "csv": lambda: CsvMeter(Path(os.environ[WATTS_CSV])),
    "rapl": RaplMeter,
    "nvml": NvmlMeter,
    "apple": AppleMeter,
    "macmon": PowerPipe,
}


def _wall(file: str) -> EnergySource:
    if Path(file).is_file():
        return EnergySource(source="csv", available=True, reason=f"the meter whose log is {file}, the whole machine")
    return EnergySource(source="csv", available=False, reason=f"{WATTS_CSV} names {file}, which is no file")


def _apple() -> EnergySource:
    if find_spec("zeus_apple_silicon") is None:
        return EnergySource(
            source="apple", available=False, reason=f"zeus-apple-silicon is not installed: {install_command('energy')}"
        )
    return EnergySource(source="apple", available=True, reason="the chip, by Apple's own model of it; no sensor")


def _macmon() -> EnergySource:
    if not macmon_is_here():
        return EnergySource(source="macmon", available=False, reason="the program macmon is not on PATH")
    return EnergySource(source="macmon", available=True, reason="the whole Mac's power, sampled five times a second")


def _rapl(powercap: Path) -> EnergySource:
    """Intel's and AMD's counters of the processor package (Linux powercap)."""
    meter = RaplMeter(powercap)
    if not meter.zones:
        return EnergySource(source="rapl", available=False, reason=f"no counters under {powercap}")
    try:
        meter.read()
    except (OSError, ValueError):
        reason = f"{powercap}/intel-rapl:*/energy_uj cannot be read: it belongs to root (chmod a+r, or run as root)"
        return EnergySource(source="rapl", available=False, reason=reason)
    return EnergySource(source="rapl", available=True, reason="the processor package, the whole machine's work")


def _nvml(accelerators: Sequence[Accelerator]) -> EnergySource:
    if not any(found.kind == "cuda" for found in accelerators):
        return EnergySource(source="nvml", available=False, reason="no NVIDIA GPU")
    if find_spec("pynvml") is None:
        return EnergySource(
            source="nvml", available=False, reason=f"nvidia-ml-py is not installed: {install_command('energy')}"
        )
    if all(found.power_w is None for found in accelerators):
        return EnergySource(source="nvml", available=False, reason="the driver does not tell this GPU's power")
    try:
        meter = NvmlMeter()
    except OSError as error:
        return EnergySource(source="nvml", available=False, reason=f"its counter cannot be read ({error})")
    meter.close()
    reason = (
        "the GPU's board, by its own counter"
        if meter.boards == 1
        else f"all {meter.boards} NVIDIA boards together, by their own counters, whoever uses them"
    )
    return EnergySource(source="nvml", available=True, reason=reason)
