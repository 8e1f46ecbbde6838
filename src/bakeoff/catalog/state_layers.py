"""How many bytes a layer without attention keeps of a text, whatever its length: convolution and recurrent state.

Formulas: llama.cpp's recurrent memory and ollama's `GraphSize` (`fs/ggml/ggml.go`):
((conv - 1) x (inner + 2 x groups x state) + state x inner) x 4 bytes, for Mamba; transformers' `Qwen3NextDynamicCache` for
gated delta rules. States are kept in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FLOAT32 = 4


def ssm_state_bytes(facts: Mapping[str, Any], hidden: int | None) -> int:
    """Return the bytes of one row in one Mamba (1 or 2) or short convolution layer, by the names of config.json."""
    if length := _number(facts, "conv_L_cache"):  # LFM2: a convolution and nothing else
        return (length - 1) * (_number(facts, "conv_dim") or hidden or 0) * _FLOAT32
    heads, head_dim = (
        _number(facts, "mamba_n_heads", "mamba_num_heads"),
        _number(facts, "mamba_d_head", "mamba_head_dim"),
    )
    expand = _number(facts, "mamba_expand", "expand") or 2
    inner = _number(facts, "mamba_d_ssm") or (heads * head_dim if heads and head_dim else expand * (hidden or 0))
    state = _number(facts, "mamba_d_state", "ssm_state_size", "state_size") or 16
    groups = _number(facts, "mamba_n_groups", "n_groups") or 0
    width = _number(facts, "mamba_d_conv", "conv_kernel") or 4
    return ((width - 1) * (inner + 2 * groups * state) + state * inner) * _FLOAT32


def linear_state_bytes(facts: Mapping[str, Any]) -> int:
    """Return the bytes of one row in one layer of linear attention with a gated delta rule."""
    key = (_number(facts, "linear_num_key_heads") or 16) * (_number(facts, "linear_key_head_dim") or 128)
    heads, value_dim = _number(facts, "linear_num_value_heads") or 32, _number(facts, "linear_value_head_dim") or 128
    width = _number(facts, "linear_conv_kernel_dim") or 4
    state = heads * value_dim * (_number(facts, "linear_key_head_dim") or 128)
    return ((width - 1) * (2 * key + heads * value_dim) + state) * _FLOAT32


def _number(facts: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = facts.get(name)
        if type(value) is int and 0 < value < 1 << 40:
            return value
    return None
