"""The sizes that are taken where a config.json says nothing, against transformers' own configurations."""

from __future__ import annotations

from collections import Counter

import pytest

from bakeoff.catalog.architecture import read_architecture
from bakeoff.catalog.family_defaults import completed

transformers = pytest.importorskip("transformers", reason="needs the extra transformers")

SIZES = ("num_attention_heads", "num_key_value_heads", "hidden_size", "max_position_embeddings", "vocab_size")
KINDS = {"full_attention": "full", "sliding_attention": "sliding", "chunked_attention": "sliding"}


@pytest.mark.parametrize(
    "family",
    [
        *("gemma3_text", "gemma3n_text", "llama4_text", "qwen2_5_vl_text", "qwen2_vl_text"),
        *("qwen3_5_moe_text", "qwen3_5_text", "qwen3_vl_moe_text", "qwen3_vl_text"),
    ],
)
def test_an_empty_text_config_is_the_familys_own(family: str) -> None:
    theirs = transformers.AutoConfig.for_model(family)
    facts = {"model_type": family.removesuffix("_text"), "text_config": {}}
    ours = completed(facts)
    assert {name: ours[name] for name in SIZES} == {name: getattr(theirs, name) for name in SIZES}
    assert ours.get("head_dim", ours["hidden_size"] // ours["num_attention_heads"]) == (
        getattr(theirs, "head_dim", None) or theirs.hidden_size // theirs.num_attention_heads
    )
    own = theirs.num_hidden_layers - getattr(theirs, "num_kv_shared_layers", 0)
    kinds = getattr(theirs, "layer_types", None) or ["full_attention"] * theirs.num_hidden_layers
    found = read_architecture(facts)
    assert found.known
    assert {group.kind: group.count for group in found.layers} == Counter(
        KINDS.get(kind, "state") for kind in kinds[:own]
    )
