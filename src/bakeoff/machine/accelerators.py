"""Which accelerators the machine has, as its own tools report them; no model runtime is loaded into this process.

NVIDIA: `nvidia-smi`, the driver's own program. AMD: what the kernel's driver shows in /sys. Apple Silicon: the GPU is part
of the chip and shares its memory; how much of that Metal recommends to use (`recommendedMaxWorkingSetSize`) only a program
that opens Metal can tell, so one is started, and may hang or crash without harm.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from bakeoff.core.spec import Record
from bakeoff.machine.detect import Machine

PROBE_TIMEOUT_S = 5.0
METAL_TIMEOUT_S = 30.0
"""Importing torch on a cold disk takes most of it."""
_QUERY = ["nvidia-smi", "--query-gpu=uuid,name,memory.total,memory.free,power.draw", "--format=csv,noheader,nounits"]
_MIB = 1 << 20
CUDA_CONTEXT_BYTES = 471 * _MIB
"""What CUDA itself takes of a card for a process: its context and the library's kernels. Assumed, after the 457 MiB that Ollama
counts with: no allocator counts it, and what a card has lost since then may be another program's."""
_DRM = Path("/sys/class/drm")
_ASK_METAL = """
try:
    import mlx.core as mx
    info = mx.device_info() if hasattr(mx, "device_info") else mx.metal.device_info()
    print("mlx", info["max_recommended_working_set_size"])
except Exception:
    import torch
    print("torch", torch.mps.recommended_max_memory())
"""


class Accelerator(Record):
    """One accelerator. Bytes are its own memory, None where nobody says; `power_w` is its draw when it was looked at.

    `unified` is True where its memory is the machine's: Apple's chips, and NVIDIA's that tell of no memory of their own.
    `budget_bytes` is what may be used of it now: what is free of a card's, Metal's recommended working set of a Mac's;
    `budget_source` says where that comes from.
    """

    kind: Literal["cuda", "rocm", "metal"]
    name: str
    memory_bytes: int | None
    free_bytes: int | None
    power_w: float | None
    source: str
    unified: bool = False
    budget_bytes: int | None = None
    budget_source: str | None = None


def find_accelerators(machine: Machine) -> tuple[Accelerator, ...]:
    """Look for accelerators (a driver that hangs is one that is not there)."""
    return _apple(machine) if machine.system == "Darwin" else find_cards()


def find_cards() -> tuple[Accelerator, ...]:
    """Look for cards with memory of their own, NVIDIA's before AMD's."""
    try:
        said = subprocess.run(_QUERY, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return find_amd_cards(_DRM)
    return read_nvidia_smi(said.stdout, os.environ.get("CUDA_VISIBLE_DEVICES")) + find_amd_cards(_DRM)


def name_cards(accelerators: Iterable[Accelerator]) -> dict[str, Accelerator]:
    """Return the cards that have memory of their own by the memory's name: `cuda:0`, `cuda:1`, `rocm:0`, in the driver's order.

    CUDA itself numbers different cards otherwise: the fastest first.
    """
    named: dict[str, Accelerator] = {}
    for card in accelerators:
        if not card.unified:
            named[f"{card.kind}:{sum(name.startswith(card.kind) for name in named)}"] = card
    return named


def default_card(cards: Mapping[str, Accelerator]) -> str:
    """Return the name of the card that engines choose: CUDA's first is the fastest, taken to be the one with most memory; of equals the first."""
    return max(cards, key=lambda name: cards[name].memory_bytes or 0)


def read_nvidia_smi(text: str, visible: str | None = None) -> tuple[Accelerator, ...]:
    """Read the lines `GPU-UUID, name, total MiB, free MiB, watts`; a value that the driver does not give is unknown.

    A GPU that tells of no memory shares the machine's, as a GB10 does. `visible` is CUDA_VISIBLE_DEVICES: which cards, in which
    order, programs see; None is all.

    >>> read_nvidia_smi("GPU-5f1c, NVIDIA T4, 15360, 15109, [N/A]")[0].power_w is None
    True
    """
    found = {}
    for number, line in enumerate(text.splitlines()):
        uuid, _, rest = line.partition(",")
        if not uuid.startswith("GPU-"):
            uuid, rest = f"GPU {number}", line
        fields = [field.strip() for field in rest.rsplit(",", 3)]
        if len(fields) != 4:
            continue
        total, free, watts = (_number(field) for field in fields[1:])
        free_bytes = None if free is None else int(free) * _MIB
        found[uuid] = Accelerator(
            kind="cuda",
            name=fields[0],
            memory_bytes=None if total is None else int(total) * _MIB,
            free_bytes=free_bytes,
            power_w=watts,
            source="reported by nvidia-smi",
            unified=total is None,
            budget_bytes=free_bytes,
            budget_source=None if free_bytes is None else "what nvidia-smi reports as free",
        )
    return tuple(found[uuid] for uuid in _visible(list(found), visible))


def _visible(uuids: Sequence[str], said: str | None) -> list[str]:
    """Return the cards that CUDA_VISIBLE_DEVICES leaves: numbers or the beginnings of UUIDs, up to the first that there is not.

    A slice of a card (MIG-...) is of a card that nobody names: all are left.
    """
    if said is None or "MIG-" in said:
        return list(uuids)
    left: list[str] = []
    for entry in (part.strip() for part in said.split(",")):
        named = [uuid for uuid in uuids if entry and uuid.startswith(entry)]
        if entry.isdecimal() and int(entry) < len(uuids):
            named = [uuids[int(entry)]]
        if len(named) != 1 or named[0] in left:
            break
        left += named
    return left


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def find_amd_cards(drm: Path) -> tuple[Accelerator, ...]:
    """Return AMD's cards by what the amdgpu driver shows of their memory under `drm` (/sys/class/drm).

    A GPU inside the processor is left out: what it calls its own is a corner of the machine's memory.
    """
    found = []
    for total_file in sorted(drm.glob("card[0-9]*/device/mem_info_vram_total")):
        total, used = _read_count(total_file), _read_count(total_file.with_name("mem_info_vram_used"))
        if total is None or total < 1 << 31:
            continue
        free = None if used is None else max(0, total - used)
        found.append(
            Accelerator(
                kind="rocm",
                name=f"AMD GPU ({total_file.parent.parent.name})",
                memory_bytes=total,
                free_bytes=free,
                power_w=None,
                source="reported by the amdgpu driver",
                budget_bytes=free,
                budget_source=None if free is None else "what the amdgpu driver reports as free",
            )
        )
    return tuple(found)


def _read_count(file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text(encoding="ascii"))
    return None


def _apple(machine: Machine) -> tuple[Accelerator, ...]:
    if machine.architecture != "arm64":
        return ()
    limit, source = ask_metal(), "reported by Metal: its recommended working set"
    if limit is None:
        limit = assumed_working_set(machine.ram_bytes)
        source = "assumed from the memory's size: neither mlx nor torch could ask Metal"
    return (
        Accelerator(
            kind="metal",
            name=f"{machine.chip or 'Apple Silicon'} GPU",
            memory_bytes=None,
            free_bytes=None,
            power_w=None,
            source="the chip; its memory is the machine's",
            unified=True,
            budget_bytes=limit,
            budget_source=source,
        ),
    )


def ask_metal(program: tuple[str, ...] = (sys.executable, "-P", "-c", _ASK_METAL)) -> int | None:
    """Return `recommendedMaxWorkingSetSize` in bytes, None where nothing that is installed can ask for it.

    Nothing is imported from the current folder (-P), which may have come with a suite.
    """
    try:
        said = subprocess.run(program, capture_output=True, text=True, timeout=METAL_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    last = said.stdout.split()[-1:]
    return int(last[0]) if last and last[0].isdigit() and int(last[0]) > 0 else None


# GiB of memory, share that Metal recommended there. Public reports: exo#1672, sglang#29949, lmstudio-bug-tracker#2017,
# antirez/ds4#893; of several for one size the smallest.
_SHARES = ((16, 0.667), (24, 0.74), (64, 0.74), (128, 0.84))


def assumed_working_set(ram_bytes: int | None) -> int | None:
    """Return what Metal is likely to recommend on a Mac of that size; a guess, to be told as one.

    >>> round(assumed_working_set(16 << 30) / (1 << 30), 1)
    10.7
    """
    if ram_bytes is None:
        return None
    share = _SHARES[0][1]
    for size, known in _SHARES:
        if ram_bytes >= size << 30:
            share = known
    return int(ram_bytes * share)
