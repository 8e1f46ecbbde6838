"""Encoder-decoder transformers models (T5, flan-t5, ...): the prompt goes through the encoder, the answer is decoded.

A row is an answer that begins with the decoder's start token, beside the encoder's keys and values of its own prompt.
Answers of different length are padded on the left in the decoder's cache, which is right only where positions are
relative, as they are in T5; models for which it is not are refused, found by comparing logits when they are loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines.torch_dtypes import require_finite
from bakeoff.engines.torch_kernels import differs
from bakeoff.engines.torch_kv import RaggedCache, cache_argument
from bakeoff.engines.transformers_rows import Prompt, Row, close_ranks, group_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# T5 was trained with 512 positions a side and, its positions being relative, has no hard limit.
TRAINED_POSITIONS = 512
# How far a late row's columns lie from its positions when the two are compared.
_SHIFT = 8


class Seq2SeqRows:
    """The rows of an encoder-decoder model. Knows nothing of what it was loaded from.

    Raises:
        UnsupportedModel: the model names no start token, its positions are not relative, or its logits are not finite.
    """

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._cache_argument = cache_argument(model)
        self._device = torch.device(device)
        config = model.config.get_text_config()
        start = getattr(model.generation_config, "decoder_start_token_id", None)
        start = getattr(config, "decoder_start_token_id", None) if start is None else start
        if not isinstance(start, int):
            raise UnsupportedModel("the model's config names no decoder_start_token_id")
        self._start = start
        self._trained = int(getattr(config, "n_positions", None) or TRAINED_POSITIONS)
        self._cache = RaggedCache()
        self._prompt_lengths: list[int] = []  # of each slot, as the cross keys and values
        self._cross: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._rows: list[Row] = []
        self._check_positions()

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return len(self._rows)

    @property
    def context_length(self) -> int:
        """Tokens of a prompt and its answer together: each side has as many as the model was trained with."""
        return 2 * self._trained

    def cache_tensors(self) -> list[torch.Tensor]:
        """Return the keys and values of decoder and encoder."""
        return [*self._cache.tensors(), *(tensor for pair in self._cross for tensor in pair)]

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return the logits of its first token, shape (len(prompts), vocab).

        Equal prompts of one call are computed once. If it raises, no row was appended.
        """
        wanted: list[Prompt] = [tuple(prompt) for prompt in prompts]
        before = self._cache.rows
        fresh: dict[Prompt, Row] = {}
        rows: list[Row] = []
        try:
            for group in group_prompts(dict.fromkeys(wanted)):
                first = self._cache.rows
                logits = self._join(group)
                fresh |= {prompt: Row(first + at, prompt, logits[at]) for at, prompt in enumerate(group)}
            taken: set[Prompt] = set()
            for prompt in wanted:
                row = fresh[prompt]
                rows.append(self._copy(row) if prompt in taken else row)
                taken.add(prompt)
        except BaseException:
            self._truncate(before)
            raise
        self._rows += rows
        return np.stack([row.logits for row in rows])

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab)."""
        slots = [row.slot for row in self._rows]
        ids = torch.empty((len(tokens), 1), dtype=torch.long)
        ids[slots, 0] = torch.tensor(tokens, dtype=torch.long)
        self._cache.decoding()
        cross = DynamicCache()
        for layer, (keys, values) in enumerate(self._cross):
            cross.update(keys, values, layer)
        # What the encoder said is in the cross keys already; only its length is looked at.
        said = torch.zeros((1, 1, 1), device=self._device, dtype=self._model.dtype)
        said = said.expand(len(tokens), self._cross[0][0].shape[2], self._model.config.d_model)
        logits = self._run(ids, said, self._prompt_lengths, [length + 1 for length in self._cache.lengths], cross)
        self._cache.decoded()
        return logits[slots]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; what the others held is dropped."""
        self._rows = [self._rows[row] for row in rows]
        with torch.inference_mode():
            moves = close_ranks(self._rows, self._cache)
            for target, source in moves:
                self._prompt_lengths[target] = self._prompt_lengths[source]
                for tensor in (tensor for pair in self._cross for tensor in pair):
                    tensor[target] = tensor[source]
            self._truncate(len(self._rows))

    def close(self) -> None:
        """Give everything back."""
        self._rows = []
        self._truncate(0)
        self._cache.release()
        del self._model

    def _join(self, group: Sequence[Prompt]) -> NDArray[np.float32]:
        """Compute prompts, longest first, into the slots after the last row."""
        lengths = [len(prompt) for prompt in group]
        ids = torch.zeros((len(group), lengths[0]), dtype=torch.long)
        for row, prompt in enumerate(group):
            ids[row, lengths[0] - len(prompt) :] = torch.tensor(prompt)
        start = torch.full((len(group), 1), self._start)
        ones = [1] * len(group)
        cross = DynamicCache()
        with torch.inference_mode():
            said = self._model.get_encoder()(
                input_ids=ids.to(self._device), attention_mask=_mask(lengths, lengths[0]).to(self._device)
            ).last_hidden_state
        self._cache.joining(ones)
        logits = self._run(start, said, lengths, ones, cross)
        self._cache.join(ones)
        self._append([(layer.keys, layer.values) for layer in cross.layers], lengths)
        return logits

    def _copy(self, row: Row) -> Row:
        """Append a row that begins as another one, of this very call, does."""
        copy = Row(self._cache.rows, row.prompt, row.logits)
        self._cache.reserve(self._cache.rows + 1, 1)
        with torch.inference_mode():
            self._cache.join_copy(row.slot, 1)
            one = slice(row.slot, row.slot + 1)
            self._append([(keys[one], values[one]) for keys, values in self._cross], [len(row.prompt)])
        return copy

    def _append(self, added: Sequence[tuple[torch.Tensor, torch.Tensor]], lengths: Sequence[int]) -> None:
        """Put the encoder's keys and values of new slots below those that are there, all padded on the left."""
        with torch.inference_mode():
            if self._cross:
                width = max(self._cross[0][0].shape[2], added[0][0].shape[2])
                pairs = zip(self._cross, added, strict=True)
                self._cross = [(_stack(old[0], new[0], width), _stack(old[1], new[1], width)) for old, new in pairs]
            else:
                self._cross = list(added)
        self._prompt_lengths += lengths

    def _truncate(self, slots: int) -> None:
        """Forget every slot from `slots` on, and the columns that no other one needs."""
        self._cache.truncate(slots)
        del self._prompt_lengths[slots:]
        if not slots:
            self._cross = []
            return
        width = max(self._prompt_lengths)
        if self._cross and self._cross[0][0].shape[0] > slots:
            # Copies, so that the memory of the others is given back.
            self._cross = [
                (keys[:slots, :, -width:].clone(), values[:slots, :, -width:].clone()) for keys, values in self._cross
            ]

    def _run(
        self,
        ids: torch.Tensor,
        said: torch.Tensor,
        prompt_lengths: Sequence[int],
        lengths: Sequence[int],
        cross: DynamicCache,
    ) -> NDArray[np.float32]:
        """Run the decoder on `ids` (slots of the frame, 1) beside what the encoder said (slots, columns, size)."""
        ragged = len(set(lengths)) > 1
        with torch.inference_mode():
            output = self._model(
                encoder_outputs=BaseModelOutput(last_hidden_state=said),
                attention_mask=_mask(prompt_lengths, said.shape[1]).to(self._device),
                decoder_input_ids=ids.to(self._device),
                decoder_attention_mask=self._cache.mask(lengths).to(self._device) if ragged else None,
                use_cache=True,
                **{self._cache_argument: EncoderDecoderCache(self._cache, cross)},
            )
            # The copy waits for the device: whoever reads a clock after this reads the truth.
            logits: NDArray[np.float32] = output.logits[:, -1, :].float().cpu().numpy()
        return logits

    def _check_positions(self) -> None:
        """Compare a row that joined late with the same row alone."""
        prompt = [self._start, 1, 2]
        self.prefill([prompt])
        for _ in range(_SHIFT):
            self.decode([3])
        self.prefill([prompt])
        late = self.decode([4, 3])[1]
        self.keep([])
        self.prefill([prompt])
        alone = self.decode([3])[0]
        self.keep([])
        # What is no number differs from itself, and would be taken for a wrong position.
        require_finite(np.stack([late, alone]), self._model.dtype, str(self._device))
        if differs(torch.from_numpy(late), torch.from_numpy(alone), self._model.dtype):
            raise UnsupportedModel(
                f"{self._model.config.model_type}: this encoder-decoder model counts its positions absolutely, and only "
                "those with relative positions (T5, flan-t5) can be run in batches"
            )


def _mask(lengths: Sequence[int], width: int) -> torch.Tensor:
    """Return which of `width` columns belong to rows of these lengths, padded on the left: (rows, columns) of int."""
    return (torch.arange(width)[None, :] >= width - torch.tensor(lengths)[:, None]).long()


def _stack(above: torch.Tensor, below: torch.Tensor, width: int) -> torch.Tensor:
    return torch.cat([_pad(above, width), _pad(below, width)])


def _pad(states: torch.Tensor, width: int) -> torch.Tensor:
    """Return `states` (rows, heads, columns, size) with zeros before its columns, up to `width` of them."""
    missing = width - states.shape[2]
    return torch.nn.functional.pad(states, (0, 0, missing, 0)) if missing else states
