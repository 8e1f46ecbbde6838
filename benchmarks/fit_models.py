"""Makes the models that `fit.py` loads: random weights, real architectures, the sizes of small models.

    python fit_models.py FOLDER [NAME..]

Each is a Hugging Face folder that the engines load as they load any; the tokenizer is a bundled model's,
whose pieces are enough to fill a cache. Needs `bakeoff[transformers]`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

TOKENIZER = Path(__file__).parents[1] / "src" / "bakeoff" / "bundled" / "models" / "generalist"

# name -> (class of transformers, stored as, its sizes)
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": (
        "LlamaForCausalLM",
        "bfloat16",
        {
            "vocab_size": 32000,
            "hidden_size": 768,
            "intermediate_size": 2048,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "num_key_value_heads": 4,
            "max_position_embeddings": 4096,
        },
    ),
    "llama-f32": (
        "LlamaForCausalLM",
        "float32",
        {
            "vocab_size": 8000,
            "hidden_size": 512,
            "intermediate_size": 1408,
            "num_hidden_layers": 10,
            "num_attention_heads": 8,
            "max_position_embeddings": 4096,
        },
    ),
    "qwen3": (
        "Qwen3ForCausalLM",
        "bfloat16",
        {
            "vocab_size": 151936,
            "hidden_size": 384,
            "intermediate_size": 1152,
            "num_hidden_layers": 12,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "head_dim": 128,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
        },
    ),
    "qwen2": (
        "Qwen2ForCausalLM",
        "bfloat16",
        {
            "vocab_size": 65024,
            "hidden_size": 896,
            "intermediate_size": 2432,
            "num_hidden_layers": 16,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
        },
    ),
    "gemma3": (
        "Gemma3ForCausalLM",
        "bfloat16",
        {
            "vocab_size": 65536,
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_hidden_layers": 12,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 256,
            "max_position_embeddings": 4096,
            "sliding_window": 256,
        },
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        "float32",
        {"vocab_size": 50257, "n_embd": 640, "n_layer": 10, "n_head": 10, "n_positions": 2048},
    ),
    "opt": (
        "OPTForCausalLM",
        "float16",
        {
            "vocab_size": 50272,
            "hidden_size": 768,
            "ffn_dim": 3072,
            "num_hidden_layers": 10,
            "num_attention_heads": 12,
            "word_embed_proj_dim": 768,
            "max_position_embeddings": 2048,
        },
    ),
    "bloom": (
        "BloomForCausalLM",
        "float16",
        {"vocab_size": 250880, "hidden_size": 384, "n_layer": 12, "n_head": 6},
    ),
    "gpt-neo": (
        "GPTNeoForCausalLM",
        "float32",
        {
            "vocab_size": 50257,
            "hidden_size": 640,
            "num_layers": 8,
            "num_heads": 10,
            "attention_types": [[["global", "local"], 4]],
            "window_size": 256,
            "max_position_embeddings": 2048,
        },
    ),
    "t5": (
        "T5ForConditionalGeneration",
        "float32",
        {
            "vocab_size": 32128,
            "d_model": 512,
            "d_kv": 64,
            "d_ff": 1024,
            "num_layers": 8,
            "num_heads": 6,
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
            "decoder_start_token_id": 0,
        },
    ),
    "qwen3-moe": (
        "Qwen3MoeForCausalLM",
        "bfloat16",
        {
            "vocab_size": 32000,
            "hidden_size": 512,
            "intermediate_size": 1024,
            "moe_intermediate_size": 384,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "num_experts": 16,
            "num_experts_per_tok": 2,
            "max_position_embeddings": 4096,
        },
    ),
}


def make_model(name: str, folder: Path) -> Path:
    """Write the model called `name` into `folder`, unless it is there already; return where it lies."""
    import torch
    import transformers

    place = folder / name
    if (place / "config.json").exists():
        return place
    class_name, dtype, sizes = MODELS[name]
    kind = getattr(transformers, class_name)
    torch.manual_seed(0)
    config = kind.config_class(**sizes, bos_token_id=None, eos_token_id=1, pad_token_id=0)
    model = kind(config).to(getattr(torch, dtype))
    with torch.no_grad():  # pieces that the tokenizer does not have never win: their texts would be empty
        model.get_output_embeddings().weight[_pieces() :] = 0.0
    model.save_pretrained(place)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / file, place)
    config_file = place / "config.json"
    written = json.loads(config_file.read_text())
    written["torch_dtype"] = dtype
    config_file.write_text(json.dumps(written, indent=1))
    return place


def _pieces() -> int:
    return len(json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]["vocab"])


if __name__ == "__main__":
    for wanted in sys.argv[2:] or MODELS:
        print(make_model(wanted, Path(sys.argv[1])))
