"""Looking for a fact in a text the way a careful reader would, and reading facts off a prompt.

Matching ignores case, white space, accents, Markdown emphasis and typographic variants, keeps to word boundaries, and
knows a few spellings of the same thing: `14 March` / `March 14th`, `10 am` / `10:00 a.m.`, `18 percent` / `18%`, `&` /
`and`, digits and words up to twenty, a plural `s`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from bakeoff.score.normal import normalise
from bakeoff.score.text import URL, may_link

_NUMBER_WORDS = [
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
_NUMBER_VALUES = {word: value for value, word in enumerate(_NUMBER_WORDS)}
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_OTHER_NUMBERS = {"once": 1, "twice": 2, "double": 2, "half": 50, "dozen": 12, "hundred": 100, "thousand": 1000}
_COUNTING = frozenset([*_NUMBER_VALUES, *_TENS, *_OTHER_NUMBERS])
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_DAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_DATE = re.compile(rf"(?:({_DAYS}),? )?(?:the )?(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTHS})(.{{0,40}})")
_HOUR = re.compile(r"(\d{1,2})(?:[:.]00)? ?(am|pm)")
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+|[^\w\s]|_")


def contains_fact(alternatives: Iterable[str], normalised: str) -> bool:
    """Whether any alternative occurs in a text that `normalise` has prepared."""
    return any(_occurs(fact, normalised) for fact in alternatives)


_BOUNDED_NUMERAL = re.compile(r"(?<!\d)(?<!\d[.,:])\d+(?:(?=s\b)|(?!\w|[.,:]\d))")


def _may_occur(fact: str, normalised: str) -> bool:
    """Whether all is there that a fact takes in any of its forms; most that are missing need no pattern, which takes a while to make."""
    return all(part in normalised for part in _always_there(fact))


@lru_cache(maxsize=4096)
def _always_there(fact: str) -> tuple[str, ...]:
    wanted = normalise(fact)
    date = _DATE.fullmatch(wanted)
    if date is not None:
        day, _, month, rest = date.groups()
        return (*([day] if day else []), month[:3], *_fixed_tokens(rest))
    hour = _HOUR.fullmatch(wanted)
    return _fixed_tokens(wanted) if hour is None else (hour.group(2),)


def _fixed_tokens(wanted: str) -> tuple[str, ...]:
    """Tokens that no word stands for."""
    return tuple(token for token in _TOKEN.findall(wanted) if _number_word(token) is None)


def _number_word(token: str) -> str | None:
    return _NUMBER_WORDS[int(token)] if token.isdigit() and len(token) <= 2 and int(token) <= 20 else None


def _occurs(fact: str, normalised: str) -> bool:
    if fact.isascii() and fact.isdecimal() and int(fact) > 20:  # the commonest fact, without a pattern of its own
        return fact in normalised and fact in _BOUNDED_NUMERAL.findall(normalised)
    return _may_occur(fact, normalised) and _fact_pattern(fact).search(normalised) is not None


def find_forbidden(fact: str, normalised: str) -> str | None:
    """Return the forbidden text as it occurs (`guaranteed` counts for `guarantee`), None if it does not."""
    match = _forbidden_pattern(fact).search(normalised) if _may_occur(fact, normalised) else None
    return match.group() if match is not None else None


@lru_cache(maxsize=4096)
def _fact_pattern(fact: str) -> re.Pattern[str]:
    wanted = normalise(fact)
    forms = [_bounded(wanted, "(?:'?s|es)?")]
    date = _DATE.fullmatch(wanted)
    if date is not None:
        day, number, month, rest = date.groups()
        ordinal = rf"{int(number)}(?:st|nd|rd|th)?"
        lead = rf"{day}[ ,]{{0,2}}(?:the )?" if day else ""
        tail = _spaced(rest.strip()) if rest.strip() else ""
        tail = rf"[ ,]{{0,2}}{tail}" if tail else ""
        stem = f"{month[:3]}[a-z]{{0,6}}\\.?"
        forms.append(rf"(?<![\w.,]){lead}0?{ordinal} (?:of )?{stem}{tail}(?![\w])")
        forms.append(rf"(?<![\w.,]){lead}{stem} (?:the )?0?{ordinal}{tail}(?![\w])")
    hour = _HOUR.fullmatch(wanted)
    if hour is not None:
        forms.append(rf"(?<![\w.,:])0?{hour.group(1)}(?:[:.]00)? ?{hour.group(2)}(?!\w)")
    return re.compile("|".join(forms))


@lru_cache(maxsize=4096)
def _forbidden_pattern(fact: str) -> re.Pattern[str]:
    return re.compile(_bounded(normalise(fact), "(?:s|es|d|ed|'s)?"))


def _bounded(wanted: str, suffix: str) -> str:
    """A pattern for `wanted` that neither starts nor ends inside a word or number."""
    first, last = wanted[0], wanted[-1]
    left = r"(?<!\d)(?<!\d[.,:])" if first.isdigit() else r"(?<!\w)" if first.isalnum() else ""
    right = r"(?:(?=s\b)|(?![\w]|[.,:]\d))" if last.isdigit() else rf"{suffix}(?!\w)" if last.isalpha() else ""
    return f"{left}{_spaced(wanted)}{right}"


def _spaced(wanted: str) -> str:
    """Tokens of `wanted` with optional white space between; small numbers also as words; a comma may slip in."""
    out: list[str] = []
    end = 0
    for match in _TOKEN.finditer(wanted):
        if out:
            out.append(",? ?" if wanted[end : match.start()].isspace() else " ?")
        token = match.group()
        word = _number_word(token)
        out.append(f"(?:{re.escape(token)}|{word})" if word else re.escape(token))
        end = match.end()
    return "".join(out)


_NUMBER = re.compile(r"(?<![\w.,:/#-])[$€£¥]?(\d{1,15}(?:[.,:]\d{1,15}){0,5})(?=[^\d]|$)")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)?")
_PM_HOUR = re.compile(r"(?<!\d)(\d{1,2})(?:[:.]\d\d)? ?p\.?m")
_CLOCK_HOUR = re.compile(r"(?<!\d)(\d{1,2})[:.]\d\d(?!\d)")


def numbers_in(text: str) -> list[tuple[str, int, int]]:
    """Return numerals of `text` with their start and end; parts of words, paths and identifiers are left out."""
    return [(match.group(1), match.start(), match.end()) for match in _NUMBER.finditer(text)]


def number_values(numeral: str) -> set[float]:
    """Return every value a numeral may stand for: `1,250` is 1250, `1.250` may be either, `9:30` is 9.3."""
    if ":" in numeral:
        hours, minutes = (part.replace(",", "").replace(".", "") for part in numeral.split(":")[:2])
        return {float(hours) + float(minutes) / 100}
    values: set[float] = set()
    if numeral.isdecimal():
        return {float(numeral)}
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
            known |= number_values(match.group())
            # In the prompt "2.4" may be a version and "24/7" two numbers: each part is known as well.
            known |= {float(part) for part in re.split(r"[.,:]", match.group())}
        for word in _WORD.findall(lowered):
            if word.partition("-")[0] in _COUNTING:
                known |= word_values(word)
        known |= _hours_in(lowered)
    return frozenset(known)


def _hours_in(lowered: str) -> set[float]:
    """Times of day in the other notation: 3 pm is 15, 15:00 is 3."""
    after_noon = {int(hour) % 12 + 12.0 for hour in _PM_HOUR.findall(lowered)}
    return after_noon | {float(int(hour) - 12) for hour in _CLOCK_HOUR.findall(lowered) if 13 <= int(hour) <= 24}


def word_values(word: str) -> set[float]:
    """Return the value of a number word (`twenty-five`), as a set; empty for any other word."""
    head, _, tail = word.partition("-")
    if head in _NUMBER_VALUES:
        return {float(_NUMBER_VALUES[head])}
    if head in _TENS:
        unit = _NUMBER_WORDS.index(tail) if tail in _NUMBER_WORDS[:10] else 0
        return {float(_TENS[head] + unit)}
    return {float(_OTHER_NUMBERS[word])} if word in _OTHER_NUMBERS else set()


_TICKED = re.compile(r"`([^`\n]{2,200})`")
_QUOTED = re.compile(r"(?<!\w)['\"“‘]([A-Z0-9][^'\"“”‘’\n]{2,80})['\"”’](?!\w)")
_COUNTED = re.compile(
    r"[ -]?(?:-? ?(?:to|and|-|–) ?\d{1,5} )?(?:words?|characters?|hashtags?|emojis?|sentences?|paragraphs?|bullets?|bullet points?|lines?|steps?|tweets?|options|versions|things|reasons|ways|tips|lessons|ideas|examples|questions)\b",
    re.IGNORECASE,
)
_GLUED = re.compile(r"[A-Za-z]{1,6}\b")
_NAME = re.compile(
    r"([A-Z](?<![.!?:] .)(?<!^.)(?<![\w'’#@./-].)[\w'’]{1,30}(?: (?:& |of |and )?[A-Z][\w'’]{1,30}){0,3})"
)
_NOT_NAMES = (
    frozenset(
        [
            "linkedin",
            "twitter",
            "tweet",
            "x",
            "facebook",
            "instagram",
            "english",
            "cta",
            "seo",
            "faq",
            "markdown",
            "cli",
            "api",
            "include",
            "mention",
            "write",
            "sign",
            "say",
            "tell",
            "facts",
            "steps",
            "audience",
            "tone",
            "warn",
            "commands",
            "keep",
            "end",
            "use",
            "avoid",
            "no",
            "do",
            "i",
            "our",
            "the",
            "a",
        ]
    )
    | frozenset(_MONTHS.split("|"))
    | frozenset(_DAYS.split("|"))
)


@lru_cache(maxsize=256)
def prompt_facts(prompt: str) -> tuple[tuple[str, ...], ...]:
    """Return what a prompt states that can be looked for: code, links, quotations, numbers, names; as alternatives.

    A guess, used only where a brief declares no facts, and never by a gate on its own: on free prompts such guesses
    are often beside the point. Numbers that bound the text ("at most 3 hashtags") are not facts.
    """
    found: dict[str, tuple[str, ...]] = {}
    bare = prompt
    if any(mark in prompt for mark in "`'\"“‘"):
        for pattern in (_TICKED, _QUOTED):
            for match in pattern.finditer(prompt):
                found.setdefault(match.group(1), (match.group(1), *_without_variable(match.group(1))))
        bare = _QUOTED.sub(" ", _TICKED.sub(" ", prompt))
    if may_link(bare):
        for match in URL.finditer(bare):
            found.setdefault(match.group().rstrip(".,;"), (match.group().rstrip(".,;"),))
        bare = URL.sub(" ", bare)
    for numeral, _, end in numbers_in(bare):
        if not _COUNTED.match(bare, end):
            glued = _GLUED.match(bare, end)
            fact = numeral + (glued.group() if glued is not None else "")
            found.setdefault(fact, (fact,))
    for name in _names_of(bare):
        found.setdefault(name, (name, *(word for word in name.split() if len(word) > 3)))
    return tuple(found.values())


@lru_cache(maxsize=256)
def names_in(text: str) -> tuple[str, ...]:
    """Return what looks like a name inside sentences: runs of capitalised words, each once; code, links and quotations left out."""
    bare = URL.sub(" ", _QUOTED.sub(" ", _TICKED.sub(" ", text)))
    return tuple(dict.fromkeys(part for name in _names_of(bare) for part in name.split(" and ")))


def _names_of(bare: str) -> Iterator[str]:
    for match in _NAME.finditer(bare):
        words = match.group(1).replace("’s", "").replace("'s", "").split()
        if words and words[0].casefold() not in _NOT_NAMES:
            yield " ".join(words)


def _without_variable(command: str) -> tuple[str, ...]:
    """`tool create --name NAME` is also met by any name: the command up to its upper-case placeholder."""
    words = command.split()
    if len(words) >= 3 and words[-1].isupper() and words[-1].isalpha():
        return (" ".join(words[:-1]),)
    return ()
