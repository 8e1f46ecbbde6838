"""Makes a model folder with weights quantised by MLX; a program of its own, which `conversion` starts.

    python -m bakeoff.engines.mlx_convert --model FOLDER --out FOLDER --kind 4bit

Every matrix is stored in blocks of 64 numbers with a scale and an offset each (mlx-lm's `quantize_model`, mode affine), so
that 4 bits are 4.5 with 16-bit scales. What is not a weight is copied, but for code, of which a model needs none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.core.errors import MissingDependency, UnsupportedModel, UsageError
from bakeoff.engines.conversion import FORMATS, run_program
from bakeoff.engines.local import require_engine

if TYPE_CHECKING:
    from types import ModuleType

GROUP_SIZE = 64
COPIED = (
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "chat_template*",
    "LICENSE*",
    "NOTICE*",
)


def make_model(folder: Path, out: Path, kind: str, about: Mapping[str, str]) -> tuple[str, ...]:
    """Write the folder `out`, which must not be there; `kind` is a number of bits, such as "4bit".

    Returns what is worth telling.

    Raises:
        MissingDependency: mlx-lm is not installed.
        UsageError: no number of bits is asked for.
        UnsupportedModel: mlx-lm cannot load the model, it is quantised already, or it has no matrix that could be.
    """
    kinds = FORMATS["mlx"].kinds
    if not kind:
        raise UsageError("the engine mlx reads the folder as it is", "say how small: --quantise 4bit, or 8bit")
    if kind not in kinds:
        raise UsageError(f"{kind} is not how MLX stores weights", f"one of: {', '.join(kinds)}")
    utils, models = _import_mlx()
    model, config = models.read_folder(folder)
    if "quantization" in config:
        raise UnsupportedModel(f"{folder}: its weights are quantised already", "name the folder that it was made of")
    model, config = utils.quantize_model(model, config, GROUP_SIZE, int(kind.removesuffix("bit")))
    matrices = [module for _, module in model.named_modules() if hasattr(module, "weight") and module.weight.ndim > 1]
    left = [module for module in matrices if "scales" not in module]
    if len(left) == len(matrices):
        raise UnsupportedModel(f"{folder}: no matrix has a width that is a multiple of {GROUP_SIZE}, as MLX needs it")
    utils.save_model(out, model)
    utils.save_config(config, out / "config.json")
    for file in {file for pattern in COPIED for file in folder.glob(pattern) if file.is_file()}:
        shutil.copy(file, out)
    facts = {"licence": about.get("license"), "made_from": about.get("made_from")}
    known = {key: value for key, value in facts.items() if value}
    (out / "facts.json").write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    if not left:
        return ()
    told = f"{len(left)} of {len(matrices)} matrices stay as they are: their width is no multiple of {GROUP_SIZE}"
    return (told,)


def _import_mlx() -> tuple[ModuleType, ModuleType]:
    engine = require_engine("mlx")
    try:
        from mlx_lm import utils

        from bakeoff.engines import mlx_model
    except ImportError as error:
        raise MissingDependency(f"mlx-lm cannot be imported: {error}", engine.install) from error
    return utils, mlx_model


if __name__ == "__main__":
    run_program("mlx", make_model)
