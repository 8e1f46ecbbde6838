"""How many watts to assume where nothing was measured: by kind of device, with a range of at least half either way."""

from __future__ import annotations

from typing import NamedTuple


class AssumedWatts(NamedTuple):
    """Watts while writing, and the range that they may lie in; `note` says what they stand for."""

    value: float
    low: float
    high: float
    note: str


_APPLE = AssumedWatts(35.0, 17.5, 80.0, "an Apple chip at work; the range reaches what was told of an M4 Max")
_GPU = AssumedWatts(250.0, 120.0, 500.0, "a graphics card at work, board power")
_APPLE_CPU = AssumedWatts(25.0, 12.0, 50.0, "an Apple chip's processor cores at work")
_CPU = AssumedWatts(65.0, 30.0, 130.0, "a processor package at work")


def assumed_watts(device: str | None, system: str) -> AssumedWatts:
    """Return what to assume of a worker's device ("mps", "cuda:0", "cpu"; None where nobody says) on "Darwin" or "Linux"."""
    kind = (device or "cpu").partition(":")[0]
    if kind in {"mps", "metal", "gpu"}:
        return _APPLE
    if kind in {"cuda", "rocm", "hip"}:
        return _GPU
    return _APPLE_CPU if system == "Darwin" else _CPU
