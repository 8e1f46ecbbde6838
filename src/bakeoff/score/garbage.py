"""Text that is no text: hidden characters, control characters, broken tokens, shuffled words."""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import lru_cache

from bakeoff.score.norms import EMOJI
from bakeoff.score.text import EMAIL, HASHTAG, WORD, Text

_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_JOINERS = "\u200c\u200d"
_MARKS = "\u200e\u200f"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_BROKEN = re.compile("[\ufffd\ue000-\uf8ff]")
_VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿœ")
_INNER_PUNCTUATION = re.compile(r"[^\W\d_][;!?%$\\^~|{}][^\W\d_]")
_REPEATED_LETTER = re.compile(r"([^\W\d_])\1{3}")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}")
_DIGIT_IN_WORD = re.compile(r"[a-z]{2}\d{1,8}[a-z]{2}")
_EDGES = ".,;:!?\"'“”‘’()[]{}*_~`…–—-/\\<>|#@"


def find_hidden(raw: str) -> tuple[str, str] | None:
    """Return (rule, span) for characters that a reader cannot see: zero-width, bidirectional controls, tags.

    Allowed: a byte-order mark at the start, joiners within an emoji or between letters of a script that needs them,
    direction marks in text that holds right-to-left letters.
    """
    if raw.isascii():
        return None
    right_to_left = re.search("[\u0590-\u08ff]", raw) is not None
    inside_emoji: set[int] | None = None
    for match in _HIDDEN.finditer(raw):
        at, character = match.start(), match.group()
        if character == "\ufeff" and at == 0:
            continue
        if character in _MARKS and right_to_left:
            continue
        if character in _JOINERS and ord(raw[at - 1 : at] or "a") >= 0x600 and ord(raw[at - 1]) < 0x1E00:
            continue
        if inside_emoji is None:
            inside_emoji = {index for emoji in EMOJI.finditer(raw) for index in range(*emoji.span())}
        if at in inside_emoji:
            continue
        name = unicodedata.name(character, "tag character" if ord(character) >= 0xE0000 else "unnamed")
        return f"U+{ord(character):04X} {name}", raw[max(0, at - 20) : at + 20].encode("unicode_escape").decode()[:120]
    return None


def find_garbage(text: Text, language: str) -> tuple[str, str] | None:
    """Return (rule, span) for control characters, undecodable bytes, broken tokens or shuffled words, else None."""
    control = _CONTROL.search(text.raw)
    if control is not None:
        return f"control character U+{ord(control.group()):04X}", ascii(
            text.raw[max(0, control.start() - 20) : control.end() + 20]
        )
    broken = _BROKEN.findall(text.raw)
    if len(broken) >= 3 or (broken and len(text.raw) < 100):
        return f"{len(broken)} characters that are no text", ascii(text.raw[:60])
    tags = len(text.hashtags) + len(text.emoji)
    if tags >= 10 and tags > len(text.words) - len(text.hashtags):
        return f"{tags} hashtags and emoji, more than words", text.raw[:120]
    tokens = [
        token.strip(_EDGES) for token in text.no_links.split() if "@" not in token or not EMAIL.fullmatch(token[:200])
    ]
    tokens = [token for token in tokens if len(token) > 1 or (token and not HASHTAG.fullmatch(f"#{token}"))]
    odd = [token for token in tokens if is_odd_token(token)]
    if len(odd) >= 4 and len(odd) > 0.2 * len(tokens):
        return f"{len(odd)} of {len(tokens)} words are no words", " ".join(odd[:8])[:120]
    if language == "en":
        return _find_salad(text)
    return None


def is_odd_token(token: str) -> bool:
    """Whether a token has a shape that words, names, numbers and abbreviations do not have.

    Six consonants in a row, five letters without a vowel in lower case, a capital inside a lower-case word, digits
    between letters, punctuation between letters, a letter four times, or more than 40 characters.
    """
    if len(token) > 40:
        return not any(mark in token for mark in "/-.@_")
    if token.isdecimal():  # a word of letters comes again, a number seldom does
        return False
    return _is_odd_short(token)


# The same few thousand words make up most texts: remembering them halves the time of a text.
@lru_cache(maxsize=16_384)
def _is_odd_short(token: str) -> bool:
    if not any(map(str.isalpha, token)):
        return (
            sum(not character.isalnum() for character in token) > max(4, len(token) // 2)
            and EMOJI.search(token) is None
        )
    if _INNER_PUNCTUATION.search(token) or _REPEATED_LETTER.search(token):
        return True
    lowered = token.lower()
    if _DIGIT_IN_WORD.search(lowered) or (_CONSONANTS.search(lowered) and not token.isupper()):
        return True
    return any(_is_odd_word(word) for word in WORD.findall(token)[:6])


def _is_odd_word(word: str) -> bool:
    if not word.isalpha() or not word.isascii():
        return False
    inner = sum(before.islower() and after.isupper() for before, after in itertools.pairwise(word))
    if inner >= 3:
        return True
    return len(word) >= 5 and word.islower() and not any(letter in _VOWELS for letter in word)


def _find_salad(text: Text) -> tuple[str, str] | None:
    """Shuffled real words: function words meet that never meet. Edited English has fewer than one in 400 words."""
    pairs = text.impossible_pairs
    if len(pairs) >= 4 and len(pairs) >= 0.02 * len(text.words):
        return f"{len(pairs)} impossible word pairs in {len(text.words)} words", ", ".join(pairs[:6])
    return None
