"""What this machine is: chip, cores, memory. Values that could not be found are None, never guessed."""

from __future__ import annotations

import math
import os
import platform
import re
import subprocess
from pathlib import Path

from bakeoff.core.spec import Record
from bakeoff.machine.cgroups import cgroup_cores, cgroup_headroom, cgroup_limit

_CGROUP = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


class Machine(Record):
    """What can be found without special rights. Bytes are bytes; `memory_limit_bytes` is the container's, if any.

    `limit_left_bytes` is what the container may still take; `performance_cores` and `efficiency_cores` are an Apple chip's.
    """

    system: str
    release: str
    architecture: str
    chip: str | None
    cores: int
    allowed_cores: int
    ram_bytes: int | None
    available_bytes: int | None
    memory_limit_bytes: int | None
    python: str
    load_average: float | None
    limit_left_bytes: int | None = None
    performance_cores: int | None = None
    efficiency_cores: int | None = None


def detect_machine() -> Machine:
    """Look at this machine (a few milliseconds; no accelerator is touched)."""
    mac = platform.system() == "Darwin"
    return Machine(
        system=platform.system(),
        release=platform.release(),
        architecture=platform.machine(),
        chip=_sysctl("machdep.cpu.brand_string") if mac else _linux_chip(Path("/proc/cpuinfo")),
        cores=os.cpu_count() or 1,
        allowed_cores=allowed_cores(),
        ram_bytes=_ram_bytes(),
        available_bytes=_mac_available() if mac else _meminfo(Path("/proc/meminfo"), "MemAvailable"),
        memory_limit_bytes=None if mac else cgroup_limit(*_CGROUP),
        python=platform.python_version(),
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        limit_left_bytes=None if mac else cgroup_headroom(*_CGROUP),
        performance_cores=_count("hw.perflevel0.logicalcpu") if mac else None,
        efficiency_cores=_count("hw.perflevel1.logicalcpu") if mac else None,
    )


def available_bytes() -> int | None:
    """Return what programs may still take now, in bytes: of the machine's memory and within the container's limit.

    None where neither is told. Takes well under a millisecond on Linux, and starts `vm_stat` on a Mac.
    """
    mac = platform.system() == "Darwin"
    left = _mac_available() if mac else _meminfo(Path("/proc/meminfo"), "MemAvailable")
    within = None if mac else cgroup_headroom(*_CGROUP)
    return min((known for known in (left, within) if known is not None), default=None)


def sources_of(machine: Machine) -> dict[str, str]:
    """Return where each value comes from, and its unit where it has one. Nothing here is measured or assumed."""
    mac = machine.system == "Darwin"
    memory = "bytes, reported by macOS (vm_stat)" if mac else "bytes, reported by Linux (/proc/meminfo)"
    limit = "bytes, reported by the cgroup file system: the smallest limit over all groups above this process"
    told = {
        "system": "reported by the operating system",
        "release": "reported by the operating system",
        "architecture": "reported by the operating system",
        "chip": "reported by sysctl" if mac else "reported by /proc/cpuinfo",
        "cores": "logical cores, reported by the operating system",
        "allowed_cores": "logical cores that this process may use, reported by the operating system: its affinity, and the container's quota",
        "performance_cores": "logical cores, reported by sysctl",
        "efficiency_cores": "logical cores, reported by sysctl",
        "ram_bytes": "bytes, reported by the operating system",
        "available_bytes": memory,
        "memory_limit_bytes": limit,
        "limit_left_bytes": f"{limit}, less what is used and cannot be reclaimed",
        "load_average": "runnable processes, mean of a minute, reported by the operating system",
        "python": "reported by the interpreter",
    }
    return {name: source for name, source in told.items() if getattr(machine, name) is not None}


def allowed_cores() -> int:
    """Return how many cores this process may use: on Linux its affinity within the container's quota, all elsewhere.

    A quota of 1.5 cores is two: two threads that are stopped for a quarter of the time do more than one that never is, and
    sixteen that are stopped for nine tenths of it do less.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0))
    quota = cgroup_cores(*_CGROUP)
    return allowed if quota is None else min(allowed, math.ceil(quota))


def model_threads() -> int:
    """Return how many threads a model is computed with on the CPU: a Mac's performance cores, elsewhere what may be used.

    Threads meet after every product of matrices, and wait for the slowest: torch and llama.cpp leave Apple's efficiency cores out, too
    (`hw.perflevel0.physicalcpu` in both their sources).
    """
    fast = _count("hw.perflevel0.physicalcpu") if platform.system() == "Darwin" else None
    return min(fast or allowed_cores(), allowed_cores())


def _ram_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _sysctl(name: str) -> str | None:
    try:
        found = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=2, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _count(name: str) -> int | None:
    found = _sysctl(name)
    return int(found) if found and found.isdigit() else None


def _mac_available() -> int | None:
    try:
        said = subprocess.run(["vm_stat"], capture_output=True, text=True, timeout=2, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return read_vm_stat(said.stdout)


def read_vm_stat(text: str) -> int | None:
    """Return the bytes that macOS can hand out at once, from what `vm_stat` prints: free, inactive, speculative, purgeable.

    Inactive pages are file pages for the most part; those of programs would be compressed first.
    """
    size = re.search(r"page size of (\d+) bytes", text)
    pages = dict(re.findall(r"^Pages ([a-z ]+):\s+(\d+)\.", text, re.MULTILINE))
    if size is None or "free" not in pages:
        return None
    kinds = ("free", "inactive", "speculative", "purgeable")
    return int(size[1]) * sum(int(pages.get(kind, 0)) for kind in kinds)


def _linux_chip(path: Path) -> str | None:
    try:
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return None


def _meminfo(path: Path, field: str) -> int | None:
    try:
        for line in path.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None
