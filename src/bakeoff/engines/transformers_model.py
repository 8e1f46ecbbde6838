"""The `transformers` engine: any causal language model that the library loads, on CUDA, Metal or the CPU, with torch.

Rows of different lengths share one left-padded `DynamicCache`: a row's keys end at the last column, its attention mask
hides the columns before its beginning, and its positions count from there. Rows that join are padded to a common length
once, rows that leave are selected away, and columns that no row needs any more are cut off.

Weights come from safetensors in a local folder, never from a hub, and no code from the folder is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from bakeoff.core.errors import InvalidFile, Problem, UnsupportedModel
from bakeoff.engines.base import ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DTYPES = {"cuda": torch.bfloat16, "mps": torch.float16, "cpu": torch.float32}


def load(folder: Path, device: str | None, threads: int | None) -> TransformersModel:
    """Load the model in `folder`; the engine's entry, see `base.LoadModel`.

    Raises:
        UnsupportedModel: the library or the device cannot run it, or its cache is no plain key-value cache.
        InvalidFile: a file in the folder is missing or is not what it should be.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()  # the log is read when something went wrong
    where = _choose_device(device)
    for name, wanted in (("config.json", "config.json"), ("*.safetensors", "weights as safetensors")):
        if not any(folder.glob(name)):
            raise InvalidFile((Problem(str(folder), None, "", f"there is no {name}", wanted),))
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=DTYPES[where.type],
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UnsupportedModel(f"{folder}: transformers {transformers.__version__} cannot load it: {reason}") from error
    if getattr(model, "_is_stateful", False):
        raise UnsupportedModel(f"{folder}: {config.model_type} keeps a state that is no key-value cache")
    return TransformersModel(model.to(where).eval())


class TransformersModel:
    """A `base.TokenModel` over a transformers model."""

    def __init__(self, model: transformers.PreTrainedModel) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._cache = DynamicCache()
        self._lengths: list[int] = []

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return len(self._lengths)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab)."""
        lengths = [len(prompt) for prompt in prompts]
        width = max(lengths)
        ids = torch.zeros((len(prompts), width), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
        fresh = DynamicCache()
        logits = self._forward(ids, lengths, fresh)
        if self._lengths:
            _join(self._cache, fresh)
        else:
            self._cache = fresh
        self._lengths += lengths
        return logits

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab)."""
        lengths = [length + 1 for length in self._lengths]
        logits = self._forward(torch.tensor(tokens, dtype=torch.long)[:, None], lengths, self._cache)
        self._lengths = lengths
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped."""
        self._lengths = [self._lengths[row] for row in rows]
        if not rows:
            self._cache = DynamicCache()
            return
        chosen = torch.tensor(list(rows), device=self._device)
        width = max(self._lengths)
        with torch.inference_mode():
            for layer in self._cache.layers:
                layer.keys = layer.keys.index_select(0, chosen)[:, :, -width:]
                layer.values = layer.values.index_select(0, chosen)[:, :, -width:]

    def facts(self) -> ModelFacts:
        """Return what was loaded, found by looking at the parameters.

        Raises:
            UnsupportedModel: parts of the model lie on another device.
        """
        parameters = list(self._model.parameters())
        devices = {parameter.device.type for parameter in parameters}
        if len(devices) != 1:
            raise UnsupportedModel(f"the model is spread over {', '.join(sorted(devices))}")
        config = self._model.config.get_text_config()
        return ModelFacts(
            engine="transformers",
            engine_version=f"{transformers.__version__} (torch {torch.__version__})",
            device=devices.pop(),
            dtype=str(parameters[0].dtype).removeprefix("torch."),
            context_length=int(config.max_position_embeddings),
            vocab_size=int(config.vocab_size),
            parameters=sum(parameter.numel() for parameter in parameters),
            weight_bytes=sum(parameter.numel() * parameter.element_size() for parameter in parameters),
        )

    def memory_bytes(self) -> int | None:
        """Bytes that the device's allocator holds; on the CPU, where nobody counts, those of weights and cache."""
        if self._device.type == "cuda":
            return int(torch.cuda.memory_reserved(self._device))
        if self._device.type == "mps":
            return int(torch.mps.driver_allocated_memory())
        tensors = [*self._model.parameters(), *self._model.buffers()]
        for layer in self._cache.layers:
            tensors += [layer.keys, layer.values]
        return sum(int(tensor.numel() * tensor.element_size()) for tensor in tensors)

    def close(self) -> None:
        """Give everything back."""
        self._cache = DynamicCache()
        self._lengths = []
        del self._model

    def _forward(self, ids: torch.Tensor, lengths: Sequence[int], cache: DynamicCache) -> NDArray[np.float32]:
        """Run `ids` (rows, new) on top of `cache`; `lengths` are the rows' lengths with them."""
        new = ids.shape[1]
        width = cache.get_seq_length() + new
        ends = torch.tensor(lengths)[:, None]
        columns = torch.arange(width)[None, :]
        mask = columns >= width - ends  # left padding: a row is its last `length` columns
        positions = (ends - new + torch.arange(new)[None, :]).clamp(min=0)
        with torch.inference_mode():
            output = self._model(
                input_ids=ids.to(self._device),
                attention_mask=mask.long().to(self._device),
                position_ids=positions.to(self._device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits: NDArray[np.float32] = output.logits[:, -1, :].float().cpu().numpy()
        return logits


def _join(cache: DynamicCache, fresh: DynamicCache) -> None:
    """Append the rows of `fresh` to `cache`, both padded on the left to the longer one's columns."""
    width = max(cache.get_seq_length(), fresh.get_seq_length())
    with torch.inference_mode():
        for layer, added in zip(cache.layers, fresh.layers, strict=True):
            layer.keys = torch.cat([_pad(layer.keys, width), _pad(added.keys, width)])
            layer.values = torch.cat([_pad(layer.values, width), _pad(added.values, width)])


def _pad(states: torch.Tensor, width: int) -> torch.Tensor:
    """Return `states` (rows, heads, columns, size) with zeros before its columns, up to `width` of them."""
    missing = width - states.shape[2]
    return torch.nn.functional.pad(states, (0, 0, missing, 0)) if missing else states


def _choose_device(asked: str | None) -> torch.device:
    """Return the device asked for, or the best there is.

    Raises:
        UnsupportedModel: what was asked for is not here; nothing else is used in its place.
    """
    here = ["cpu"]
    if torch.backends.mps.is_available():
        here.insert(0, "mps")
    if torch.cuda.is_available():
        here.insert(0, "cuda")
    chosen = here[0] if asked in {None, "auto"} else str(asked)
    if chosen.partition(":")[0] not in here:
        raise UnsupportedModel(f"the device {chosen!r} is not here for torch", f"devices: {', '.join(here)}")
    return torch.device(chosen)
