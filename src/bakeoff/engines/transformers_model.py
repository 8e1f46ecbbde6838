"""The `transformers` engine: causal and T5-like encoder-decoder models of the library, on CUDA, Metal or the CPU.

CUDA and Metal compute in bfloat16 or float16 (`torch_dtypes`), the CPU in what a short measurement finds best
(`torch_kernels`). Before a model is handed out it has generated: what the device did is looked at (`torch_devices`), its
logits are numbers, and kernels other than torch's own have given the same ones. Weights come from safetensors in a local
folder, never from a hub.

`BAKEOFF_TORCH_DTYPE` (float32, bfloat16, on an accelerator float16 too) overrides that choice on every device,
`BAKEOFF_TORCH_KERNELS` (plain, onednn-packed) the measurement on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

# Read while torch is loaded, hence before it. Threads that wait for work spin by default, which beside a busy neighbour
# is a catastrophe: the linear layers of a 28M model at 16 rows took 882 ms on 2 threads, and 20 ms with passive waiting
# (2 cores, 2 busy neighbours, 2026-11). For what is set for Metal see `torch_devices`.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("PYTORCH_MPS_HIGH_WATERMARK_RATIO", "1.0")
os.environ.setdefault("PYTORCH_MPS_LOW_WATERMARK_RATIO", "0.9")
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "0")

import torch
import transformers

from bakeoff.engines import torch_devices, torch_dtypes, torch_kernels
from bakeoff.engines.base import ModelFacts, Sight
from bakeoff.engines.stopwatch import Stopwatch
from bakeoff.engines.transformers_causal import CausalRows
from bakeoff.engines.transformers_checkpoint import Checkpoint, open_checkpoint
from bakeoff.engines.transformers_seq2seq import Seq2SeqRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Two prompts of different length, so that padding is tried too.
_PROBE = ((5, 9, 17, 3, 11, 8, 4), (6, 12, 7))


def best_device() -> str:
    """Return the device that is chosen where none is asked for."""
    return torch_devices.choose_device(None, torch)


def load(folder: Path, device: str | None, threads: int | None) -> TransformersModel:
    """Load the model in `folder`; the engine's entry, see `base.LoadModel`.

    Raises:
        UnsupportedModel: the library or the device cannot run it, its cache is no plain key-value cache, its logits are
            not finite, or the device was found not to have done the work.
        InvalidFile: a file in the folder is missing or is not what it should be.
        UsageError: the environment forces an arithmetic that is not there.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()  # the log is read when something went wrong
    chosen = torch_devices.choose_device(device, torch)
    begun = perf_counter()
    checkpoint = open_checkpoint(folder)  # a few small reads, and most of a thousand modules of the library
    checkpoint.import_code()
    import_s = perf_counter() - begun
    witness = torch_devices.DeviceWitness(chosen, torch)
    watch = torch_devices.FallbackWatch()
    if chosen == "mps":
        watch.listen(torch)
    model, build = _read_for_cpu(checkpoint) if chosen == "cpu" else _read_for_accelerator(checkpoint, chosen)
    build = replace(build, import_s=import_s)
    # Those of an encoder-decoder model compute while they are made.
    rows = torch_devices.explain_missing_operator(lambda: _make_rows(checkpoint, model, chosen), chosen)
    found = TransformersModel(model, rows, build, witness, watch)
    found.prove()
    return found


@dataclass(frozen=True, slots=True)
class _Build:
    """What was made of a checkpoint; sizes are those of the dense weights, before any were packed. Seconds as in `ModelFacts`."""

    dtype: torch.dtype
    parameters: int
    weight_bytes: int
    kernels: str
    reason: str
    import_s: float = 0.0
    calibration_s: float = 0.0


class TransformersModel:
    """A `base.TokenModel` over a transformers model."""

    def __init__(
        self,
        model: transformers.PreTrainedModel,
        rows: CausalRows | Seq2SeqRows,
        build: _Build,
        witness: torch_devices.DeviceWitness,
        watch: torch_devices.FallbackWatch,
    ) -> None:
        self._model = model
        self._rows = rows
        self._build = build
        self._witness = witness
        self._vocab_size = int(model.config.get_text_config().vocab_size)
        self._device = ""
        self._watch = watch
        self._holders = [module for module in model.modules() if module._parameters or module._buffers]  # noqa: SLF001 - see `look`
        self._types = {weight.dtype for weight in model.parameters()}

    def prove(self) -> None:
        """Generate two short texts, and look at what did the work.

        Raises:
            UnsupportedModel: not the device that was asked for, the device cannot, or what it computes is not finite.
        """
        device = self._witness.device
        logits = torch_devices.explain_missing_operator(lambda: _generate(self._rows), device)
        torch_dtypes.require_finite(logits.numpy(), self._build.dtype, device)
        self._witness.wait()
        self._device = self._witness.confirm(self._named_tensors(), self._build.weight_bytes)
        self._rows.keep([])

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return self._rows.rows

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        Equal prompts are computed once. If it raises, no row was appended.

        Raises:
            ValueError: a prompt is empty, or holds a token outside the vocabulary.
        """
        for prompt in prompts:
            self._check(prompt)
        return self._rows.prefill(prompts)

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab).

        Raises:
            ValueError: a token is outside the vocabulary.
        """
        self._check(tokens)
        return self._rows.decode(tokens)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped."""
        self._rows.keep(rows)

    def facts(self) -> ModelFacts:
        """Return what was loaded. The device is where every tensor was found to lie after the first generation."""
        return ModelFacts(
            engine="transformers",
            engine_version=f"{transformers.__version__} (torch {torch.__version__})",
            device=self._device,
            dtype=_type_name(self._build.dtype),
            context_length=self._rows.context_length,
            vocab_size=self._vocab_size,
            parameters=self._build.parameters,
            weight_bytes=self._build.weight_bytes,
            kernels=self._build.kernels,
            kernels_reason=self._build.reason,
            fallbacks=self._watch.operators,
            import_s=self._build.import_s,
            calibration_s=self._build.calibration_s,
        )

    def look(self) -> Sight:
        """Look at where every tensor lies now, at the weights' type, and at what the device's allocator shows."""
        places, types = set[torch.device](), set[torch.dtype]()
        for module in self._holders:
            for weight in filter(_is_there, module._parameters.values()):  # noqa: SLF001 - `parameters()` takes six times as long
                places.add(weight.device)
                types.add(weight.dtype)
            places.update(buffer.device for buffer in filter(_is_there, module._buffers.values()))  # noqa: SLF001 - as above
        places.update(tensor.device for tensor in self._rows.cache_tensors())
        known = types == self._types
        idle = self._witness.idle(self._build.weight_bytes)
        return Sight(
            device=" + ".join(sorted({place.type for place in places})),
            dtype=" + ".join(sorted(_type_name(found) for found in ({self._build.dtype} if known else types))),
            fallbacks=(*self._watch.operators, *([idle] if idle else [])),
        )

    def memory_bytes(self) -> int | None:
        """Bytes held on the device, CUDA's own context included; on the CPU, where nobody counts, those of weights and cache."""
        held = self._witness.held()
        if held is not None:
            return held
        tensors = {id(tensor): tensor for _, tensor in self._named_tensors()}
        return sum(int(tensor.numel() * tensor.element_size()) for tensor in tensors.values())

    def peak_memory_bytes(self) -> int | None:
        """Most bytes held at once on CUDA, counted as by `memory_bytes`; None elsewhere, where no allocator remembers."""
        return self._witness.peak()

    def close(self) -> None:
        """Give everything back."""
        self._rows.close()
        self._holders.clear()
        del self._model

    def _check(self, tokens: Sequence[int]) -> None:
        """CUDA ends the whole process when it is asked for a row that the embedding table does not have."""
        if not tokens or min(tokens) < 0 or max(tokens) >= self._vocab_size:
            raise ValueError(f"no tokens, or one outside the vocabulary of {self._vocab_size}")

    def _named_tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield every tensor that is held, with what to call it."""
        cache = (("the KV cache", tensor) for tensor in self._rows.cache_tensors())
        return chain(self._model.named_parameters(), self._model.named_buffers(), cache)


def _read_for_accelerator(checkpoint: Checkpoint, device: str) -> tuple[Any, _Build]:
    """Read a checkpoint onto a device, in the type that suits both."""
    arithmetic = torch_dtypes.find_dtype(device, checkpoint.stored)
    model = checkpoint.read(arithmetic.dtype).to(device)
    kind = _type_name(arithmetic.dtype)
    return model, _measure_size(model, "torch", f"the device's own kernels; {kind}: {arithmetic.reason}")


def _read_for_cpu(checkpoint: Checkpoint) -> tuple[Any, _Build]:
    """Read a checkpoint into the arithmetic that suits this CPU, and make sure that its logits are the plain ones."""
    choosing = Stopwatch()
    model = checkpoint.read(torch.float32)
    with choosing:
        choice = torch_kernels.choose(model, checkpoint.stored)
    if choice.dtype != torch.float32:
        choosing.take_all()  # those weights were read for nothing else
        model = checkpoint.read(choice.dtype)
    plain = _measure_size(model, torch_kernels.PLAIN, choice.reason)
    if choice.kernels == torch_kernels.PLAIN:
        return model, replace(plain, calibration_s=choosing.seconds)
    with choosing:
        expected = _generate(_make_rows(checkpoint, model, "cpu"))
    torch_kernels.pack(model)
    with choosing:
        differs = torch_kernels.differs(_generate(_make_rows(checkpoint, model, "cpu")), expected, choice.dtype)
    if differs:
        choosing.take_all()
        plain = replace(plain, reason=f"{choice.kernels} gave other logits than {torch_kernels.PLAIN}")
        model = checkpoint.read(choice.dtype)
    return model, replace(plain, kernels=plain.kernels if differs else choice.kernels, calibration_s=choosing.seconds)


def _make_rows(checkpoint: Checkpoint, model: Any, device: str) -> CausalRows | Seq2SeqRows:
    return Seq2SeqRows(model, device) if checkpoint.is_seq2seq else CausalRows(model, device)


def _is_there(tensor: torch.Tensor | None) -> bool:
    return tensor is not None


def _type_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _generate(rows: CausalRows | Seq2SeqRows) -> torch.Tensor:
    """Return the logits of the probe's prompts, and of one more token, (4, vocab); the rows stay."""
    first = torch.from_numpy(rows.prefill(_PROBE))
    second = torch.from_numpy(rows.decode([2, 7]))
    return torch.cat([first, second])


def _measure_size(model: Any, kernels: str, reason: str) -> _Build:
    parameters = list(model.parameters())
    return _Build(
        parameters[0].dtype,
        sum(parameter.numel() for parameter in parameters),
        sum(parameter.numel() * parameter.element_size() for parameter in parameters),
        kernels,
        reason,
    )
