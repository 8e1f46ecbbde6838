"""Weights that MLX has quantised, as a folder's own files tell: how many bits, and how many parameters they stand for.

The format (mlx `nn.QuantizedLinear`, mlx-lm `save_config`): config.json has `quantization` with `bits`, and more under a
layer's path where that layer differs. A matrix is a U32 tensor `PATH.weight` with 32 / bits numbers in each element, beside
it `PATH.scales` and, by mode, `PATH.biases`. `quantization_config` alone is another tool's format.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakeoff.catalog.headers import read_safetensors_header
from bakeoff.core.errors import InvalidFile, Problem

_WEIGHT = ".weight"


def mlx_bits(config: Mapping[str, Any], folder: Path) -> int | None:
    """Return the bits of most weights, None where MLX has not quantised them.

    Raises:
        InvalidFile: config.json names something that is no number of bits.
    """
    found = config.get("quantization")
    if found is None:
        return None
    bits = found.get("bits") if isinstance(found, dict) else None
    if not isinstance(bits, int) or not 1 <= bits <= 16:
        problem = Problem(str(folder / "config.json"), None, "quantization.bits", f"{bits!r}", "a number of bits")
        raise InvalidFile((problem,))
    return bits


def count_parameters(config: Mapping[str, Any], folder: Path, bits: int) -> int:
    """Return how many parameters the folder's tensors stand for; scales and biases are none.

    Raises:
        InvalidFile: a weight file is not what it should be.
    """
    header: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        header |= read_safetensors_header(file)
    packed = {name.removesuffix(_WEIGHT) for name, tensor in header.items() if tensor.get("dtype") == "U32"}
    apart = {f"{path}.{part}" for path in packed for part in ("scales", "biases")}
    total = 0
    for name, tensor in header.items():
        if name == "__metadata__" or name in apart:
            continue
        count = 1
        for length in tensor["shape"]:
            count *= length
        path = name.removesuffix(_WEIGHT)
        total += count * 32 // _bits_of(config, path, bits) if path in packed else count
    return total


def _bits_of(config: Mapping[str, Any], path: str, usual: int) -> int:
    own = config["quantization"].get(path)
    bits = own.get("bits") if isinstance(own, dict) else None
    return bits if isinstance(bits, int) and bits > 0 else usual
