"""The memory that a model is expected to need, against logs of engines and sums done by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bakeoff.catalog.architecture import read_architecture
from bakeoff.catalog.calibration import FEWEST, Bound, Observation, calibrate
from bakeoff.catalog.engine_memory import Where
from bakeoff.catalog.fit import ContextTooLong, Load, Prediction, predict, seed_need_bytes
from bakeoff.catalog.fit_subject import subject_of_facts
from bakeoff.catalog.kv_cache import CacheShape, KvType, kv_bytes
from bakeoff.catalog.weight_bits import bits_of
from bakeoff.core.errors import UsageError

MIB, GIB = 1 << 20, 1 << 30


def sizes(
    family: str, layers: int, hidden: int, heads: int, kv_heads: int, head_dim: int, **more: Any
) -> dict[str, Any]:
    return {
        "model_type": family,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        **more,
    }


# Sizes as published: Lightning-AI/litgpt litgpt/config.py; gemma-3 and gpt-oss: their config.json.
LLAMA_8B = sizes(
    "llama", 32, 4096, 32, 8, 128, vocab_size=128256, max_position_embeddings=131072, param_count=8030261248
)
MISTRAL_7B = sizes("mistral", 32, 4096, 32, 8, 128, sliding_window=4096, max_position_embeddings=32768)
QWEN3_4B = sizes("qwen3", 36, 2560, 32, 8, 128, vocab_size=151936)
QWEN25_3B = sizes(
    "qwen2", 36, 2048, 16, 2, 128, vocab_size=151936, max_position_embeddings=32768, param_count=3085938688
)
QWEN3_MOE = sizes("qwen3_moe", 48, 2048, 32, 4, 128, vocab_size=151936, param_count=30532122624, num_experts=128)
GPT_OSS = sizes("gpt_oss", 24, 2880, 64, 8, 64, sliding_window=128, vocab_size=201088, param_count=20914757184)
GEMMA3_4B = sizes("gemma3", 34, 2560, 8, 4, 256, sliding_window=1024, sliding_window_pattern=6, vocab_size=262208)
SPARSE_GEMMA3_4B = {
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    },
}
SPARSE_GEMMA3_12B = {
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 3840,
        "num_attention_heads": 16,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "sliding_window": 1024,
    },
}
SPARSE_GEMMA3N_E2B = {
    "model_type": "gemma3n",
    "text_config": {"num_hidden_layers": 30, "num_kv_shared_layers": 10},
}
STARCODER = {
    "model_type": "gpt_bigcode",
    "n_layer": 40,
    "n_embd": 6144,
    "n_head": 48,
    "n_positions": 8192,
    "multi_query": True,
}
DBRX = {
    "model_type": "dbrx",
    "n_layers": 40,
    "d_model": 6144,
    "n_heads": 48,
    "attn_config": {"kv_n_heads": 8},
    "max_seq_len": 32768,
}
BLOOM = {"model_type": "bloom", "n_layer": 24, "n_head": 16, "hidden_size": 1024}
FLAN_T5 = {"model_type": "t5", "num_layers": 24, "num_decoder_layers": 24, "num_heads": 16, "d_kv": 64, "d_model": 1024}
DEEPSEEK = sizes(
    "deepseek_v2", 27, 2048, 16, 16, 192, kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128
)


def cache(facts: dict[str, Any], tokens: int, engine: str = "llamacpp", kv_type: KvType = "f16", rows: int = 1) -> int:
    return kv_bytes(read_architecture(facts), CacheShape(engine, rows, tokens, kv_type))


@pytest.mark.parametrize(
    ("facts", "tokens", "engine", "expected"),
    [
        (LLAMA_8B, 4096, "llamacpp", 512 * MIB),
        (MISTRAL_7B, 4096, "llamacpp", 512 * MIB),
        (QWEN25_3B, 4096, "llamacpp", 144 * MIB),  # LLamaSharp#1099, load log
        (QWEN3_4B, 4096, "llamacpp", 4096 * 147_456),  # head_dim is 128, not 2560 / 32
        (GPT_OSS, 4096, "llamacpp", (96 + 18) * MIB),  # llama.cpp#17609, load log
        (GPT_OSS, 4096, "vllm", 192 * MIB),  # whole pages for every layer (hf-mem#60)
        (GPT_OSS, 4096, "mlx", 96 * MIB + 12 * 2 * 8 * 64 * 2 * 128),
        (GEMMA3_4B, 131072, "llamacpp", (2560 + 174) * MIB),  # ollama#17037, load log
        (BLOOM, 1024, "vllm", 100_663_296),  # measured with torch
        (FLAN_T5, 512, "vllm", 96 * MIB),  # its own and the brief's tokens
        # What these leave out is their configurations' own; the sums are by those (transformers 5.24).
        (SPARSE_GEMMA3_4B, 4096, "llamacpp", 254 * MIB),
        (SPARSE_GEMMA3_12B, 1, "vllm", 48 * 8 * 2 * 256 * 2),
        (STARCODER, 8192, "vllm", 160 * MIB),
        (STARCODER | {"multi_query": False}, 8192, "vllm", 48 * 160 * MIB),
        (DBRX, 4096, "vllm", 640 * MIB),
        (SPARSE_GEMMA3N_E2B, 4096, "llamacpp", (4 * 4096 + 16 * 1024) * 2 * 2 * 256 * 2),
        (DEEPSEEK, 1, "vllm", 27 * (512 + 64) * 2),  # kept compressed
        (DEEPSEEK, 1, "transformers", 27 * 16 * (128 + 64 + 128) * 2),
    ],
)
def test_caches_of_published_models(facts: dict[str, Any], tokens: int, engine: str, expected: int) -> None:
    assert cache(facts, tokens, engine) == expected


def test_the_type_of_the_numbers_and_the_rows() -> None:
    assert cache(LLAMA_8B, 4096, kv_type="q8_0") * 64 == cache(LLAMA_8B, 4096) * 34
    assert cache(LLAMA_8B, 4096, kv_type="f32") == 2 * cache(LLAMA_8B, 4096)
    assert cache(GEMMA3_4B, 8192, rows=4) == 4 * cache(GEMMA3_4B, 8192)
    # llama.cpp makes room in steps of 256 tokens, and for rows in powers of two.
    assert cache(LLAMA_8B, 257) == cache(LLAMA_8B, 512) == 2 * cache(LLAMA_8B, 256)
    assert cache(LLAMA_8B, 256, rows=24) == cache(LLAMA_8B, 256, rows=32) == 32 * cache(LLAMA_8B, 256)
    assert cache(LLAMA_8B, 256, "onnx", rows=24) == 24 * cache(LLAMA_8B, 256, "onnx")


@pytest.mark.parametrize(
    ("facts", "kinds"),
    [
        ({"layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 64}, {"sliding": 2, "full": 2}),
        ({"model_type": "qwen3_next", "num_hidden_layers": 8}, {"state": 6, "full": 2}),
        ({"model_type": "jamba", "num_hidden_layers": 8, "attn_layer_offset": 4}, {"state": 7, "full": 1}),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "M-M*"}, {"state": 2, "full": 1}),
        ({"model_type": "mamba"}, {"state": 4}),
        ({"model_type": "falcon_h1"}, {"state": 4, "full": 4}),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False}, {"full": 4}),
        ({"model_type": "gemma2"}, {"sliding": 2, "full": 2}),
        ({"model_type": "lfm2", "full_attn_idxs": [2]}, {"state": 3, "full": 1}),
        ({"model_type": "qwen35"}, {"state": 3, "full": 1}),
        ({"model_type": "llama4"}, {"sliding": 3, "full": 1}),
        ({"model_type": "glm4moe"}, {"full": 4}),
        (
            {"text_config": {"model_type": "gemma3_text", "num_hidden_layers": 12, "sliding_window": 512}},
            {"sliding": 10, "full": 2},
        ),
    ],
)
def test_layers_of_several_kinds(facts: dict[str, Any], kinds: dict[str, int]) -> None:
    told = sizes("llama", 4, 64, 4, 2, 16) | facts
    found: dict[str, int] = {}
    for group in read_architecture(told).layers:
        found[group.kind] = found.get(group.kind, 0) + group.count
    assert found == kinds


def test_what_a_configuration_has_by_itself_is_no_guess() -> None:
    found = read_architecture(SPARSE_GEMMA3_4B)
    assert (found.known, found.guessed, found.max_context, found.heads) == (True, (), 131072, 8)
    # Facts that somebody wrote down in part are not filled up to a model.
    assert not read_architecture({"model_type": "gemma3_text"}).layers


def test_states_do_not_grow() -> None:
    mamba = {"model_type": "mamba", "num_hidden_layers": 2, "hidden_size": 64, "state_size": 16, "conv_kernel": 4}
    # (4 - 1) x 128 numbers of the convolution and 16 x 128 of the state, 4 bytes each, in two layers.
    assert cache(mamba, 10) == cache(mamba, 1000) == 2 * (3 * 128 + 16 * 128) * 4


def ask(
    facts: dict[str, Any], load: Load, budget: int | None = 64 * GIB, quantisation: str | None = None
) -> Prediction:
    return predict(subject_of_facts("m", facts, quantisation), load, budget)


def test_every_expert_counts() -> None:
    need = ask(QWEN3_MOE, Load("llamacpp", "cpu"), quantisation="Q4_K_M").need
    assert need is not None
    assert need.weights_bytes / GIB == pytest.approx(17.28, abs=0.02)  # llama.cpp#14235, load log


def test_experts_alone_in_four_bits() -> None:
    facts = GPT_OSS | {"expert_param_count": 19116933120}
    need = ask(facts, Load("llamacpp", "cpu"), quantisation="mxfp4").need
    assert need is not None
    assert ask(facts, Load("llamacpp", "cpu")).need == need  # nobody publishes it otherwise
    assert need.weights_bytes / GIB == pytest.approx(12.81, abs=0.01)


def test_the_scratch_of_llama_cpp() -> None:
    need = ask(QWEN25_3B, Load("llamacpp", "cpu", 4096)).need
    assert need is not None
    assert need.graph_bytes / MIB == 300.75  # LLamaSharp#1099, load log


def test_a_working_set_is_the_limit_whatever_is_free() -> None:
    subject = subject_of_facts("m", LLAMA_8B | {"param_count": 6_000_000_000})
    need = predict(subject, Load("mlx", "accelerator"), None).need
    assert need is not None
    budget = int(11.84 * GIB)
    assert need.estimate > budget
    assert predict(subject, Load("mlx", "accelerator"), budget).verdict == "no"


def test_verdicts() -> None:
    load = Load("llamacpp", "cpu", 4096)
    need = ask(LLAMA_8B, load, quantisation="q8_0").need
    assert need is not None
    assert need.low < need.estimate < need.high
    assert [
        ask(LLAMA_8B, load, budget, "q8_0").verdict
        for budget in (need.high, need.high - 1, need.estimate, need.estimate - 1)
    ] == ["fits", "tight", "tight", "no"]
    assert ask(LLAMA_8B, load, None, "q8_0").verdict == "unknown"


def test_the_longest_context_is_the_longest() -> None:
    budget = 12 * GIB
    longest = ask(LLAMA_8B, Load("llamacpp", "cpu"), budget, "q8_0").max_context
    assert longest is not None
    assert 4096 < longest < 131072
    assert ask(LLAMA_8B, Load("llamacpp", "cpu", longest), budget, "q8_0").verdict == "fits"
    assert ask(LLAMA_8B, Load("llamacpp", "cpu", longest + 1), budget, "q8_0").verdict != "fits"
    assert ask(LLAMA_8B, Load("llamacpp", "cpu"), 4 * GIB, "q8_0").max_context is None
    assert ask(LLAMA_8B, Load("llamacpp", "cpu"), 640 * GIB, "q8_0").max_context == 131072


def test_what_is_not_known_never_fits() -> None:
    strange = ask(LLAMA_8B | {"model_type": "brandnew"}, Load("llamacpp", "cpu"))
    assert (strange.verdict, strange.max_context) == ("unknown", None)
    assert "brandnew" in strange.notes[0]
    usual = ask(LLAMA_8B, Load("llamacpp", "cpu"))
    assert strange.need is not None
    assert usual.need is not None
    assert strange.need.margin_bytes == pytest.approx(2 * usual.need.margin_bytes, abs=2)
    nameless = ask({name: size for name, size in LLAMA_8B.items() if name != "param_count"}, Load("llamacpp", "cpu"))
    assert (nameless.need, nameless.verdict) == (None, "unknown")
    assert ask({"model_type": "llama", "param_count": 10**9}, Load("llamacpp", "cpu")).verdict == "unknown"


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ContextTooLong, match="context_exceeds_model"):
        ask(LLAMA_8B, Load("llamacpp", "cpu", 131073))
    with pytest.raises(UsageError, match="context of 0"):
        ask(LLAMA_8B, Load("llamacpp", "cpu", 0))
    with pytest.raises(UsageError, match="batch of -1"):
        ask(LLAMA_8B, Load("llamacpp", "cpu", 10, -1))
    with pytest.raises(UsageError, match="'q9_9'"):
        ask(LLAMA_8B, Load("llamacpp", "cpu"), quantisation="q9_9")
    with pytest.raises(UsageError, match="param_count"):
        subject_of_facts("m", {"param_count": -1})


def test_bits_by_name() -> None:
    for name, bits in {
        "f16": 16,
        "Q8_0": 8.5,
        "q6-k": 6.5625,
        "MXFP4": 4.25,
        "NVFP4": 4.5,
        "4bit": 4.5,
        "MLX 8-bit": 8.5,
    }.items():
        found = bits_of(name)
        assert found is not None
        assert found.expected == bits
        assert found.low <= found.expected <= found.high


def test_the_formula_that_it_grew_from() -> None:
    # DialoGPT-medium with the 1.5 billion parameters that it was given there.
    assert seed_need_bytes(1_500_000_000) / GIB == pytest.approx(3.91, abs=0.01)
    assert seed_need_bytes(8_030_261_248, half=False) / GIB == pytest.approx(41.9, abs=0.05)


def seen(model: int, measured: int, engine: str = "onnx") -> Observation:
    return Observation(
        model=str(model), engine=engine, where="cpu", predicted_bytes=100, margin_bytes=10, measured_bytes=measured
    )


def test_a_bound_is_learnt_from_nine_models() -> None:
    loads = [seen(number, 100 + number) for number in range(FEWEST)]
    assert calibrate(loads[1:], "onnx", "cpu").models == 0
    assert calibrate(loads, "llamacpp", "cpu").models == 0
    assert calibrate(loads, "onnx", "accelerator").models == 0
    assert calibrate(loads, "onnx", "cpu") == Bound(margins=0.8, models=9)
    # Many loads of one model are one, the worst.
    again = [*loads, *(seen(0, 90) for _ in range(50)), seen(0, 300)]
    assert calibrate(again, "onnx", "cpu") == Bound(margins=20.0, models=9)
    # With 19 residuals the second largest bounds 90 % of loads, with 99 the tenth largest.
    assert calibrate([seen(n, 100 + n) for n in range(19)], "onnx", "cpu").margins == 1.7
    assert calibrate([seen(n, 100 + n) for n in range(99)], "onnx", "cpu").margins == 8.9


def test_the_bound_moves_the_upper_end_alone() -> None:
    subject, load = subject_of_facts("m", LLAMA_8B), Load("transformers", "accelerator")
    plain, learnt = (
        predict(subject, load, None, bound).need for bound in (Bound(margins=1, models=0), Bound(margins=2, models=9))
    )
    assert plain is not None
    assert learnt is not None
    assert learnt.high - plain.high == plain.margin_bytes
    assert (learnt.estimate, learnt.low) == (plain.estimate, plain.low)


def test_on_a_card_the_machine_s_own_memory_is_taken_too():
    subject = subject_of_facts("m", LLAMA_8B)
    on_card = predict(subject, Load("transformers", "accelerator"), None)
    assert on_card.need.host_bytes > on_card.need.weights_bytes + (1 << 30)  # the weights are read through it
    assert predict(subject, Load("transformers", "cpu"), None).need.host_bytes == 0


@pytest.mark.parametrize(
    ("engine", "where", "held", "read"),
    [
        ("transformers", "accelerator", 2, 2),  # tensor by tensor into 16 bits
        ("mlx", "accelerator", 2, 4),  # the whole file, and then into 16 bits
        ("llamacpp", "accelerator", 4, 4),
        ("vllm", "accelerator", 4, 4),
        ("mlx", "cpu", 4, 4),
    ],
)
def test_float32_weights_take_what_the_engine_makes_of_them(engine: str, where: Where, held: int, read: int) -> None:
    subject = subject_of_facts("m", LLAMA_8B, "f32")
    need, half = (predict(each, Load(engine, where), None).need for each in (subject, subject_of_facts("m", LLAMA_8B)))
    assert need is not None
    assert half is not None
    parameters = LLAMA_8B["param_count"]
    assert need.weights_bytes == held * parameters
    extra = 2 * LLAMA_8B["vocab_size"] * LLAMA_8B["hidden_size"] if where == "cpu" else 0
    assert need.load_peak_bytes == read * parameters + extra + need.runtime_bytes
    if where == "accelerator":
        assert half.weights_bytes == 2 * parameters
        assert need.host_bytes - half.host_bytes == 2 * parameters  # the file is read through the machine's memory
