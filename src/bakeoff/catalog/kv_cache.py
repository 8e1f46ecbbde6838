"""How many bytes of keys and values an engine keeps, for so many rows of so many tokens.

Exact for the engines as they are; where an engine keeps less than it reserves, it is what it reserves.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bakeoff.catalog.architecture import Architecture, LayerGroup

KvType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
KV_BITS: dict[str, float] = {"f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q4_0": 4.5}
"""Bits of a number by the cache's type; ggml's block types with their scales (ggml-common.h)."""

_UBATCH = 512
"""Tokens that llama.cpp computes at a time; a window's cache has room for as many more."""
_PAD = 256


class CacheShape(NamedTuple):
    """`rows` texts of `tokens` tokens each, kept in numbers of `kv_type` by `engine`."""

    engine: str
    rows: int
    tokens: int
    kv_type: KvType


def kv_bytes(architecture: Architecture, shape: CacheShape) -> int:
    """Return the bytes that the cache takes, states of layers without attention included.

    >>> from bakeoff.catalog.architecture import read_architecture
    >>> llama = {"model_type": "llama", "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    ...          "head_dim": 128}
    >>> kv_bytes(read_architecture(llama), CacheShape("llamacpp", 1, 4096, "f16")) >> 20
    512
    """
    total, rows = 0.0, _rows(shape)
    for group in architecture.layers:
        numbers = group.count * _elements(group, shape.engine) * _cells(group, shape) * rows
        total += numbers * KV_BITS[shape.kv_type] / 8 + group.count * group.state_bytes * rows
    return round(total)


def _elements(group: LayerGroup, engine: str) -> int:
    """Return what a token takes in a layer: llama.cpp and vLLM keep MLA compressed, the others the heads it stands for."""
    if group.latent_elements is not None and engine in {"llamacpp", "vllm"}:
        return group.latent_elements
    return group.elements


def _cells(group: LayerGroup, shape: CacheShape) -> int:
    """Return the tokens that a layer has room for in a row."""
    tokens = _reserved(shape)
    if group.kind != "sliding" or group.window is None:
        return tokens
    if shape.engine == "llamacpp":
        return min(tokens, _padded(group.window + _UBATCH))
    if shape.engine == "mlx":
        return min(tokens, group.window)
    return tokens  # vLLM reserves whole pages, our torch cache keeps every token


def _rows(shape: CacheShape) -> int:
    """Return the rows that an engine makes room for: llama.cpp's sequences come in powers of two."""
    return 1 << (shape.rows - 1).bit_length() if shape.engine == "llamacpp" else shape.rows


def _reserved(shape: CacheShape) -> int:
    """Return the tokens that an engine makes room for when a row holds `tokens`."""
    return _padded(shape.tokens) if shape.engine == "llamacpp" else shape.tokens


def _padded(tokens: int) -> int:
    return -(-tokens // _PAD) * _PAD
