"""What nvidia-smi says, as it was recorded, and what it leaves out; which energy counters can be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakeoff.machine.accelerators import Accelerator, read_nvidia_smi
from bakeoff.measure.energy_sources import find_energy_sources

GPU = Accelerator(kind="cuda", name="x", memory_bytes=1, free_bytes=1, power_w=80.0, source="test")


def test_every_gpu_is_read_in_bytes_and_watts() -> None:
    # The form of `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`, NVIDIA's documentation of the program.
    first, second = read_nvidia_smi("NVIDIA H200, 143771, 143160, 77.25\nOdd, name, 8192, 100, [N/A]\n")
    assert (first.name, first.memory_bytes, first.power_w) == ("NVIDIA H200", 143771 * 2**20, 77.25)
    assert (second.name, second.free_bytes, second.power_w) == ("Odd, name", 100 * 2**20, None)


@pytest.mark.parametrize("text", ["", "No devices were found\n", "NVIDIA-SMI has failed because ...\n"])
def test_complaints_are_no_gpus(text: str) -> None:
    assert read_nvidia_smi(text) == ()


def test_counters_of_the_package_can_be_read_or_not(tmp_path: Path) -> None:
    rapl, nvml = find_energy_sources("Linux", (), tmp_path)
    assert not rapl.available
    assert not nvml.available
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    counter.parent.mkdir()
    counter.write_text("12345\n")
    assert find_energy_sources("Linux", (GPU,), tmp_path)[0].available
    assert find_energy_sources("Linux", (GPU,), tmp_path)[1].available
    counter.write_text("no number")
    assert "cannot be read" in find_energy_sources("Linux", (), tmp_path)[0].reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_counters_of_root_are_told(tmp_path: Path) -> None:
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    counter.parent.mkdir()
    counter.write_text("1")
    counter.chmod(0)
    assert not find_energy_sources("Linux", (), tmp_path)[0].available


def test_a_driver_that_tells_no_power_is_no_source(tmp_path: Path) -> None:
    silent = GPU.model_copy(update={"power_w": None})
    assert not find_energy_sources("Linux", (silent,), tmp_path)[1].available
    assert [found.source for found in find_energy_sources("Darwin", ())] == ["apple"]
