"""Facts read from a model folder's own files, without loading a weight.

The safetensors format: 8 bytes (little-endian header length), a JSON header {tensor: {dtype, shape, data_offsets}},
then the data (https://github.com/huggingface/safetensors, "Format"). Sizes read from it are exact.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from bakeoff.core.errors import InvalidFile, Problem

_MAX_HEADER_BYTES = 100_000_000
"""The safetensors library's own limit."""

_DTYPE_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
_CONFIG_NUMBERS = (
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_size",
    "max_position_embeddings",
)


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
    _require_regular(file)
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
    except (ValueError, RecursionError):
        raise _invalid(file, "has a header that is not JSON", "a safetensors file") from None
    _check_tensors(file, header, size - 8 - length)
    checked: dict[str, Any] = header
    return checked


def _check_tensors(file: Path, header: object, data_bytes: int) -> None:
    if not isinstance(header, dict):
        raise _invalid(file, "has a header that is not an object", "a safetensors file")
    spans: list[tuple[int, int, str]] = []
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        span = _checked_span(tensor)
        if span is None or span[1] > data_bytes:
            raise _invalid(file, f"describes tensor {name[:200]!r} wrongly", "shape, dtype and offsets that agree")
        spans.append((*span, name))
    # The format allows neither overlaps nor holes, so that nothing can hide in a file.
    reached = 0
    for start, end, name in sorted(spans):
        if start != reached:
            what = "overlaps the one before it" if start < reached else "leaves a hole before it"
            raise _invalid(file, f"tensor {name[:200]!r} {what}", "tensors that fill the file one after another")
        reached = end
    if reached != data_bytes:
        raise _invalid(
            file, f"has {data_bytes - reached} bytes that belong to no tensor", "a complete safetensors file"
        )


def _checked_span(tensor: object) -> tuple[int, int] | None:
    """Return (start, end) of a tensor whose description agrees with itself, else None."""
    if not isinstance(tensor, dict):
        return None
    shape, dtype, offsets = tensor.get("shape"), tensor.get("dtype"), tensor.get("data_offsets")
    if not isinstance(dtype, str) or not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        return None
    start, end = offsets
    width = _DTYPE_BYTES.get(dtype)
    agrees = start <= end and (width is None or math.prod(shape) * width == end - start)
    return (start, end) if agrees else None


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 1 << 62 for number in value)


def read_config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json.

    Raises:
        InvalidFile: missing, unreadable, not a JSON object, or with a size in it that is no size.
    """
    file = folder / "config.json"
    _require_regular(file)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _invalid(file, f"cannot be read ({error.strerror})", "a Hugging Face model folder") from None
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise InvalidFile((Problem(str(file), line, "", "is not JSON", "a Hugging Face config.json"),)) from None
    if not isinstance(config, dict):
        raise _invalid(file, "is not a JSON object", "a Hugging Face config.json")
    problems = [
        Problem(str(file), None, name, f"is {repr(config[name])[:60]}", "a whole number above 0")
        for name in _CONFIG_NUMBERS
        if config.get(name) is not None and not (type(config[name]) is int and 0 < config[name] < 1 << 40)
    ]
    if problems:
        raise InvalidFile(tuple(problems))
    return config


def _require_regular(file: Path) -> None:
    """Refuse what is there and is no file: reading a pipe or a device may never end.

    Raises:
        InvalidFile: it is something else.
    """
    if file.exists() and not file.is_file():
        raise _invalid(file, "is no regular file", "a file")


def _invalid(path: Path, wrong: str, expected: str) -> InvalidFile:
    return InvalidFile((Problem(str(path), None, "", wrong, expected),))
