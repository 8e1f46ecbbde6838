"""GGUF files byte by byte, right ones and wrong ones, without any library that writes them."""

import struct
from pathlib import Path

from bakeoff.catalog.gguf import read_gguf
from bakeoff.catalog.gguf_types import TENSOR_TYPES

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144)}
KEYS = {
    "general.architecture": "llama",
    "general.license": "apache-2.0",
    "llama.context_length": 1024,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.chat_template": "{{ messages }}",
    "tokenizer.ggml.tokens": ["a", "b", "ü"],
    "tokenizer.ggml.add_bos_token": True,
    "general.file_type": 7,
}
TENSORS = {"token_embd.weight": ("Q8_0", (64, 10)), "output_norm.weight": ("F32", (64,))}


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(of) -> bytes:
    """A value with its type in front."""
    if isinstance(of, bytes):
        return of
    if isinstance(of, bool):
        return struct.pack("<IB", BOOL, of)
    if isinstance(of, int):
        return struct.pack("<II", U32, of)
    if isinstance(of, str):
        return struct.pack("<I", STRING) + text(of)
    kind = STRING if isinstance(of[0], str) else U32
    items = map(text, of) if kind == STRING else (struct.pack("<I", each) for each in of)
    return struct.pack("<IIQ", ARRAY, kind, len(of)) + b"".join(items)


def size_of(kind: str, shape: tuple[int, ...]) -> int:
    _, block, width = TYPES[kind]
    count = 1
    for length in shape:
        count *= length
    return count // block * width


def padding(length: int) -> bytes:
    return bytes(-length % 32)


def header(keys=KEYS, tensors=TENSORS, *, magic=b"GGUF", version=3, n_keys=None, n_tensors=None) -> bytes:
    counts = (len(tensors) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys)
    raw = magic + struct.pack("<IQQ", version, *counts)
    raw += b"".join(text(key) + value(of) for key, of in keys.items())
    offset = 0
    for name, (kind, shape) in tensors.items():
        raw += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[kind][0], offset)
        offset += size_of(kind, shape) + len(padding(size_of(kind, shape)))
    return raw


def write_gguf(file: Path, keys=KEYS, tensors=TENSORS, **odd) -> Path:
    raw = header(keys, tensors, **odd)
    raw += padding(len(raw))
    for kind, shape in tensors.values():
        size = size_of(kind, shape)
        raw += bytes(size) + padding(size)
    file.write_bytes(raw)
    return file


def split_gguf(file: Path, folder: Path, first_tensors: int) -> list[Path]:
    """Split a file in two as `llama-gguf-split` does: the keys and `first_tensors` tensors, then the other tensors."""
    raw, whole = file.read_bytes(), read_gguf(file)
    rows = whole.tensors
    name = rows[0].name.encode()
    infos = raw.index(struct.pack("<Q", len(name)) + name)
    data = len(raw) - sum(row.data_bytes + len(padding(row.data_bytes)) for row in rows)
    keys = raw[24:infos]
    n_keys = struct.unpack_from("<Q", raw, 16)[0]
    made = []
    for number, part in enumerate((rows[:first_tensors], rows[first_tensors:])):
        told = {
            "split.no": struct.pack("<IH", 2, number),
            "split.count": struct.pack("<IH", 2, 2),
            "split.tensors.count": struct.pack("<Ii", 5, len(rows)),
        }
        out = b"" if number else keys
        out += b"".join(text(key) + of for key, of in told.items())
        counts = struct.pack("<QQ", len(part), len(told) + (0 if number else n_keys))
        offset = 0
        for row in part:
            out += text(row.name) + struct.pack(f"<I{len(row.shape)}Q", len(row.shape), *row.shape)
            out += struct.pack(
                "<IQ", next(code for code, kind in TENSOR_TYPES.items() if kind.name == row.type), offset
            )
            offset += row.data_bytes + len(padding(row.data_bytes))
        out = raw[:8] + counts + out
        out += padding(len(out)) + raw[data : data + offset]
        data += offset
        made.append(folder / f"{file.stem}-{number + 1:05d}-of-00002.gguf")
        made[-1].write_bytes(out)
    return made
