"""How fast this machine's processor reads its memory: what bounds how fast a model can write (one pass over its weights a token)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from bakeoff.core.spec import Record
from bakeoff.machine.detect import Machine

_BYTES = 1 << 28
_ROUNDS = 5


class Bandwidth(Record):
    """Bytes a second, None where it was not measured; `source` says how."""

    value: float | None
    source: str


def measure_bandwidth(machine: Machine, size_bytes: int = _BYTES) -> Bandwidth:
    """Read `size_bytes` with every core, several times; the fastest counts, since other work only slows it down.

    Takes a third of a second and `size_bytes` of memory, more than caches hold; not done where memory is that short.
    """
    threads, free = machine.allowed_cores, machine.limit_left_bytes or machine.available_bytes
    if free is not None and free < 4 * size_bytes:
        return Bandwidth(value=None, source="not measured: too little memory is free")
    import numpy as np

    data = np.ones(size_bytes // 8, dtype=np.float64)
    pieces = np.array_split(data, threads)
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_ROUNDS):
            begun = perf_counter()
            list(pool.map(np.max, pieces))
            best = min(best, perf_counter() - begun)
    plural = "" if threads == 1 else "s"
    how = f"measured: {threads} thread{plural} reading {size_bytes >> 20} MiB, the fastest of {_ROUNDS} passes"
    return Bandwidth(value=data.nbytes / best, source=how)
