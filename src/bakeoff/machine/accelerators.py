"""Which accelerators the machine has, as its own tools report them; no model runtime is loaded.

NVIDIA: `nvidia-smi`, the driver's own program. Apple Silicon: the GPU is part of the chip and shares its memory; how
much of that Metal recommends to use (`recommendedMaxWorkingSetSize`) only a program that opens Metal can tell.
"""

from __future__ import annotations

import platform
import subprocess
from typing import Literal

from bakeoff.core.spec import Record
from bakeoff.machine.detect import Machine

PROBE_TIMEOUT_S = 5.0
_QUERY = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free,power.draw", "--format=csv,noheader,nounits"]
_MIB = 1 << 20


class Accelerator(Record):
    """One accelerator. Bytes are its own memory, None where nobody says; `power_w` is its draw when it was looked at."""

    kind: Literal["cuda", "metal"]
    name: str
    memory_bytes: int | None
    free_bytes: int | None
    power_w: float | None
    source: str


def find_accelerators(machine: Machine) -> tuple[Accelerator, ...]:
    """Look for accelerators (at most `PROBE_TIMEOUT_S`; a driver that hangs is one that is not there)."""
    if machine.system == "Darwin":
        return _apple(machine.chip, machine.architecture)
    try:
        said = subprocess.run(_QUERY, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return read_nvidia_smi(said.stdout)


def read_nvidia_smi(text: str) -> tuple[Accelerator, ...]:
    """Read the lines `name, total MiB, free MiB, watts`; a value that the driver does not give is unknown.

    >>> read_nvidia_smi("NVIDIA T4, 15360, 15109, [N/A]")[0].power_w is None
    True
    """
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.rsplit(",", 3)]
        if len(fields) != 4:
            continue
        total, free, watts = (_number(field) for field in fields[1:])
        found.append(
            Accelerator(
                kind="cuda",
                name=fields[0],
                memory_bytes=None if total is None else int(total) * _MIB,
                free_bytes=None if free is None else int(free) * _MIB,
                power_w=watts,
                source="reported by nvidia-smi",
            )
        )
    return tuple(found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _apple(chip: str | None, architecture: str) -> tuple[Accelerator, ...]:
    if architecture != "arm64":
        return ()
    name = f"{chip or 'Apple Silicon'} GPU"
    source = f"the chip, on {platform.system()}; its memory is the machine's, and Metal's limit was not asked for"
    return (Accelerator(kind="metal", name=name, memory_bytes=None, free_bytes=None, power_w=None, source=source),)
