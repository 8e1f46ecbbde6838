"""Writes GGUF files: metadata, then tensors a piece at a time, so that a model of any size needs little memory.

The format is in `catalog.gguf`, which reads it; the blocks of `Q8_0` are those of ggml-quants.c (`quantize_row_q8_0_ref`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

VERSION = 3
ALIGNMENT = 32
Q8_BLOCK = 32

_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
Value = bool | int | float | str | Sequence[str] | Sequence[int]


class Storage(NamedTuple):
    """How numbers are stored: ggml's code, numbers and bytes of a block, and the function that makes the bytes."""

    code: int
    block: int
    size: int
    encode: Callable[[Floats], NDArray[np.generic]]


class Tensor(NamedTuple):
    """A tensor to be written; `shape` is numpy's, the fastest dimension last.

    `read` is called once, when its turn comes, and yields its numbers in order, in pieces of whole rows.
    """

    name: str
    shape: tuple[int, ...]
    storage: Storage
    read: Callable[[], Iterable[Floats]]

    @property
    def data_bytes(self) -> int:
        """Its bytes in the file."""
        count = int(np.prod(self.shape, dtype=np.int64))
        return count // self.storage.block * self.storage.size


def to_bf16(values: Floats) -> NDArray[np.uint16]:
    """Return the upper halves of float32 numbers, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    # Rounding up the bits of a NaN could make it an infinity.
    return np.where(np.isnan(values), (bits >> 16) | 64, rounded).astype(np.uint16)


def to_q8_0(values: Floats) -> NDArray[np.uint8]:
    """Return blocks of 32 numbers: a float16 scale (largest magnitude / 127), then 32 signed bytes."""
    blocks = values.reshape(-1, Q8_BLOCK)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    with np.errstate(divide="ignore"):
        inverse = np.where(scale == 0, np.float32(0), np.float32(1) / scale)
    scaled = blocks * inverse
    # C's roundf: halves away from zero.
    whole = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int8)
    return np.concatenate([scale.astype(np.float16).view(np.uint8), whole.view(np.uint8)], axis=1)


F32 = Storage(0, 1, 4, lambda values: values)
F16 = Storage(1, 1, 2, lambda values: values.astype(np.float16))
Q8_0 = Storage(8, Q8_BLOCK, 34, to_q8_0)
BF16 = Storage(30, 1, 2, to_bf16)


def write_gguf(file: Path, metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> None:
    """Write the file, which must not be there.

    Raises:
        OSError: it is there, or cannot be written.
    """
    with file.open("xb") as stream:
        stream.write(b"GGUF" + struct.pack("<IQQ", VERSION, len(tensors), len(metadata)))
        for key, value in metadata.items():
            stream.write(_text(key) + _value(value))
        offset = 0
        for tensor in tensors:
            shape = tensor.shape[::-1]
            stream.write(_text(tensor.name))
            stream.write(struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, tensor.storage.code, offset))
            offset += -(-tensor.data_bytes // ALIGNMENT) * ALIGNMENT
        _pad(stream)
        for tensor in tensors:
            for piece in tensor.read():
                stream.write(tensor.storage.encode(piece).tobytes())
            _pad(stream)


def _pad(stream: BinaryIO) -> None:
    stream.write(bytes(-stream.tell() % ALIGNMENT))


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    """Return a value with its type in front: whole numbers are unsigned, those in lists are signed."""
    if isinstance(value, bool):
        return struct.pack("<IB", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _U32, value)
    if isinstance(value, float):
        return struct.pack("<If", _F32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(_text(str(each)) for each in value)
    return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _I32, len(value), *value)
