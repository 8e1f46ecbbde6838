"""The tokenizer and the chat template that a GGUF file brings, as llama.cpp reads them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import llama_cpp

from bakeoff.catalog.gguf import GgufHeader
from bakeoff.engines.chat_template import ChatTemplate
from bakeoff.engines.text import TextCodec

_SENTENCEPIECE = 1  # llama_vocab_type
_LEFT_OUT = 1 | 8  # llama_token_attr: unknown, control
_MANY_BYTES = 64


class LlamaVocabulary:
    """The `text.Vocabulary` of a loaded model. It may be used beside the model's own work, until `close`.

    llama.cpp spells a byte token at once, whatever follows, so no text is open but what ends within a character.
    """

    open_ids: frozenset[int] = frozenset()

    def __init__(self, handle: Any, header: GgufHeader) -> None:
        self._vocab: Any = llama_cpp.llama_model_get_vocab(handle)
        self.size = int(llama_cpp.llama_vocab_n_tokens(self._vocab))
        attributes = [llama_cpp.llama_vocab_get_attr(self._vocab, id_) for id_ in range(self.size)]
        self.special_ids = frozenset(id_ for id_, attribute in enumerate(attributes) if attribute & _LEFT_OUT)
        prefixed = header.metadata.get("tokenizer.ggml.add_space_prefix")
        kind = llama_cpp.llama_vocab_type(self._vocab)
        self._strips_space = kind == _SENTENCEPIECE if prefixed is None else bool(prefixed)
        self._pieces: dict[int, bytes] = {}

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Return ids; special tokens spelt out in `text` are read, with `special` those that the file asks for added."""
        raw = text.encode("utf-8", errors="replace")
        room = len(raw) + 8
        found = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._open(), raw, len(raw), found, room, special, True)  # noqa: FBT003 - C
        if count < 0:
            raise ValueError(f"{len(raw)} bytes of text became {-count} tokens")
        return list(found[:count])

    def decode(self, ids: Sequence[int]) -> str:
        """Return text, special tokens left out; a tokenizer that puts a space in front takes it away again."""
        text = b"".join(self._piece(id_) for id_ in ids).decode("utf-8", errors="replace")
        return text.removeprefix(" ") if self._strips_space else text

    def spell(self, id_: int) -> str:
        """Return how a token is written in the vocabulary."""
        found: bytes = llama_cpp.llama_vocab_get_text(self._open(), id_)
        return found.decode("utf-8", errors="replace")

    def end_ids(self, named: Mapping[str, object]) -> frozenset[int]:
        """Return the ids that end a text; `named` are the keys of the file.

        llama.cpp gives a file that names no end of text token 11 for one, as GPT-2 has it; that is left out.
        """
        vocab = self._open()
        ends = frozenset(id_ for id_ in range(self.size) if llama_cpp.llama_vocab_is_eog(vocab, id_))
        if "tokenizer.ggml.eos_token_id" in named:
            return ends
        return ends - {llama_cpp.llama_vocab_eos(vocab)}

    def close(self) -> None:
        """Forget the model, which is about to go."""
        self._vocab = None

    def _piece(self, id_: int) -> bytes:
        piece = self._pieces.get(id_)
        if piece is None:
            piece = self._pieces[id_] = self._read_piece(id_, _MANY_BYTES)
        return piece

    def _read_piece(self, id_: int, room: int) -> bytes:
        buffer = ctypes.create_string_buffer(room)
        length = llama_cpp.llama_token_to_piece(self._open(), id_, buffer, room, 0, False)  # noqa: FBT003 - C
        return self._read_piece(id_, -length) if length < 0 else buffer.raw[:length]

    def _open(self) -> Any:
        if self._vocab is None:
            raise ValueError("the model is closed")
        return self._vocab


def make_codec(vocabulary: LlamaVocabulary, header: GgufHeader, file: Path) -> TextCodec:
    """Return what is between a file's tokens and text.

    Raises:
        InvalidFile: its chat template is no Jinja.
    """
    special = {}
    for name in ("bos", "eos", "unknown", "padding"):
        id_ = header.metadata.get(f"tokenizer.ggml.{name}_token_id")
        if type(id_) is int and id_ < vocabulary.size:
            special[{"unknown": "unk", "padding": "pad"}.get(name, name) + "_token"] = vocabulary.spell(id_)
    bos = header.metadata.get("tokenizer.ggml.bos_token_id")
    return TextCodec(
        vocabulary,
        ChatTemplate.parse(header.chat_template, special, file),
        vocabulary.end_ids(header.metadata),
        bos if type(bos) is int else None,
    )
