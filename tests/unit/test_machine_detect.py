"""Container limits in cgroup files of both versions, and what this very machine says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakeoff.machine import detect
from bakeoff.machine.cgroups import cgroup_cores, cgroup_headroom, cgroup_limit
from bakeoff.machine.detect import allowed_cores, detect_machine, read_vm_stat

NO_LIMIT_V1 = str(2**63 - 4096)


def make(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "500\n"}, 500),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "700\n"}, 700),
        ("0::/a/b\n", {"a/b/memory.max": "900\n", "a/memory.max": "300\n", "memory.max": "800\n"}, 300),
        ("0::/a/b\n", {"a/b/memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": "42\n"}, 42),
        ("0::/a\n", {}, None),
        ("0::/a\n", {"a/memory.max": "nonsense"}, None),
        ("0::/a\n", {"b/memory.max": "5"}, None),
        ("4:memory:/docker/x\n", {"memory/docker/x/memory.limit_in_bytes": "600\n"}, 600),
        # In a container the path is the host's, and the limit lies at the mount itself.
        ("4:memory:/docker/x\n", {"memory/memory.limit_in_bytes": "650\n"}, 650),
        ("4:hugetlb,memory:/x\n", {"memory/x/memory.limit_in_bytes": NO_LIMIT_V1}, None),
        ("4:cpu:/x\n3:pids:/x\n", {"memory/x/memory.limit_in_bytes": "5"}, None),
        ("4:memory:/x\n0::/y\n", {"memory/x/memory.limit_in_bytes": "90", "y/memory.max": "80"}, 80),
        ("0::/../../elsewhere\n", {"memory.max": "70"}, 70),
        ("", {}, None),
        ("nonsense", {"memory.max": "5"}, 5),
    ],
)
def test_cgroup_limits(tmp_path: Path, membership: str, files: dict[str, str], expected: int | None) -> None:
    root = make(tmp_path / "cgroup", files)
    root.mkdir(exist_ok=True)
    (tmp_path / "membership").write_text(membership)
    assert cgroup_limit(tmp_path / "membership", root) == expected


def test_without_cgroups_there_is_no_limit(tmp_path: Path) -> None:
    assert cgroup_limit(tmp_path / "nothing", tmp_path) is None


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/a\n", {"a/memory.max": "900", "a/memory.current": "300"}, 600),
        (
            "0::/a\n",
            {"a/memory.max": "900", "a/memory.current": "300", "a/memory.stat": "anon 1\ninactive_file 50\n"},
            650,
        ),
        (
            "0::/a/b\n",
            {"a/b/memory.max": "900", "a/b/memory.current": "1", "a/memory.max": "500", "a/memory.current": "450"},
            50,
        ),
        ("0::/a\n", {"a/memory.max": "100", "a/memory.current": "300"}, 0),
        ("0::/a\n", {"a/memory.max": "max", "a/memory.current": "300"}, None),
        ("0::/a\n", {"a/memory.max": "900"}, None),
        ("4:memory:/x\n", {"memory/x/memory.limit_in_bytes": "90", "memory/x/memory.usage_in_bytes": "80"}, 10),
    ],
)
def test_what_a_limit_leaves(tmp_path: Path, membership: str, files: dict[str, str], expected: int | None) -> None:
    root = make(tmp_path / "cgroup", files)
    (tmp_path / "membership").write_text(membership)
    assert cgroup_headroom(tmp_path / "membership", root) == expected


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/a\n", {"a/cpu.max": "200000 100000\n"}, 2.0),
        ("0::/a\n", {"a/cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a\n", {"a/cpu.max": "5000 10000"}, 0.5),
        ("0::/a\n", {"a/cpu.max": "5000 0"}, None),
        ("0::/a\n", {"a/cpu.max": "nonsense"}, None),
        ("0::/a\n", {}, None),
        ("4:cpu,cpuacct:/x\n", {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        ("4:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, None),
        ("4:memory:/x\n", {"memory/x/cpu.cfs_quota_us": "1", "memory/x/cpu.cfs_period_us": "1"}, None),
    ],
)
def test_what_a_quota_allows(tmp_path: Path, membership: str, files: dict[str, str], expected: float | None) -> None:
    root = make(tmp_path / "cgroup", files)
    root.mkdir(exist_ok=True)
    (tmp_path / "membership").write_text(membership)
    assert cgroup_cores(tmp_path / "membership", root) == expected


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="quotas are Linux's")
@pytest.mark.parametrize(("quota", "expected"), [("50000 100000", 1), ("max 100000", None), ("99900000 100000", None)])
def test_a_quota_narrows_what_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int | None
) -> None:
    root = make(tmp_path / "cgroup", {"cpu.max": quota})
    (tmp_path / "membership").write_text("0::/\n")
    monkeypatch.setattr(detect, "_CGROUP", (tmp_path / "membership", root))
    assert allowed_cores() == (expected or len(os.sched_getaffinity(0)))


def test_what_a_mac_can_hand_out() -> None:
    said = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                3000.
Pages active:                            200000.
Pages inactive:                          100000.
Pages speculative:                          500.
Pages wired down:                         90000.
Pages purgeable:                            100.
"""
    assert read_vm_stat(said) == 16384 * (3000 + 100000 + 500 + 100)
    assert read_vm_stat("nonsense") is None


def test_this_machine() -> None:
    machine = detect_machine()
    assert 1 <= machine.allowed_cores <= machine.cores
    assert allowed_cores() == machine.allowed_cores
    assert machine.ram_bytes is None or machine.ram_bytes > 1 << 28
    if machine.available_bytes is not None and machine.ram_bytes is not None:
        assert 0 < machine.available_bytes <= machine.ram_bytes
    assert type(machine).model_validate_json(machine.model_dump_json()) == machine
