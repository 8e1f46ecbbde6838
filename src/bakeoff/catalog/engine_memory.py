"""What each engine holds besides the cache: its form of the weights, scratch memory, the runtime, and what loading takes.

The constants are measured on Linux with `benchmarks/fit.py` (its report says on what) unless they are marked; the GPU ones
are reported by others. Pages of the model's file count where the engine computes with them (llama.cpp: a file that does not stay
in memory is read from the disk again for every token), and are told apart where it only read them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bakeoff.catalog.architecture import Architecture
from bakeoff.catalog.fit_subject import Subject, Weights
from bakeoff.catalog.kv_cache import CacheShape, KvType, kv_bytes
from bakeoff.machine.accelerators import CUDA_CONTEXT_BYTES

Where = Literal["cpu", "accelerator"]
ENGINES = ("onnx", "transformers", "llamacpp", "mlx", "vllm")

_MIB = 1 << 20
_UBATCH = 512
_PREFILL_TOKENS = 2048
"""Prompt tokens that a worker computes in one call."""
_CHUNK = 512
"""Tokens of a long prompt that the mlx engine computes at a time."""
_SAMPLE = 256 * _MIB
"""What the transformers engine copies of the linear layers to find the best arithmetic on a CPU."""

_RUNTIME_CPU = {"onnx": 140, "transformers": 450, "llamacpp": 75, "mlx": 300, "vllm": 2000}
"""MiB: Python, the HTTP server, the engine's libraries."""
_RUNTIME_DEVICE = {"mlx": 522 * _MIB, "vllm": 1500 * _MIB}
"""Bytes on the accelerator itself, elsewhere a CUDA context: the Metal reserve that Ollama counts with (512 MiB), assumed."""

_RUNTIME_BESIDE = {"transformers": 3000, "llamacpp": 1000, "vllm": 4000}
"""MiB of the machine's own memory for a process that computes on a card: CUDA's libraries and what they map. Assumed: never measured."""

_SCORES = {"gpt2": 2.2, "gpt_neo": 4.5}
"""How often torch holds a prompt's attention scores on a CPU (float32, heads x tokens x tokens), where that is not once."""


class Held(NamedTuple):
    """Bytes that cannot be taken back: `weights` as the engine holds them, `graph` of scratch, `runtime`, and `loading` at the
    worst moment of the load (the runtime included). `low` and `high` bound the weights where their size is not exact, or the
    engine has a choice. `reclaimable` are pages of the model's files, which the system drops when it needs them elsewhere. `beside`
    is what a process on an accelerator takes of the machine's own memory, where the accelerator has one too.
    """

    weights: int
    graph: int
    runtime: int
    loading: int
    low: int
    high: int
    reclaimable: int = 0
    beside: int = 0


def default_kv_type(engine: str, where: Where) -> KvType:
    """Return the type of the numbers that an engine's cache holds: float32 on a CPU but for llama.cpp."""
    if engine in {"llamacpp", "vllm"} or (where == "accelerator" and engine != "onnx"):
        return "f16"
    return "f32"


def engine_memory(subject: Subject, weights: Weights, engine: str, where: Where, rows: int, tokens: int) -> Held:
    """Return what `engine` holds for a model, `rows` texts of `tokens` tokens at a time."""
    architecture = subject.architecture
    graph = _graph(architecture, engine, where, rows, tokens)
    if where == "accelerator" or engine == "vllm":
        return _accelerated(subject, weights, graph, engine, where)
    runtime = _RUNTIME_CPU.get(engine, 300) * _MIB
    if engine == "onnx":
        return _onnx(subject, weights, graph, runtime)
    if engine == "transformers":
        return _transformers(subject, weights, graph, runtime)
    if engine == "mlx" and not weights.packed:
        return _mlx(subject, weights, graph, runtime)
    extra = weights.high_bytes - weights.stored_bytes
    return Held(
        weights.stored_bytes,
        graph,
        runtime,
        weights.stored_bytes + runtime,
        weights.low_bytes,
        weights.stored_bytes + extra,
    )


def _accelerated(subject: Subject, weights: Weights, graph: int, engine: str, where: Where) -> Held:
    """Weights as stored, but for float32, which engines of ours compute in 16 bits there.

    transformers makes them so tensor by tensor as it reads; mlx reads the whole file first.
    """
    runtime = _RUNTIME_DEVICE.get(engine, CUDA_CONTEXT_BYTES)
    held, low, high = weights.stored_bytes, weights.low_bytes, weights.high_bytes
    parameters = _parameters(subject, weights)
    if engine in {"transformers", "mlx"} and where == "accelerator" and weights.stored_bytes >= 3 * parameters:
        held = low = high = 2 * parameters
    loading = weights.stored_bytes if engine == "mlx" else held
    # Weights are read into the machine's memory, and copied from there: a process's peak never falls again.
    beside = weights.high_bytes + _RUNTIME_BESIDE.get(engine, 1000) * _MIB
    return Held(held, graph, runtime, loading + runtime, low, high, beside=beside)


def _onnx(subject: Subject, weights: Weights, graph: int, runtime: int) -> Held:
    """float32 matrices in onnxruntime's own order, and the embedding as stored; the file stays mapped beside them."""
    table = _table(subject.architecture)
    parameters = _parameters(subject, weights)
    half = weights.stored_bytes < 3 * parameters
    embedding = table * (2 if half else 4)
    matrices = parameters if subject.tied else parameters - table
    held = 4 * matrices + embedding
    widening = 4 * table if half else 0
    return Held(held, graph, runtime, held + widening + runtime, held, held, weights.stored_bytes)


def _transformers(subject: Subject, weights: Weights, graph: int, runtime: int) -> Held:
    """float32 or bfloat16, whichever is faster here, packed; to find out, float32 is made beside a sample of the layers.

    Weights stored in float32 are the file's own pages until they are packed.
    """
    parameters = _parameters(subject, weights)
    half = weights.stored_bytes < 3 * parameters
    copy = 4 * _table(subject.architecture) if subject.tied else 0  # a packed output matrix is no longer the embedding
    wide, narrow = 4 * parameters + copy, 2 * parameters + copy // 2
    sample = min(_SAMPLE, 4 * parameters)
    loading = (4 * parameters + sample if half else max(4 * parameters, sample)) + runtime
    return Held(wide, graph, runtime, loading, min(wide, narrow) if half else wide, wide, weights.stored_bytes)


def _mlx(subject: Subject, weights: Weights, graph: int, runtime: int) -> Held:
    """float32 on a CPU, unless computing in the stored half precision is found to be faster."""
    parameters = _parameters(subject, weights)
    wide = 4 * parameters
    loading = wide + 2 * _table(subject.architecture) + runtime
    return Held(wide, graph, runtime, loading, weights.stored_bytes, wide)


def _graph(architecture: Architecture, engine: str, where: Where, rows: int, tokens: int) -> int:
    """Return scratch bytes. llama.cpp's is its own upper bound: 4 x micro-batch x (vocabulary + width).

    The others hold logits for each row, and one layer's activations of the prompts that are computed together; torch on a
    CPU their attention scores too. A brief as long as the whole context is the worst case.
    """
    vocab, hidden, inner = architecture.vocab or 0, architecture.hidden or 0, architecture.inner or 0
    if engine == "llamacpp":
        return 4 * _UBATCH * (vocab + hidden)
    size = 2 if where == "accelerator" else 4
    together = max(tokens, min(_PREFILL_TOKENS, rows * tokens))
    scratch = 4 * vocab * rows * 2 + together * (4 * hidden + 2 * inner) * size
    if engine == "transformers" and where == "cpu":
        times = _SCORES.get(architecture.family or "", 1.0)
        scratch += round(times * (architecture.heads or 0) * tokens * together * 4)
    if engine == "mlx":  # rows that join are put beside those that run in a new cache, and scores are held for each
        cache = CacheShape("mlx", rows, tokens, default_kv_type(engine, where))
        scratch += (
            kv_bytes(architecture, cache) + rows * (architecture.heads or 0) * min(tokens, _CHUNK) * tokens * size
        )
    return scratch


def _table(architecture: Architecture) -> int:
    return (architecture.vocab or 0) * (architecture.hidden or 0)


def _parameters(subject: Subject, weights: Weights) -> int:
    return subject.parameters or weights.stored_bytes // 2
