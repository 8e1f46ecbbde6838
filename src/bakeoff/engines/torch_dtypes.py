"""Which type of number an accelerator computes a model in, and whether what comes out of it is numbers at all.

CUDA computes in bfloat16 where the card multiplies it in hardware, else in float16: torch emulates bfloat16 on a T4 or a V100.
Metal computes a bfloat16 checkpoint in bfloat16 where a small product of it is right there, and everything else in float16.
The largest float16 is 65,504, and models trained in bfloat16 may go beyond it: Gemma 3 does (transformers#36822, #39686).

`BAKEOFF_TORCH_DTYPE` (float32, bfloat16, float16) overrides this; for the CPU see `torch_kernels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from bakeoff.core.errors import UnsupportedModel, UsageError
from bakeoff.engines.sampling import is_finite
from bakeoff.engines.torch_kernels import DTYPE_VARIABLE, read_forced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_WIDER = {torch.float16: "bfloat16 or float32", torch.bfloat16: "float32"}


class Arithmetic(NamedTuple):
    """The type that a model is computed in, and why, for people."""

    dtype: torch.dtype
    reason: str


def find_dtype(device: str, stored: torch.dtype) -> Arithmetic:
    """Return how an accelerator should compute a checkpoint that holds `stored`; what the environment forces is obeyed.

    Raises:
        UsageError: the environment forces a type that does not exist or that Metal has not.
    """
    kind = device.partition(":")[0]
    name = read_forced(DTYPE_VARIABLE, DTYPES, kind)
    works = multiplies_bfloat16(device)
    if name == "bfloat16" and not works and kind != "cuda":  # CUDA emulates it, slowly
        raise UsageError(f"{DTYPE_VARIABLE}=bfloat16: {kind} has no bfloat16 here", "write float16, float32 or auto")
    return choose_dtype(kind, stored, bfloat16=works, forced=DTYPES[name] if name else None)


def choose_dtype(kind: str, stored: torch.dtype, *, bfloat16: bool, forced: torch.dtype | None = None) -> Arithmetic:
    """Return the type for a kind of accelerator, where `bfloat16` tells whether it multiplies that. Pure.

    >>> choose_dtype("mps", torch.bfloat16, bfloat16=True)
    Arithmetic(dtype=torch.bfloat16, reason='as stored')
    >>> choose_dtype("mps", torch.float32, bfloat16=True).dtype, choose_dtype("cuda", torch.float32, bfloat16=True).dtype
    (torch.float16, torch.bfloat16)
    """
    if forced is not None:
        return Arithmetic(forced, "forced by the environment")
    fits = kind == "cuda" or stored == torch.bfloat16
    chosen = torch.bfloat16 if fits and bfloat16 else torch.float16
    if fits and not bfloat16:
        return Arithmetic(chosen, f"{kind} multiplies no bfloat16 here")
    return Arithmetic(chosen, "as stored" if chosen == stored else f"usual on {kind}")


def multiplies_bfloat16(device: str) -> bool:
    """Whether a device multiplies bfloat16: on CUDA by the card's generation, elsewhere by a small product."""
    if device.partition(":")[0] == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        ones = torch.ones((2, 2), dtype=torch.bfloat16, device=device)
        return bool(((ones @ ones).cpu() == 2).all())
    except (RuntimeError, TypeError):  # "MPS BFloat16 is only supported on MacOS 14 or newer"
        return False


def require_finite(logits: NDArray[np.float32], dtype: torch.dtype, device: str) -> None:
    """Refuse a model from whose logits (rows, vocab) no token can be chosen: it would fail at every text.

    Raises:
        UnsupportedModel: a row holds NaN, or its largest logit is infinite.
    """
    sick = int((~is_finite(logits)).sum())
    if not sick:
        return
    wider = _WIDER.get(dtype)
    raise UnsupportedModel(
        f"computed in {str(dtype).removeprefix('torch.')} on {device}, the model's logits are not finite "
        f"({sick} of {len(logits)} rows of a first try)",
        f"another type may hold its numbers: set {DTYPE_VARIABLE} to {wider}" if wider else "are its weights damaged?",
    )
