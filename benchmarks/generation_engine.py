"""One engine of ours with nothing around it, for `generation.py`; also makes its model and measures the roofs.

    python generation_engine.py ENGINE MODEL THREADS
    python generation_engine.py make MODEL_FOLDER

Reads a line of JSON a task: {"way": "engine", "batch": N, "prompts": [text], "tokens": N} or {"way": "roofs"}; answers each
with a line, after a first one with the engine's facts. The way "own loop" is that of `generation_llamacpp`, without our
engine.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any


def make_model(folder: Path) -> None:
    """Write a random Llama of 28M parameters, and a tokenizer of 4096 pieces trained on this repository."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    root = Path(__file__).parents[1]
    texts = [
        path.read_text(encoding="utf-8")
        for part in ("src", "tests", "docs")
        for path in root.glob(f"{part}/**/*.[pm][yd]")
    ]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=4096, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=8,
        num_attention_heads=8,
        max_position_embeddings=1024,
        initializer_range=0.05,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight[0] = 0.0  # the end token never wins, so that nobody has to forbid it
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>", "pad_token": "<|end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def serve_engine(name: str, folder: Path, threads: int) -> None:
    """Be a process that runs one engine with nothing around it; see `Child`. Also measures this machine's roofs."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from bakeoff.engines import local
    from bakeoff.engines.text import TextCodec

    model: Any = local.resolve_engine(name)(folder, None, threads)
    codec = TextCodec.load(folder) if folder.is_dir() else model.codec()
    facts = model.facts()
    loop: Any = None
    if name == "llamacpp":
        from generation_llamacpp import OwnLoop

        loop = OwnLoop(folder, threads)
    told = {"version": facts.engine_version, "parameters": facts.parameters, "weight_bytes": facts.weight_bytes}
    told |= {"dtype": facts.dtype, "device": facts.device, "kernels": facts.kernels, "why": facts.kernels_reason}
    answers.write(json.dumps(told) + "\n")
    answers.flush()
    for line in sys.stdin:
        task = json.loads(line)
        if task["way"] == "roofs":
            answer: dict[str, Any] = measure_roofs()
        else:
            started = perf_counter()
            ids: list[list[int]] = []
            for first in range(0, len(task["prompts"]), task["batch"]):
                batch = task["prompts"][first : first + task["batch"]]
                prompts = [codec.encode_chat([{"role": "user", "content": text}]) for text in batch]
                alone = task["way"] == "own loop"
                tokens = task["tokens"]
                ids += loop.write(prompts, tokens) if alone else decode_greedily(model, prompts, tokens)
            texts = [codec.decode(row) for row in ids]
            answer = {"seconds": perf_counter() - started, "texts": texts}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def decode_greedily(model: Any, prompts: list[list[int]], tokens: int) -> list[list[int]]:
    """Return `tokens` ids for each prompt."""
    chosen = model.prefill(prompts).argmax(axis=1).tolist()
    ids = [[token] for token in chosen]
    for _ in range(tokens - 1):
        chosen = model.decode(chosen).argmax(axis=1).tolist()
        for row, token in zip(ids, chosen, strict=True):
            row.append(token)
    model.keep([])
    return ids


def measure_roofs() -> dict[str, float]:
    """Return bytes/s that a sum reads from memory, and float32 operations/s of a product of 2048 by 2048 by oneDNN."""
    import torch

    data, weight, x = torch.ones(2**27), torch.randn(2048, 2048), torch.randn(2048, 2048)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, 2048)  # noqa: SLF001 - what the engine multiplies with
    ways = {
        "bytes_s": (data.nbytes, data.sum),
        "flop_s": (2 * 2048**3, lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")),  # noqa: SLF001
    }
    found = {}
    with torch.inference_mode():
        for name, (amount, run) in ways.items():
            seconds = []
            for _ in range(5):
                started = perf_counter()
                run()
                seconds.append(perf_counter() - started)
            found[name] = amount / min(seconds)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make_model(Path(sys.argv[2]))
    else:
        serve_engine(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
