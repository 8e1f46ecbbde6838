"""What nvidia-smi says, as it was recorded, and what it leaves out; AMD's cards; what Metal recommends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bakeoff.machine.accelerators import (
    ask_metal,
    assumed_working_set,
    find_accelerators,
    find_amd_cards,
    name_cards,
    read_nvidia_smi,
)
from bakeoff.machine.free_memory import free_memory
from sample_runs import MACHINE


def test_every_gpu_is_read_in_bytes_and_watts() -> None:
    # The form of `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`, NVIDIA's documentation of the program.
    first, second = read_nvidia_smi("GPU-1, NVIDIA H200, 143771, 143160, 77.25\nOdd, name, 8192, 100, [N/A]\n")
    assert (first.name, first.memory_bytes, first.power_w) == ("NVIDIA H200", 143771 * 2**20, 77.25)
    assert (second.name, second.free_bytes, second.power_w) == ("Odd, name", 100 * 2**20, None)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, "abc"),
        ("0,1,2", "abc"),
        ("2,0", "ca"),
        ("GPU-aa2", "b"),
        ("GPU-aa", ""),  # of two
        ("1,7,0", "b"),  # CUDA stops at the first that there is not
        ("1,1", "b"),
        ("", ""),
        ("-1", ""),
        ("MIG-3f1", "abc"),
    ],
)
def test_what_cuda_is_told_to_see_is_what_there_is(visible: str | None, expected: str) -> None:
    text = "GPU-aa1, a, 100, 90, 5\nGPU-aa2, b, 100, 90, 5\nGPU-b, c, 100, 90, 5\n"
    assert "".join(card.name for card in read_nvidia_smi(text, visible)) == expected


def test_a_gpu_without_memory_of_its_own_shares_the_machines() -> None:
    (gb10,) = read_nvidia_smi("GPU-1, NVIDIA GB10, [N/A], [N/A], 12.30")
    assert (gb10.unified, gb10.budget_bytes) == (True, None)
    assert name_cards([gb10]) == {}


def test_metal_is_asked_by_nothing_that_lies_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "mlx"):
        (tmp_path / f"{name}.py").write_text("import pathlib; pathlib.Path('ran').touch(); print('torch', 123)")
    monkeypatch.chdir(tmp_path)
    assert ask_metal() != 123
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["", "No devices were found\n", "NVIDIA-SMI has failed because ...\n"])
def test_complaints_are_no_gpus(text: str) -> None:
    assert read_nvidia_smi(text) == ()


def amd_card(drm: Path, name: str, total: int, used: int | None) -> None:
    device = drm / name / "device"
    device.mkdir(parents=True)
    (device / "mem_info_vram_total").write_text(f"{total}\n")
    if used is not None:
        (device / "mem_info_vram_used").write_text(f"{used}\n")


def test_amd_cards_are_read_from_the_kernel(tmp_path: Path) -> None:
    assert find_amd_cards(tmp_path) == ()
    amd_card(tmp_path, "card0", 512 << 20, 0)  # inside the processor: no memory of its own
    amd_card(tmp_path, "card1", 16 << 30, 1 << 30)
    amd_card(tmp_path, "card2", 8 << 30, None)
    first, second = find_amd_cards(tmp_path)
    assert (first.kind, first.memory_bytes, first.budget_bytes) == ("rocm", 16 << 30, 15 << 30)
    assert (second.free_bytes, second.budget_bytes, second.budget_source) == (None, None, None)


@pytest.mark.parametrize(
    ("program", "limit"),
    [
        ("print('mlx', 11453251584)", 11453251584),
        ("print('mlx', 0)", None),
        ("print('warning'); print('torch 17179869184')", 17179869184),
        ("raise SystemExit(1)", None),
        ("import os; os.abort()", None),
        ("print('no number')", None),
        ("", None),
    ],
)
def test_metal_is_asked_by_a_process_that_may_die(program: str, limit: int | None) -> None:
    assert ask_metal((sys.executable, "-c", program)) == limit


@pytest.mark.parametrize(
    ("gib", "least", "most"), [(8, 5, 6), (16, 10, 11), (24, 17, 18), (64, 47, 51), (128, 107, 108)]
)
def test_a_working_set_nobody_told_is_assumed_from_below(gib: int, least: float, most: float) -> None:
    found = assumed_working_set(gib << 30)
    assert found is not None
    assert least <= found / (1 << 30) <= most
    assert assumed_working_set(None) is None


def test_a_mac_without_anything_to_ask_metal_says_that_it_assumes(monkeypatch: pytest.MonkeyPatch) -> None:
    mac = MACHINE.model_copy(
        update={"system": "Darwin", "architecture": "arm64", "chip": "Apple M4", "ram_bytes": 16 << 30}
    )
    monkeypatch.setattr("bakeoff.machine.accelerators.ask_metal", lambda: None)
    (metal,) = find_accelerators(mac)
    assert (metal.kind, metal.unified) == ("metal", True)
    assert metal.budget_bytes == assumed_working_set(16 << 30)
    assert "assumed" in str(metal.budget_source)
    monkeypatch.setattr("bakeoff.machine.accelerators.ask_metal", lambda: 12 << 30)
    (metal,) = find_accelerators(mac)
    assert metal.budget_bytes == 12 << 30
    assert "reported by Metal" in str(metal.budget_source)
    assert find_accelerators(mac.model_copy(update={"architecture": "x86_64"})) == ()


def test_what_is_free_is_told_of_each_memory_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's program is imitated; what it says of free memory is in the form of the first test."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\ntouch asked\necho 'Made Up, 24576, 20480, 50'\necho 'Made Up, 8192, [N/A], 20'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    assert list(free_memory({"host"})) == ["host"]
    assert not (tmp_path / "asked").exists()  # a program is only started for a card
    assert free_memory({"cuda:0", "cuda:1", "cuda:2"}) == {"cuda:0": 20480 * 2**20}
