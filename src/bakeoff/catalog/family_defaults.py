"""Sizes that a config.json may leave out, since they are what the family's own configuration has without being told.

transformers writes into `text_config` only what differs from the class's defaults, so that gemma-3-4b's tells no number of heads.
From transformers 5.24, `models/*/configuration_*.py`, by the `model_type` of the text's part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_ONE_MODEL = frozenset({"num_hidden_layers", "hidden_size"})
"""Sizes that stand in a `text_config`'s stead alone: facts that somebody wrote down in part are not filled up to a model."""


def _sizes(layers: int, hidden: int, heads: int, kv_heads: int, context: int, **more: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": context,
        **more,
    }


_DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "gemma3_text": _sizes(
        26, 2304, 8, 4, 131072, head_dim=256, vocab_size=262208, intermediate_size=9216, sliding_window=4096
    ),
    "gemma3n_text": _sizes(
        35, 2048, 8, 2, 32768, head_dim=256, vocab_size=262400, sliding_window=512, num_kv_shared_layers=15
    ),
    "llama4_text": _sizes(
        48, 5120, 40, 8, 131072, head_dim=128, vocab_size=202048, intermediate_size=8192, attention_chunk_size=8192
    ),
    "qwen2_5_vl_text": _sizes(80, 8192, 64, 8, 32768, vocab_size=152064, intermediate_size=29568),
    "qwen2_vl_text": _sizes(80, 8192, 64, 8, 32768, vocab_size=152064, intermediate_size=29568),
    "qwen3_5_moe_text": _sizes(40, 2048, 16, 2, 32768, head_dim=256, vocab_size=248320),
    "qwen3_5_text": _sizes(32, 4096, 16, 4, 32768, head_dim=256, vocab_size=248320, intermediate_size=12288),
    "qwen3_vl_moe_text": _sizes(24, 2048, 16, 16, 128000, vocab_size=151936, intermediate_size=5632),
    "qwen3_vl_text": _sizes(32, 4096, 32, 32, 128000, head_dim=128, vocab_size=151936, intermediate_size=22016),
    "lfm2": {"conv_L_cache": 3},
    "lfm2_moe": {"conv_L_cache": 3},
}


def completed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config.json's facts, those of its `text_config` first, with what the family takes where nothing is said.

    >>> sparse = {"model_type": "gemma3", "text_config": {"hidden_size": 2560, "num_hidden_layers": 34}}
    >>> found = completed(sparse)
    >>> found["model_type"], found["hidden_size"], found["head_dim"]
    ('gemma3_text', 2560, 256)
    """
    inner = facts.get("text_config")
    nested = isinstance(inner, Mapping)
    merged = {**facts, **inner} if isinstance(inner, Mapping) else dict(facts)
    family = str(merged.get("model_type"))
    if nested and f"{family}_text" in _DEFAULTS:
        family = f"{family}_text"
        merged["model_type"] = family
    told = _DEFAULTS.get(family, {})
    return {**{name: size for name, size in told.items() if nested or name not in _OF_ONE_MODEL}, **merged}
