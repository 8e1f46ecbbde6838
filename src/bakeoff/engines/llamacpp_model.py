"""The `llamacpp` engine: a GGUF file run by llama.cpp, on the GPU that it was built for or on the CPU.

Sampling, stop strings and batching are bakeoff's own, as with every engine: llama.cpp computes logits. A row's logits are
*not* the same bits in every company: llama.cpp multiplies one row with another kernel than several. How far apart they
are is in docs/llamacpp-engine.md.

`BAKEOFF_LLAMACPP_CACHE` (f16, f32) sets how keys and values are stored; f16 is llama.cpp's own choice.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import llama_cpp

from bakeoff.catalog.gguf import GgufHeader, read_gguf
from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines import llamacpp_library
from bakeoff.engines.base import ModelFacts
from bakeoff.engines.llamacpp_context import Setup, read_cache_type
from bakeoff.engines.llamacpp_library import ModelFile, best_device, find_device, open_model
from bakeoff.engines.llamacpp_rows import LlamaRows
from bakeoff.engines.llamacpp_vocabulary import LlamaVocabulary, make_codec
from bakeoff.engines.text import TextCodec
from bakeoff.machine.accelerators import CUDA_CONTEXT_BYTES
from bakeoff.machine.detect import model_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LlamaCppModel", "best_device", "load"]

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def load(file: Path, device: str | None, threads: int | None) -> LlamaCppModel:
    """Load a GGUF file; the engine's entry, see `base.LoadModel`.

    Raises:
        UnsupportedModel: `file` is a folder, llama.cpp cannot run the model, or the device did not get the weights.
        InvalidFile: it is no complete GGUF file.
        UsageError: the environment asks for a cache that there is not.
    """
    if file.is_dir():
        hint = f"make one:  bakeoff convert {shlex.quote(str(file))} --to gguf --out {shlex.quote(file.name)}.gguf"
        raise UnsupportedModel(f"{file}: the llamacpp engine reads GGUF files, and this is a folder", hint)
    header = read_gguf(file)
    if header.text("tokenizer.ggml.model") in {None, "no_vocab", "none"}:
        raise UnsupportedModel(f"{file}: it has no tokenizer", "use a GGUF file of a whole model")
    cache = read_cache_type()
    opened = open_model(file, device)
    found = find_device(opened.buffers)
    if device is not None and device.partition(":")[0] != found:
        llama_cpp.llama_model_free(opened.handle)
        raise UnsupportedModel(f"{file}: the weights lie on {found}, and the device asked for is {device}")
    setup = Setup(threads or model_threads(), cache, on_cpu=device == "cpu")
    return LlamaCppModel(file, header, opened, found, setup)


class LlamaCppModel:
    """A `base.TokenModel` that also brings its text (`text.BringsText`). One thread calls it."""

    def __init__(self, file: Path, header: GgufHeader, opened: ModelFile, device: str, setup: Setup) -> None:
        self._file = file
        self._header = header
        self._opened = opened
        self._device = device
        self._vocabulary = LlamaVocabulary(opened.handle, header)
        self._parameters = int(llama_cpp.llama_model_n_params(opened.handle))
        self._weight_bytes = int(llama_cpp.llama_model_size(opened.handle))
        self._rows = LlamaRows(opened.handle, self._vocabulary.size, setup)

    def codec(self) -> TextCodec:
        """Return what is between its tokens and text.

        Raises:
            InvalidFile: the chat template is none.
        """
        return make_codec(self._vocabulary, self._header, self._file)

    @property
    def rows(self) -> int:
        """Sequences now in the KV cache."""
        return self._rows.rows

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Append a row per prompt; return logits at each prompt's last position, shape (len(prompts), vocab).

        Equal prompts are computed once. If it raises, no row was appended.
        """
        return self._rows.prefill(prompts)

    def decode(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to every row; return logits, shape (rows, vocab)."""
        return self._rows.decode(tokens)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these rows (indices), in this order; the others' cache is dropped."""
        self._rows.keep(rows)

    def facts(self) -> ModelFacts:
        """Return what was loaded. The device is where most of the weights lie, `dtype` the file's own type.

        llama.cpp computes a narrow file in its own way: products of blocks in whole numbers, sums in float32.
        """
        kind = self._header.quantisation
        layers = self._opened.offloaded
        left = layers[1] - layers[0] if layers and self._device != "cpu" else 0
        return ModelFacts(
            engine="llamacpp",
            engine_version=llamacpp_library.version(),
            device=self._device,
            dtype=_DTYPES.get(kind, kind.lower()),
            context_length=self._rows.context_length,
            vocab_size=self._vocabulary.size,
            parameters=self._parameters,
            weight_bytes=self._weight_bytes,
            kernels=self._rows.kernels,
            kernels_reason=self._rows.kernels_reason,
            fallbacks=(f"{left} of {layers[1]} layers",) if layers and left else (),
        )

    def memory_bytes(self) -> int:
        """Bytes of the weights, the KV cache and the scratch memory, as llama.cpp said when it took them, and CUDA's context."""
        context = CUDA_CONTEXT_BYTES if self._device == "cuda" else 0
        return self._rows.memory_bytes + sum(buffer.size for buffer in self._opened.buffers) + context

    def close(self) -> None:
        """Give everything back. The model and its codec are not used afterwards."""
        self._vocabulary.close()
        self._rows.close()
        if self._opened.handle:
            llama_cpp.llama_model_free(self._opened.handle)
            self._opened = ModelFile(None, (), None)
