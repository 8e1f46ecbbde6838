"""A text taken apart once: words, sentences, lines, paragraphs, code, hashtags, links, emoji.

Gates and dimensions read these instead of the raw string. Every pattern is linear in the length of the text: no
nested quantifiers, and bounded ones where a run could be scanned again from each of its characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, filterfalse
from typing import Any, Generic, TypeVar

from bakeoff.score.language import impossible_pairs, words_in
from bakeoff.score.norms import EMOJI
from bakeoff.score.odd_words import may_be_odd
from bakeoff.score.repetition import duplicate_ngram_share

_Value = TypeVar("_Value")
_FENCE = re.compile(r"^[ \t]{0,12}(`{3,16}|~{3,16})[ \t]{0,8}([^\s`]{0,40})(?![^\n]{0,400}`{3})", re.MULTILINE)
_INLINE_CODE = re.compile(r"`([^`\n]{1,300})`")
URL = re.compile(
    r"https?://[^\s<>()]{1,2000}|(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,16}(?![\w-])(?:/[^\s<>()]{0,2000})?",
    re.IGNORECASE,
)
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
HASHTAG = re.compile(r"(?<![\w&/#])#(?=[\w]{0,100}[^\W\d_])\w{1,100}")
_STOP = re.compile(r"[.!?…][\"'”’»)\]*_]{0,4}\s+|[。！？]")
# Scripts without spaces: about two characters a word.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]+")
_DOTTED = re.compile(r"\.\w")
_ABBREVIATIONS = frozenset(
    [
        "mr.",
        "mrs.",
        "ms.",
        "dr.",
        "prof.",
        "st.",
        "no.",
        "vs.",
        "e.g.",
        "i.e.",
        "etc.",
        "inc.",
        "ltd.",
        "co.",
        "approx.",
        "a.m.",
        "p.m.",
        "dept.",
        "fig.",
        "jr.",
        "sr.",
        "u.s.",
        "u.k.",
    ]
)
_LIST_ITEM = re.compile(r"^\s{0,12}(?:[-*•–+▪✅✔➡👉]️?|\d{1,3}[.)])\s")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s")
_MARKS = re.compile(r"\*\*|__|^\s{0,3}>\s?|^\s{0,3}#{1,6}\s+", re.MULTILINE)


class _Part(Generic[_Value]):
    """A `functools.cached_property` without its lock, which in Python 3.11 takes longer than most parts of a short text."""

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> _Value:
        value = instance.__dict__[self._name] = self._compute(instance)
        return value


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block: its language tag (empty if none), its body, and whether the fence is closed."""

    language: str
    body: str
    closed: bool


@dataclass(frozen=True)
class Text:
    """A text and, each computed at most once, its parts. `raw` is what the model wrote."""

    raw: str

    @_Part
    def _cut(self) -> tuple[str, tuple[CodeBlock, ...]]:
        if "```" not in self.raw and "~~~" not in self.raw:
            return self.raw, ()
        kept: list[str] = []
        blocks: list[CodeBlock] = []
        end = 0
        opened: re.Match[str] | None = None
        for fence in _FENCE.finditer(self.raw):
            if opened is None:
                kept.append(self.raw[end : fence.start()])
                opened = fence
            elif fence.group(1)[0] == opened.group(1)[0] and len(fence.group(1)) >= len(opened.group(1)):
                blocks.append(
                    CodeBlock(opened.group(2), self.raw[opened.end() : fence.start()].strip("\n"), closed=True)
                )
                end = fence.end()
                opened = None
        if opened is not None:
            blocks.append(CodeBlock(opened.group(2), self.raw[opened.end() :].strip("\n"), closed=False))
        else:
            kept.append(self.raw[end:])
        return "\n".join(kept), tuple(blocks)

    @property
    def without_blocks(self) -> str:
        """The text without its fenced code blocks."""
        return self._cut[0]

    @property
    def code_blocks(self) -> tuple[CodeBlock, ...]:
        """The fenced code blocks, in order; one left open runs to the end."""
        return self._cut[1]

    @_Part
    def inline_code(self) -> tuple[str, ...]:
        """What stands between single backticks outside code blocks."""
        return tuple(match.group(1) for match in _INLINE_CODE.finditer(self.without_blocks))

    @_Part
    def no_code(self) -> str:
        """The text without code blocks and without inline code."""
        if "`" not in self.without_blocks:
            return self.without_blocks
        return _INLINE_CODE.sub(" ", self.without_blocks)

    @_Part
    def prose(self) -> str:
        """The text without code blocks and Markdown marks; inline code stays, without its backticks."""
        bare = self.without_blocks
        if "`" in bare:
            bare = _INLINE_CODE.sub(r"\1", bare)
        marked = "#" in bare or "**" in bare or ">" in bare or "__" in bare
        return _MARKS.sub("", bare) if marked else bare

    @_Part
    def no_links(self) -> str:
        """The text without code, a space in place of every link."""
        return without_links(self.no_code)

    @_Part
    def tokens(self) -> tuple[str, ...]:
        """Runs of non-space of the whole text."""
        return tuple(self.raw.split())

    @_Part
    def word_count(self) -> int:
        """Tokens that hold a letter or digit: how people and word processors count.

        Of Chinese, Japanese and Thai, which have no spaces, two characters are taken for a word.
        """
        mixed = list(filterfalse(str.isalnum, self.tokens))
        spaced = len(self.tokens) - len([token for token in mixed if not any(map(str.isalnum, token))])
        if self.raw.isascii():
            return spaced
        return spaced + sum(len(run) // 2 - 1 for run in _UNSPACED.findall(self.raw) if len(run) > 3)

    @_Part
    def lowered(self) -> str:
        """The whole text in lower case."""
        return self.raw.lower()

    @_Part
    def plain_prose(self) -> str:
        """The prose in lower case, typographic apostrophes made plain: what phrases are looked for in."""
        if self.prose == self.raw and self.raw.isascii():
            return self.lowered
        return self.prose.lower().replace("’", "'")

    @_Part
    def words(self) -> tuple[str, ...]:
        """The words of the prose in lower case, links left out, typographic apostrophes made plain."""
        # Sentences are cut at white space, which words have none of: without links, their words are those of the prose.
        if self.raw.isascii() and not may_link(self.prose):
            return tuple(chain.from_iterable(self.lowered_sentence_words))
        return tuple(words_in(without_links(self.prose).lower().replace("’", "'")))

    @_Part
    def word_set(self) -> frozenset[str]:
        """The words, each once."""
        return frozenset(self.words)

    @_Part
    def repeated_share(self) -> float:
        """The share of four-word runs that occurred before."""
        return duplicate_ngram_share(self.words)

    @_Part
    def _stripped(self) -> list[str]:
        return [line.strip() for line in self.without_blocks.splitlines()]

    @_Part
    def lines(self) -> tuple[str, ...]:
        """The lines outside code blocks that are not blank, stripped."""
        return tuple(filter(None, self._stripped))

    @_Part
    def paragraphs(self) -> tuple[str, ...]:
        """What blank lines separate, code blocks left out."""
        found: list[list[str]] = [[]]
        for line in self._stripped:
            if line:
                found[-1].append(line)
            elif found[-1]:
                found.append([])
        return tuple("\n".join(part) for part in found if part)

    @_Part
    def sentences(self) -> tuple[str, ...]:
        """Sentences of the prose. A line end separates unless the next line goes on in lower case."""
        found: list[str] = []
        for chunk in self._chunks:
            found.extend(_split_sentences(chunk))
        return tuple(found)

    @_Part
    def sentence_words(self) -> tuple[tuple[str, ...], ...]:
        """The words of each sentence, as written."""
        return tuple(tuple(words_in(sentence)) for sentence in self.sentences)

    @_Part
    def lowered_sentence_words(self) -> tuple[tuple[str, ...], ...]:
        """The words of each sentence once it is in lower case."""
        if self.raw.isascii():  # beyond ASCII, a letter may become two, of which one is none
            return tuple(tuple(" ".join(words).lower().split()) for words in self.sentence_words)
        return tuple(tuple(words_in(sentence.lower())) for sentence in self.sentences)

    @_Part
    def may_be_odd(self) -> frozenset[str]:
        """Runs of non-space, links and code left out, of a shape that words do not have; see `odd_words`."""
        return may_be_odd(self.tokens if self.no_links is self.raw else self.no_links.split())

    @_Part
    def impossible_pairs(self) -> tuple[str, ...]:
        """Word pairs that English prose does not have, see `language.impossible_pairs`."""
        # The capital A of "plan A" is no article; otherwise words are looked at in lower case.
        plain = self.raw.isascii() and not any("A" in words[1:] for words in self.sentence_words)
        return impossible_pairs(self.lowered_sentence_words if plain else self.sentence_words)

    @_Part
    def _chunks(self) -> tuple[str, ...]:
        chunks: list[list[str]] = []
        open_chunk = False
        bare = self.prose is self.without_blocks
        for line in self._stripped if bare else map(str.strip, self.prose.splitlines()):
            if not line:
                open_chunk = False
            elif open_chunk and line[0].islower() and not _LIST_ITEM.match(line):
                chunks[-1].append(line)
            else:
                chunks.append([line])
                open_chunk = True
        return tuple(" ".join(chunk) for chunk in chunks)

    @_Part
    def hashtags(self) -> tuple[str, ...]:
        """Hashtags outside code, with the `#`. `#1` is a number, not a hashtag."""
        return tuple(HASHTAG.findall(self.no_code)) if "#" in self.no_code else ()

    @_Part
    def emoji(self) -> tuple[str, ...]:
        """Emoji sequences: a flag or a family is one."""
        if self.without_blocks.isascii():
            return ()
        return tuple(match.group() for match in EMOJI.finditer(self.without_blocks))


def without_links(text: str) -> str:
    """Return `text` with a space in place of every link."""
    return URL.sub(" ", text) if may_link(text) else text


def may_link(text: str) -> bool:
    """Whether `text` may hold a link: where this says no, there is none."""
    return "://" in text or _DOTTED.search(text) is not None


@lru_cache(maxsize=64)
def parsed(text: str) -> Text:
    """Return the `Text` of a prompt: every text that answers it asks for the same parts of it."""
    return Text(text)


def brief_words(prompt: str, source: str | None) -> tuple[str, ...]:
    """Return the words of a prompt and of the source that goes with it."""
    return parsed(f"{prompt}\n{source}" if source else prompt).words


def is_list_item(line: str) -> bool:
    """Whether a line starts with a bullet or a list number."""
    return _LIST_ITEM.match(line) is not None


def is_listing(text: Text) -> bool:
    """Whether most lines are items of a list or rows of a table, and hardly any of them stands there twice."""
    lines = text.lines
    items = [line for line in lines if line.startswith("|") or is_list_item(line)]
    bare = {line.lstrip("0123456789.)-*• ").casefold() for line in items}
    return len(items) >= 3 and len(items) >= 0.5 * len(lines) and len(bare) >= 0.9 * len(items)


def is_heading(line: str) -> bool:
    """Whether a line is a Markdown heading."""
    return _HEADING.match(line) is not None


def _split_sentences(chunk: str) -> list[str]:
    sentences: list[str] = []
    goes_on = False
    for piece in _pieces(chunk):
        if goes_on:
            sentences[-1] += f" {piece}"
        else:
            sentences.append(piece)
        goes_on = _ends_in_abbreviation(piece)
    return sentences


def _pieces(chunk: str) -> Iterator[str]:
    """What stands between full stops, each with its own, stripped; quotes and brackets after a full stop are left out."""
    start = 0
    for stop in _STOP.finditer(chunk):
        if piece := chunk[start : stop.start() + 1].strip():
            yield piece
        start = stop.end()
    if piece := chunk[start:].strip():
        yield piece


def _ends_in_abbreviation(sentence: str) -> bool:
    if sentence[-1] != "." and len(sentence) > 4:
        return False
    tail = sentence[-12:].lower().split()
    if not tail:
        return False
    last = tail[-1].lstrip("(\"'“")
    is_list_number = len(sentence) <= 4 and last[:-1].isdigit()
    is_initial = len(last) == 2 and last[0].isalpha() and last[1] == "." and last != "i."
    return last in _ABBREVIATIONS or is_list_number or is_initial
