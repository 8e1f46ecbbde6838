"""Maps the weights of a model folder: the tensors of its safetensors files, without copying them.

A mapped tensor costs memory only when it is read, and the operating system may take the pages back. Only safetensors
are read: formats that can run code are not. The headers are checked by `catalog.headers`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.catalog.headers import read_safetensors_header
from bakeoff.core.errors import InvalidFile, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
# The types that weights are computed from. numpy has no bfloat16: its bits travel as uint16.
FLOAT_TYPES: dict[str, type[np.generic]] = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor as it lies in its file; `dtype` is the file's word for it, such as "BF16"."""

    file: Path
    dtype: str
    data: NDArray[Any]


def count_layers(names: Iterable[str]) -> int:
    """Return how many blocks weights are numbered for, 0 where none is."""
    numbers = [int(found[1]) for name in names if (found := _LAYER.match(name)) is not None]
    return max(numbers, default=-1) + 1


_LAYER = re.compile(r"model\.layers\.(\d{1,9})\.")


def map_tensors(folder: Path) -> dict[str, StoredTensor]:
    """Map every floating-point tensor of the folder's safetensors files, sharded or not; others are left out.

    Raises:
        InvalidFile: there is no such file, or one is cut short or is no safetensors file.
    """
    tensors: dict[str, StoredTensor] = {}
    for file in _weight_files(folder):
        header = read_safetensors_header(file)
        content = np.memmap(file, dtype=np.uint8, mode="r")
        start = 8 + int(content[:8].view("<u8")[0])
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] not in FLOAT_TYPES:
                continue
            begin, end = entry["data_offsets"]
            raw = np.asarray(content[start + begin : start + end])
            data = raw.view(FLOAT_TYPES[entry["dtype"]]).reshape(entry["shape"])
            # The format asks no tensor to begin at a multiple of its width; the few that do not are copied.
            data = np.require(data, requirements="A")
            tensors[name] = StoredTensor(file, entry["dtype"], data)
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    index = folder / INDEX_FILE
    if not index.is_file():
        single = folder / SINGLE_FILE
        if not single.is_file():
            raise _invalid(single, "", "no such file", f"{SINGLE_FILE}, or {INDEX_FILE} with its shards")
        return [single]
    try:
        names = sorted({str(name) for name in json.loads(index.read_bytes())["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(index, "weight_map", "cannot be read", "an object from tensor names to files") from error
    for name in names:
        # A shard is a file beside its index; a path could name any file of the machine.
        if Path(name).name != name:
            raise _invalid(index, "weight_map", f"{name!r} is a path", "the name of a file beside the index")
        if not (folder / name).is_file():
            raise _invalid(folder / name, "", "no such file", f"the shard that {INDEX_FILE} names")
    return [folder / name for name in names]


def _invalid(path: Path, field: str, wrong: str, expected: str) -> InvalidFile:
    return InvalidFile((Problem(str(path), None, field, wrong, expected),))
