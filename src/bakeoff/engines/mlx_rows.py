"""Ragged rows over mlx-lm's own batch caches: the arithmetic behind `base.TokenModel`.

Prompts of like length are prefilled together, padded on the right, without their last tokens; the caches then move the
padding to the left (`prepare` and `finalize`, as in mlx-lm's own batch generation), and one step with the last tokens
gives the logits. MLX is lazy: logits that nobody looks at are not computed, so that the vocabulary is multiplied for last
positions only. A prompt is computed once however often it is asked for, also while an earlier row with it still runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import make_prompt_cache

from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines.transformers_rows import Prompt, group_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Attention scratch grows with chunk x cache, so a long prompt is taken in pieces.
CHUNK_TOKENS = 512
_BATCH_METHODS = ("prepare", "finalize", "filter", "extend", "extract")


@dataclass(frozen=True, slots=True)
class _Row:
    """A sequence: what it began with, the logits behind that, shape (vocab,), and its length now."""

    prompt: Prompt
    logits: NDArray[np.float32]
    length: int


class MlxRows:
    """The rows of one model. Knows nothing of devices or files."""

    def __init__(self, model: Any, name: str) -> None:
        self._model = model
        self._cache: list[Any] = []
        self._rows: list[_Row] = []
        for layer in self._empty(1):
            if not all(hasattr(layer, method) for method in _BATCH_METHODS):
                raise UnsupportedModel(
                    f"{name}: its {type(layer).__name__} holds one sequence only, and cannot be batched by mlx-lm"
                )

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return len(self._rows)

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max((row.length for row in self._rows), default=0)

    def prefill(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        If it raises, no row was appended.
        """
        known = {row.prompt: index for index, row in enumerate(self._rows)}
        rewinds = all(layer.is_trimmable() for layer in self._cache)
        known = {prompt: index for prompt, index in known.items() if rewinds and prompt in prompts}
        logits = {prompt: self._rows[index].logits for prompt, index in known.items()}
        parts = [(prompt, self._rewound(index, len(prompt))) for prompt, index in known.items()]
        order = [prompt for prompt, _ in parts]
        joined = _merge([part for _, part in parts])
        for group in group_prompts(prompt for prompt in dict.fromkeys(prompts) if prompt not in known):
            cache, computed = self._compute(group)
            joined = _extend(joined, cache)
            order += group
            logits |= dict(zip(group, computed, strict=True))
        _filter(joined, [order.index(prompt) for prompt in prompts])
        self._append(joined)
        self._rows += [_Row(prompt, logits[prompt], len(prompt)) for prompt in prompts]
        return np.stack([logits[prompt] for prompt in prompts])

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab)."""
        logits = self._step(self._cache, tokens)
        self._rows = [_Row(row.prompt, row.logits, row.length + 1) for row in self._rows]
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped.

        Raises:
            IndexError: there is no such row.
        """
        if any(not 0 <= row < self.rows for row in rows):
            raise IndexError(f"rows {list(rows)} of a cache of {self.rows}")
        if list(rows) == list(range(self.rows)):
            return
        self._rows = [self._rows[row] for row in rows]
        if rows:
            _filter(self._cache, rows)
            mx.eval([layer.state for layer in self._cache])
        else:
            self._cache = []
        mx.clear_cache()

    def close(self) -> None:
        """Give everything back."""
        self._rows, self._cache = [], []
        self._model = None
        mx.clear_cache()

    def _empty(self, count: int) -> list[Any]:
        """Return a batch cache without tokens for `count` rows, one object a layer."""
        single: list[list[Any]] = [make_prompt_cache(self._model) for _ in range(count)]
        if not all(hasattr(layer, "merge") for layer in single[0]):
            return single[0]
        return _merge(single)

    def _append(self, joined: list[Any]) -> None:
        """Put rows behind those that are there. If it raises, those are as they were."""
        before = [layer.state for layer in self._cache]
        try:
            appended = _extend(self._cache, joined)
            mx.eval([layer.state for layer in appended])
        except BaseException:
            for layer, state in zip(self._cache, before, strict=True):
                layer.state = state
            raise
        self._cache = appended
        mx.clear_cache()

    def _compute(self, group: Sequence[Prompt]) -> tuple[list[Any], NDArray[np.float32]]:
        """Return the cache of prompts of like length, and the logits behind them."""
        cache = self._empty(len(group))
        lengths = [len(prompt) - 1 for prompt in group]
        width = max(lengths)
        ids = np.zeros((len(group), width), dtype=np.int32)
        for row, prompt in zip(ids, group, strict=True):
            row[: len(prompt) - 1] = prompt[:-1]
        padding = [width - length for length in lengths]
        if any(padding):
            for layer in cache:
                layer.prepare(lengths=lengths, right_padding=padding)
        for start in range(0, width, CHUNK_TOKENS):
            self._model(mx.array(ids[:, start : start + CHUNK_TOKENS]), cache=cache)
            mx.eval([layer.state for layer in cache])
        if any(padding):
            for layer in cache:
                layer.finalize()
        return cache, self._step(cache, [prompt[-1] for prompt in group])

    def _step(self, cache: list[Any], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Run one token a row; the conversion waits for the device, so that a clock read after this reads the truth."""
        output = self._model(mx.array(np.asarray(tokens, dtype=np.int32)[:, None]), cache=cache)
        logits = output[:, -1].astype(mx.float32)
        mx.eval(logits, [layer.state for layer in cache])
        return np.array(logits)

    def _rewound(self, row: int, length: int) -> list[Any]:
        """Return a copy of one row's cache, one object a layer, as it was behind its first `length` tokens."""
        copy = [layer.extract(row) for layer in self._cache]
        for layer in copy:
            layer.trim(self._rows[row].length - length)
        return copy


def _merge(rows: Sequence[list[Any]]) -> list[Any]:
    """Return one batch cache a layer from the caches of single rows."""
    if not rows:
        return []
    return [type(layers[0]).merge(list(layers)) for layers in zip(*rows, strict=True)]


def _extend(cache: list[Any], other: list[Any]) -> list[Any]:
    """Return `cache` with the rows of `other` behind its own."""
    for mine, theirs in zip(cache, other, strict=False):
        mine.extend(theirs)
    return cache or other


def _filter(cache: Sequence[Any], rows: Sequence[int]) -> None:
    index = mx.array(list(rows), dtype=mx.int32)
    for layer in cache:
        layer.filter(index)
