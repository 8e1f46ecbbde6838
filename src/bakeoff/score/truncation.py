"""Whether a text stops in the middle.

A missing full stop alone proves nothing: hashtags, links, sign-offs, headings, list items, code and slogans end without
one. A text counts as broken off when its last words cannot be an ending, or when a long sentence stops without
punctuation in a text that otherwise punctuates.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from bakeoff.score.brief import BriefChecks
from bakeoff.score.language import words_in
from bakeoff.score.norms import EMOJI
from bakeoff.score.parts import SIGN_OFF
from bakeoff.score.text import EMAIL, URL, Text, is_heading, is_list_item

# Words that end no sentence or line of their language. Particles and pronouns that may ("on", "in", "up", "for"; "das", "ein", "una") are left out.
_UNFINISHED = MappingProxyType(
    {
        language: frozenset(words.split())
        for language, words in {
            "en": "the a an and or our your their my his its than because if as very every between",
            "de": "der den dem des eine einen einem und oder weil dass",
            "fr": "le la les des du de au aux une et ou dont",
            "es": "el los las de del un y o",
            "it": "il lo gli di del della dei delle e o",
            "nl": "de een en of van",
            "pt": "de do da dos das e ou",
        }.items()
    }
)
# Words that end a line where another has gone before that leaves them there: "wherever you are", "bread to be proud of".
_SELDOM_LAST = frozenset(str.split("of into with is are was were be has have had"))
_LEAVES_ONE_LAST = frozenset(
    str.split(
        "as where wherever what whatever who whoever which how however that when whenever than to all both so yes no not if "
        "i you he she it we they there this these those proud made part full"
    )
)
_LEFT_WITHIN = 6
_SELDOM_MINIMUM_WORDS = 7
_ENDINGS = tuple(".!?…:;\"'”’»)]}*_`>|。！？~")
_OPEN_ENDINGS = (",", "(", "[", " -", " –", " —", "/", "&")
_END = re.compile(r"[.!?…:][\"'”’)*_]{0,3}$")
_WEAK_MINIMUM_WORDS = {"tweet": 10, "marketing_copy": 10}


def find_truncation(text: Text, checks: BriefChecks) -> tuple[str, str] | None:
    """Return (rule, last words) when the text breaks off, else None."""
    if any(not block.closed for block in text.code_blocks):
        return "a code fence is opened and never closed", text.raw.rstrip()[-80:]
    if not text.lines or _ends_in_code(text) or is_heading(text.lines[-1]) or _has_link_or_tag_at_end(text.lines[-1]):
        return None
    line = _without_tail(text.lines[-1])
    words = words_in(line)
    if not words:
        return None
    rule = _broken_end(text, line, words, checks)
    return (rule, line[-80:]) if rule is not None else None


def _broken_end(text: Text, line: str, words: list[str], checks: BriefChecks) -> str | None:
    if line.endswith(_OPEN_ENDINGS):
        return None if _is_sign_off(text, line) else "the last line ends in punctuation that opens or continues"
    if line.endswith(_ENDINGS) or (not line.isascii() and EMOJI.search(line[-4:]) is not None):
        return None
    if _is_unfinished(words, checks.language):
        return f"the last word is {words[-1]!r}"
    return "the last sentence has no end" if _stops_in_a_sentence(text, checks.content_type) else None


def _is_unfinished(words: list[str], language: str) -> bool:
    last = words[-1]
    if last in _UNFINISHED.get(language, ()):
        return len(words) > 2
    if language != "en" or last not in _SELDOM_LAST or len(words) < _SELDOM_MINIMUM_WORDS:
        return False
    return _LEAVES_ONE_LAST.isdisjoint(map(str.lower, words[-_LEFT_WITHIN:-1]))


def _ends_in_code(text: Text) -> bool:
    return text.raw.rstrip().endswith(("```", "~~~", "`"))


def _without_tail(line: str) -> str:
    """The line without closing quotes, emphasis, emoji and spaces at its end."""
    return line.rstrip(" *_~\ufe0f\u200d")


def _has_link_or_tag_at_end(line: str) -> bool:
    last = line.rsplit(maxsplit=1)[-1].strip("*_()[]<>\"'")
    if last.startswith(("@", "#", "http")):
        return True
    dotted = "." in last or "://" in last
    return dotted and (URL.fullmatch(last) is not None or EMAIL.fullmatch(last) is not None)


def _is_sign_off(text: Text, line: str) -> bool:
    """`Kind regards,` as the last line: a missing name, which is another matter."""
    return SIGN_OFF.match(line) is not None or any(SIGN_OFF.match(other) for other in text.lines[-4:-1])


def _stops_in_a_sentence(text: Text, content_type: str) -> bool:
    """A long last sentence without an end, in running text that otherwise punctuates."""
    line = text.lines[-1]
    if is_list_item(line) or is_heading(line) or "|" in line or any(SIGN_OFF.match(other) for other in text.lines[-5:]):
        return False
    if not text.sentences:
        return False
    minimum = _WEAK_MINIMUM_WORDS.get(content_type, 8)
    behind = len(text.sentences) >= 4 and line.endswith(text.sentences[-1]) and len(line) > len(text.sentences[-1]) + 20
    if behind:  # behind other sentences of its paragraph, it is no slogan and no signature
        minimum = 4
    counts = [len(words) for words in text.sentence_words]
    if counts[-1] < minimum:
        return False
    before = [
        sentence
        for sentence, words in zip(text.sentences[:-1], counts, strict=False)
        if words >= 5 and sentence != text.lines[0]
    ]
    ended = sum(_END.search(sentence) is not None for sentence in before)
    return len(before) >= (1 if behind else 2) and ended >= 0.8 * len(before)
