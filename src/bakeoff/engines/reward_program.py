"""A program that runs one reward model: a line of JSON in, a line of JSON out, until its input ends. Nobody imports it.

    python -m bakeoff.engines.reward_program FOLDER

A reward model is a transformers model with one number as its answer (`...ForSequenceClassification`, one label), trained on
which of two answers people preferred. First line out: `{"ready": true}` or what is wrong; then for each `{"messages": [..]}`
a `{"reward": x, "tokens": n}`. Weights are safetensors from the folder; no hub, no code from the folder.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

_CONTEXT = 4096


def main() -> None:
    """Load the model, and answer."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever libraries print
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        model, tokenizer = _load(Path(sys.argv[1]))
    except (ImportError, OSError, ValueError, KeyError, RuntimeError) as error:
        _say(answers, {"ready": False, "message": f"{type(error).__name__}: {error}"})
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        _say(answers, _answer(model, tokenizer, json.loads(line)["messages"]))


def _load(folder: Path) -> tuple[Any, Any]:
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    named = (getattr(config, "architectures", None) or ["nothing"])[0]
    if not named.endswith("ForSequenceClassification") or config.num_labels != 1:
        raise ValueError(f"{named} with {config.num_labels} labels is no reward model: one number is expected")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id or 0
    return model.eval(), tokenizer


def _answer(model: Any, tokenizer: Any, messages: list[dict[str, str]]) -> dict[str, Any]:
    import torch

    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    else:
        text = "\n\n".join(message["content"] for message in messages)
    most = min(_CONTEXT, getattr(model.config, "max_position_embeddings", _CONTEXT))
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=not tokenizer.chat_template)["input_ids"]
    if ids.shape[1] > most:
        return {"reward": None, "tokens": int(ids.shape[1]), "problem": f"more than {most} tokens"}
    with torch.inference_mode():
        reward = float(model(input_ids=ids).logits.float().squeeze())
    return {"reward": reward, "tokens": int(ids.shape[1])}


def _say(answers: TextIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
