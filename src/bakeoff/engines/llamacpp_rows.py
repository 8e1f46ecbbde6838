"""Ragged rows over llama.cpp's KV cache: which row lies in which sequence of the context, and when that is made anew.

A context that is too small is replaced by a larger one: rows in powers of two, positions a quarter or 256 at a time. Longer
sequences take over what was computed; more sequences cannot, as llama.cpp restores a state only beside the same number
of them, and running rows are computed again. It never shrinks, so this happens a handful of times in a worker's life.

Rows with the same prompt share a sequence until the next token is decoded: those that end before it are never copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import llama_cpp
import numpy as np

from bakeoff.engines.llamacpp_context import CACHE_VARIABLE, MAX_SLOTS, POSITION_STEP, LlamaContext, Setup, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNLIMITED_CONTEXT = 8192


@dataclass(slots=True)
class _Row:
    """A row: its sequence, its tokens so far, how many of them are the prompt, and the logits behind that, (vocab,)."""

    slot: int
    tokens: list[int]
    prompt_length: int
    logits: NDArray[np.float32] = field(repr=False)

    @property
    def prompt(self) -> tuple[int, ...]:
        return tuple(self.tokens[: self.prompt_length])

    def begin_again(self) -> _Row:
        """Return a new row with this one's prompt, in the same sequence."""
        return _Row(self.slot, self.tokens[: self.prompt_length], self.prompt_length, self.logits)


class LlamaRows:
    """The rows of one model. `kernels` and `kernels_reason` are for `base.ModelFacts`."""

    def __init__(self, model: Any, vocab_size: int, setup: Setup) -> None:
        self._model = model
        self._vocab_size = vocab_size
        self._setup = setup
        named = int(llama_cpp.llama_model_n_ctx_train(model))
        self.context_length = named if named > 0 else UNLIMITED_CONTEXT
        # A recurrent state cannot be cut back to the end of its prompt.
        self._can_cut = not (llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model))
        self._rows: list[_Row] = []
        self._context: LlamaContext | None = LlamaContext(model, vocab_size, setup, 1, POSITION_STEP)
        self.kernels = self._context.kernels
        self.kernels_reason = "llama.cpp's own choice" if setup.cache == "f16" else f"set by {CACHE_VARIABLE}"
        # What `decode` needs while rows stay: the row in each slot, and how long it is. None after every change.
        self._order: list[int] | None = None
        self._lengths = np.empty(0, dtype=np.int32)

    @property
    def rows(self) -> int:
        """Rows in the cache."""
        return len(self._rows)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the KV cache and of the scratch memory."""
        return self._context.memory_bytes if self._context is not None else 0

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        A prompt is computed once, also while an earlier row with it still runs. If it raises, no row was appended.

        Raises:
            ValueError: a prompt is empty, longer than the context, or holds a token outside the vocabulary.
            RuntimeError: llama.cpp failed.
        """
        for prompt in prompts:
            if not prompt:
                raise ValueError("an empty prompt has no last position")
            self._check_tokens(prompt)
        context = self._reserve(self.rows + len(prompts), max(map(len, prompts)))
        known = {row.prompt: row for row in self._rows if self._can_be_shared(row, context)}
        missing = [prompt for prompt in dict.fromkeys(map(tuple, prompts)) if prompt not in known]
        if missing:
            self._settle(context)
            known |= self._compute_prompts(missing, context)
        fresh = [known[tuple(prompt)].begin_again() for prompt in prompts]
        self._rows += fresh
        self._order = None
        return np.stack([row.logits for row in fresh])

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab).

        Raises:
            ValueError: not one token for each row, one outside the vocabulary, or a row's context is full.
            RuntimeError: llama.cpp failed.
        """
        if len(tokens) != self.rows or not tokens:
            raise ValueError(f"{len(tokens)} tokens for {self.rows} rows")
        self._check_tokens(tokens)
        context = self._reserve(self.rows, max(len(row.tokens) for row in self._rows) + 1)
        order = self._order if self._order is not None else self._settle(context)
        computed = context.step([tokens[index] for index in order], self._lengths)
        self._lengths += 1
        for row, token in zip(self._rows, tokens, strict=True):
            row.tokens.append(token)
        if order == sorted(order):
            return computed
        logits = np.empty_like(computed)
        logits[order] = computed
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; one may be named twice.

        Raises:
            IndexError: there is no such row.
        """
        kept = [self._rows[index] for index in rows]
        before = self._owners()
        self._rows = [_Row(row.slot, list(row.tokens), row.prompt_length, row.logits) for row in kept]
        self._order = None
        after = self._owners()
        for slot, row in before.items():
            length = len(after[slot].tokens) if slot in after else 0
            if length < len(row.tokens) and self._context is not None:
                self._context.cut(slot, length)

    def close(self) -> None:
        """Give the context back."""
        self._rows, self._model = [], None
        self._drop_context()

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        if self._model is None:
            raise ValueError("the model is closed")
        if min(tokens) < 0 or max(tokens) >= self._vocab_size:
            raise ValueError(f"a token outside the vocabulary of {self._vocab_size}")

    def _compute_prompts(
        self, prompts: Sequence[tuple[int, ...]], context: LlamaContext
    ) -> dict[tuple[int, ...], _Row]:
        """Compute prompts into the slots after the last row; nothing is left of them if it raises."""
        spans = [Span(self.rows + index, prompt) for index, prompt in enumerate(prompts)]
        try:
            computed = context.compute(spans)
        except BaseException:
            for span in spans:
                context.cut(span.slot, 0)
            raise
        made = zip(spans, computed, strict=True)
        return {
            prompt: _Row(span.slot, list(prompt), len(prompt), logits)
            for prompt, (span, logits) in zip(prompts, made, strict=True)
        }

    def _can_be_shared(self, row: _Row, context: LlamaContext) -> bool:
        """Tell whether the cache behind a row's prompt is still there: sliding windows drop it, states move on."""
        if len(row.tokens) == row.prompt_length:
            return True
        return self._can_cut and context.begins_at_zero(row.slot)

    def _reserve(self, rows: int, positions: int) -> LlamaContext:
        """Return a context with room for `rows` rows of at most `positions` tokens; running rows are in it.

        Raises:
            ValueError: more than the context holds.
            RuntimeError: there is no memory for it; the rows are lost.
        """
        if positions > self.context_length:
            raise ValueError(f"{positions} positions, and the context holds {self.context_length}")
        if rows > MAX_SLOTS:
            raise ValueError(f"{rows} rows, and llama.cpp has {MAX_SLOTS} sequences at most")
        old = self._context
        if old is not None and rows <= old.slots and positions <= old.positions:
            return old
        slots, longest = (old.slots, old.positions) if old is not None else (1, 0)
        slots = max(slots, 1 << (rows - 1).bit_length())
        if positions > longest:
            longest = max(positions, min(longest * 5 // 4, self.context_length))
        return self._replace_context(slots, -(-longest // POSITION_STEP) * POSITION_STEP)

    def _replace_context(self, slots: int, positions: int) -> LlamaContext:
        old, rows, owners = self._context, self._rows, list(self._owners().values())
        saved = [old.save(row.slot) for row in owners] if old is not None and old.slots == slots else []
        # The old one goes first: both together may be more than there is.
        self._rows = []
        self._drop_context()
        context = LlamaContext(self._model, self._vocab_size, self._setup, slots, positions)
        try:
            if saved:
                for row, state in zip(owners, saved, strict=True):
                    context.restore(row.slot, state)
            elif owners:
                moved = {row.slot: slot for slot, row in enumerate(owners)}
                context.compute([Span(slot, row.tokens) for slot, row in enumerate(owners)])
                for row in rows:
                    row.slot = moved[row.slot]
        except BaseException:
            context.close()
            raise
        self._context, self._rows, self._order = context, rows, None
        return context

    def _drop_context(self) -> None:
        if self._context is not None:
            self._context.close()
        self._context, self._order = None, None

    def _owners(self) -> dict[int, _Row]:
        """Return the row of each sequence that is as long as the sequence itself."""
        longest: dict[int, _Row] = {}
        for row in self._rows:
            if row.slot not in longest or len(row.tokens) > len(longest[row.slot].tokens):
                longest[row.slot] = row
        return longest

    def _settle(self, context: LlamaContext) -> list[int]:
        """Give every row a sequence of its own, the first ones: llama.cpp computes only neighbours together.

        The next thing that is done with the context has to be a computation. Returns the row (index) in each slot.
        """
        count = self.rows
        owners = {id(row) for row in self._owners().values()}
        holes = sorted(set(range(count)) - {row.slot for row in self._rows}, reverse=True)
        leaving = {row.slot for row in self._rows if row.slot >= count}
        for row in self._rows:
            if id(row) not in owners or row.slot >= count:
                source, row.slot = row.slot, holes.pop()
                context.copy(source, row.slot, len(row.tokens))
        for slot in leaving:
            context.cut(slot, 0)
        order = self._order = sorted(range(count), key=lambda index: self._rows[index].slot)
        self._lengths = np.array([len(self._rows[index].tokens) for index in order], dtype=np.int32)
        return order
