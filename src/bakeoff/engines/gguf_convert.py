"""Makes a GGUF file of a model folder; a program of its own, which `conversion` starts.

    python -m bakeoff.engines.gguf_convert --model FOLDER --out FILE --kind q8_0 [--name NAME] [--licence TEXT]

Types that store each number or block by itself (`gguf_weights.STORAGES`) are written here, with no llama.cpp installed. The
others are made by llama.cpp's own quantiser from a file in the folder's own type, which is written first, beside the result.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from bakeoff.engines.conversion import run_program
from bakeoff.engines.gguf_file import Value, write_gguf
from bakeoff.engines.gguf_vocabulary import vocabulary_keys
from bakeoff.engines.gguf_weights import STORAGES, read_llama, read_tensors, size_keys, stored_type


def write_model(folder: Path, out: Path, kind: str, about: Mapping[str, str] | None = None) -> None:
    """Write `out`, which must not be there; `kind` is a name in `STORAGES`, `about` are `general.*` keys to add.

    Memory stays near the mapped file and 50 MiB: weights are widened and stored a piece at a time.

    Raises:
        InvalidFile: a file of the folder is missing or not what it should be.
        UnsupportedModel: an architecture or a tokenizer that llama.cpp would compute otherwise.
        OSError: `out` is there, or cannot be written.
    """
    spec = read_llama(folder)
    facts: dict[str, Value] = {f"general.{key}": value for key, value in (about or {}).items()}
    keys = size_keys(spec, kind) | facts | vocabulary_keys(folder, spec.vocab_size)
    write_gguf(out, keys, read_tensors(folder, spec, kind))


def make_model(folder: Path, out: Path, kind: str, about: Mapping[str, str]) -> tuple[str, ...]:
    """Write `out` in any type that there is; `kind` "" is the folder's own. Return what is worth telling.

    Raises:
        UnsupportedModel: see `write_model`, or there is no such type.
        MissingDependency: llama.cpp is needed for it, and not installed.
        WorkerError: llama.cpp could not quantise it.
    """
    kind = kind or stored_type(folder)
    if kind in STORAGES:
        write_model(folder, out, kind, about)
        return ()
    # Imported here, where it is needed: this is the one step that needs llama.cpp.
    from bakeoff.engines.gguf_quantise import find_file_type, quantise

    code = find_file_type(kind)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".convert-") as scratch:
        plain = Path(scratch) / "plain.gguf"
        write_model(folder, plain, stored_type(folder), about)
        return quantise(plain, out, code)


def main() -> None:
    """Run the program."""
    run_program("gguf", make_model)


if __name__ == "__main__":
    main()
