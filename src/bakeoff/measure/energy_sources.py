"""Which ways to measure energy this machine offers, and why not the others. Looks; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bakeoff.core.spec import Record
from bakeoff.machine.accelerators import Accelerator

POWERCAP = Path("/sys/class/powercap")


class EnergySource(Record):
    """A way to measure energy; `reason` says why it cannot be used, or what it covers."""

    source: str
    available: bool
    reason: str


def find_energy_sources(
    system: str, accelerators: Sequence[Accelerator], powercap: Path = POWERCAP
) -> tuple[EnergySource, ...]:
    """Return every known way for this operating system ("Linux", "Darwin"), usable or not."""
    if system == "Darwin":
        reason = "powermetrics needs administrator rights, and this version does not read the IOReport counters"
        return (EnergySource(source="apple", available=False, reason=reason),)
    return (_rapl(powercap), _nvml(accelerators))


def _rapl(powercap: Path) -> EnergySource:
    """Intel's and AMD's counters of the processor package (Linux powercap)."""
    counters = sorted(powercap.glob("intel-rapl:*/energy_uj"))
    if not counters:
        return EnergySource(source="rapl", available=False, reason=f"no counters under {powercap}")
    try:
        for counter in counters:
            int(counter.read_text(encoding="ascii"))
    except (OSError, ValueError):
        reason = f"{counters[0]} cannot be read: it belongs to root"
        return EnergySource(source="rapl", available=False, reason=reason)
    return EnergySource(source="rapl", available=True, reason="the processor package, the whole machine's work")


def _nvml(accelerators: Sequence[Accelerator]) -> EnergySource:
    if not any(found.kind == "cuda" for found in accelerators):
        return EnergySource(source="nvml", available=False, reason="no NVIDIA GPU")
    if all(found.power_w is None for found in accelerators):
        return EnergySource(source="nvml", available=False, reason="the driver does not tell this GPU's power")
    return EnergySource(source="nvml", available=True, reason="the GPU's board power")
