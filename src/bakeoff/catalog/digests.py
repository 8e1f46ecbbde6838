"""By what a model's files are told from others: the digest of all that changes what the model writes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bakeoff.catalog.gguf_parts import files_there
from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.core.spec import ModelSpec

_WRITES_OTHERWISE = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "chat_template*",
)
"""Files by which a folder writes what it writes: weights, architecture, tokenizers of all kinds, chat template."""


def files_of(spec: ModelSpec) -> list[Path]:
    """Return the files that the digest of a model of ours covers, in its order."""
    place = Path(spec.location)
    return list(files_there(place)) if spec.source == "gguf" else _files_in(place)


def digest_of(spec: ModelSpec) -> str:
    """Return the digest of a model of ours as its files are now.

    Raises:
        InvalidFile: one of them cannot be read.
    """
    place = Path(spec.location)
    return file_digest(place) if spec.source == "gguf" else folder_digest(place)


def folder_digest(folder: Path) -> str:
    """Return the digest of a Hugging Face model folder: names and contents of the files that count.

    Raises:
        InvalidFile: one of them cannot be read.
    """
    digest = hashlib.sha256()
    for file in _files_in(folder):
        digest.update(file.name.encode())
        digest.update(_content_digest(file))
    return digest.hexdigest()[:16]


def file_digest(file: Path) -> str:
    """Return the digest of a whole GGUF file, and of the others where it is the first of several.

    Raises:
        InvalidFile: one cannot be read.
    """
    first, *others = map(_content_digest, files_there(file))
    return (hashlib.sha256(b"".join([first, *others])).digest() if others else first).hex()[:16]


def _files_in(folder: Path) -> list[Path]:
    return sorted({file for pattern in _WRITES_OTHERWISE for file in folder.glob(pattern) if file.is_file()})


def _content_digest(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        problem = Problem(str(file), None, "", f"cannot be read ({error.strerror})", "a readable file")
        raise InvalidFile((problem,)) from None
