"""Words of a shape that words, names, numbers and abbreviations do not have."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from bakeoff.score.language import WORD
from bakeoff.score.norms import EMOJI

EDGES = ".,;:!?\"'“”‘’()[]{}*_~`…–—-/\\<>|#@"
"""Marks around a word that are no part of it."""
QUOTES = ".,;:!?\"'()[]*_“”’"
"""The same, without those that tell a tag, an address or a dash from a word."""

_RULE = "|-:=+"
_VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿœ")
_INNER_PUNCTUATION = re.compile(r"[^\W\d_][;!?%$\\^~|{}][^\W\d_]")
_REPEATED_LETTER = re.compile(r"([^\W\d_])\1{3}")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}")
_DIGIT_IN_WORD = re.compile(r"[a-z]{2}\d{1,8}[a-z]{2}")

# The same few thousand words make up most texts: what was found to be in order once is not looked at again.
_REMEMBERED = 20_000
_LONGEST_REMEMBERED = 40
_in_order: set[str] = set()


def may_be_odd(tokens: Iterable[str]) -> frozenset[str]:
    """Return those of `tokens` that are odd without their `EDGES`, or without their `QUOTES`."""
    new = set(tokens) - _in_order
    if not new:
        return frozenset()
    odd = {token for token in new if _is_odd_inside(token)}
    learnt = {token for token in new - odd if len(token) <= _LONGEST_REMEMBERED}
    if len(_in_order) + len(learnt) > _REMEMBERED:
        _in_order.clear()
    _in_order.update(learnt)
    return frozenset(odd)


def _is_odd_inside(token: str) -> bool:
    inner, less = token.strip(EDGES), token.strip(QUOTES)
    return is_odd_token(inner) or (less != inner and is_odd_token(less))


def is_odd_token(token: str, language: str = "en") -> bool:
    """Whether a token has a shape that words, names, numbers and abbreviations do not have.

    Six consonants in a row, five letters without a vowel in lower case, a capital inside a lower-case word, digits
    between letters, punctuation between letters, a letter four times, or more than 40 characters. Six consonants are no oddity
    in other languages than English ("Durchschnitt"), nor is the rule below the head of a table.
    """
    if len(token) > 40:
        return not any(mark in token for mark in "/-.@_")
    if token.isdecimal() or not token.strip(_RULE):
        return False
    if not any(map(str.isalpha, token)):
        return (
            sum(not character.isalnum() for character in token) > max(4, len(token) // 2)
            and EMOJI.search(token) is None
        )
    lowered = token.lower()
    if _INNER_PUNCTUATION.search(token) or _REPEATED_LETTER.search(token) or _DIGIT_IN_WORD.search(lowered):
        return True
    if language == "en" and _CONSONANTS.search(lowered) and not token.isupper():
        return True
    return any(_is_odd_word(word) for word in WORD.findall(token)[:6])


def _is_odd_word(word: str) -> bool:
    if not word.isalpha() or not word.isascii():
        return False
    inner = sum(before.islower() and after.isupper() for before, after in itertools.pairwise(word))
    if inner >= 3:
        return True
    return len(word) >= 5 and word.islower() and not any(letter in _VOWELS for letter in word)
