"""A tiny Llama with random weights, written with numpy alone: enough for every test that is not about what it says."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT = [
    "The quick brown fox writes a short post about the launch, and thanks the team for the café in Zürich.",
    "Dear Anna, please find the offer below. Best regards, the sales team. 你好 🎉 naïve",
    "Install the package, then run the server; the log says whether it works.",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<pad>"]


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 4, trainer)
    return tokenizer


def make_tiny_model(folder: Path, *, seed: int = 0, layers: int = 2, hidden: int = 64, context: int = 2048, eos=True):
    """Write the folder as transformers would. With `eos` False no token ends a text: it always runs to its limit."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    vocab = tokenizer.get_vocab_size()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": hidden * 2,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": hidden // 4,
        "vocab_size": vocab,
        "max_position_embeddings": context,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": 0 if eos else None,
        "dtype": "float32",
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    settings = {"chat_template": CHAT_TEMPLATE} | ({"eos_token": "<|end|>"} if eos else {})
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    _write_weights(folder / "model.safetensors", config, seed)
    return folder


def _write_weights(path, config, seed):
    rng = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    kv = hidden // 2
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        shapes |= {
            name + "self_attn.q_proj.weight": (hidden, hidden),
            name + "self_attn.k_proj.weight": (kv, hidden),
            name + "self_attn.v_proj.weight": (kv, hidden),
            name + "self_attn.o_proj.weight": (hidden, hidden),
            name + "mlp.gate_proj.weight": (inner, hidden),
            name + "mlp.up_proj.weight": (inner, hidden),
            name + "mlp.down_proj.weight": (hidden, inner),
            name + "input_layernorm.weight": (hidden,),
            name + "post_attention_layernorm.weight": (hidden,),
        }
    header, blobs, at = {}, [], 0
    for name, shape in shapes.items():
        scale = 1.0 if "norm" in name else 0.3
        values = np.ones(shape, "<f4") if "norm" in name else (rng.standard_normal(shape) * scale).astype("<f4")
        blobs.append(values.tobytes())
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))
