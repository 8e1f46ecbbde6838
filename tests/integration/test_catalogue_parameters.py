"""The catalogue's numbers of parameters, counted: every architecture is built from the catalogue's own sizes, without memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bakeoff.catalog.registry import load_catalogue

transformers = pytest.importorskip("transformers", reason="needs the extra transformers")

# Families whose configuration calls a size otherwise.
OTHERWISE: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "opt": lambda facts: {"ffn_dim": facts["intermediate_size"], "word_embed_proj_dim": facts["hidden_size"]},
    "bloom": lambda facts: {"n_layer": facts["num_hidden_layers"], "n_head": facts["num_attention_heads"]},
    "gpt2": lambda facts: {
        "n_layer": facts["num_hidden_layers"],
        "n_head": facts["num_attention_heads"],
        "n_embd": facts["hidden_size"],
        "n_positions": facts["max_position_embeddings"],
    },
    "gpt_neo": lambda facts: {
        "num_layers": facts["num_hidden_layers"],
        "num_heads": facts["num_attention_heads"],
        "attention_types": [[["global", "local"], facts["num_hidden_layers"] // 2]],
    },
    "t5": lambda facts: {
        "num_layers": facts["num_hidden_layers"],
        "num_heads": facts["num_attention_heads"],
        "d_model": facts["hidden_size"],
        "d_kv": facts["head_dim"],
        "d_ff": facts["intermediate_size"],
    },
}
OURS = {
    "param_count",
    "expert_param_count",
    "weights_bytes_16bit",
    "kv_bytes_per_token_per_layer_16bit",
    "kv_bytes_per_token_all_layers_full_16bit",
    "full_attention_layers",
    "layer_types",
    "attention_layers",
}


def count(facts: Mapping[str, Any]) -> int:
    import torch

    family = facts["model_type"]
    # The text part alone is what the catalogue counts.
    kind = {"gemma3": "gemma3_text"}.get(family, family)
    sizes = {name: value for name, value in facts.items() if name not in {*OURS, "model_type"}}
    config = transformers.AutoConfig.for_model(kind, **sizes | OTHERWISE.get(family, lambda _: {})(facts))
    make = transformers.AutoModelForSeq2SeqLM if family == "t5" else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        model = make.from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", list(load_catalogue()))
@pytest.mark.filterwarnings("ignore")
def test_what_the_catalogue_counts(name: str) -> None:
    facts = load_catalogue()[name].facts
    told = facts["param_count"]
    assert isinstance(told, int)
    # transformers shares T5's output matrix with its embedding; the published flan-t5 has one of its own.
    own_matrix = int(facts["vocab_size"]) * int(facts["hidden_size"]) if facts["model_type"] == "t5" else 0  # type: ignore[arg-type]
    assert count(facts) + own_matrix == told
    assert facts["weights_bytes_16bit"] == 2 * told
