"""What a numeral or a number word may stand for: thousands and decimals in either notation, times of day, millions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_NUMBER_VALUES = {word: value for value, word in enumerate(NUMBER_WORDS)}
TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_OTHER_NUMBERS = {"once": 1, "twice": 2, "double": 2, "half": 50, "dozen": 12, "hundred": 100, "thousand": 1000}
_COUNTING = frozenset([*_NUMBER_VALUES, *TENS, *_OTHER_NUMBERS])
SCALES = {
    **dict.fromkeys(("k", "thousand", "tausend"), 1e3),
    **dict.fromkeys(("m", "mn", "mio", "million", "millions", "millionen"), 1e6),
    **dict.fromkeys(("bn", "billion", "billions", "mrd", "milliarden"), 1e9),
}
"""What the word, or the letter right behind a numeral, multiplies it by."""
_SCALE = re.compile(
    r"(?:[ -]?(?=[a-z]{2}))?(k|m|mn|bn|mio|mrd|thousand|tausend|millionen|millions|million|billions|billion|milliarden)\b"
)
_NUMBER = re.compile(r"(?<![\w.,:/#-])[$€£¥]?(\d{1,15}(?:[.,:]\d{1,15}){0,5})(?=[^\d]|$)")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)?")
_PM_HOUR = re.compile(r"(?<!\d)(\d{1,2})(?:[:.](\d\d))? ?p\.?m")
_CLOCK_HOUR = re.compile(r"(?<!\d)(\d{1,2})[:.](\d\d)(?!\d)")


def numbers_in(text: str) -> list[tuple[str, int, int]]:
    """Return numerals of `text` with their start and end; parts of words, paths and identifiers are left out."""
    return [(match.group(1), match.start(), match.end()) for match in _NUMBER.finditer(text)]


def number_values(numeral: str) -> set[float]:
    """Return every value a numeral may stand for: `1,250` is 1250, `1.250` may be either, `1,250.00` is 1250, `9:30` is 9.3."""
    if ":" in numeral:
        hours, minutes = (part.replace(",", "").replace(".", "") for part in numeral.split(":")[:2])
        return {round(float(hours) + float(minutes) / 100, 2)}
    values: set[float] = set()
    if numeral.isdecimal():
        return {float(numeral)}
    mark = max(",.", key=numeral.rfind)
    if "," in numeral and "." in numeral and numeral.count(mark) == 1:  # the last of two marks is the decimal one
        whole, _, part = numeral.rpartition(mark)
        return {float(f"{re.sub(r'[.,]', '', whole)}.{part}")}
    plain = re.sub(r"[.,]", "", numeral)
    parts = re.split(r"[.,]", numeral)
    if len(parts) == 1 or all(len(part) == 3 for part in parts[1:]):
        values.add(float(plain))
    if len(parts) == 2 and not ("," in numeral and len(parts[1]) == 3):
        values.add(float(f"{parts[0]}.{parts[1]}"))
    return values or {float(plain)}


@lru_cache(maxsize=256)
def known_numbers(*texts: str) -> frozenset[float]:
    """Return the values of all numbers in `texts`, numerals and words, and hours in either notation."""
    known: set[float] = set()
    for text in texts:
        lowered = text.lower()
        for match in re.finditer(r"\d{1,15}(?:[.,:]\d{1,15}){0,5}", lowered):
            values = number_values(match.group())
            known |= values | scaled(values, lowered, match.end())
            # In the prompt "2.4" may be a version and "24/7" two numbers: each part is known as well.
            known |= {float(part) for part in re.split(r"[.,:]", match.group())}
        for match in _WORD.finditer(lowered):
            if match.group().partition("-")[0] in _COUNTING:
                values = word_values(match.group())
                known |= values | scaled(values, lowered, match.end())
        known |= _hours_in(lowered)
    return frozenset(known)


def scaled(values: Iterable[float], lowered: str, end: int) -> set[float]:
    """Return what `values` are with the thousand or million behind them, at `end` of the text in lower case; empty where there is none."""
    behind = _SCALE.match(lowered, end)
    return set() if behind is None else {round(value * SCALES[behind.group(1)], 2) for value in values}


def _hours_in(lowered: str) -> set[float]:
    """Times of day in the other notation: 3 pm is 15, 15:00 is 3; with minutes, the full hour as well."""
    found: set[float] = set()
    for hour, minutes in _PM_HOUR.findall(lowered):
        found |= {int(hour) % 12 + 12.0, round(int(hour) % 12 + 12 + int(minutes or 0) / 100, 2)}
    for hour, minutes in _CLOCK_HOUR.findall(lowered):
        if 13 <= int(hour) <= 24:
            found |= {int(hour) - 12.0, round(int(hour) - 12 + int(minutes) / 100, 2)}
    return found


def word_values(word: str) -> set[float]:
    """Return the value of a number word (`twenty-five`), as a set; empty for any other word."""
    head, _, tail = word.partition("-")
    if head in _NUMBER_VALUES:
        return {float(_NUMBER_VALUES[head])}
    if head in TENS:
        unit = NUMBER_WORDS.index(tail) if tail in NUMBER_WORDS[:10] else 0
        return {float(TENS[head] + unit)}
    return {float(_OTHER_NUMBERS[word])} if word in _OTHER_NUMBERS else set()
