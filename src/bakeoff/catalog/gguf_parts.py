"""Models in several GGUF files: which files belong together, by the names that `llama-gguf-split` gives them.

`NAME-00001-of-00003.gguf` is the first of three; it has the model's keys, each of them some of its tensors. llama.cpp is given the
first and finds the others by these names (llama.h, `llama_model_load_from_file`).
"""

from __future__ import annotations

import re
from pathlib import Path

from bakeoff.core.errors import UnsupportedModel

_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE | re.DOTALL)


def part_files(file: Path) -> tuple[Path, ...]:
    """Return the files of the model whose first is `file`, in order, whether they are there or not; any other file is alone."""
    found = _PART.fullmatch(file.name)
    if found is None or int(found[2]) != 1:
        return (file,)
    suffix = file.suffix
    return tuple(file.with_name(f"{found[1]}-{part:05d}-of-{found[3]}{suffix}") for part in range(1, int(found[3]) + 1))


def files_there(file: Path) -> tuple[Path, ...]:
    """Return the model's files that are there, `file` first in any case."""
    return (file, *(part for part in part_files(file)[1:] if part.is_file()))


def is_later_part(file: Path) -> bool:
    """Whether a file belongs to a first one that is beside it.

    >>> is_later_part(Path("m-00002-of-00003.gguf")), is_later_part(Path("best-of-breed.gguf"))
    (False, False)
    """
    found = _PART.fullmatch(file.name)
    if found is None or int(found[2]) < 2:
        return False
    return file.with_name(f"{found[1]}-00001-of-{found[3]}{file.suffix}").exists()


def expect_parts(file: Path, number: object, count: int) -> tuple[Path, ...]:
    """Return the files of a model whose header says that it is in `count` files, of which this is `number` (from 0).

    Raises:
        UnsupportedModel: it is not the first, or its name does not say how the others are called.
    """
    merge = "or merge them:  llama-gguf-split --merge FIRST_PART FILE.gguf"
    if number != 0:
        raise UnsupportedModel(
            f"{file}: one of {count} parts of a model, and not the first", f"name the first; {merge}"
        )
    found = part_files(file)
    if len(found) != count:
        raise UnsupportedModel(
            f"{file}: one of {count} parts of a model, and its name does not say how the others are called",
            f"call them NAME-00001-of-{count:05d}.gguf and so on; {merge}",
        )
    return found
