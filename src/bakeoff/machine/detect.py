"""What this machine is: chip, cores, memory. Values that could not be found are None, never guessed."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from pathlib import Path

from bakeoff.core.spec import Record


class Machine(Record):
    """What can be found without special rights. Bytes are bytes; `memory_limit_bytes` is the container's, if any."""

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
        available_bytes=None if mac else _meminfo(Path("/proc/meminfo"), "MemAvailable"),
        memory_limit_bytes=None if mac else cgroup_limit(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")),
        python=platform.python_version(),
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def allowed_cores() -> int:
    """Return how many cores this process may use: its affinity on Linux, all elsewhere."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def cgroup_limit(membership: Path, root: Path) -> int | None:
    """Return the smallest memory limit over a process's cgroup and its ancestors, v2 and v1; None without one.

    `membership` is a file like /proc/self/cgroup, `root` the cgroup mount.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    limits: list[int] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            limits += _limits_up(root, path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits_up(root / "memory", path, "memory.limit_in_bytes")
    # v1 writes "no limit" as a number near 2^63.
    return min((limit for limit in limits if limit < 1 << 60), default=None)


def _limits_up(mount: Path, path: str, file: str) -> list[int]:
    limits = []
    folder = mount / path.lstrip("/")
    while folder == mount or mount in folder.parents:
        with contextlib.suppress(OSError, ValueError):
            limits.append(int((folder / file).read_text()))
        folder = folder.parent
    return limits
