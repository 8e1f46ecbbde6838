"""Decoder-only transformers models behind the `base.TokenModel` protocol's arithmetic: ragged rows over one cache.

Prompts are prefilled in groups of like length. A prompt is computed once however often it is asked for, also while an
earlier row with the same prompt still runs. Logits are computed for last positions only.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bakeoff.engines.torch_kv import RaggedCache, cache_argument
from bakeoff.engines.transformers_rows import Prompt, Row, close_ranks, group_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNLIMITED_CONTEXT = 8192


class CausalRows:
    """The rows of a decoder-only model. Knows nothing of what it was loaded from."""

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = torch.device(device)
        self._cache = RaggedCache()
        self._rows: list[Row] = []
        self._cache_argument = cache_argument(model)
        self._takes = set(inspect.signature(model.forward).parameters)

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return len(self._rows)

    @property
    def context_length(self) -> int:
        """Tokens that a row may have, prompt and answer together."""
        # Models without a limit of their own (ALiBi) name none.
        return int(getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or UNLIMITED_CONTEXT)

    def cache_tensors(self) -> list[torch.Tensor]:
        """Return the buffers of the KV cache."""
        return self._cache.tensors()

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        If it raises, no row was appended.
        """
        wanted: list[Prompt] = [tuple(prompt) for prompt in prompts]
        sources = {row.prompt: row for row in self._rows}
        before = self._cache.rows
        fresh: dict[Prompt, Row] = {}
        rows: list[Row] = []
        try:
            self._cache.reserve(before + len(wanted), max(map(len, wanted)))
            for group in group_prompts(prompt for prompt in dict.fromkeys(wanted) if prompt not in sources):
                first = self._cache.rows
                logits = self._join(group)
                fresh |= {prompt: Row(first + at, prompt, logits[at]) for at, prompt in enumerate(group)}
            sources |= fresh
            for prompt in wanted:
                row = fresh.pop(prompt, None)
                if row is None:
                    source = sources[prompt]
                    row = Row(self._cache.rows, prompt, source.logits)
                    with torch.inference_mode():  # the model made the buffers in it
                        self._cache.join_copy(source.slot, len(prompt))
                rows.append(row)
        except BaseException:
            self._cache.truncate(before)
            raise
        self._rows += rows
        return np.stack([row.logits for row in rows])

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab)."""
        slots = [row.slot for row in self._rows]
        ids = torch.empty((len(tokens), 1), dtype=torch.long)
        ids[slots, 0] = torch.tensor(tokens, dtype=torch.long)
        self._cache.decoding()
        logits = self._run(ids, [length + 1 for length in self._cache.lengths])
        self._cache.decoded()
        return logits if slots == sorted(slots) else logits[slots]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped."""
        self._rows = [self._rows[row] for row in rows]
        with torch.inference_mode():
            close_ranks(self._rows, self._cache)

    def close(self) -> None:
        """Give everything back."""
        self._rows = []
        self._cache.release()
        del self._model

    def _join(self, group: Sequence[Prompt]) -> NDArray[np.float32]:
        """Compute prompts, longest first, into the slots after the last row."""
        lengths = [len(prompt) for prompt in group]
        ids = torch.zeros((len(group), lengths[0]), dtype=torch.long)
        for row, prompt in enumerate(group):
            ids[row, lengths[0] - len(prompt) :] = torch.tensor(prompt)
        self._cache.joining(lengths)
        logits = self._run(ids, lengths)
        self._cache.join(lengths)
        return logits

    def _run(self, ids: torch.Tensor, lengths: Sequence[int]) -> NDArray[np.float32]:
        """Run `ids` (slots of the frame, new); `lengths` are those slots' lengths with them."""
        new = ids.shape[1]
        ends = torch.tensor(lengths)[:, None]
        positions = (ends - new + torch.arange(new)[None, :]).clamp(min=0)
        ragged = len(set(lengths)) > 1  # rows of one length need no mask, which lets attention take its fastest way
        inputs: dict[str, Any] = {
            "input_ids": ids.to(self._device),
            "attention_mask": self._cache.mask(lengths).to(self._device) if ragged else None,
            "position_ids": positions.to(self._device),
            self._cache_argument: self._cache,
            "use_cache": True,
            "logits_to_keep": 1,
        }
        with torch.inference_mode():
            output = self._model(**{name: value for name, value in inputs.items() if name in self._takes})
            # The copy waits for the device: whoever reads a clock after this reads the truth.
            logits: NDArray[np.float32] = output.logits[:, -1, :].float().cpu().numpy()
        return logits
