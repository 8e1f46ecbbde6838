"""The default light engine: a Llama-style model run by onnxruntime on the CPU, without torch.

A row's logits are the same bits whether it runs alone or beside others, so that a seed gives the same text whatever else
is in the batch, and a resumed run equals an uninterrupted one. It holds because (a) a prompt is always prefilled by
itself, in chunks whose borders its own length fixes, (b) in a decode step every operator treats rows one by one, and the
matrix products run on weights that onnxruntime has packed, whose kernels add up in one order for any number of rows.
(b) was found by test, not promised by onnxruntime: tests/integration/test_onnx_model.py compares bits.

Knows nothing of tokenizers or sampling.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

# onnxruntime's official builds report to its maker unless this is set before it is loaded (its Privacy.md). A tool that
# runs models locally because the texts are private does not report.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Newer releases compute attention in tiles by default: rows of different lengths one by one, with a rendezvous of all threads for
# each, in code for any x86 processor. The older way takes all rows together, and reads keys and values by AVX.
if platform.machine() in {"x86_64", "AMD64"}:
    os.environ.setdefault("ORT_GQA_DISABLE_FLASH_ATTENTION", "1")

import numpy as np
import onnxruntime

from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines.base import ModelFacts
from bakeoff.engines.kv_cache import KvCache
from bakeoff.engines.llama_spec import EMBEDDING, LlamaSpec, read_spec, rotary_tables, select_weights
from bakeoff.engines.onnx_llama import ONNX_TYPES, build_graph, cache_names
from bakeoff.engines.safetensors_file import StoredTensor, map_tensors
from bakeoff.machine.detect import model_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Attention holds scores of heads x chunk x cache, so a long prompt is taken in pieces: of 128 tokens they take no more memory than
# tiles did with 512 (28M model: 127 MB with its cache for 4,000 tokens, 237 in pieces of 512), at the same speed.
CHUNK_TOKENS = 128
# How long idle threads spin for the next operator. On a quiet machine 20 us decodes within 13% of onnxruntime's own
# 1 ms and 1.3-1.5 times as fast as no spinning; with a busy neighbour on each core it decodes 1.2-2.4 times as fast as
# 1 ms and loses up to a quarter to no spinning (docs/dependencies.md, "Default engine").
SPIN_US = 20


def best_device() -> str:
    """Return the device that is chosen where none is asked for."""
    return "cpu"


def load(folder: Path, device: str | None, threads: int | None) -> OnnxModel:
    """Load the model in `folder`; the engine's entry, see `base.LoadModel`.

    Raises:
        UnsupportedModel: another device than the CPU was asked for, or see `OnnxModel.load`.
        InvalidFile: see `OnnxModel.load`.
    """
    if device not in {None, "cpu"}:
        raise UnsupportedModel(
            f"the onnx engine runs on the cpu, not on {device}", "leave the device out, or write transformers+MODEL"
        )
    return OnnxModel.load(folder, threads)


class OnnxModel:
    """A `base.TokenModel`. Not thread-safe: one thread calls it."""

    def __init__(
        self, spec: LlamaSpec, session: onnxruntime.InferenceSession, weights: dict[str, StoredTensor], held: list[Any]
    ) -> None:
        self._spec = spec
        self._session: onnxruntime.InferenceSession | None = session
        self._weights = weights
        # onnxruntime reads the mapped weights through these and does not count references.
        self._held = held
        self._cache = KvCache(spec.layers, spec.kv_heads, spec.head_dim, spec.context_length)
        self._rotary = rotary_tables(spec, self._cache.capacity)
        self._decoder: _Step | None = None

    @classmethod
    def load(cls, folder: Path, threads: int | None = None) -> OnnxModel:
        """Load a Hugging Face folder (config.json and safetensors); `threads` None means `model_threads`.

        Raises:
            InvalidFile: config.json or a weight file is missing, broken, or does not match the other.
            UnsupportedModel: the architecture or a variant of it is not one this engine computes.
        """
        spec = read_spec(folder)
        weights = select_weights(folder, spec, map_tensors(folder))
        held = [
            onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(tensor.data, ONNX_TYPES[tensor.dtype])
            for tensor in weights.values()
        ]
        options = _session_options(threads or model_threads())
        options.add_external_initializers(list(weights), held)
        graph = build_graph(spec, weights)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return cls(spec, session, weights, held)

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return self._cache.rows

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        Equal prompts are computed once. If it raises, no row was appended.

        Raises:
            ValueError: a prompt is empty, longer than the context, or holds a token outside the vocabulary.
        """
        self._open_session()
        for prompt in prompts:
            if not prompt:
                raise ValueError("an empty prompt has no last position")
            self._check_tokens(prompt)
        logits = np.empty((len(prompts), self._spec.vocab_size), dtype=np.float32)
        self._reserve(self.rows + len(prompts), max(map(len, prompts), default=0))
        seen: dict[tuple[int, ...], int] = {}
        for index, prompt in enumerate(prompts):
            first = seen.setdefault(tuple(prompt), index)
            if first == index:
                logits[index] = self._prefill_row(self.rows + index, prompt)
            else:
                self._cache.copy_row(self.rows + first, self.rows + index, len(prompt))
                logits[index] = logits[first]
        self._cache.append([len(prompt) for prompt in prompts])
        self._decoder = None
        return logits

    def _prefill_row(self, row: int, prompt: Sequence[int]) -> NDArray[np.float32]:
        logits = np.empty(0, dtype=np.float32)
        for start in range(0, len(prompt), CHUNK_TOKENS):
            chunk = prompt[start : start + CHUNK_TOKENS]
            step = self._step(row, 1, len(chunk))
            step.tokens[0] = chunk
            logits = step.run(start + len(chunk))[0]
        return logits

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab).

        Raises:
            ValueError: not one token for each row, one outside the vocabulary, or a row's context is full.
        """
        self._open_session()
        if len(tokens) != self.rows or not tokens:
            raise ValueError(f"{len(tokens)} tokens for {self.rows} rows")
        self._check_tokens(tokens)
        lengths = self._cache.lengths + np.int32(1)
        self._reserve(self.rows, int(lengths.max()))
        if self._decoder is None:
            self._decoder = self._step(0, self.rows, 1)
        step = self._decoder
        step.tokens[:, 0] = tokens
        logits = step.run(lengths)
        self._cache.lengths = lengths
        return logits.copy()

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped.

        Raises:
            IndexError: there is no such row.
        """
        self._cache.keep(rows)
        self._decoder = None

    def facts(self) -> ModelFacts:
        """Return what was loaded. Arithmetic is float32 whatever the file holds, and `weight_bytes` counts that."""
        parameters = sum(tensor.data.size for tensor in self._weights.values())
        return ModelFacts(
            engine="onnx",
            engine_version=onnxruntime.__version__,
            device="cpu",
            dtype="float32",
            context_length=self._spec.context_length,
            vocab_size=self._spec.vocab_size,
            parameters=parameters,
            weight_bytes=4 * parameters,
        )

    def memory_bytes(self) -> int:
        """Bytes of the packed float32 weights, of the embedding table as stored, and of the KV cache as reserved.

        Matrices in the mapped file are not counted: after loading, the operating system may drop those pages.
        """
        packed = sum(tensor.data.size for name, tensor in self._weights.items() if name != EMBEDDING or self._spec.tied)
        return 4 * packed + self._weights[EMBEDDING].data.nbytes + self._cache.data.nbytes

    def close(self) -> None:
        """Give weights and cache back. The model is not used afterwards."""
        self._decoder = None
        self._session = None
        self._held = []
        self._weights = {}
        self._cache = KvCache(0, 0, 0, 0)

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        if min(tokens) < 0 or max(tokens) >= self._spec.vocab_size:
            raise ValueError(f"a token outside the vocabulary of {self._spec.vocab_size}")

    def _reserve(self, rows: int, length: int) -> None:
        if self._cache.reserve(rows, length):
            self._rotary = rotary_tables(self._spec, self._cache.capacity)
            self._decoder = None

    def _step(self, first_row: int, rows: int, tokens: int) -> _Step:
        planes = self._cache.data[:, first_row : first_row + rows]
        return _Step(self._open_session(), self._spec, planes, self._rotary, tokens)

    def _open_session(self) -> onnxruntime.InferenceSession:
        if self._session is None:
            raise ValueError("the model is closed")
        return self._session


class _Step:
    """One bound call of the graph over some rows of the cache: set `tokens`, then call `run`.

    Binding costs more than a small model's arithmetic, so the decode step is kept while its rows stay.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        spec: LlamaSpec,
        planes: NDArray[np.float32],
        rotary: tuple[NDArray[np.float32], NDArray[np.float32]],
        tokens: int,
    ) -> None:
        rows = planes.shape[1]
        self.tokens = np.zeros((rows, tokens), dtype=np.int64)
        self._logits = np.empty((rows, spec.vocab_size), dtype=np.float32)
        self._lengths = np.zeros(rows, dtype=np.int32)
        self._longest = np.zeros((), dtype=np.int32)
        shape = np.array([rows, tokens, -1], dtype=np.int64)
        last = np.arange(rows, dtype=np.int64) * tokens + (tokens - 1)
        self._session = session
        self._binding = session.io_binding()
        inputs: dict[str, NDArray[Any]] = {
            "tokens": self.tokens,
            "shape": shape,
            "last": last,
            "lengths_minus_1": self._lengths,
            "longest": self._longest,
            "cos": rotary[0],
            "sin": rotary[1],
        }
        # The binding keeps addresses, not references.
        self._bound = [*inputs.values(), planes]
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, plane in zip(cache_names(spec.layers), planes, strict=True):
            place = ("cpu", 0, np.float32, plane.shape, plane.ctypes.data)
            self._binding.bind_input(f"past_{name}", *place)
            self._binding.bind_output(f"present_{name}", *place)
        self._binding.bind_output("logits", "cpu", 0, np.float32, self._logits.shape, self._logits.ctypes.data)

    def run(self, lengths: NDArray[np.int32] | int) -> NDArray[np.float32]:
        """Return logits (rows, vocab), good until the next call; `lengths` is each row's length with these tokens."""
        self._lengths[:] = lengths
        self._longest[...] = self._lengths.max()
        self._lengths -= 1
        self._session.run_with_iobinding(self._binding)
        return self._logits


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; a warning on standard error helps no one here
    entries = {
        "session.intra_op.allow_spinning": "1",
        "session.intra_op.spin_duration_us": str(SPIN_US),
        # Unfolded, a large half-width matrix would be widened at every step, and would never be packed.
        "optimization.constant_folding_max_output_size_in_bytes": "0",
    }
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    return options
