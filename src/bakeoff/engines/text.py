"""Between text and token ids for one model: encoding, end-of-text ids, text as it streams, stop strings.

`TextCodec.load` reads a model folder: `tokenizer.json` (with the `tokenizers` library), `tokenizer_config.json`,
`config.json` and `generation_config.json`. A model that brings its tokenizer itself (a GGUF file) makes its own
`TextCodec` around its own `Vocabulary`. What to put around messages is in `chat_template`.

Streaming: a token is not a piece of text. It may hold a third of a character, or only show its leading space beside
its neighbour. `TextStream` therefore decodes a small window of ids and hands out text only once no later token can
change it, so that the pieces always join to the decode of the whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from tokenizers import Tokenizer

from bakeoff.core.errors import InvalidFile, Problem
from bakeoff.core.thoughts import OPENS, TAGS
from bakeoff.engines.chat_template import FALLBACK, LAST_USER, ChatTemplate
from bakeoff.engines.requests import PromptTooLong

REPLACEMENT = "\ufffd"
_TOKENS_OF_A_TAG = 16
"""At most so many at the end of a prompt spell a tag and the line feeds behind it."""
LONG_TEXT = 16_384
"""Characters, from where other threads should go on while a text is encoded."""
MOST_CHARACTERS_A_TOKEN = 256
"""An assumption, and a generous one: longer texts than so many times the context are not encoded to see whether they fit."""


class Vocabulary(Protocol):
    """A tokenizer. `special_ids` are left out of text; text that ends with one of `open_ids` may still change."""

    special_ids: frozenset[int]
    open_ids: frozenset[int]

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Return ids; special tokens that are spelt out in `text` are read, and with `special` the usual ones added."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return text, special tokens left out."""
        ...


class TokenizerFile:
    """The `Vocabulary` of a tokenizer.json."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # A file keeps how its owner last cut and filled texts for training; here that would cut prompts without a word.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        special = {id_: token.content for id_, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        # Without them nobody could tell a model's thoughts from its text.
        self._tags = {id_: content for id_, content in special.items() if content in TAGS}
        self.special_ids = frozenset(special.keys() - self._tags.keys())
        # SentencePiece models spell unknown characters in byte tokens, which mean nothing until the run of them ends.
        self.open_ids = frozenset(
            id_
            for id_ in (tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in range(256))
            if id_ is not None and '"ByteFallback"' in tokenizer.to_str()
        )

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Return ids."""
        if len(text) > LONG_TEXT:  # `encode` keeps the interpreter's lock all the while, `encode_batch` gives it up
            return list(self._tokenizer.encode_batch([text], add_special_tokens=special)[0].ids)
        return list(self._tokenizer.encode(text, add_special_tokens=special).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return text, special tokens left out but for those around thoughts."""
        tag = next((at for at, id_ in enumerate(ids) if id_ in self._tags), None) if self._tags else None
        if tag is None:
            return self._tokenizer.decode(ids, skip_special_tokens=True)
        return self.decode(ids[:tag]) + self._tags[ids[tag]] + self.decode(ids[tag + 1 :])


class TextCodec:
    """Text to ids and back for one model. Thread-safe: nothing in it changes once it is made."""

    def __init__(
        self, vocabulary: Vocabulary, template: ChatTemplate, eos_ids: frozenset[int], bos_id: int | None
    ) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self.eos_ids = eos_ids
        self._bos_id = bos_id

    @classmethod
    def load(cls, folder: Path) -> TextCodec:
        """Read the tokenizer of a model folder.

        Raises:
            InvalidFile: a file is missing, is not JSON, or is not a tokenizer or chat template.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise _invalid(path, "", "there is no such file", "a fast tokenizer, as transformers saves it")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise _invalid(
                path, "", f"not a tokenizer: {error}", "a tokenizer.json of the tokenizers library"
            ) from error
        settings = read_json(folder / "tokenizer_config.json")
        special = _special_tokens(settings)
        bos = special.get("bos_token")
        fallback = LAST_USER if read_json(folder / "config.json").get("is_encoder_decoder") else FALLBACK
        return cls(
            TokenizerFile(tokenizer),
            ChatTemplate.load(folder, settings, special, fallback),
            _eos_ids(folder, tokenizer, special),
            tokenizer.token_to_id(bos) if bos else None,
        )

    def encode_chat(self, messages: Sequence[Mapping[str, str]], context: int | None = None) -> list[int]:
        """Return the ids of a conversation, ready for the assistant's turn; `context` as in `encode`.

        A template writes its own begin-of-text token; where it writes none, the tokenizer's rule decides, so that
        there is never a second one.

        Raises:
            UsageError: the model's template refuses these messages.
            PromptTooLong: see `encode`.
        """
        text = self._template.render(messages)
        if self._template.is_fallback:
            return self.encode(text, context)
        _refuse_hopeless(text, context)
        return self._vocabulary.encode(text, special=False)

    def encode(self, text: str, context: int | None = None) -> list[int]:
        """Return the ids of plain text, with the tokenizer's own special tokens around it, but never two begins.

        Raises:
            PromptTooLong: its characters alone tell that it is longer than `context`, in tokens. Megabytes are not
                encoded, which takes many seconds, only to be refused.
        """
        _refuse_hopeless(text, context)
        ids = self._vocabulary.encode(text, special=True)
        if self._bos_id is not None and ids[:2] == [self._bos_id, self._bos_id]:
            return ids[1:]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        return self._vocabulary.decode(ids)

    def opens_thought(self, prompt: Sequence[int]) -> bool:
        """Tell whether a prompt ends with a tag that opens a thought, so that an answer begins within one."""
        return self.decode(prompt[-_TOKENS_OF_A_TAG:]).rstrip().endswith(OPENS)

    def is_open(self, id_: int) -> bool:
        """Tell whether text that ends with this token may still change: a byte of a run of byte tokens."""
        return id_ in self._vocabulary.open_ids

    def is_special(self, id_: int) -> bool:
        """Tell whether this token is left out of text."""
        return id_ in self._vocabulary.special_ids

    def stream(self, stop: Sequence[str] = ()) -> TextStream:
        """Return a fresh stream of text for one answer."""
        return TextStream(self, stop)


@runtime_checkable
class BringsText(Protocol):
    """A loaded model that knows its own tokenizer and chat template."""

    def codec(self) -> TextCodec:
        """Return what is between its tokens and text.

        Raises:
            InvalidFile: its chat template is none.
        """
        ...


class TextStream:
    """The text of one answer, as its tokens come. `stopped` is True once a stop string was met; it is not emitted."""

    def __init__(self, codec: TextCodec, stop: Sequence[str]) -> None:
        self._codec = codec
        self._ids: list[int] = []
        self._start = 0  # the window: ids[start:read] are out already and give the next ones their context
        self._read = 0
        self._stops = StopStrings(stop)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._stops.met

    def push(self, id_: int) -> str:
        """Take one token; return the text that is now certain, often nothing."""
        if self._codec.is_special(id_):
            return ""
        self._ids.append(id_)
        window = self._codec.decode(self._ids[self._start :])
        if window.endswith(REPLACEMENT) or self._codec.is_open(id_):
            return ""
        return self._take(window)

    def finish(self) -> str:
        """Return what was held back, now that no token follows."""
        if self.stopped:
            return ""
        return self._take(self._codec.decode(self._ids[self._start :])) + self._stops.rest()

    def _take(self, window: str) -> str:
        """Return what `window`, the decode of ids[start:], adds to what is out, and move on."""
        known = self._codec.decode(self._ids[self._start : self._read]) if self._read > self._start else ""
        if len(window) <= len(known):
            return ""
        self._start, self._read = self._read, len(self._ids)
        return self._stops.push(window[len(known) :])


class StopStrings:
    """Cuts text at the first stop string to be completed; holds back only what could still become one."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""
        self.met = False

    def push(self, text: str) -> str:
        """Take text; return what is certain not to belong to a stop string. Nothing after one was met."""
        if not self._stop:
            return text
        if self.met:
            return ""
        held = self._held + text
        ends = [(at + len(stop), at) for stop in self._stop if (at := held.find(stop)) >= 0]
        if ends:
            self.met = True
            self._held = ""
            return held[: min(ends)[1]]
        keep = max(_overlap(held, stop) for stop in self._stop)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def rest(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return held


def _refuse_hopeless(text: str, context: int | None) -> None:
    if context is not None and len(text) > MOST_CHARACTERS_A_TOKEN * context:
        raise PromptTooLong(
            f"the prompt has {len(text)} characters, and the context holds {context} tokens with the answer",
            "shorten the messages",
        )


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that is a beginning of `stop`, and not all of it."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0


def read_json(path: Path) -> dict[str, object]:
    """Return the JSON object in `path`, empty where there is no such file.

    Raises:
        InvalidFile: it is not JSON, or not an object.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        problem = Problem(str(path), error.lineno, "", f"not JSON: {error.msg}", "a JSON object")
        raise InvalidFile((problem,)) from error
    except UnicodeDecodeError as error:
        raise _invalid(path, "", f"not UTF-8: {error.reason} at byte {error.start}", "a JSON object") from error
    if not isinstance(value, dict):
        raise _invalid(path, "", f"a JSON {type(value).__name__}", "a JSON object")
    return value


def _special_tokens(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the named special tokens (`bos_token`, ...), which are written as a string or as {"content": string}."""
    tokens = {}
    for name, value in settings.items():
        content = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(content, str):
            tokens[name] = content
    return tokens


def _eos_ids(folder: Path, tokenizer: Tokenizer, special: Mapping[str, str]) -> frozenset[int]:
    """Return every id that ends a text, from the three files that may name one."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        value = read_json(folder / name).get("eos_token_id")
        ids: Iterable[object] = value if isinstance(value, list) else (value,)
        found.update(id_ for id_ in ids if isinstance(id_, int))
    if "eos_token" in special and (id_ := tokenizer.token_to_id(special["eos_token"])) is not None:
        found.add(id_)
    return frozenset(found)


def _invalid(path: Path, field: str, wrong: str, expected: str) -> InvalidFile:
    return InvalidFile((Problem(str(path), None, field, wrong, expected),))
