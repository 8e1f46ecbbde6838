"""How many bits a parameter takes by the name of its format, for weights that nobody has made yet.

Block types: ggml-common.h. File types mix them by tensor; what a whole file takes differs with the model's shape, so they
are ranges whose ends cover files that were seen (Q4_K_M: 4.86 for Qwen3-30B-A3B, load log in llama.cpp#14235; 4.89 for
Llama-3.1-8B, tools/quantize/README.md; 5.12 for gemma-3-4b, llama.cpp#22790).
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Bits(NamedTuple):
    """Bits a parameter: what is expected, and a range; equal where the format leaves no choice."""

    expected: float
    low: float
    high: float


def _exactly(bits: float) -> Bits:
    return Bits(bits, bits, bits)


_FORMATS = {
    "F32": _exactly(32),
    "F16": _exactly(16),
    "BF16": _exactly(16),
    "INT8": Bits(8.1, 8, 8.6),
    "INT4": Bits(4.5, 4, 5.2),
    "Q8_0": Bits(8.5, 8.5, 8.6),
    "Q6_K": Bits(6.5625, 6.5625, 6.8),
    "Q5_K_M": Bits(5.70, 5.5, 6.0),
    "Q5_K_S": Bits(5.57, 5.5, 5.8),
    "Q5_0": Bits(5.6, 5.5, 5.9),
    "Q4_K_M": Bits(4.86, 4.8, 5.2),
    "Q4_K_S": Bits(4.67, 4.5, 4.9),
    "Q4_0": Bits(4.6, 4.5, 4.9),
    "IQ4_XS": Bits(4.46, 4.25, 4.7),
    "Q3_K_M": Bits(4.0, 3.8, 4.4),
    "Q2_K": Bits(3.16, 2.9, 3.6),
    "MXFP4": _exactly(4.25),
    "NVFP4": _exactly(4.5),
}
_SAME = {"FP32": "F32", "FP16": "F16", "HALF": "F16", "Q8": "Q8_0", "Q6": "Q6_K", "Q5": "Q5_K_M", "Q4": "Q4_K_M"}
_MLX = re.compile(r"(?:MLX[ -]?)?(\d)[ -]?BIT")


def bits_of(quantisation: str) -> Bits | None:
    """Return the bits a parameter takes in that format, None for one that is not known.

    `Nbit` is MLX's, whose groups of 64 share a scale and a bias: 32 bits more for each group (mlx `nn.QuantizedLinear`).

    >>> bits_of("q8_0").expected, bits_of("4bit").expected, bits_of("nonsense")
    (8.5, 4.5, None)
    """
    name = quantisation.strip().upper().replace("-", "_")
    if found := _FORMATS.get(_SAME.get(name, name)):
        return found
    if packed := _MLX.fullmatch(name.replace("_", "")):
        bits = int(packed[1]) + 32 / 64
        return Bits(bits, bits, bits + 0.5)
    return None


def known_formats() -> tuple[str, ...]:
    """Return the names of all formats that have a number of bits here."""
    return (*_FORMATS, "8bit", "6bit", "4bit", "3bit", "2bit")
