"""Dates that a text gives and its brief does not: a reader acts on a date, so a wrong one is worse than any other number.

Looked at only where the brief itself gives dates as day and month; weekdays alone, years and times are not dates here. A date
beside a weekday that the brief names is let be where both agree with the brief's own dates ("a call on Thursday" may become
"Thursday 5 June" in a brief about Friday 6 June).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_BEGINNINGS = tuple(month[:3] for month in _MONTHS)
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
_WEEKDAY = rf"(?:(?P<weekday>{'|'.join(_DAYS)}|mon|tue|wed|thu|fri|sat|sun)\b\.?,? (?:the )?)?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_FORMS = (
    re.compile(rf"\b{_WEEKDAY}(?<![\d.,:/-]){_DAY} (?:of )?{_MONTH}", re.IGNORECASE),
    re.compile(rf"\b{_WEEKDAY}{_MONTH} (?:the )?{_DAY}(?![\d:]|[.,]\d|%)", re.IGNORECASE),
)
_ISO = re.compile(r"(?<!\d)\d{4}-(\d{2})-(\d{2})(?!\d)")
_AMBIGUOUS = re.compile(r"(?<![\d/])\d{1,2}[/.]\d{1,2}(?:[/.]\d{2,4})?(?![\d/])")


class Date(NamedTuple):
    """A day of a month, and the weekday that stands beside it, counted from Monday; None where none does."""

    month: int
    day: int
    weekday: int | None = None

    @property
    def of_year(self) -> int:
        """Days since the beginning of a leap year."""
        return sum(_LENGTHS[: self.month - 1]) + self.day


def invented_dates(text: str, *known: str) -> tuple[str, ...]:
    """Return the dates of `text` that none of `known` gives, as they are written, each once.

    >>> invented_dates("It moves from 6 June to 2 June.", "It moves from 6 June to 11 June.")
    ('2 June',)
    """
    given, weekdays = _given(known)
    if not given:
        return ()
    found: dict[tuple[int, int], str] = {}
    for date, written in _dates_in(" ".join(text.split())):
        place = (date.month, date.day)
        if place not in {(each.month, each.day) for each in given} and not _follows(date, given, weekdays):
            found.setdefault(place, written)
    return tuple(found.values())


@lru_cache(maxsize=256)
def _given(known: tuple[str, ...]) -> tuple[frozenset[Date], frozenset[int]]:
    """Return the dates and weekdays of the brief; no dates where it writes some in a way that can be read in two."""
    text = " ".join(" ".join(known).split())
    if _AMBIGUOUS.search(text):
        return frozenset(), frozenset()
    dates = {date for date, _ in _dates_in(text)}
    dates |= {Date(int(month), int(day)) for month, day in _ISO.findall(text) if _is_day(int(month), int(day))}
    lowered = text.casefold()
    return frozenset(dates), frozenset(number for number, name in enumerate(_DAYS) if name in lowered)


def _dates_in(text: str) -> Iterator[tuple[Date, str]]:
    lowered = text.casefold()
    if not any(month in lowered for month in _BEGINNINGS):
        return
    for form in _FORMS:
        for match in form.finditer(text):
            month = next(number for number, name in enumerate(_MONTHS, 1) if name[:3] == match["month"][:3].casefold())
            if _is_day(month, int(match["day"])):
                named = match["weekday"]
                weekday = None if named is None else [day[:3] for day in _DAYS].index(named[:3].casefold())
                yield Date(month, int(match["day"]), weekday), match.group().strip(" .")


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= _LENGTHS[month - 1]


def _follows(date: Date, given: frozenset[Date], weekdays: frozenset[int]) -> bool:
    """Whether a date follows from the brief: it names that weekday, and one of its own dates agrees."""
    if date.weekday is None or date.weekday not in weekdays:
        return False
    return any(
        each.weekday is not None and (each.weekday - date.weekday - (each.of_year - date.of_year)) % 7 == 0
        for each in given
    )
