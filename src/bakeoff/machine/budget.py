"""How much memory models may take on this machine, and where that number comes from."""

from __future__ import annotations

import os

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Record
from bakeoff.machine.detect import Machine

_KEEP_FREE_BYTES = 1 << 30
"""Left to the system and to bakeoff itself; assumed, and said so in `source`."""

_MOST_DIGITS = 18


class Budget(Record):
    """Bytes that workers may take together, with the reason; `value` is None when the machine does not say."""

    value: int | None
    source: str


def memory_budget(machine: Machine) -> Budget:
    """Return what is free within RAM and container limit, less 1 GiB; BAKEOFF_MEMORY_BUDGET (bytes) overrides.

    Raises:
        UsageError: BAKEOFF_MEMORY_BUDGET is not a whole number of bytes.
    """
    wanted = os.environ.get("BAKEOFF_MEMORY_BUDGET")
    if wanted is not None:
        if not wanted.isascii() or not wanted.isdigit() or len(wanted) > _MOST_DIGITS or int(wanted) == 0:
            raise UsageError(f"BAKEOFF_MEMORY_BUDGET is {wanted!r}", "give a whole number of bytes, such as 8000000000")
        return Budget(value=int(wanted), source="set by BAKEOFF_MEMORY_BUDGET")
    named = {
        "available memory": machine.available_bytes,
        "container limit": machine.memory_limit_bytes,
        "physical memory": machine.ram_bytes,
    }
    known = {name: size for name, size in named.items() if size is not None}
    if not known:
        return Budget(value=None, source="this machine does not say how much memory it has")
    name = min(known, key=lambda key: known[key])
    return Budget(value=max(0, known[name] - _KEEP_FREE_BYTES), source=f"{name} less 1 GiB (assumed) for the system")
