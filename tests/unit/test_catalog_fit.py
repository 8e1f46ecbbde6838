"""The memory a model is expected to need, against sums done by hand."""

from __future__ import annotations

from bakeoff.catalog.fit import estimate_need

LLAMA_1B = {
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "hidden_size": 2048,
}


def test_a_known_config_by_hand() -> None:
    need = estimate_need(LLAMA_1B, parameters=1_235_814_400, weight_bytes=2_471_645_608, cached_tokens=1000)
    # In float32 the 1.24 billion parameters take 4 bytes each, twice what the bfloat16 file holds.
    assert need.weights_bytes == 4_943_257_600
    # Keys and values x 16 layers x 8 heads x 64 numbers x 4 bytes = 65,536 bytes a token.
    assert need.kv_bytes == 65_536 * 1000
    assert need.total_bytes == need.weights_bytes + need.kv_bytes + need.runtime_bytes
    assert 100 << 20 <= need.runtime_bytes <= 200 << 20


def test_what_a_config_leaves_out_follows_from_the_rest() -> None:
    plain = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
    assert estimate_need(plain, 0, 0, 10).kv_bytes == 2 * 2 * 4 * 16 * 4 * 10
    nulls = plain | {"num_key_value_heads": None, "head_dim": None}
    assert estimate_need(nulls, 0, 0, 10) == estimate_need(plain, 0, 0, 10)


def test_an_empty_config_needs_weights_only() -> None:
    need = estimate_need({}, parameters=10, weight_bytes=1000, cached_tokens=5)
    assert (need.weights_bytes, need.kv_bytes) == (1000, 0)
