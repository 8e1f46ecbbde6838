"""llama.cpp's own quantiser, for the types that it alone makes: Q4_K_M and its like."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path

from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.gguf_types import FILE_TYPES, TENSOR_TYPES
from bakeoff.core.errors import MissingDependency, UnsupportedModel, WorkerError
from bakeoff.engines.local import BUILT_IN

_BY_NAME = {name.lower(): code for code, name in FILE_TYPES.items()}
_NOT_OF_WEIGHTS_ALONE = ("iq1", "iq2", "iq3_xxs", "iq3_xs", "tq", "mxfp4", "nvfp4", "q1_0", "q2_0")
"""Types that are made with a matrix of what matters, measured on text, or that are for models trained for them."""

_WORTH_TELLING = 0.05


def find_file_type(kind: str) -> int:
    """Return llama.cpp's number for a type such as "q4_k_m".

    Raises:
        UnsupportedModel: there is none of that name, or it cannot be made of weights alone.
    """
    code = _BY_NAME.get(kind)
    if code is None or kind.startswith(_NOT_OF_WEIGHTS_ALONE):
        made = [name for name in _BY_NAME if not name.startswith(_NOT_OF_WEIGHTS_ALONE)]
        raise UnsupportedModel(f"GGUF files of type {kind} are not made here", f"types: {', '.join(made)}")
    return code


def quantise(plain: Path, out: Path, code: int) -> tuple[str, ...]:
    """Write `out` from the unquantised file `plain`; return what is worth telling.

    Raises:
        MissingDependency: llama.cpp is not installed.
        WorkerError: it failed.
    """
    try:
        import llama_cpp

        from bakeoff.engines.llamacpp_library import LOG, describe_errors
    except ImportError as error:
        wanted = FILE_TYPES[code].lower()
        raise MissingDependency(
            f"the type {wanted} is made by llama.cpp, which cannot be imported: {error}", BUILT_IN["llamacpp"].install
        ) from error
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = code
    LOG.take()
    status = llama_cpp.llama_model_quantize(os.fsencode(plain), os.fsencode(out), settings)
    if status != 0:
        raise WorkerError(f"llama.cpp could not quantise the model: {describe_errors(LOG.take()) or f'code {status}'}")
    return _tell_of_others(out, FILE_TYPES[code])


def _tell_of_others(file: Path, wanted: str) -> tuple[str, ...]:
    """Tell which share of the weights are of other types because their rows do not fill the blocks of this one."""
    block = max((kind.block for kind in TENSOR_TYPES.values() if wanted.startswith(kind.name)), default=256)
    tensors = [tensor for tensor in read_gguf(file).tensors if len(tensor.shape) > 1]
    odd = Counter[str]()
    for tensor in tensors:
        if tensor.shape[0] % block:
            odd[tensor.type] += math.prod(tensor.shape)
    share = odd.total() / sum(math.prod(tensor.shape) for tensor in tensors)
    if share < _WORTH_TELLING:
        return ()
    others = ", ".join(sorted(odd))
    return (f"{share:.0%} of the weights are stored as {others}: their rows do not fill {wanted}'s blocks of {block}",)
