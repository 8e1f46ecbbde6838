"""What a model's layers keep of a text while it is written, read from config.json's or a GGUF header's sizes.

Layers differ: full attention keeps keys and values of every token, sliding attention those of a window, multi-head latent
attention (MLA) a compressed form or the heads that it stands for, linear attention and state-space layers a state that
does not grow. Which layer is of which kind follows each family's own configuration (transformers `configuration_*.py`,
llama.cpp `llama-model.cpp`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from bakeoff.catalog.family_defaults import completed
from bakeoff.catalog.state_layers import linear_state_bytes, ssm_state_bytes
from bakeoff.core.spec import Record

LayerKind = Literal["full", "sliding", "mla", "state", "cross"]
MOST_LAYERS = 10_000
"""A hundred times what the deepest published models have. Layers are counted one by one: no file may ask for more."""
_Told = Literal["full", "sliding", "linear", "ssm", "none"]
"""What a configuration says of a layer: "linear" and "ssm" keep a state, "none" keeps nothing."""

_FAMILIES = frozenset(
    [
        "apertus",
        "arcee",
        "bamba",
        "bart",
        "bloom",
        "codegen",
        "cohere",
        "cohere2",
        "dbrx",
        "deepseek",
        "deepseek_v2",
        "deepseek_v3",
        "ernie4_5",
        "exaone",
        "exaone4",
        "falcon",
        "falcon_h1",
        "falcon_mamba",
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "gemma3n",
        "gemma3n_text",
        "glm",
        "glm4",
        "glm4_moe",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gpt_oss",
        "gptj",
        "granite",
        "granitemoe",
        "granitemoehybrid",
        "hunyuan_v1_dense",
        "internlm2",
        "internlm3",
        "jamba",
        "lfm2",
        "lfm2_moe",
        "llama",
        "llama4",
        "llama4_text",
        "mamba",
        "mamba2",
        "minicpm",
        "ministral",
        "ministral3",
        "mistral",
        "mistral3",
        "mixtral",
        "mpt",
        "mt5",
        "nemotron",
        "nemotron_h",
        "olmo",
        "olmo2",
        "olmo3",
        "olmoe",
        "opt",
        "persimmon",
        "phi",
        "phi3",
        "phimoe",
        "qwen2",
        "qwen2_5_vl",
        "qwen2_5_vl_text",
        "qwen2_moe",
        "qwen2_vl",
        "qwen2_vl_text",
        "qwen3",
        "qwen3_5",
        "qwen3_5_moe",
        "qwen3_5_moe_text",
        "qwen3_5_text",
        "qwen3_moe",
        "qwen3_next",
        "qwen3_vl",
        "qwen3_vl_moe",
        "qwen3_vl_moe_text",
        "qwen3_vl_text",
        "seed_oss",
        "smollm3",
        "stablelm",
        "starcoder2",
        "t5",
        "umt5",
        "xglm",
    ]
)
_GGUF_NAMES = {
    "command-r": "cohere",
    "deepseek2": "deepseek_v2",
    "falcon-h1": "falcon_h1",
    "gpt-oss": "gpt_oss",
    "glm4moe": "glm4_moe",
    "gptneox": "gpt_neox",
    "granitehybrid": "granitemoehybrid",
    "lfm2moe": "lfm2_moe",
    "phi2": "phi",
    "qwen2moe": "qwen2_moe",
    "qwen2vl": "qwen2_vl",
    "qwen35": "qwen3_5",
    "qwen35moe": "qwen3_5_moe",
    "qwen3moe": "qwen3_moe",
    "qwen3next": "qwen3_next",
    "qwen3vl": "qwen3_vl",
    "qwen3vlmoe": "qwen3_vl_moe",
    "starcoder": "gpt_bigcode",
}
"""llama.cpp's names of families that the configuration calls otherwise."""

_SYNONYMS = {
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "hidden_size": ("hidden_size", "n_embd", "n_embed", "d_model"),
    "head_dim": ("head_dim", "d_kv"),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "ffn_hidden_size"),
    "vocab_size": ("vocab_size",),
}
# Every n-th layer attends to everything, where the configuration does not list them (transformers, same version).
_PATTERNS = {
    **dict.fromkeys(("gemma2", "gpt_oss"), 2),
    **dict.fromkeys(("cohere2", "exaone4", "llama4", "llama4_text", "olmo3"), 4),
    **dict.fromkeys(("gemma3n", "gemma3n_text"), 5),
    **dict.fromkeys(("gemma3", "gemma3_text"), 6),
}
_WINDOWS = {"gemma2": 4096, "gpt_oss": 128, "cohere2": 4096, "llama4": 8192}


class LayerGroup(Record):
    """`count` layers that keep alike. `elements` is what one token takes, numbers of the cache's type.

    `window` is the tokens that sliding attention sees; `latent_elements` what a token takes under MLA where the engine
    keeps it compressed; `state_bytes` what a row takes whatever its length.
    """

    count: int
    kind: LayerKind
    elements: int = 0
    window: int | None = None
    latent_elements: int | None = None
    state_bytes: int = 0


class Architecture(Record):
    """The sizes that memory depends on; None where nobody says. `guessed` names what was taken for granted, in words.

    `parameters` counts all experts of a mixture, `expert_parameters` those of the experts alone. `known` is False for
    a family whose layers this version does not know: what is kept was then counted as if by full attention.
    """

    family: str | None
    known: bool
    layers: tuple[LayerGroup, ...]
    hidden: int | None
    inner: int | None
    heads: int | None
    vocab: int | None
    max_context: int | None
    parameters: int | None = None
    expert_parameters: int | None = None
    guessed: tuple[str, ...] = ()

    @property
    def layer_count(self) -> int:
        """Layers that attend or keep a state; a decoder's cross attention counts with its layer."""
        return sum(group.count for group in self.layers if group.kind != "cross")


def read_architecture(facts: Mapping[str, Any]) -> Architecture:
    """Read sizes by the names of config.json, those inside `text_config` first, then the family's own. Sizes that are none are taken as absent."""
    merged = completed(facts)
    sizes = {name: _size(merged, names) for name, names in _SYNONYMS.items()}
    named = merged.get("model_type")
    family = _GGUF_NAMES.get(named, named) if isinstance(named, str) else None
    guessed: list[str] = []
    layers = _layers(family, merged, sizes, guessed)
    return Architecture(
        family=family,
        known=family in _FAMILIES and bool(layers),
        layers=layers,
        hidden=sizes["hidden_size"],
        inner=sizes["intermediate_size"] or (4 * sizes["hidden_size"] if sizes["hidden_size"] else None),
        heads=sizes["num_attention_heads"],
        vocab=sizes["vocab_size"],
        max_context=sizes["max_position_embeddings"],
        parameters=_size(merged, ("param_count",)),
        expert_parameters=_size(merged, ("expert_param_count",)),
        guessed=tuple(guessed),
    )


def _layers(
    family: str | None, facts: Mapping[str, Any], sizes: Mapping[str, int | None], guessed: list[str]
) -> tuple[LayerGroup, ...]:
    count = _size(facts, ("num_decoder_layers",)) or sizes["num_hidden_layers"]
    if count is None or count > MOST_LAYERS:
        return ()
    attention = _attention(family, facts, sizes, guessed)
    kinds = _kinds(family, facts, count)
    grouped = [_group(kind, kinds.count(kind), attention, family, facts, sizes) for kind in sorted(set(kinds))]
    if facts.get("is_encoder_decoder") or family in {"t5", "mt5", "umt5", "bart"}:
        grouped.append(LayerGroup(count=count, kind="cross", elements=attention.elements))
    if family == "falcon_h1":  # attention and a state side by side in every layer
        grouped.append(LayerGroup(count=count, kind="state", state_bytes=ssm_state_bytes(facts, sizes["hidden_size"])))
    return tuple(group for group in grouped if group is not None)


def _attention(
    family: str | None, facts: Mapping[str, Any], sizes: Mapping[str, int | None], guessed: list[str]
) -> LayerGroup:
    """Return one layer of attention, of kind "full" or "mla"; what has to be guessed is added to `guessed`."""
    heads, hidden = sizes["num_attention_heads"], sizes["hidden_size"]
    if latent := _size(facts, ("kv_lora_rank",)):
        rope = _size(facts, ("qk_rope_head_dim",)) or 64
        nope, value = _size(facts, ("qk_nope_head_dim",)) or 128, _size(facts, ("v_head_dim",)) or 128
        return LayerGroup(
            count=1, kind="mla", elements=(heads or 1) * (nope + rope + value), latent_elements=latent + rope
        )
    kv_heads = _kv_heads(family, facts, sizes)
    if kv_heads is None and heads is None:
        guessed.append("no number of attention heads: one of the model's width was assumed")
    if (dim := sizes["head_dim"]) is None:
        dim = (hidden or 0) // (heads or 1)
        if heads is None or hidden is None:
            guessed.append("no size of an attention head")
    value_dim = _size(facts, ("v_head_dim", "value_head_dim")) or dim
    return LayerGroup(count=1, kind="full", elements=(kv_heads or heads or 1) * (dim + value_dim))


def _kv_heads(family: str | None, facts: Mapping[str, Any], sizes: Mapping[str, int | None]) -> int | None:
    """Return how many heads of keys and values a layer has, None where as many as it attends with."""
    if family == "falcon" and facts.get("multi_query") and not facts.get("new_decoder_architecture"):
        return 1
    if told := sizes["num_key_value_heads"]:
        return told
    if family == "gpt_bigcode" and facts.get("multi_query", True):
        return 1
    inner = facts.get("attn_config")  # DBRX, and MPT as its makers run it
    return _size(inner, ("kv_n_heads",)) if isinstance(inner, Mapping) else None


def _kinds(family: str | None, facts: Mapping[str, Any], count: int) -> list[_Told]:
    """Return what each layer is. Those that read an earlier layer's keys and values keep none (Gemma 3n's last ones)."""
    kinds = _all_kinds(family, facts, count)
    own = count - (_size(facts, ("num_kv_shared_layers",)) or 0)
    return [kind if layer < own else "none" for layer, kind in enumerate(kinds)]


def _all_kinds(family: str | None, facts: Mapping[str, Any], count: int) -> list[_Told]:
    listed = facts.get("layer_types")
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        return [_KINDS.get(str(name), "full") for name in listed][:count]
    if isinstance(pattern := facts.get("hybrid_override_pattern"), str):  # Nemotron-H: M, * and -
        return [_MARKS.get(mark, "none") for mark in pattern[:count]]
    if family in _STATE_FAMILIES or isinstance(facts.get("full_attn_idxs"), list):
        attending = _attending(family, facts, count)
        other: _Told = "linear" if family in _DELTA_FAMILIES else "ssm"
        return ["full" if layer in attending else other for layer in range(count)]
    attending = _full_attention_layers(family, facts, count)
    return ["full" if layer in attending else "sliding" for layer in range(count)]


_DELTA_FAMILIES = {"qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"}
_STATE_FAMILIES = {"mamba", "mamba2", "falcon_mamba", "jamba", "bamba", *_DELTA_FAMILIES}


def _attending(family: str | None, facts: Mapping[str, Any], count: int) -> Collection[int]:
    """Return which layers of a family that mostly keeps states attend to everything."""
    if family == "jamba":
        return range(_size(facts, ("attn_layer_offset",)) or 4, count, _size(facts, ("attn_layer_period",)) or 8)
    if family in _DELTA_FAMILIES:
        every = _size(facts, ("full_attention_interval",)) or 4
        return range(every - 1, count, every)
    indices = facts.get("attn_layer_indices", facts.get("full_attn_idxs"))  # Bamba, LFM2
    return indices if isinstance(indices, list) else ()


_MARKS: dict[str, _Told] = {"M": "ssm", "*": "full"}
_KINDS: dict[str, _Told] = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "sliding",
    "linear_attention": "linear",
    "mamba": "ssm",
    "conv": "ssm",
}


def _full_attention_layers(family: str | None, facts: Mapping[str, Any], count: int) -> Collection[int]:
    """Return which layers see everything. One window for all layers is left out: engines keep every token then."""
    if _window(family, facts) is None:
        return range(count)
    if told := _size(facts, ("full_attention_layers",)):
        return range(min(told, count))  # which ones is not told
    pattern = _size(facts, ("sliding_window_pattern",)) or _PATTERNS.get(family or "")
    return range(pattern - 1, count, pattern) if pattern else range(count)


def _window(family: str | None, facts: Mapping[str, Any]) -> int | None:
    if facts.get("use_sliding_window") is False:
        return None
    return _size(facts, ("sliding_window", "attention_chunk_size")) or _WINDOWS.get(family or "")


def _group(
    kind: str,
    count: int,
    attention: LayerGroup,
    family: str | None,
    facts: Mapping[str, Any],
    sizes: Mapping[str, int | None],
) -> LayerGroup | None:
    if kind == "none":
        return None
    if kind in {"linear", "ssm"}:
        state = linear_state_bytes(facts) if kind == "linear" else ssm_state_bytes(facts, sizes["hidden_size"])
        return LayerGroup(count=count, kind="state", state_bytes=state)
    if kind == "sliding" and (window := _window(family, facts)):
        return attention.model_copy(update={"count": count, "kind": "sliding", "window": window})
    return attention.model_copy(update={"count": count})


def _size(facts: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """Return the first of these that is a whole number above 0."""
    for name in names:
        value = facts.get(name)
        if type(value) is int and 0 < value < 1 << 60:
            return value
    return None
