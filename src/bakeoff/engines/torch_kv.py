"""The keys and values of a ragged batch for transformers models: one buffer a layer that attention reads in place.

A row's keys end at the last column of the window [start, end), whatever its length, so that one write puts every row's
next token into its place. A row that leaves gives its slot to the last one: one row is moved, not the whole cache. The
columns before the longest row's beginning are given up as the window moves on, and when it reaches the buffer's end,
what is left moves to a new one with a quarter more columns than are needed (at least `SPARE`). A cache that becomes empty
keeps its buffers for the next rows: what they hold is masked, and finite.

Rows are slots here, 0 to `rows` - 1 without gaps; in which order the caller counts them is its own affair.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from bakeoff.core.errors import UnsupportedModel

SPARE = 128


class Frame(NamedTuple):
    """What one call of the model sees: slots [first, last), the window [begin, stop), of which [write, stop) is new."""

    first: int
    last: int
    begin: int
    write: int
    stop: int


def cache_argument(model: Any) -> str:
    """Return what a model calls the cache that it is given: another name from transformers 5.24 on.

    Raises:
        UnsupportedModel: it takes none. Without one, every token would be computed as if it were the first.
    """
    takes = inspect.signature(model.forward).parameters
    for name in ("cache", "past_key_values"):
        if name in takes:
            return name
    raise UnsupportedModel(f"{type(model).__name__} takes no key-value cache by a name that this version knows")


class RaggedCache(Cache):  # type: ignore[misc] # the library has no types
    """A cache of the library's kind over ragged rows. Before each call of the model, `joining` or `decoding` frames it."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=lambda: _Layer(self))  # layers come as the model asks for them
        self.lengths: list[int] = []
        self.start = self.end = 0
        self.slots = self.capacity = 0
        self.frame = Frame(0, 0, 0, 0, 0)

    @property
    def rows(self) -> int:
        """Slots that hold a row."""
        return len(self.lengths)

    def tensors(self) -> list[torch.Tensor]:
        """Return every buffer that exists."""
        return [tensor for layer in self.layers if layer.is_initialized for tensor in (layer.keys, layer.values)]

    def reserve(self, rows: int, width: int) -> None:
        """Make room for `rows` rows in all, with a window of at least `width` columns before `end`."""
        if not self.rows and width < self.capacity:
            self.start = self.end = width
        width = max(width, self.end - self.start)
        if rows > self.slots or width > self.end:
            self._move(rows, width)

    def joining(self, lengths: Sequence[int]) -> None:
        """Frame new rows of these lengths, in the slots after the last row. They do not count until `join`."""
        width = max(lengths)
        self.reserve(self.rows + len(lengths), width)
        self.frame = Frame(self.rows, self.rows + len(lengths), self.end - width, self.end - width, self.end)

    def join(self, lengths: Sequence[int]) -> None:
        """Count rows that were written to the slots after the last row."""
        self.lengths += lengths
        self.start = self.end - max(self.lengths)

    def decoding(self) -> None:
        """Frame one more column of every row. It does not count until `decoded`."""
        if self.end == self.capacity:
            self._move(self.slots, self.end - self.start)
        self.frame = Frame(0, self.rows, self.start, self.end, self.end + 1)

    def decoded(self) -> None:
        """Count the column that was written."""
        self.lengths = [length + 1 for length in self.lengths]
        self.end += 1

    def join_copy(self, source: int, length: int) -> None:
        """Add a row that begins as the row in slot `source`: its first `length` columns. Room is reserved already."""
        begin = self.end - self.lengths[source]
        for tensor in self.tensors():
            tensor[self.rows, :, self.end - length : self.end] = tensor[source, :, begin : begin + length]
        self.join([length])

    def replace(self, target: int, source: int) -> None:
        """Put the row in slot `source` into slot `target`, over what was there."""
        begin = self.end - self.lengths[source]
        for tensor in self.tensors():
            tensor[target, :, begin : self.end] = tensor[source, :, begin : self.end]
        self.lengths[target] = self.lengths[source]

    def truncate(self, rows: int) -> None:
        """Forget every row from slot `rows` on; the buffers stay."""
        del self.lengths[rows:]
        self.start = self.end - max(self.lengths, default=0)

    def release(self) -> None:
        """Forget every row, and give the memory back."""
        self.lengths = []
        self.start = self.end = self.slots = self.capacity = 0
        for layer in self.layers:
            layer.release()

    def mask(self, lengths: Sequence[int]) -> torch.Tensor:
        """Return which columns of the frame's window belong to rows of these lengths: (rows, columns) of bool."""
        width = self.frame.stop - self.frame.begin
        return torch.arange(width)[None, :] >= width - torch.tensor(lengths)[:, None]

    def _move(self, rows: int, width: int) -> None:
        """Move the rows into buffers for `rows` rows whose window may be `width` columns wide before `end`."""
        slots = self.slots if rows <= self.slots else max(rows, self.slots + self.slots // 2)
        capacity = width + max(SPARE, width // 4)
        used = self.end - self.start
        for layer in self.layers:
            layer.move(slots, capacity, slice(self.start, self.end), slice(width - used, width))
        self.slots, self.capacity, self.start, self.end = slots, capacity, width - used, width


class _Layer(CacheLayerMixin):  # type: ignore[misc] # the library has no types
    """One layer's keys and values, (slots, heads, capacity, size)."""

    is_sliding = False

    def __init__(self, cache: RaggedCache) -> None:
        super().__init__()
        self._cache = cache

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate the buffers. Zeros: a column that was never written is masked, and must still be finite."""
        slots, capacity = self._cache.slots, self._cache.capacity
        self.keys = _zeros(key_states, slots, capacity)
        self.values = _zeros(value_states, slots, capacity)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the frame's new columns; return its whole window."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        first, last, begin, write, stop = self._cache.frame
        self.keys[first:last, :, write:stop] = key_states
        self.values[first:last, :, write:stop] = value_states
        return self.keys[first:last, :, begin:stop], self.values[first:last, :, begin:stop]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns that attention sees, and the first one's number."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Return the columns that were there before this call."""
        return self._cache.frame.write - self._cache.frame.begin

    def get_max_length(self) -> int:
        """Return -1: it grows."""
        return -1

    def move(self, slots: int, capacity: int, old: slice, new: slice) -> None:
        """Move the rows' columns `old` to the columns `new` of fresh buffers."""
        if not self.is_initialized:
            return
        rows = self._cache.rows
        for name in ("keys", "values"):
            held: torch.Tensor = getattr(self, name)
            fresh = _zeros(held, slots, capacity)
            fresh[:rows, :, new] = held[:rows, :, old]
            setattr(self, name, fresh)

    def release(self) -> None:
        """Give the memory back."""
        self.keys = self.values = None
        self.is_initialized = False


def _zeros(like: torch.Tensor, slots: int, capacity: int) -> torch.Tensor:
    """Return a buffer for states such as `like`, (slots, heads, capacity, size).

    On the CPU by way of numpy, whose zeros are pages that the system has not given out yet; torch writes each one, which
    took as long as ten decode steps of 32 rows (28M model, 2 cores, 2026-11).
    """
    shape = (slots, like.shape[1], capacity, like.shape[3])
    if like.device.type == "cpu" and like.dtype == torch.float32:
        return torch.from_numpy(np.zeros(shape, dtype=np.float32))
    return like.new_zeros(shape)
