"""Facts of a GGUF file, read from its header: no weight is loaded, and llama.cpp need not be installed.

The format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian): "GGUF", version,
number of tensors, number of keys; then each key with its typed value; then each tensor's name, shape, type and offset;
then, aligned, the data. Sizes read from it are exact.

A file may come from anywhere, so nothing in it is believed: every count is held against the bytes that are left and
against a bound far above real models, and nothing is kept in memory but scalars, texts and short lists of numbers.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bakeoff.catalog.gguf_parts import expect_parts
from bakeoff.catalog.gguf_types import FILE_TYPES, SIZES, TENSOR_TYPES
from bakeoff.core.errors import InvalidFile, Problem

SUFFIX = ".gguf"
MADE_FROM = "general.made_from"
"""The key under which `bakeoff convert` keeps the digest of the folder that a file was made of."""

Value = bool | int | float | str | tuple[int | float | bool, ...]

# Bounds, each at least ten times what the largest published models have.
_MAX_KEYS = 1 << 16
_MAX_TENSORS = 1 << 17
_MAX_STRINGS = 1 << 23
_MAX_TEXT_BYTES = 1 << 24
_MAX_KEPT_BYTES = 1 << 26
_MAX_KEPT_NUMBERS = 4096
_MAX_ALL_NUMBERS = 1 << 18
_MAX_DIMENSIONS = 4
_WINDOW_BYTES = 1 << 22

_STRING, _ARRAY = 8, 9
_BOOL = 7
_SCALARS = {
    code: struct.Struct("<" + letter)
    for code, letter in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "B",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")


class GgufTensor(NamedTuple):
    """One tensor as the header describes it; `shape` is in ggml's order, the fastest dimension first."""

    name: str
    shape: tuple[int, ...]
    type: str
    data_bytes: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of itself. `metadata` lacks texts in arrays (a vocabulary) and long arrays of numbers.

    Of a model in several files it is what all of them hold: the first one's keys, and the tensors of each.
    """

    metadata: dict[str, Value]
    tensors: tuple[GgufTensor, ...]

    @property
    def architecture(self) -> str:
        """llama.cpp's name for it, such as "llama"."""
        return str(self.metadata["general.architecture"])

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all tensors as stored, padding left out."""
        return sum(tensor.data_bytes for tensor in self.tensors)

    @property
    def quantisation(self) -> str:
        """The file type, such as "Q4_K_M"; where the file names none that is known, the type that most bytes are of."""
        named = self.metadata.get("general.file_type")
        if isinstance(named, int) and named in FILE_TYPES:
            return FILE_TYPES[named]
        by_type: Counter[str] = Counter()
        for tensor in self.tensors:
            by_type[tensor.type] += tensor.data_bytes
        return by_type.most_common(1)[0][0]

    @property
    def context_length(self) -> int | None:
        """Tokens that the model was made for, None where the file does not say."""
        return self._count("context_length")

    @property
    def licence(self) -> str | None:
        """The licence as the file's author wrote it: its name where the tag is `other`."""
        tag = self.text("general.license")
        return self.text("general.license.name") or tag if tag == "other" else tag

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of a conversation."""
        return self.text("tokenizer.chat_template")

    def text(self, key: str) -> str | None:
        """Return a value that is text, None where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def facts(self) -> dict[str, Any]:
        """Return the model's sizes under the names that config.json has for them; unknown ones are left out."""
        table = next((tensor for tensor in self.tensors if tensor.name == "token_embd.weight"), None)
        sizes = {ours: self._count(theirs) for ours, theirs in SIZES.items()}
        facts: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
        if table is not None and len(table.shape) == 2:
            facts.setdefault("vocab_size", table.shape[1])
        facts["tie_word_embeddings"] = all(tensor.name != "output.weight" for tensor in self.tensors)
        if layers := self._attending():
            facts["layer_types"] = layers
        return {**facts, "model_type": self.architecture, "param_count": self.parameters}

    def _attending(self) -> list[str]:
        """Return the kind of each layer where the file lists how many key heads each has: none means that it keeps a state."""
        heads = self.metadata.get(f"{self.architecture}.attention.head_count_kv")
        if not isinstance(heads, tuple) or 0 not in heads:
            return []
        return ["full_attention" if count else "mamba" for count in heads]

    def _count(self, name: str) -> int | None:
        """Return a whole number above 0 of this architecture; of a list with one for each layer, the largest."""
        value = self.metadata.get(f"{self.architecture}.{name}")
        counts = [each for each in (value if isinstance(value, tuple) else (value,)) if type(each) is int]
        largest = max(counts, default=0)
        return largest if 0 < largest < 1 << 40 else None


def read_gguf(file: Path) -> GgufHeader:
    """Read and check the header of a GGUF file, and of the others where it is the first of several.

    Raises:
        InvalidFile: one cannot be read, is cut short, or is no GGUF file of a model.
        UnsupportedModel: it is one of several, and not the first, or the others cannot be found by its name.
    """
    header = _read_one(file)
    count = header.metadata.get("split.count", 0)
    if type(count) is not int or count < 2:
        return header
    tensors = list(header.tensors)
    for number, part in enumerate(expect_parts(file, header.metadata.get("split.no", 0), count)[1:], 1):
        read = _read_one(part)
        if (read.metadata.get("split.no"), read.metadata.get("split.count")) != (number, count):
            raise _invalid(part, "is another part, or another model's", f"part {number + 1} of {count}")
        tensors += read.tensors
    if len({tensor.name for tensor in tensors}) != len(tensors) or not tensors:
        raise _invalid(file, "and its other parts have a tensor twice, or none at all", "the parts of one model")
    return GgufHeader(header.metadata, tuple(tensors))


def _read_one(file: Path) -> GgufHeader:
    """Read one file's header, which has no architecture where it is a later one of several.

    Raises:
        InvalidFile: it is not what it should be.
    """
    if file.exists() and not file.is_file():
        raise _invalid(file, "is no regular file", "a GGUF file")
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            header = _parse(_Reader(stream, size))
    except OSError as error:
        raise _invalid(file, f"cannot be read ({error.strerror})", "a readable GGUF file") from None
    except _BrokenError as error:
        raise _invalid(file, error.wrong, error.expected) from None
    return header


class _BrokenError(Exception):
    """What is wrong in a file, and what would be right."""

    def __init__(self, wrong: str, expected: str = "a complete GGUF file") -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.expected = expected


class _Reader:
    """Reads forward through a file of `size` bytes, a window of which is in memory."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._window = b""
        self._window_at = 0
        self._kept = self._numbers = 0
        self._strings = 0
        self.size = size
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes from here to the end of the file."""
        return self.size - self.at

    def number(self, form: struct.Struct) -> int | float:
        """Read one number."""
        start = self._reach(form.size)
        value: int | float = form.unpack_from(self._window, start)[0]
        return value

    def count(self, what: str, most: int, least_bytes: int) -> int:
        """Read how many of `what` follow, each of at least `least_bytes` bytes."""
        found = int(self.number(_U64))
        if found > most or found * least_bytes > self.left:
            raise _BrokenError(f"says it has {found} {what}, and {self.left} bytes are left")
        return found

    def skip(self, length: int) -> None:
        """Pass over bytes without reading them."""
        if length > self.left:
            raise _BrokenError(f"ends at byte {self.size}, {length - self.left} bytes before a value's end")
        self.at += length

    def text(self) -> str:
        """Read a string."""
        length = self.count("bytes of text", _MAX_TEXT_BYTES, 1)
        self._kept += length
        if self._kept > _MAX_KEPT_BYTES:
            raise _BrokenError(f"holds more than {_MAX_KEPT_BYTES} bytes of text in its header")
        start = self._reach(length)
        return self._window[start : start + length].decode("utf-8", errors="replace")

    def keeps(self, count: int) -> bool:
        """Tell whether so many numbers in a list may be kept: short lists are, until there are too many of them."""
        self._numbers += count if count <= _MAX_KEPT_NUMBERS else 0
        return count <= _MAX_KEPT_NUMBERS and self._numbers <= _MAX_ALL_NUMBERS

    def skip_texts(self, count: int) -> None:
        """Pass over strings."""
        self._strings += count
        if self._strings > _MAX_STRINGS:
            raise _BrokenError(f"says it has more than {_MAX_STRINGS} strings")
        # A vocabulary has a hundred thousand of them, so this loop does without calls: it is most of the time that a header takes.
        length_of, at, window, begin, last = _U64.unpack_from, self.at, b"", 0, -1
        for _ in range(count):
            if not begin <= at <= last:
                self.at = at
                self._reach(_U64.size)
                window, begin = self._window, self._window_at
                last = begin + len(window) - _U64.size
            at += _U64.size + length_of(window, at - begin)[0]
            if at > self.size:
                raise _BrokenError(f"ends at byte {self.size}, {at - self.size} bytes before a text's end")
        self.at = at

    def _reach(self, length: int) -> int:
        """Have the next `length` bytes in the window, and pass over them; return where they begin in it."""
        begin = self.at
        self.skip(length)
        if begin < self._window_at or begin + length > self._window_at + len(self._window):
            self._stream.seek(begin)
            self._window = self._stream.read(max(length, _WINDOW_BYTES))
            self._window_at = begin
            if len(self._window) < length:
                raise _BrokenError("became shorter while it was read")
        return begin - self._window_at


def _parse(reader: _Reader) -> GgufHeader:
    if reader.size < 24:
        raise _BrokenError(f"is {reader.size} bytes long", "a GGUF file, which begins with 24 bytes of counts")
    magic, version = reader.number(_U32), int(reader.number(_U32))
    if magic != int.from_bytes(b"GGUF", "little"):
        raise _BrokenError("does not begin with GGUF", "a GGUF file")
    if version not in {2, 3}:
        swapped = int.from_bytes(version.to_bytes(4, "big"), "little")
        kind = f"big-endian version {swapped}" if swapped in {2, 3} else f"version {version}"
        raise _BrokenError(f"is GGUF of {kind}", "version 2 or 3, little-endian")
    # A tensor's description: name length, one dimension's count, type, offset. A key: length, type, one byte.
    tensor_count = reader.count("tensors", _MAX_TENSORS, 24)
    key_count = reader.count("keys", _MAX_KEYS, 13)
    metadata = _metadata(reader, key_count)
    architecture = metadata.get("general.architecture")
    number, count = (metadata.get(key) for key in ("split.no", "split.count"))
    is_later = type(number) is int and type(count) is int and 0 < number < count
    if not is_later and not (architecture and isinstance(architecture, str)):
        raise _BrokenError("names no architecture (key general.architecture)", "the GGUF file of a model")
    if tensor_count == 0 and not (type(count) is int and count > 1):
        raise _BrokenError("holds no weights", "the GGUF file of a model")
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 1 << 16:
        raise _BrokenError(f"has general.alignment {alignment!r}", "a whole number above 0")
    return GgufHeader(metadata, _tensors(reader, tensor_count, alignment))


def _metadata(reader: _Reader, count: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    seen: set[str] = set()
    for _ in range(count):
        key = reader.text()
        if key in seen:
            raise _BrokenError(f"has the key {key[:80]!r} twice")
        seen.add(key)
        value = _value(reader, int(reader.number(_U32)), key)
        if value is not None:
            found[key] = value
    return found


def _value(reader: _Reader, code: int, key: str) -> Value | None:
    """Read a value; None for an array that is not kept."""
    if code == _STRING:
        return reader.text()
    if code in _SCALARS:
        return _scalar(reader, code)
    if code != _ARRAY:
        raise _BrokenError(f"has a value of unknown type {code} at key {key[:80]!r}")
    item = int(reader.number(_U32))
    if item == _STRING:
        reader.skip_texts(reader.count("strings", _MAX_STRINGS, 8))
        return None
    if item not in _SCALARS:
        kind = "an array of arrays" if item == _ARRAY else f"an array of unknown type {item}"
        raise _BrokenError(f"has {kind} at key {key[:80]!r}", "arrays of numbers or texts")
    width = _SCALARS[item].size
    length = reader.count("numbers", reader.size, width)
    if not reader.keeps(length):
        reader.skip(length * width)
        return None
    return tuple(_scalar(reader, item) for _ in range(length))


def _scalar(reader: _Reader, code: int) -> bool | int | float:
    value = reader.number(_SCALARS[code])
    return bool(value) if code == _BOOL else value


def _tensors(reader: _Reader, count: int, alignment: int) -> tuple[GgufTensor, ...]:
    """Read the descriptions; make sure that the tensors lie one after another, and within the file."""
    found: list[GgufTensor] = []
    names: set[str] = set()
    expected = 0
    for _ in range(count):
        tensor, offset = _tensor(reader)
        if tensor.name in names:
            raise _BrokenError(f"has the tensor {tensor.name[:80]!r} twice")
        if offset != expected:
            raise _BrokenError(f"puts tensor {tensor.name[:80]!r} at {offset}, where {expected} follows the one before")
        names.add(tensor.name)
        found.append(tensor)
        expected += _padded(tensor.data_bytes, alignment)
    if not found:
        return ()
    begin = _padded(reader.at, alignment)
    # The last tensor's padding may be left out.
    needed = begin + expected - (_padded(found[-1].data_bytes, alignment) - found[-1].data_bytes)
    if needed > reader.size:
        raise _BrokenError(f"has {reader.size} bytes, and its tensors need {needed}")
    return tuple(found)


def _tensor(reader: _Reader) -> tuple[GgufTensor, int]:
    name = reader.text()
    dimensions = int(reader.number(_U32))
    if not 0 < dimensions <= _MAX_DIMENSIONS:
        raise _BrokenError(f"gives tensor {name[:80]!r} {dimensions} dimensions", "1 to 4 dimensions")
    shape = tuple(int(reader.number(_U64)) for _ in range(dimensions))
    code = int(reader.number(_U32))
    offset = int(reader.number(_U64))
    kind = TENSOR_TYPES.get(code)
    if kind is None:
        raise _BrokenError(f"has tensor {name[:80]!r} of type {code}, which is not known", "a type that ggml has")
    if min(shape) < 1 or shape[0] % kind.block:
        raise _BrokenError(f"gives tensor {name[:80]!r} of type {kind.name} the shape {list(shape)}")
    return GgufTensor(name, shape, kind.name, math.prod(shape) // kind.block * kind.size), offset


def _padded(length: int, alignment: int) -> int:
    return -(-length // alignment) * alignment


def _invalid(path: Path, wrong: str, expected: str) -> InvalidFile:
    return InvalidFile((Problem(str(path), None, "", wrong, expected),))
