"""Bookkeeping of ragged rows, the same for every transformers model: who lies in which slot, which prompts go together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.engines.torch_kv import RaggedCache

Prompt = tuple[int, ...]
# Prompts of one call are padded to the longest: more than a quarter of padding costs more than another call.
LEAST_FILL = 0.75
# Positions of one call, padding included: more does not fill the arithmetic units any better, and takes memory.
MAX_POSITIONS = 4096


@dataclass(slots=True)
class Row:
    """A sequence: where it lies, what it began with, and the logits behind its prompt, shape (vocab,)."""

    slot: int
    prompt: Prompt
    logits: NDArray[np.float32]


def group_prompts(prompts: Iterable[Prompt]) -> list[list[Prompt]]:
    """Return prompts in groups of like length, the longest first.

    >>> group_prompts([(1,), (1, 2, 3, 4), (5, 6, 7, 8)])
    [[(1, 2, 3, 4), (5, 6, 7, 8)], [(1,)]]
    """
    groups: list[list[Prompt]] = []
    for prompt in sorted(prompts, key=len, reverse=True):
        longest = len(groups[-1][0]) if groups else 0
        if groups and len(prompt) >= LEAST_FILL * longest and (len(groups[-1]) + 1) * longest <= MAX_POSITIONS:
            groups[-1].append(prompt)
        else:
            groups.append([prompt])
    return groups


def close_ranks(rows: Sequence[Row], cache: RaggedCache) -> list[tuple[int, int]]:
    """Move `rows`, all that are to stay, into the first slots of `cache`, and forget the others.

    Returns the moves that were made, as (target, source).
    """
    count = len(rows)
    holes = sorted(set(range(count)) - {row.slot for row in rows})
    moves = []
    for row in rows:
        if row.slot >= count:
            target = holes.pop()
            cache.replace(target, row.slot)
            moves.append((target, row.slot))
            row.slot = target
    cache.truncate(count)
    return moves
