"""From a model folder to a transformers model in memory: local safetensors only, no hub, no code from the folder."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from bakeoff.core.errors import InvalidFile, Problem, UnsupportedModel

_LAYER = re.compile(r"\.(?:layers|block|h)\.(\d{1,9})\.")
_MOST_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that can be read: its config, and the dtype that its weights are stored in."""

    folder: Path
    config: Any
    stored: torch.dtype

    @property
    def is_seq2seq(self) -> bool:
        """Whether it has an encoder and a decoder."""
        return bool(getattr(self.config, "is_encoder_decoder", False))

    def import_code(self) -> None:
        """Import the architecture's code, which the library puts off until a model is made; that takes up to seconds."""
        kind = AutoModelForSeq2SeqLM if self.is_seq2seq else AutoModelForCausalLM
        with contextlib.suppress(KeyError, ImportError):  # `read` says what is wrong
            kind._model_mapping[type(self.config)]  # noqa: SLF001 - nothing public imports a model without making it

    def read(self, dtype: torch.dtype) -> transformers.PreTrainedModel:
        """Return the model on the CPU, its weights in `dtype`.

        Raises:
            UnsupportedModel: the library cannot load it.
            InvalidFile: the weights are not those that config.json speaks of. The library makes up what is missing, and
                leaves out what is too much, with no more than a warning: that would be another model.
        """
        kind = AutoModelForSeq2SeqLM if self.is_seq2seq else AutoModelForCausalLM
        try:
            model, told = kind.from_pretrained(
                self.folder,
                config=self.config,
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except (ValueError, OSError, KeyError, RuntimeError) as error:
            raise _not_loadable(self.folder, error) from error
        problems = self._problems(told)
        if problems:
            raise InvalidFile(tuple(problems[:_MOST_PROBLEMS]), "the weights do not belong to this config.json")
        if getattr(model, "_is_stateful", False):
            raise UnsupportedModel(f"{self.folder}: {self.config.model_type} keeps a state that is no key-value cache")
        return model.eval()

    def _problems(self, told: dict[str, Any]) -> list[Problem]:
        """Return what transformers' loading info says was not as config.json has it."""
        where = str(self.folder)
        depths = (getattr(self.config, name, 0) or 0 for name in ("num_hidden_layers", "num_decoder_layers"))
        layers = max(depths)
        found = [
            Problem(where, None, name, f"shape {list(stored)}", f"shape {list(wanted)}")
            for name, stored, wanted in sorted(told["mismatched_keys"])
        ]
        found += [
            Problem(where, None, name, "is not among the weights", "a tensor of that name")
            for name in sorted(told["missing_keys"])
        ]
        # Old files carry tables that are computed anew today; a whole layer too many is another matter.
        for name in sorted(told["unexpected_keys"]):
            layer = _LAYER.search(name)
            if layer is not None and int(layer.group(1)) >= layers > 0:
                found.append(Problem(where, None, name, f"config.json has {layers} layers", "as many as the weights"))
        return found


def open_checkpoint(folder: Path) -> Checkpoint:
    """Look at a model folder.

    Raises:
        UnsupportedModel: the library does not know the architecture.
        InvalidFile: config.json or the weights are missing.
    """
    for name, wanted in (("config.json", "config.json"), ("*.safetensors", "weights as safetensors")):
        if not any(folder.glob(name)):
            raise InvalidFile((Problem(str(folder), None, "", f"there is no {name}", wanted),))
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        raise _not_loadable(folder, error) from error
    return Checkpoint(folder, config, _stored_dtype(folder))


def _stored_dtype(folder: Path) -> torch.dtype:
    """Return the dtype of most of the weights, read from the files' headers and not from what config.json says."""
    from safetensors import safe_open

    sizes: dict[str, int] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - no mapping
                    piece = tensors.get_slice(name)
                    count = 1
                    for length in piece.get_shape():
                        count *= length
                    sizes[piece.get_dtype()] = sizes.get(piece.get_dtype(), 0) + count
        except Exception as error:  # the library's own error type is not public
            raise _not_loadable(folder, error) from error
    most = max(sizes, key=lambda name: sizes[name], default="F32")
    return {"BF16": torch.bfloat16, "F16": torch.float16}.get(most, torch.float32)


def _not_loadable(folder: Path, error: Exception) -> UnsupportedModel:
    reason = str(error).strip().partition("\n")[0]
    return UnsupportedModel(f"{folder}: transformers {transformers.__version__} cannot load it: {reason}")
