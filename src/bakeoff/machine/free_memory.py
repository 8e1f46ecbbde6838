"""How much of each of this machine's memories programs may still take: its own, and that of each card that has its own."""

from __future__ import annotations

from collections.abc import Collection

from bakeoff.machine.accelerators import find_cards, name_cards
from bakeoff.machine.budget import HOST
from bakeoff.machine.detect import available_bytes


def free_memory(pools: Collection[str]) -> dict[str, int]:
    """Return the bytes that are free now of each of these memories; one that nobody tells of is left out.

    The machine's own takes well under a millisecond on Linux; a card's asks its driver's program, which takes far longer.
    """
    found = {HOST: available_bytes()}
    if any(pool != HOST for pool in pools):
        found |= {name: card.free_bytes for name, card in name_cards(find_cards()).items()}
    return {pool: size for pool, size in found.items() if pool in pools and size is not None}
