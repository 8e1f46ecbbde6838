"""Numbers of the brief that the text gives to something else: another number of days, the two ends of a change the other way round.

A number is told apart by the noun that follows it ("12 chairs"), by its kind (a time of day, money, percent) and, for "from 9 hours to 40
minutes", by its place. Looked at only where the brief gives a number of that kind and the text does not have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from bakeoff.score.language import FUNCTION_WORDS
from bakeoff.score.numerals import NUMBER_WORDS, TENS, known_numbers, number_values, scaled, word_values

_NUMERAL = r"\d{1,15}(?:[.,:]\d{1,15}){0,5}"
_NUMBER_WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:-[a-z]{3,5})?"
)
_BOUND = re.compile(
    rf"(?<![\w.,:/#-])(?P<money>[$€£¥] ?)?(?P<number>{_NUMERAL}|(?:{_NUMBER_WORDS})(?![\w-]*ty\b))(?P<percent> ?%| per ?cent\b)?"
    r"(?:(?P<half> ?[ap]\.?m\b)|[ -](?P<noun>[a-z][a-z-]*)(?: (?P<next>[a-z]{3,}))?)?"
)
_DIGIT = re.compile(r"\d")
_COUNTING = (*NUMBER_WORDS[2:13], "teen", NUMBER_WORDS[20], *TENS, "twice")
"""One of them is in every text that counts something in words."""
_ORDER = re.compile(
    rf"(?<![\w.,:/-])(?P<first>{_NUMERAL})(?: ?%)?(?: [a-z]+\.?){{0,2}} (?:to|until|till) (?:[$€£]|[a-z]+,? ){{0,2}}(?P<second>{_NUMERAL})(?!\w)"
)
_NOT = re.compile(rf"(?:\bnot|n't)\b(?! only| more| less| later)[^.,;:()]{{0,40}}?(?<![\w.,:/-])({_NUMERAL})(?!\w)")
_NAMED = re.compile(
    rf"(?<![\w-])(?P<noun>[a-z]{{4,}}) (?P<number>\d{{2,15}})(?=[.,;:)]?(?: [^a-z]|$)|[.,;:)]? (?:{'|'.join(sorted(FUNCTION_WORDS['en'], key=len, reverse=True))})\b)"
)
_COUNTS_TEXT = frozenset(
    str.split(
        "word words character characters hashtag hashtags emoji emojis sentence sentences paragraph paragraphs bullet bullets line lines step "
        "steps section sections point points tip tips heading headings option options"
    )
)
_TWICE = re.compile(r"\btwice(?= (?:a|an|per|every|each)\b)")
_BETWEEN = frozenset(
    str.split(
        "new working business full free different extra additional more other separate whole million thousand billion"
    )
)


def misplaced_figures(text: str, *known: str) -> tuple[str, ...]:
    """Return the figures of `text` that contradict those of `known`, as they are written, each once.

    >>> misplaced_figures("Backups run every 30 hours and are kept for 6 days.", "Backups run every 6 hours, kept for 30 days.")
    ('30 hours', '6 days')
    >>> misplaced_figures("It fell from 40 minutes to 9 hours.", "From 9 hours to 40 minutes.")
    ('40 minutes to 9',)
    """
    if not _may_count(text):
        return ()
    asked, order, asked_denied = _figures(known)
    if not asked and not order:
        return ()
    lowered = _lowered(text)
    found: dict[str, None] = {}
    said: dict[str, list[tuple[frozenset[float], str]]] = {}
    for unit, numbers, written in _bound_numbers(lowered):
        said.setdefault(unit, []).append((numbers, written))
    for unit, wanted in asked.items():
        others = said.get(unit, [])
        if (
            others
            and not any(numbers & wanted for numbers, _ in others)
            and (unit.isalpha() or not wanted & known_numbers(lowered))
        ):
            found.setdefault(others[0][1])
    denied = _denied(lowered) if asked_denied else frozenset()
    if denied and not denied & asked_denied and denied <= known_numbers(_lowered(" ".join(known))):
        found.setdefault(f"not {min(denied):g}")
    turned = {(first, second): written for first, second, written in _orders(lowered)} if order else {}
    for first, second in order:
        if (second, first) in turned and (first, second) not in turned:
            found.setdefault(turned[second, first])
    return tuple(found)


class _Figures(NamedTuple):
    """Numbers of a brief: by what they count, as the ends of a change, and those that it says do not hold."""

    counted: dict[str, frozenset[float]]
    order: tuple[tuple[float, float], ...]
    denied: frozenset[float]


@lru_cache(maxsize=256)
def _figures(known: tuple[str, ...]) -> _Figures:
    lowered = _lowered(" ".join(known))
    asked: dict[str, frozenset[float]] = {}
    for unit, numbers, _ in _bound_numbers(lowered):
        if unit not in _COUNTS_TEXT:
            asked[unit] = asked.get(unit, frozenset()) | numbers
    order = tuple((first, second) for first, second, _ in _orders(lowered))
    return _Figures(asked, order, _denied(lowered))


def _may_count(text: str) -> bool:
    """Whether there is anything that may be a number, in digits or a word."""
    if _DIGIT.search(text) is not None:
        return True
    lowered = text.lower()
    return any(word in lowered for word in _COUNTING)


def _bound_numbers(lowered: str) -> Iterator[tuple[str, frozenset[float], str]]:
    """Yield what a number counts, the values that it may have, and how it is written."""
    for match in _BOUND.finditer(lowered):
        number = match["number"]
        values = frozenset(number_values(number) if number[0].isdigit() else word_values(number))
        values = frozenset(scaled(values, lowered, match.end("number"))) or values
        noun = match["noun"]
        if match["percent"]:
            yield "%", values, match["number"] + match["percent"]
        elif match["half"] or ":" in number:
            yield "o'clock", values | {round(value % 12, 2) for value in values}, number + (match["half"] or "")
        elif match["money"]:
            yield "money", values, match["money"] + number
        elif noun is not None:
            if noun in _BETWEEN and match["next"]:
                noun = match["next"]
            if len(noun) >= 3 and noun not in FUNCTION_WORDS["en"] and values - {0.0, 1.0}:
                yield _singular(noun), values, f"{number} {noun}"
    for match in _NAMED.finditer(lowered) if _DIGIT.search(lowered) is not None else ():
        if match["noun"] not in FUNCTION_WORDS["en"] and match["noun"] not in _COUNTS_TEXT:
            yield f"{_singular(match['noun'])} #", frozenset({float(match["number"])}), match.group()


def _denied(lowered: str) -> frozenset[float]:
    return frozenset(max(number_values(numeral)) for numeral in _NOT.findall(lowered))


def _lowered(text: str) -> str:
    return _TWICE.sub("2 times", " ".join(text.replace("’", "'").lower().split()))


def _singular(noun: str) -> str:
    return noun.removesuffix("s") if len(noun) > 3 else noun


def _orders(lowered: str) -> Iterator[tuple[float, float, str]]:
    for match in _ORDER.finditer(lowered):
        yield max(number_values(match["first"])), max(number_values(match["second"])), match.group()
