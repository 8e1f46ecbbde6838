"""Turn a training checkpoint into a model folder that transformers, MLX and llama.cpp load.

Weights are written as float16: the values are far below its limit, and the loss on held-out text is the same to three
decimals (measured here each time, and refused otherwise).
"""

import argparse
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from corpus.sample import example
from tokenizer import CHAT_TEMPLATE, END, PAD, START
from train import collate, encode, loss_sum

log = logging.getLogger("training.export")
LICENCE = "Apache-2.0"
NOISE = {
    "auto_map",
    "_name_or_path",
    "transformers_version",
    "id2label",
    "label2id",
    "problem_type",
    "return_dict",
    "is_encoder_decoder",
    "chunk_size_feed_forward",
    "output_attentions",
    "output_hidden_states",
}
DATA = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


def held_out_loss(model: LlamaForCausalLM, tokenizer: Tokenizer, content_types: list[str], number: int = 160) -> float:
    """Mean negative log likelihood of an answer token in nats, on held-out prompts of `content_types`."""
    mix = dict.fromkeys(content_types, 1.0)
    total, weight = 0.0, 0.0
    model.eval()
    with torch.inference_mode():
        for start in range(0, number, 16):
            rows = [encode(tokenizer, example(900, i, held=True, mix=mix)) for i in range(start, start + 16)]
            batch = collate([(ids, [float(w > 0) for w in weights]) for ids, weights in rows])
            part, count = loss_sum(model, batch)
            total, weight = total + part.item(), weight + count.item()
    return total / weight


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` with sorted keys and a final newline."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def export(checkpoint: Path, tokenizer_file: Path, out: Path, content_types: list[str], steps: list[str]) -> None:
    """Write the model folder `out`.

    Args:
        checkpoint: a folder written by train.py.
        tokenizer_file: the shared tokenizer.json.
        out: the model folder, made if missing.
        content_types: what the model was trained to write.
        steps: how it was trained, one line a stage.

    Raises:
        ValueError: float16 changes the held-out loss by more than 0.001 nats.
    """
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    model = LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    before = held_out_loss(model, tokenizer, content_types)
    weights = {n: w.to(torch.float16).contiguous() for n, w in model.state_dict().items() if n != "lm_head.weight"}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    model.load_state_dict({n: w.float() for n, w in weights.items()}, strict=False)
    after = held_out_loss(model, tokenizer, content_types)
    if abs(after - before) > 0.001:
        raise ValueError(f"float16 changes the held-out loss from {before:.4f} to {after:.4f}")
    config = model.config.to_dict()
    config = {k: v for k, v in config.items() if k not in NOISE}
    config |= {
        "architectures": ["LlamaForCausalLM"],
        "rope_theta": 10000.0,
        "dtype": "float16",
        "torch_dtype": "float16",
    }
    write_json(out / "config.json", config)
    (out / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": START,
            "eos_token": END,
            "pad_token": PAD,
            "add_bos_token": False,
            "add_eos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": config["max_position_embeddings"],
            "chat_template": CHAT_TEMPLATE,
        },
    )
    write_json(
        out / "generation_config.json",
        {
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.95,
            "max_new_tokens": 320,
        },
    )
    write_json(
        out / "facts.json",
        {
            "name": out.name,
            "licence": LICENCE,
            "params": sum(w.numel() for w in weights.values()),
            "bytes": (out / "model.safetensors").stat().st_size,
            "dtype": "float16",
            "architecture": "LlamaForCausalLM",
            "context_tokens": config["max_position_embeddings"],
            "trained_on_tokens_up_to": 512,
            "content_types": content_types,
            "languages": ["en"],
            "training": steps,
            "held_out_loss_nats": round(after, 4),
            "purpose": "demonstration and test bed, not a model to work with",
            "sha256": {name: sha256(out / name) for name in DATA},
        },
    )
    log.info(
        "%s: %d parameters, held-out loss %.4f (float32 %.4f)",
        out.name,
        sum(w.numel() for w in weights.values()),
        after,
        before,
    )


def main() -> None:
    """Command line: python export.py CHECKPOINT TOKENIZER OUT --types a,b --stage "..."."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--types", required=True, help="comma-separated content types")
    parser.add_argument("--stage", action="append", default=[], help="one line about a training stage")
    args = parser.parse_args()
    torch.set_num_threads(1)
    export(args.checkpoint, args.tokenizer, args.out, args.types.split(","), args.stage)


if __name__ == "__main__":
    main()
