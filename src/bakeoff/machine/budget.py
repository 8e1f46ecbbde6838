"""How much memory models may take on this machine, and where that number comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Record
from bakeoff.machine.accelerators import Accelerator, default_card, name_cards
from bakeoff.machine.detect import Machine

HOST = "host"
"""The name of the machine's own memory: what programs run in. A card that has its own is named after it (`cuda:0`)."""

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
        "what the container's limit leaves": machine.limit_left_bytes,
        "container limit": machine.memory_limit_bytes,
        "physical memory": machine.ram_bytes,
    }
    known = {name: size for name, size in named.items() if size is not None}
    if not known:
        return Budget(value=None, source="this machine does not say how much memory it has")
    name = min(known, key=lambda key: known[key])
    return Budget(value=max(0, known[name] - _KEEP_FREE_BYTES), source=f"{name} less 1 GiB (assumed) for the system")


def accelerator_budget(machine: Machine, accelerators: Sequence[Accelerator]) -> Budget | None:
    """Return what models may take on the accelerator that engines choose; None where there is none.

    A Mac's GPU shares the machine's memory: the smaller of Metal's recommended working set and the machine's own budget.
    Of several cards it is the one that engines take by themselves (`default_card`): cards are never added up.
    BAKEOFF_MEMORY_BUDGET overrides.

    Raises:
        UsageError: BAKEOFF_MEMORY_BUDGET is not a whole number of bytes.
    """
    if not accelerators:
        return None
    host = memory_budget(machine)
    if host.source.startswith("set by"):
        return host
    cards = name_cards(accelerators)
    if cards:
        return _of_card(cards[default_card(cards)])
    shared = accelerators[0]
    if shared.budget_bytes is None or (host.value is not None and host.value < shared.budget_bytes):
        return host
    return Budget(value=shared.budget_bytes, source=shared.budget_source or shared.source)


def card_budgets(accelerators: Sequence[Accelerator], host: Budget) -> Mapping[str, Budget]:
    """Return what models may take of each card's own memory, by its name, the one first that engines take by themselves.

    Nothing where the machine's memory is all there is.

    `host` is `memory_budget`: where BAKEOFF_MEMORY_BUDGET sets it, that holds for each memory.
    """
    forced = host.source.startswith("set by")
    cards = name_cards(accelerators)
    order = sorted(cards, key=lambda name: name != default_card(cards))
    return {name: host if forced else _of_card(cards[name]) for name in order}


def _of_card(card: Accelerator) -> Budget:
    silent = f"{card.name} does not say how much memory it has"
    return Budget(
        value=card.budget_bytes, source=silent if card.budget_bytes is None else card.budget_source or card.source
    )
