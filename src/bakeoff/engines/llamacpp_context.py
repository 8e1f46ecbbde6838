"""One context of llama.cpp: so many sequences of so many positions each, and what can be done with them.

Each sequence has cells of its own (`kv_unified` false): with one buffer for all, attention reads everyone's cells for each
row, and 32 rows decode at 0.7 of the speed (28M model in float16, 2 cores, 2026-11). llama.cpp fixes both sizes when a context
is made.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
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
POSITION_STEP = 256
"""llama.cpp rounds the length of a sequence up to this."""
MAX_SLOTS = 256
"""LLAMA_MAX_SEQ."""
_BATCH_TOKENS = 2048  # handed over at once, llama.cpp's own default; it computes 512 of them at a time


class Setup(NamedTuple):
    """How to compute: threads, the cache's type (a key of `CACHE_TYPES`), and whether every GPU is kept out of it."""

    threads: int
    cache: str
    on_cpu: bool


class Span(NamedTuple):
    """Tokens to be computed for the sequence in `slot`, from its beginning."""

    slot: int
    tokens: Sequence[int]


class LlamaContext:
    """`slots` sequences of at most `positions` tokens. `memory_bytes` is what it took, `kernels` names its attention."""

    def __init__(self, model: Any, vocab_size: int, setup: Setup, slots: int, positions: int) -> None:
        settings = llama_cpp.llama_context_default_params()
        settings.n_seq_max, settings.n_ctx = slots, slots * positions
        settings.kv_unified = False
        # Scratch memory is taken for this many rows of logits, not for every position of a prompt.
        settings.n_outputs_max = slots
        settings.n_threads = settings.n_threads_batch = setup.threads
        settings.type_k = settings.type_v = CACHE_TYPES[setup.cache]
        if setup.cache == "f32":  # fused attention would narrow it to float16 at every step
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if setup.on_cpu:
            settings.offload_kqv = settings.op_offload = False
        LOG.take()
        self._context: Any = llama_cpp.llama_init_from_model(model, settings)
        lines = LOG.take()
        if not self._context:
            why = describe_errors(lines) or "no reason given"
            raise RuntimeError(f"llama.cpp made no context for {slots} rows of {positions} tokens: {why}")
        self.slots, self.positions = slots, positions
        self.memory_bytes = sum(buffer.size for buffer in read_buffers(lines))
        flash = any("Flash Attention enabled" in line for _, line in lines)
        self.kernels = f"{'flash' if flash else 'plain'} attention, {setup.cache} cache"
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocab_size = vocab_size
        self._room = min(int(llama_cpp.llama_n_batch(self._context)), _BATCH_TOKENS)
        self._prompts, self._step = _Batch(_BATCH_TOKENS), _Batch(MAX_SLOTS)

    def compute(self, spans: Sequence[Span]) -> NDArray[np.float32]:
        """Run spans, of neighbouring empty slots in order; return logits behind each, shape (len(spans), vocab).

        Raises:
            RuntimeError: llama.cpp failed.
        """
        logits = np.empty((len(spans), self._vocab_size), dtype=np.float32)
        done = 0
        for batch, ends in self._prompts.fill(spans, self._room):
            self._run(batch, logits[done : done + ends])
            done += ends
        return logits

    def step(self, tokens: Sequence[int], places: NDArray[np.int32]) -> NDArray[np.float32]:
        """Append a token to each of the first slots, at these positions; return logits, shape (len(tokens), vocab).

        Raises:
            RuntimeError: llama.cpp failed.
        """
        logits = np.empty((len(tokens), self._vocab_size), dtype=np.float32)
        self._run(self._step.one_each(tokens, places), logits)
        return logits

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens. It is carried out by the next computation, which has to come next."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.cut(target, length)

    def cut(self, slot: int, length: int) -> None:
        """Forget all but the first `length` tokens of a sequence."""
        llama_cpp.llama_memory_seq_rm(self._memory, slot, length, -1)

    def begins_at_zero(self, slot: int) -> bool:
        """Tell whether a sequence's first token is still in the cache: a sliding window drops it."""
        return bool(llama_cpp.llama_memory_seq_pos_min(self._memory, slot) == 0)

    def save(self, slot: int) -> Any:
        """Return the state of a sequence, for `restore` in a context of as many slots."""
        size = llama_cpp.llama_state_seq_get_size(self._context, slot)
        state = (ctypes.c_uint8 * size)()
        llama_cpp.llama_state_seq_get_data(self._context, state, size, slot)
        return state

    def restore(self, slot: int, state: Any) -> None:
        """Set the state of a sequence.

        Raises:
            RuntimeError: it is of another kind of context.
        """
        if llama_cpp.llama_state_seq_set_data(self._context, state, len(state), slot) == 0:
            raise RuntimeError(f"llama.cpp could not restore a row: {describe_errors(LOG.take())}")

    def close(self) -> None:
        """Give the memory back."""
        llama_cpp.llama_free(self._context)

    def _run(self, batch: Any, logits: NDArray[np.float32]) -> None:
        status = llama_cpp.llama_decode(self._context, batch)
        if status != 0:
            why = describe_errors(LOG.take()) or "no reason given"
            raise RuntimeError(f"llama.cpp could not compute (code {status}): {why}")
        if len(logits):
            found = llama_cpp.llama_get_logits(self._context)  # waits for the device
            ctypes.memmove(logits.ctypes.data, found, logits.nbytes)


class _Batch:
    """The arguments of `llama_decode`: a C structure that points into arrays of `size` tokens."""

    def __init__(self, size: int) -> None:
        self._numbers = np.arange(MAX_SLOTS, dtype=np.int32)
        self._addresses = self._numbers.ctypes.data + self._numbers.itemsize * np.arange(MAX_SLOTS, dtype=np.uint64)
        self._arrays: dict[str, NDArray[Any]] = {
            "token": np.zeros(size, dtype=np.int32),
            "pos": np.zeros(size, dtype=np.int32),
            "n_seq_id": np.ones(size, dtype=np.int32),
            "seq_id": np.resize(self._addresses, size),
            "logits": np.ones(size, dtype=np.int8),
        }
        kinds = dict(llama_cpp.llama_batch._fields_)
        pointers = {name: ctypes.cast(array.ctypes.data, kinds[name]) for name, array in self._arrays.items()}
        self._batch = llama_cpp.llama_batch(**pointers)

    def one_each(self, tokens: Sequence[int], places: NDArray[np.int32]) -> Any:
        """Return a token for each of the first slots. `fill` is not to be called on the same batch."""
        count = len(tokens)
        self._arrays["token"][:count] = tokens
        self._arrays["pos"][:count] = places
        self._batch.n_tokens = count
        return self._batch

    def fill(self, spans: Sequence[Span], room: int) -> Iterator[tuple[Any, int]]:
        """Yield batches of at most `room` tokens, and how many spans end in each: their logits are asked for."""
        tokens = [token for span in spans for token in span.tokens]
        places = [place for span in spans for place in range(len(span.tokens))]
        slots = [span.slot for span in spans for _ in span.tokens]
        wanted = np.zeros(len(tokens), dtype=np.int8)
        wanted[[end - 1 for end in accumulate(len(span.tokens) for span in spans)]] = 1
        for start in range(0, len(tokens), room):
            end = min(start + room, len(tokens))
            count = end - start
            self._arrays["token"][:count] = tokens[start:end]
            self._arrays["pos"][:count] = places[start:end]
            self._arrays["seq_id"][:count] = self._addresses[slots[start:end]]
            self._arrays["logits"][:count] = wanted[start:end]
            self._batch.n_tokens = count
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
