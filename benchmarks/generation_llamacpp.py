"""llama.cpp by itself, for `generation.py`: its C interface in the shortest loop that writes ragged rows together.

Everything is known beforehand: how many rows there are, how long they get, and that none joins or leaves. So this is what
is left for an engine to lose.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np


class OwnLoop:
    """A model of llama.cpp, and a greedy loop."""

    def __init__(self, file: Path, threads: int) -> None:
        self._silent = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
        llama_cpp.llama_log_set(self._silent, ctypes.c_void_p(0))
        self._model = llama_cpp.llama_model_load_from_file(str(file).encode(), llama_cpp.llama_model_default_params())
        self._vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._threads = threads

    def write(self, prompts: list[list[int]], tokens: int) -> list[list[int]]:
        """Return `tokens` ids for each prompt."""
        rows, longest = len(prompts), max(map(len, prompts))
        settings = llama_cpp.llama_context_default_params()
        settings.n_seq_max, settings.n_ctx = rows, rows * (-(-(longest + tokens) // 256) * 256)
        settings.n_outputs_max, settings.kv_unified = rows, False
        settings.n_threads = settings.n_threads_batch = self._threads
        settings.n_batch = max(2048, sum(map(len, prompts)))
        context = llama_cpp.llama_init_from_model(self._model, settings)
        batch = llama_cpp.llama_batch_init(sum(map(len, prompts)), 0, 1)
        at = 0
        for row, prompt in enumerate(prompts):
            for place, token in enumerate(prompt):
                self._set(batch, at, token, place, row, wanted=place == len(prompt) - 1)
                at += 1
        batch.n_tokens = at
        ids: list[list[int]] = [[] for _ in prompts]
        for step in range(tokens):
            if llama_cpp.llama_decode(context, batch) != 0:
                raise SystemExit("llama.cpp could not compute")
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), (rows, self._vocab))
            for row, token in enumerate(logits.argmax(axis=1).tolist()):
                ids[row].append(token)
                self._set(batch, row, token, len(prompts[row]) + step, row, wanted=True)
            batch.n_tokens = rows
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)
        return ids

    @staticmethod
    def _set(batch: Any, at: int, token: int, place: int, row: int, *, wanted: bool) -> None:
        batch.token[at], batch.pos[at], batch.n_seq_id[at], batch.logits[at] = token, place, 1, wanted
        batch.seq_id[at][0] = row
