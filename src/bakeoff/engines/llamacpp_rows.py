"""Ragged rows over llama.cpp's KV cache: which row lies in which sequence of which context.

Each sequence has cells of its own (`kv_unified` false): in one buffer for all, attention reads everyone's cells for each
row, and 32 rows decode at 0.7 of the speed (28M model in float16, 2 cores, 2026-11). llama.cpp fixes the number of
sequences and their length when a context is made, so one is made anew when it is too small: rows in powers of two,
positions a quarter or 256 at a time. Longer sequences take over what was computed; more sequences cannot, as llama.cpp
restores a state only beside the same number of them, and running rows are computed again. It never shrinks, so this
happens a handful of times in a worker's life.

Rows with the same prompt share a sequence until the next token is decoded: those that end before it are never copied.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import llama_cpp
import numpy as np

from bakeoff.core.errors import UsageError
from bakeoff.engines.llamacpp_library import LOG, describe_errors, read_buffers

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE_VARIABLE = "BAKEOFF_LLAMACPP_CACHE"
CACHE_TYPES = {"f16": llama_cpp.GGML_TYPE_F16, "f32": llama_cpp.GGML_TYPE_F32}
UNLIMITED_CONTEXT = 8192
_STEP = 256  # llama.cpp rounds a sequence's length up to this
_MAX_SEQUENCES = 256  # LLAMA_MAX_SEQ
BATCH_TOKENS = 2048
"""Tokens that are handed over at once, llama.cpp's own default; it computes 512 of them at a time."""


class Setup(NamedTuple):
    """How to compute: threads, the cache's type (a key of `CACHE_TYPES`), and whether every GPU is kept out of it."""

    threads: int
    cache: str
    on_cpu: bool


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


class _Span(NamedTuple):
    """Tokens to be computed for one sequence, from position `start` on."""

    slot: int
    start: int
    tokens: Sequence[int]


class LlamaRows:
    """The rows of one model. `kernels` names what attention does."""

    def __init__(self, model: Any, vocab_size: int, setup: Setup) -> None:
        self._model = model
        self._vocab_size = vocab_size
        self._setup = setup
        named = int(llama_cpp.llama_model_n_ctx_train(model))
        self.context_length = named if named > 0 else UNLIMITED_CONTEXT
        # A recurrent state cannot be cut back to the end of its prompt.
        self._can_cut = not (llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model))
        self._rows: list[_Row] = []
        self._context: Any = None
        self._slots = self._positions = self.memory_bytes = 0
        self._batch = _Batch()
        self.kernels = ""
        self.kernels_reason = "llama.cpp's own choice" if setup.cache == "f16" else f"set by {CACHE_VARIABLE}"
        self._make_context(1, _STEP)

    @property
    def rows(self) -> int:
        """Rows in the cache."""
        return len(self._rows)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        A prompt is computed once, also while an earlier row with it still runs. If it raises, no row was appended.

        Raises:
            ValueError: a prompt is empty, longer than the context, or holds a token outside the vocabulary.
            RuntimeError: llama.cpp failed.
        """
        self._check(prompts)
        if not prompts:
            return np.empty((0, self._vocab_size), dtype=np.float32)
        self._reserve(self.rows + len(prompts), max(map(len, prompts)))
        known = {row.prompt: row for row in self._rows if self._can_be_shared(row)}
        missing = [prompt for prompt in dict.fromkeys(map(tuple, prompts)) if prompt not in known]
        if missing:
            self._settle()
        spans = [_Span(self.rows + index, 0, prompt) for index, prompt in enumerate(missing)]
        try:
            computed = self._compute(spans)
        except BaseException:
            for span in spans:
                self._forget(span.slot)
            raise
        for span, prompt, logits in zip(spans, missing, computed, strict=True):
            known[prompt] = _Row(span.slot, list(prompt), len(prompt), logits)
        fresh = [known[tuple(prompt)] for prompt in prompts]
        self._rows += [_Row(row.slot, list(row.prompt), row.prompt_length, row.logits) for row in fresh]
        return np.stack([row.logits for row in fresh])

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab).

        Raises:
            ValueError: not one token for each row, one outside the vocabulary, or a row's context is full.
            RuntimeError: llama.cpp failed.
        """
        if len(tokens) != self.rows or not tokens:
            raise ValueError(f"{len(tokens)} tokens for {self.rows} rows")
        self._check([tokens])
        self._reserve(self.rows, max(len(row.tokens) for row in self._rows) + 1)
        self._settle()
        in_order = sorted(range(self.rows), key=lambda index: self._rows[index].slot)
        spans = [_Span(self._rows[index].slot, len(self._rows[index].tokens), (tokens[index],)) for index in in_order]
        computed = self._compute(spans)
        logits = np.empty_like(computed)
        logits[in_order] = computed
        for row, token in zip(self._rows, tokens, strict=True):
            row.tokens.append(token)
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; one may be named twice.

        Raises:
            IndexError: there is no such row.
        """
        kept = [self._rows[index] for index in rows]
        before = self._owners()
        self._rows = [_Row(row.slot, list(row.tokens), row.prompt_length, row.logits) for row in kept]
        after = self._owners()
        for slot, row in before.items():
            length = len(after[slot].tokens) if slot in after else 0
            if length < len(row.tokens):
                llama_cpp.llama_memory_seq_rm(self._memory(), slot, length, -1)

    def close(self) -> None:
        """Give the context back."""
        self._rows, self._model = [], None
        self._free_context()

    def _check(self, lists: Sequence[Sequence[int]]) -> None:
        if self._model is None:
            raise ValueError("the model is closed")
        for tokens in lists:
            if not tokens:
                raise ValueError("an empty prompt has no last position")
            if min(tokens) < 0 or max(tokens) >= self._vocab_size:
                raise ValueError(f"a token outside the vocabulary of {self._vocab_size}")

    def _can_be_shared(self, row: _Row) -> bool:
        """Tell whether the cache behind a row's prompt is still there: sliding windows drop it, states move on."""
        if len(row.tokens) == row.prompt_length:
            return True
        return self._can_cut and llama_cpp.llama_memory_seq_pos_min(self._memory(), row.slot) == 0

    def _reserve(self, rows: int, positions: int) -> None:
        """Have room for `rows` rows of at most `positions` tokens; running rows stay.

        Raises:
            ValueError: more than the context holds.
            RuntimeError: there is no memory for it; the rows are lost.
        """
        if positions > self.context_length:
            raise ValueError(f"{positions} positions, and the context holds {self.context_length}")
        if rows > _MAX_SEQUENCES:
            raise ValueError(f"{rows} rows, and llama.cpp has {_MAX_SEQUENCES} sequences at most")
        if rows <= self._slots and positions <= self._positions:
            return
        slots = max(self._slots, 1 << (rows - 1).bit_length())
        wanted = max(positions, self._positions)
        if positions > self._positions:
            wanted = max(positions, min(self._positions * 5 // 4, self.context_length))
        wanted = -(-wanted // _STEP) * _STEP
        owners = list(self._owners().values())
        saved = [self._save(row.slot) for row in owners] if slots == self._slots else []
        kept, self._rows = self._rows, []
        self._free_context()
        self._make_context(slots, wanted)
        try:
            if saved:
                for row, state in zip(owners, saved, strict=True):
                    self._restore(row.slot, state)
            else:
                moved = {row.slot: slot for slot, row in enumerate(owners)}
                self._compute([_Span(slot, 0, row.tokens) for slot, row in enumerate(owners)])
                for row in kept:
                    row.slot = moved[row.slot]
        except BaseException:
            self._free_context()
            raise
        self._rows = kept

    def _owners(self) -> dict[int, _Row]:
        """Return the row of each sequence that is as long as the sequence itself."""
        longest: dict[int, _Row] = {}
        for row in self._rows:
            if row.slot not in longest or len(row.tokens) > len(longest[row.slot].tokens):
                longest[row.slot] = row
        return longest

    def _settle(self) -> None:
        """Give every row a sequence of its own, the first ones: llama.cpp computes only neighbours together.

        Copies are carried out by the next `llama_decode`, which has to be the next thing that is done with the cache.
        """
        count, memory = self.rows, self._memory()
        owners = {id(row) for row in self._owners().values()}
        holes = sorted(set(range(count)) - {row.slot for row in self._rows}, reverse=True)
        leaving = {row.slot for row in self._rows if row.slot >= count}
        for row in self._rows:
            if id(row) in owners and row.slot < count:
                continue
            source, row.slot = row.slot, holes.pop()
            llama_cpp.llama_memory_seq_cp(memory, source, row.slot, -1, -1)
            llama_cpp.llama_memory_seq_rm(memory, row.slot, len(row.tokens), -1)
        for slot in leaving:
            self._forget(slot)

    def _compute(self, spans: Sequence[_Span]) -> NDArray[np.float32]:
        """Run spans, of neighbouring sequences in order; return logits behind each, shape (len(spans), vocab)."""
        logits = np.empty((len(spans), self._vocab_size), dtype=np.float32)
        room = min(int(llama_cpp.llama_n_batch(self._context)), BATCH_TOKENS)
        done = 0
        for batch, ends in self._batch.fill(spans, room):
            status = llama_cpp.llama_decode(self._context, batch)
            if status != 0:
                why = describe_errors(LOG.take()) or "no reason given"
                raise RuntimeError(f"llama.cpp could not compute (code {status}): {why}")
            if ends:
                found = llama_cpp.llama_get_logits(self._context)  # waits for the device
                ctypes.memmove(logits[done:].ctypes.data, found, ends * logits.strides[0])
                done += ends
        return logits

    def _forget(self, slot: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory(), slot, -1, -1)

    def _save(self, slot: int) -> Any:
        size = llama_cpp.llama_state_seq_get_size(self._context, slot)
        state = (ctypes.c_uint8 * size)()
        llama_cpp.llama_state_seq_get_data(self._context, state, size, slot)
        return state

    def _restore(self, slot: int, state: Any) -> None:
        if llama_cpp.llama_state_seq_set_data(self._context, state, len(state), slot) == 0:
            raise RuntimeError(f"llama.cpp could not restore a row: {describe_errors(LOG.take())}")

    def _memory(self) -> Any:
        return llama_cpp.llama_get_memory(self._context)

    def _make_context(self, slots: int, positions: int) -> None:
        settings = llama_cpp.llama_context_default_params()
        settings.n_seq_max, settings.n_ctx = slots, slots * positions
        settings.kv_unified = False
        # Scratch memory is taken for this many rows of logits, not for every position of a prompt.
        settings.n_outputs_max = slots
        settings.n_threads = settings.n_threads_batch = self._setup.threads
        settings.type_k = settings.type_v = CACHE_TYPES[self._setup.cache]
        if self._setup.cache == "f32":  # fused attention would narrow it to float16 at every step
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if self._setup.on_cpu:
            settings.offload_kqv = settings.op_offload = False
        LOG.take()
        context = llama_cpp.llama_init_from_model(self._model, settings)
        lines = LOG.take()
        if not context:
            why = describe_errors(lines) or "no reason given"
            raise RuntimeError(f"llama.cpp made no context for {slots} rows of {positions} tokens: {why}")
        self._context, self._slots, self._positions = context, slots, positions
        self.memory_bytes = sum(buffer.size for buffer in read_buffers(lines))
        flash = any("Flash Attention enabled" in line for _, line in lines)
        self.kernels = f"{'flash' if flash else 'plain'} attention, {self._setup.cache} cache"

    def _free_context(self) -> None:
        if self._context is not None:
            llama_cpp.llama_free(self._context)
        self._context = None
        self._slots = self._positions = self.memory_bytes = 0


class _Batch:
    """The arguments of `llama_decode`: a C structure that points into arrays of at most `BATCH_TOKENS` tokens."""

    def __init__(self) -> None:
        self._sequences = np.arange(_MAX_SEQUENCES, dtype=np.int32)
        self._arrays: dict[str, NDArray[Any]] = {
            "token": np.zeros(BATCH_TOKENS, dtype=np.int32),
            "pos": np.zeros(BATCH_TOKENS, dtype=np.int32),
            "n_seq_id": np.ones(BATCH_TOKENS, dtype=np.int32),
            "seq_id": np.zeros(BATCH_TOKENS, dtype=np.uint64),  # addresses of `_sequences`
            "logits": np.zeros(BATCH_TOKENS, dtype=np.int8),
        }
        kinds = dict(llama_cpp.llama_batch._fields_)
        pointers = {name: ctypes.cast(array.ctypes.data, kinds[name]) for name, array in self._arrays.items()}
        self._batch = llama_cpp.llama_batch(**pointers)

    def fill(self, spans: Sequence[_Span], room: int) -> Iterator[tuple[Any, int]]:
        """Yield batches of at most `room` tokens, and how many spans end in each: their logits are asked for."""
        tokens = [token for span in spans for token in span.tokens]
        places = [place for span in spans for place in range(span.start, span.start + len(span.tokens))]
        first = self._sequences.ctypes.data
        width = self._sequences.itemsize
        slots = [first + width * span.slot for span in spans for _ in span.tokens]
        wanted = np.zeros(len(tokens), dtype=np.int8)
        wanted[[end - 1 for end in accumulate(len(span.tokens) for span in spans)]] = 1
        for start in range(0, len(tokens), room):
            end = min(start + room, len(tokens))
            parts: dict[str, Any] = {"token": tokens, "pos": places, "seq_id": slots, "logits": wanted}
            for name, values in parts.items():
                self._arrays[name][: end - start] = values[start:end]
            self._batch.n_tokens = end - start
            yield self._batch, int(wanted[start:end].sum())


def read_cache_type() -> str:
    """Return how keys and values are stored: what the environment asks for, or llama.cpp's own float16.

    Raises:
        UsageError: it asks for something else.
    """
    kind = os.environ.get(CACHE_VARIABLE, "f16")
    if kind not in CACHE_TYPES:
        raise UsageError(f"{CACHE_VARIABLE} is {kind!r}", f"what there is: {', '.join(CACHE_TYPES)}")
    return kind
