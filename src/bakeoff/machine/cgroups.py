"""What a container may take: limits of memory and processor time in the cgroup files of Linux, versions 2 and 1.

A process counts against its own group and every group above it, so the smallest of their limits is the one that bites.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_NO_LIMIT = 1 << 60
"""Version 1 writes "no limit" as a number near 2^63."""


class _Version(NamedTuple):
    """What the files of a cgroup version are called. `reclaimable` is the page cache that the kernel would drop first."""

    limit: str
    used: str
    reclaimable: str


_V2 = _Version("memory.max", "memory.current", "inactive_file")
_V1 = _Version("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def cgroup_limit(membership: Path, root: Path) -> int | None:
    """Return the smallest memory limit over a process's cgroup and its ancestors, in bytes; None without one.

    `membership` is a file like /proc/self/cgroup, `root` the cgroup mount.
    """
    return min((limit for _, _, limit in _limits(membership, root)), default=None)


def cgroup_headroom(membership: Path, root: Path) -> int | None:
    """Return how many bytes may still be taken under every limit; None without a limit, or where no usage is told."""
    left = []
    for folder, version, limit in _limits(membership, root):
        used = _read_number(folder / version.used)
        if used is not None:
            left.append(max(0, limit - used + _reclaimable(folder, version.reclaimable)))
    return min(left, default=None)


def cgroup_cores(membership: Path, root: Path) -> float | None:
    """Return how many cores' time a process may use at most, over its cgroup and its ancestors; None without a limit.

    A limit is a quota of microseconds in each period (`docker run --cpus`): 1.5 cores are 150,000 in 100,000.
    """
    found = []
    for folder, second in _groups(membership, root, "cpu"):
        if second:
            quota, _, period = _read(folder / "cpu.max").partition(" ")
        else:
            quota, period = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        with contextlib.suppress(ValueError, ZeroDivisionError):
            cores = int(quota) / int(period)  # "max" and -1 are no limit
            if cores > 0:
                found.append(cores)
    return min(found, default=None)


def _limits(membership: Path, root: Path) -> Iterator[tuple[Path, _Version, int]]:
    """Yield every group that has a limit of memory: its folder, its version, the limit in bytes."""
    for folder, second in _groups(membership, root, "memory"):
        version = _V2 if second else _V1
        limit = _read_number(folder / version.limit)
        if limit is not None and limit < _NO_LIMIT:
            yield folder, version, limit


def _groups(membership: Path, root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """Yield the folders in which a controller may limit the process, its own first, and whether they are version 2's."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mount, second = root, True
        elif controller in controllers.split(","):
            mount, second = root / controller, False
        else:
            continue
        folder = mount / path.lstrip("/")
        while folder == mount or mount in folder.parents:
            yield folder, second
            folder = folder.parent


def _read(file: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return file.read_text().strip()
    return ""


def _read_number(file: Path) -> int | None:
    with contextlib.suppress(ValueError):
        return int(_read(file))
    return None


def _reclaimable(folder: Path, name: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0
