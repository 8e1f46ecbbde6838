"""A text taken apart once: words, sentences, lines, paragraphs, code, hashtags, links, emoji.

Gates and dimensions read these instead of the raw string. Every pattern is linear in the length of the text: no
nested quantifiers, and bounded ones where a run could be scanned again from each of its characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from bakeoff.score.language import impossible_pairs
from bakeoff.score.norms import EMOJI

_FENCE = re.compile(r"^[ \t]{0,12}(`{3,16}|~{3,16})[ \t]{0,8}([^\s`]{0,40})(?![^\n]{0,400}`{3})", re.MULTILINE)
_INLINE_CODE = re.compile(r"`([^`\n]{1,300})`")
WORD = re.compile(r"[^\W_]+(?:['’‑-][^\W_]+)*")
URL = re.compile(
    r"https?://[^\s<>()]{1,2000}|(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,16}(?![\w-])(?:/[^\s<>()]{0,2000})?",
    re.IGNORECASE,
)
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
HASHTAG = re.compile(r"(?<![\w&/#])#(?=[\w]{0,100}[^\W\d_])\w{1,100}")
_SPLIT = re.compile(r"(?<=[.!?…])[\"'”’»)\]*_]{0,4}\s+|(?<=[。！？])")
# Scripts without spaces: about two characters a word.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]+")
_MAY_LINK = re.compile(r"://|\.\w")
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

    @cached_property
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

    @cached_property
    def inline_code(self) -> tuple[str, ...]:
        """What stands between single backticks outside code blocks."""
        return tuple(match.group(1) for match in _INLINE_CODE.finditer(self.without_blocks))

    @cached_property
    def no_code(self) -> str:
        """The text without code blocks and without inline code."""
        if "`" not in self.without_blocks:
            return self.without_blocks
        return _INLINE_CODE.sub(" ", self.without_blocks)

    @cached_property
    def prose(self) -> str:
        """The text without code blocks and Markdown marks; inline code stays, without its backticks."""
        bare = self.without_blocks
        if "`" in bare:
            bare = _INLINE_CODE.sub(r"\1", bare)
        return _MARKS.sub("", bare) if any(mark in bare for mark in ("**", "__", ">", "#")) else bare

    @cached_property
    def no_links(self) -> str:
        """The text without code, a space in place of every link."""
        return without_links(self.no_code)

    @cached_property
    def word_count(self) -> int:
        """Runs of non-space that hold a letter or digit, in the whole text: how people and word processors count.

        Of Chinese, Japanese and Thai, which have no spaces, two characters are taken for a word.
        """
        spaced = sum(1 for token in self.raw.split() if token.isalnum() or any(map(str.isalnum, token)))
        if self.raw.isascii():
            return spaced
        return spaced + sum(len(run) // 2 - 1 for run in _UNSPACED.findall(self.raw) if len(run) > 3)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the prose in lower case, links left out, typographic apostrophes made plain."""
        return tuple(WORD.findall(without_links(self.prose).lower().replace("’", "'")))

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines outside code blocks that are not blank, stripped."""
        return tuple(line.strip() for line in self.without_blocks.splitlines() if line.strip())

    @cached_property
    def paragraphs(self) -> tuple[str, ...]:
        """What blank lines separate, code blocks left out."""
        found: list[list[str]] = [[]]
        for line in self.without_blocks.splitlines():
            if line.strip():
                found[-1].append(line.strip())
            elif found[-1]:
                found.append([])
        return tuple("\n".join(part) for part in found if part)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """Sentences of the prose. A line end separates unless the next line goes on in lower case."""
        found: list[str] = []
        for chunk in self._chunks:
            found.extend(_split_sentences(chunk))
        return tuple(found)

    @cached_property
    def sentence_words(self) -> tuple[tuple[str, ...], ...]:
        """The words of each sentence, as written."""
        return tuple(tuple(WORD.findall(sentence)) for sentence in self.sentences)

    @cached_property
    def lowered_sentence_words(self) -> tuple[tuple[str, ...], ...]:
        """The words of each sentence once it is in lower case."""
        if self.raw.isascii():  # beyond ASCII, a letter may become two, of which one is none
            return tuple(tuple(map(str.lower, words)) for words in self.sentence_words)
        return tuple(tuple(WORD.findall(sentence.lower())) for sentence in self.sentences)

    @cached_property
    def impossible_pairs(self) -> tuple[str, ...]:
        """Word pairs that English prose does not have, see `language.impossible_pairs`."""
        return impossible_pairs(self.sentence_words)

    @cached_property
    def _chunks(self) -> tuple[str, ...]:
        chunks: list[list[str]] = []
        open_chunk = False
        for line in self.prose.splitlines():
            line = line.strip()  # noqa: PLW2901 - the stripped line is the line
            if not line:
                open_chunk = False
            elif open_chunk and line[0].islower() and not _LIST_ITEM.match(line):
                chunks[-1].append(line)
            else:
                chunks.append([line])
                open_chunk = True
        return tuple(" ".join(chunk) for chunk in chunks)

    @cached_property
    def hashtags(self) -> tuple[str, ...]:
        """Hashtags outside code, with the `#`. `#1` is a number, not a hashtag."""
        return tuple(HASHTAG.findall(self.no_code)) if "#" in self.no_code else ()

    @cached_property
    def emoji(self) -> tuple[str, ...]:
        """Emoji sequences: a flag or a family is one."""
        if self.without_blocks.isascii():
            return ()
        return tuple(match.group() for match in EMOJI.finditer(self.without_blocks))


def without_links(text: str) -> str:
    """Return `text` with a space in place of every link."""
    return URL.sub(" ", text) if _MAY_LINK.search(text) is not None else text


@lru_cache(maxsize=64)
def parsed(text: str) -> Text:
    """Return the `Text` of a prompt: every text that answers it asks for the same parts of it."""
    return Text(text)


def is_list_item(line: str) -> bool:
    """Whether a line starts with a bullet or a list number."""
    return _LIST_ITEM.match(line) is not None


def is_heading(line: str) -> bool:
    """Whether a line is a Markdown heading."""
    return _HEADING.match(line) is not None


def _split_sentences(chunk: str) -> list[str]:
    sentences: list[list[str]] = []
    for piece in _SPLIT.split(chunk):
        bare = piece.strip()
        if not bare:
            continue
        if sentences and _ends_in_abbreviation(sentences[-1][-1]):
            sentences[-1].append(bare)
        else:
            sentences.append([bare])
    return [" ".join(pieces) for pieces in sentences]


def _ends_in_abbreviation(sentence: str) -> bool:
    tail = sentence[-12:].lower().split()
    if not tail:
        return False
    last = tail[-1].lstrip("(\"'“")
    is_list_number = len(sentence) <= 4 and last[:-1].isdigit()
    is_initial = len(last) == 2 and last[0].isalpha() and last[1] == "." and last != "i."
    return last in _ABBREVIATIONS or is_list_number or is_initial
