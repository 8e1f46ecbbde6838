"""The keys and values of a ragged batch, in one preallocated array that attention writes in place.

Rows lie in order and without gaps, each with room for `capacity` positions. The array grows by doubling; its pages are
zero until written, so what is reserved and never reached costs no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_CAPACITY = 256


class KvCache:
    """Keys and values of `rows` sequences; `data` has shape (2 x layers, row slots, kv heads, capacity, head size)."""

    def __init__(self, layers: int, kv_heads: int, head_dim: int, context_length: int) -> None:
        self._context_length = context_length
        self._kv_heads = kv_heads
        self._head_dim = head_dim
        self._planes = 2 * layers
        self.lengths = np.zeros(0, dtype=np.int32)
        self.data: NDArray[np.float32] = self._allocate(1, min(FIRST_CAPACITY, context_length))

    def _allocate(self, slots: int, capacity: int) -> NDArray[np.float32]:
        return np.zeros((self._planes, slots, self._kv_heads, capacity, self._head_dim), dtype=np.float32)

    @property
    def rows(self) -> int:
        """Sequences held."""
        return int(self.lengths.size)

    @property
    def capacity(self) -> int:
        """Positions that each row has room for."""
        return int(self.data.shape[3])

    def reserve(self, rows: int, length: int) -> bool:
        """Make room for `rows` rows of `length` positions; True when the array moved.

        Raises:
            ValueError: `length` is more than the model's context holds.
        """
        if length > self._context_length:
            raise ValueError(f"{length} positions, and the context holds {self._context_length}")
        slots, capacity = int(self.data.shape[1]), self.capacity
        if rows <= slots and length <= capacity:
            return False
        while slots < rows:
            slots *= 2
        while capacity < length:
            capacity *= 2
        grown = self._allocate(slots, min(capacity, self._context_length))
        used = int(self.lengths.max(initial=0))
        grown[:, : self.rows, :, :used] = self.data[:, : self.rows, :, :used]
        self.data = grown
        return True

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Give row slot `target` the first `length` positions of `source`."""
        self.data[:, target, :, :length] = self.data[:, source, :, :length]

    def append(self, lengths: Sequence[int]) -> None:
        """Count the row slots after the last row as rows of these lengths; what they hold was written before."""
        self.lengths = np.concatenate([self.lengths, np.asarray(lengths, dtype=np.int32)])

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows, in this order.

        Raises:
            IndexError: there is no such row.
        """
        if any(not 0 <= row < self.rows for row in rows):
            raise IndexError(f"rows {list(rows)} of a cache of {self.rows}")
        kept = list(rows)
        used = int(self.lengths[kept].max(initial=0))
        if all(before < after for before, after in pairwise(kept)):
            # Rows only move towards the front, so moving them one by one overwrites none that is still needed.
            for target, source in enumerate(kept):
                if target != source:
                    self.copy_row(source, target, int(self.lengths[source]))
        else:
            self.reserve(len(kept), used)
            self.data[:, : len(kept), :, :used] = self.data[:, kept, :, :used]
        self.lengths = self.lengths[kept]
