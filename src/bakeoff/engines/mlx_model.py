"""The `mlx` engine: whatever mlx-lm loads, on a Mac's GPU by Metal, or on the CPU.

Reads a Hugging Face folder as it is, and folders that `mlx_lm.convert` wrote, quantised ones too. Never from a hub, never
with code from the folder. Before a model is handed out it has generated, and what did the work was looked at.

**Arithmetic.** On a GPU weights keep their 16-bit type; float32 becomes float16. On a CPU half-precision weights are
computed as they are or in float32, by what a short measurement of the model itself finds; float32 stays.
`BAKEOFF_MLX_DTYPE` (float32, float16, bfloat16) overrides both. What mlx-lm says must not be converted stays as it is stored.
MLX takes no number of threads: on a Mac the GPU does the work, and the Linux build multiplies on one thread (reference BLAS:
23 s of CPU for 25 s of products, 2026-11).
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import mlx_lm
from mlx.utils import tree_flatten, tree_map_with_path
from mlx_lm.utils import get_total_parameters, load_config, load_model

from bakeoff.core.errors import InvalidFile, Problem, UnsupportedModel, UsageError
from bakeoff.engines.base import ModelFacts, Sight
from bakeoff.engines.mlx_devices import MemoryLimit, available_devices, choose_device, confirm_device, look_again
from bakeoff.engines.mlx_rows import MlxRows
from bakeoff.engines.stopwatch import Stopwatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DTYPE_VARIABLE = "BAKEOFF_MLX_DTYPE"
DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}
UNLIMITED_CONTEXT = 8192
_CONTEXT = "max_position_embeddings"
# Narrower arithmetic changes what is written, so it must be worth it.
HALF_GAIN = 1.3
MEASURE_ROUNDS = 3
# Two prompts of different length, so that padding is tried too.
_PROBE = ((5, 9, 17, 3, 11, 8, 4), (6, 12, 7))


def best_device() -> str:
    """Return the device that is chosen where none is asked for."""
    return available_devices(mx)[0]


def load(folder: Path, device: str | None, threads: int | None) -> MlxModel:
    """Load the model in `folder`; the engine's entry, see `base.LoadModel`. `threads` is not MLX's to choose.

    Raises:
        UnsupportedModel: mlx-lm or the device cannot run it, or another device than the chosen one would do the work.
        InvalidFile: a file in the folder is missing or is not what it should be.
        DoesNotFit: the weights are more than Metal recommends to hold.
        UsageError: the environment forces an arithmetic that is not there.
    """
    del threads
    chosen = choose_device(device, mx, platform.system())
    limit = MemoryLimit(chosen, mx)
    limit.check_weights(_stored_bytes(folder))
    build = _read_for_cpu(folder) if chosen == "cpu" else _read_for_gpu(folder)
    return MlxModel(build, limit, chosen)


@dataclass(frozen=True, slots=True)
class _Build:
    """What was made of a folder. `reason` is why it is computed in `dtype`, for people."""

    folder: Path
    model: Any
    config: dict[str, Any]
    dtype: mx.Dtype
    reason: str
    calibration_s: float = 0.0


class MlxModel:
    """A `base.TokenModel` over an mlx-lm model. Not thread-safe: one thread calls it."""

    def __init__(self, build: _Build, limit: MemoryLimit, device: str) -> None:
        self._limit = limit
        self._rows = MlxRows(build.model, str(build.folder))
        arrays = [array for _, array in tree_flatten(build.model.parameters())]
        weight_bytes = sum(array.nbytes for array in arrays)
        logits = self._rows.prefill(_PROBE)
        self._rows.decode([2, 7])
        self._rows.keep([])
        self._bits = _weight_bits(build.model)
        self._model = build.model
        self._device = device
        self._types = _float_types(build.model)
        self._facts = ModelFacts(
            engine="mlx",
            engine_version=f"{mlx_lm.__version__} (mlx {mx.__version__})",
            device=confirm_device(device, weight_bytes, mx),
            dtype=self._name_of((build.dtype,)),
            context_length=_context_length(build.config),
            vocab_size=int(logits.shape[1]),
            parameters=int(get_total_parameters(build.model)),
            weight_bytes=weight_bytes,
            kernels_reason=build.reason,
            calibration_s=build.calibration_s,
        )

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return self._rows.rows

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        Equal prompts are computed once. If it raises, no row was appended.

        Raises:
            ValueError: a prompt is empty, longer than the context, or holds a token outside the vocabulary.
            MemoryError: more is held than Metal recommends.
        """
        for prompt in prompts:
            if not prompt:
                raise ValueError("an empty prompt has no last position")
            self._check(prompt, len(prompt))
        self._limit.check_held()
        return self._rows.prefill([tuple(prompt) for prompt in prompts])

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab).

        Raises:
            ValueError: not one token for each row, one outside the vocabulary, or a row's context is full.
            MemoryError: more is held than Metal recommends.
        """
        if len(tokens) != self.rows or not tokens:
            raise ValueError(f"{len(tokens)} tokens for {self.rows} rows")
        self._check(tokens, self._rows.longest + 1)
        self._limit.check_held()
        return self._rows.decode(tokens)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped.

        Raises:
            IndexError: there is no such row.
        """
        self._rows.keep(rows)

    def facts(self) -> ModelFacts:
        """Return what was loaded. `dtype` is that of the arithmetic, with the bits of quantised weights."""
        return self._facts

    def look(self) -> Sight:
        """Look at MLX's default device, at what its allocator holds, and at the types of the weights."""
        device, fallbacks = look_again(self._device, self._facts.weight_bytes, mx)
        types = _float_types(self._model)
        return Sight(device, self._facts.dtype if types == self._types else self._name_of(types), fallbacks)

    def _name_of(self, types: Sequence[mx.Dtype]) -> str:
        names = " + ".join(str(each).removeprefix("mlx.core.") for each in types)
        return f"{names} ({self._bits} weights)" if self._bits else names

    def memory_bytes(self) -> int:
        """Bytes that MLX's allocator has given out in this process, without what it holds for reuse."""
        return int(mx.get_active_memory())

    def peak_memory_bytes(self) -> int:
        """The most bytes that MLX's allocator had given out at once, since the process began."""
        return int(mx.get_peak_memory())

    def close(self) -> None:
        """Give everything back. The model is not used afterwards."""
        self._rows.close()
        self._model = None

    def _check(self, tokens: Sequence[int], length: int) -> None:
        """MLX reads whatever lies behind the embedding table when it is asked for a row that is not there."""
        if min(tokens) < 0 or max(tokens) >= self._facts.vocab_size:
            raise ValueError(f"a token outside the vocabulary of {self._facts.vocab_size}")
        if length > self._facts.context_length:
            raise ValueError(f"{length} positions, and the context holds {self._facts.context_length}")


def _stored_bytes(folder: Path) -> int:
    """Return the size of the weight files, in bytes.

    Raises:
        InvalidFile: config.json or the weights are missing.
    """
    # mlx-lm reads files of this pattern only.
    for pattern, wanted in (("config.json", "config.json"), ("model*.safetensors", "weights as model*.safetensors")):
        if not any(folder.glob(pattern)):
            raise InvalidFile((Problem(str(folder), None, "", f"there is no {pattern}", wanted),))
    return sum(file.stat().st_size for file in folder.glob("model*.safetensors"))


def read_folder(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return mlx-lm's model with its weights as they are stored, and its config.

    Raises:
        UnsupportedModel: mlx-lm cannot load it, or it would run code from the folder.
    """
    try:
        # Older releases of mlx-lm run that file unasked.
        if "model_file" in load_config(folder):
            raise UnsupportedModel(f"{folder}: its config.json names code of its own (model_file), which is never run")
        model, config = load_model(folder)
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UnsupportedModel(f"{folder}: mlx-lm {mlx_lm.__version__} cannot load it: {reason}") from error
    return model, config


def _read_for_gpu(folder: Path) -> _Build:
    model, config = read_folder(folder)
    stored, forced = _float_dtype(model), _forced_dtype()
    wanted = forced or (mx.float16 if stored == mx.float32 else stored)
    _convert(model, wanted)
    reason = "forced by the environment" if forced else "as stored" if stored == wanted else "half of what is stored"
    return _Build(folder, model, config, wanted, reason)


def _read_for_cpu(folder: Path) -> _Build:
    """Read a folder into the arithmetic that suits this CPU."""
    choosing = Stopwatch()
    model, config = read_folder(folder)
    stored, forced = _float_dtype(model), _forced_dtype()
    if forced or stored == mx.float32:
        _convert(model, forced or stored)
        reason = "forced by the environment" if forced else "as stored"
        return _Build(folder, model, config, forced or stored, reason)
    name = str(stored).removeprefix("mlx.core.")
    with choosing:
        half_s, cannot = _try_step(model)
    _convert(model, mx.float32)
    if cannot:
        return _Build(
            folder, model, config, mx.float32, f"in {name} it cannot be computed here: {cannot}", choosing.seconds
        )
    with choosing:
        full_s = _time_step(model)
    reason = f"a step of two rows took {1e3 * half_s:.1f} ms in {name}, {1e3 * full_s:.1f} ms in float32"
    if half_s * HALF_GAIN > full_s:
        return _Build(folder, model, config, mx.float32, reason, choosing.seconds)
    del model  # before the weights are read again: not both are in memory
    mx.clear_cache()
    choosing.take_all()  # what was read and converted till now was for the measurement
    return _Build(folder, *read_folder(folder), stored, reason, choosing.seconds)


def _try_step(model: Any) -> tuple[float, str]:
    """Return the seconds of a step, and why there is none: on a CPU MLX has some operators in float32 alone, such as those of experts."""
    try:
        return _time_step(model), ""
    except (RuntimeError, ValueError) as error:
        return float("inf"), " ".join(str(error).split())[:200] or type(error).__name__


def _time_step(model: Any) -> float:
    """Return the seconds of one decoded token of two rows, the fastest of a few."""
    rows = MlxRows(model, "the model")
    rows.prefill(_PROBE)
    rows.decode([2, 7])
    times = []
    for _ in range(MEASURE_ROUNDS):
        begun = perf_counter()
        rows.decode([3, 8])
        times.append(perf_counter() - begun)
    rows.close()
    return min(times)


def _forced_dtype() -> mx.Dtype | None:
    """Return what the environment asks for.

    Raises:
        UsageError: there is no such type.
    """
    name = os.environ.get(DTYPE_VARIABLE)
    if not name:
        return None
    if name not in DTYPES:
        raise UsageError(f"{DTYPE_VARIABLE}={name}: there is no such type", f"one of: {', '.join(DTYPES)}")
    return DTYPES[name]


def _convert(model: Any, dtype: mx.Dtype) -> None:
    """Make floating-point parameters a `dtype`; quantised weights stay, their scales are converted.

    What an architecture marks by its `cast_predicate` stays as it is stored, as in `mlx_lm.convert`: the biases by which experts
    are chosen, decay rates of states. Rounded to 16 bits they choose other experts, and forget at another rate.
    """
    may_convert = getattr(model, "cast_predicate", lambda _path: True)

    def convert(path: str, array: mx.array) -> mx.array:
        return array.astype(dtype) if may_convert(path) and mx.issubdtype(array.dtype, mx.floating) else array

    model.update(tree_map_with_path(convert, model.parameters()))
    mx.eval(model.parameters())
    mx.clear_cache()


def _float_dtype(model: Any) -> mx.Dtype:
    """Return the floating-point type of most of the parameters."""
    sizes: dict[mx.Dtype, int] = {}
    for _, array in tree_flatten(model.parameters()):
        if mx.issubdtype(array.dtype, mx.floating):
            sizes[array.dtype] = sizes.get(array.dtype, 0) + array.size
    return max(sizes, key=lambda dtype: sizes[dtype], default=mx.float32)


def _float_types(model: Any) -> tuple[mx.Dtype, ...]:
    """Return the floating-point types among the parameters, in order of their names."""
    found = {array.dtype for _, array in tree_flatten(model.parameters()) if mx.issubdtype(array.dtype, mx.floating)}
    return tuple(sorted(found, key=str))


def _weight_bits(model: Any) -> str:
    """Return the bits of quantised weights, such as "4-bit" or "4/8-bit"; empty where none are."""
    bits = sorted({module.bits for module in model.modules() if hasattr(module, "bits") and "scales" in module})
    return f"{'/'.join(map(str, bits))}-bit" if bits else ""


def _context_length(config: dict[str, Any]) -> int:
    """Return the tokens that a row may have, prompt and answer together."""
    text = config.get("text_config")
    places = [config, text if isinstance(text, dict) else {}]
    return int(next((place[_CONTEXT] for place in places if place.get(_CONTEXT)), UNLIMITED_CONTEXT))
