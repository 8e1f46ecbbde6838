"""The other side of `generation.py`, run by the Python of an environment with lm-eval: its `hf` backend, and a plain loop.

    python generation_peer.py MODEL_FOLDER THREADS

Reads a line of JSON a task: {"way": "lm-eval" | "generate", "batch": N, "prompts": [text], "tokens": N}; answers each with
{"seconds": s, "texts": [text]}, after a first line {"ready": true, "versions": {...}}. Every text has all its tokens.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import sys
from time import perf_counter
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def run_lm_eval(lm: Any, batch: int, prompts: list[str], tokens: int) -> list[str]:
    """Return what `generate_until` writes, as a task would ask for it."""
    from lm_eval.api.instance import Instance

    lm.batch_size_per_gpu = batch
    settings = {"until": ["\0never"], "max_gen_toks": tokens, "min_new_tokens": tokens, "do_sample": False}
    asked = [
        Instance(request_type="generate_until", doc={}, arguments=(prompt, dict(settings)), idx=0, metadata=("b", i, 1))
        for i, prompt in enumerate(prompts)
    ]
    return list(lm.generate_until(asked, disable_tqdm=True))


def run_generate(lm: Any, prompts: list[str], tokens: int) -> list[str]:
    """Return what the library's `generate` writes, one prompt at a time."""
    import torch

    texts = []
    for prompt in prompts:
        inputs = lm.tokenizer(prompt, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            out = lm.model.generate(
                **inputs,
                max_new_tokens=tokens,
                min_new_tokens=tokens,
                do_sample=False,
                pad_token_id=lm.tokenizer.pad_token_id,
            )
        texts.append(lm.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    return texts


def main() -> None:
    """Load the model once, then serve tasks until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(int(sys.argv[2]))
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=sys.argv[1], dtype="float32", device="cpu", batch_size=1)
    versions = {name: importlib.metadata.version(name) for name in ("lm_eval", "transformers", "torch")}
    answers.write(json.dumps({"ready": True, "versions": versions}) + "\n")
    answers.flush()
    for line in sys.stdin:
        task = json.loads(line)
        started = perf_counter()
        if task["way"] == "lm-eval":
            texts = run_lm_eval(lm, task["batch"], task["prompts"], task["tokens"])
        else:
            texts = run_generate(lm, task["prompts"], task["tokens"])
        answers.write(json.dumps({"seconds": perf_counter() - started, "texts": texts}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
