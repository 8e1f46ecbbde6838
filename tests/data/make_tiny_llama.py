"""Makes tests/data/tiny_llama: a random two-layer Llama and what transformers computes from it, in float32.

Run it where torch and transformers are installed: `python tests/data/make_tiny_llama.py`. The tests read the result
without either.
"""

from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

FOLDER = Path(__file__).parent / "tiny_llama"
PROMPT_LENGTHS = (1, 7, 33)
DECODED = 3


def main() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=48,
        intermediate_size=100,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=1024,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter, 1.0, 0.2)
    model.bfloat16().save_pretrained(FOLDER)
    (FOLDER / "generation_config.json").unlink()
    reference = LlamaForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()
    rng = np.random.default_rng(7)
    logits = []
    tokens = np.zeros((len(PROMPT_LENGTHS), max(PROMPT_LENGTHS) + DECODED), dtype=np.int64)
    for row, length in enumerate(PROMPT_LENGTHS):
        tokens[row, : length + DECODED] = rng.integers(0, config.vocab_size, length + DECODED)
        with torch.no_grad():
            out = reference(torch.from_numpy(tokens[row : row + 1, : length + DECODED])).logits[0]
        logits.append(out[length - 1 :].numpy())
    np.save(FOLDER / "tokens.npy", tokens)
    np.save(FOLDER / "logits.npy", np.stack(logits).astype(np.float32))


if __name__ == "__main__":
    main()
