"""Facts read from a model folder's own files, without loading a weight.

The safetensors format: 8 bytes (little-endian header length), a JSON header {tensor: {dtype, shape, data_offsets}},
then the data (https://github.com/huggingface/safetensors, "Format"). Sizes read from it are exact.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

from bakeoff.core.errors import InvalidFile, Problem

_MAX_HEADER_BYTES = 100_000_000
"""The safetensors library's own limit."""

_DTYPE_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}


class Weights(NamedTuple):
    """What the weight files of a folder hold: parameters, bytes of data, and bytes by dtype."""

    parameters: int
    data_bytes: int
    by_dtype: dict[str, int]


def read_weights(folder: Path) -> Weights:
    """Read every safetensors header of `folder`.

    Raises:
        InvalidFile: there is none, or one is not what it should be.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise _invalid(folder, "holds no *.safetensors file", "a Hugging Face model folder with safetensors weights")
    parameters = data_bytes = 0
    by_dtype: dict[str, int] = {}
    for file in files:
        for name, tensor in read_safetensors_header(file).items():
            if name == "__metadata__":
                continue
            shape, dtype = tensor["shape"], tensor["dtype"]
            start, end = tensor["data_offsets"]
            parameters += math.prod(shape)
            data_bytes += end - start
            by_dtype[dtype] = by_dtype.get(dtype, 0) + end - start
    return Weights(parameters, data_bytes, by_dtype)


def read_safetensors_header(file: Path) -> dict[str, Any]:
    """Return the checked JSON header of one safetensors file.

    Raises:
        InvalidFile: too short, no JSON, or tensors that point outside the file.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            prefix = stream.read(8)
            if len(prefix) < 8:
                raise _invalid(file, f"is {size} bytes long", "a safetensors file (8-byte header length first)")
            (length,) = struct.unpack("<Q", prefix)
            if length > min(size - 8, _MAX_HEADER_BYTES):
                raise _invalid(
                    file, f"says its header is {length} bytes, and the file has {size}", "a complete safetensors file"
                )
            header = json.loads(stream.read(length))
    except OSError as error:
        raise _invalid(file, f"cannot be read ({error.strerror})", "a readable file") from None
    except ValueError:
        raise _invalid(file, "has a header that is not JSON", "a safetensors file") from None
    _check_tensors(file, header, size - 8 - length)
    checked: dict[str, Any] = header
    return checked


def _check_tensors(file: Path, header: object, data_bytes: int) -> None:
    if not isinstance(header, dict):
        raise _invalid(file, "has a header that is not an object", "a safetensors file")
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        try:
            shape, dtype = tensor["shape"], tensor["dtype"]
            start, end = tensor["data_offsets"]
            good = 0 <= start <= end <= data_bytes and all(isinstance(n, int) and n >= 0 for n in shape)
            width = _DTYPE_BYTES.get(dtype)
            good = good and (width is None or math.prod(shape) * width == end - start)
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise _invalid(file, f"describes tensor {name!r} wrongly", "shape, dtype and offsets that agree")


def read_config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json.

    Raises:
        InvalidFile: missing, unreadable, or not a JSON object.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _invalid(file, f"cannot be read ({error.strerror})", "a Hugging Face model folder") from None
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise InvalidFile((Problem(str(file), line, "", "is not JSON", "a Hugging Face config.json"),)) from None
    if not isinstance(config, dict):
        raise _invalid(file, "is not a JSON object", "a Hugging Face config.json")
    return config


def _invalid(path: Path, wrong: str, expected: str) -> InvalidFile:
    return InvalidFile((Problem(str(path), None, "", wrong, expected),))
