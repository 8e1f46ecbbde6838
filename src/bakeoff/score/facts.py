"""Looking for a fact in a text the way a careful reader would, and reading facts off a prompt.

Matching ignores case, white space, accents, Markdown emphasis and typographic variants, keeps to word boundaries, and
knows a few spellings of the same thing: `14 March` / `March 14th`, `10 am` / `10:00 a.m.`, `15:30` / `3:30 pm`, `$1,250` / `1250.00
dollars`, `2.5 million` / `2,500,000`, `18 percent` / `18%`, `&` / `and`, digits and words up to twenty, a plural `s`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from bakeoff.score.normal import normalise
from bakeoff.score.numerals import NUMBER_WORDS, SCALES, number_values, numbers_in
from bakeoff.score.text import URL, may_link

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_DAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_DATE = re.compile(rf"(?:({_DAYS}),? )?(?:the )?(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTHS})(.{{0,40}})")
_CLOCK = re.compile(r"(\d{1,2})(?:[:.](\d\d))? ?(am|pm)|(\d{1,2}):(\d\d)")
_CURRENCIES = {
    "$": "$",
    "usd": "$",
    "dollar": "$",
    "€": "€",
    "eur": "€",
    "euro": "€",
    "£": "£",
    "gbp": "£",
    "pound": "£",
}
_WRITTEN_CURRENCIES = {"$": r"(?:\$|usd\b|dollars?\b)", "€": r"(?:€|eur\b|euros?\b)", "£": r"(?:£|gbp\b|pounds?\b)"}
_AMOUNT = re.compile(
    r"([$€£])? ?(\d{1,15}(?:[.,]\d{1,15}){0,5})(?: ?(thousand|million|billion|k|m|mn|bn)\b)?(?: ?(€|eur|euro|usd|dollar|gbp|pound)s?)?"
)
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
    return () if _other_forms(wanted) else _fixed_tokens(wanted)


def _fixed_tokens(wanted: str) -> tuple[str, ...]:
    """Tokens that no word stands for."""
    return tuple(token for token in _TOKEN.findall(wanted) if _number_word(token) is None)


def _number_word(token: str) -> str | None:
    return NUMBER_WORDS[int(token)] if token.isdigit() and len(token) <= 2 and int(token) <= 20 else None


def _occurs(fact: str, normalised: str) -> bool:
    if (
        fact.isascii() and fact.isdecimal() and int(fact) > 20
    ):  # the commonest fact, mostly without a pattern of its own
        if fact in normalised and fact in _BOUNDED_NUMERAL.findall(normalised):
            return True
        if int(fact) < 1000:  # of which there is no other form
            return False
        marked = (
            f",{fact[-3:]}",
            f".{fact[-3:]}",
            f"{fact}.",
            f"{fact},",
        )  # 1,859 and 1859.00; only whole hundreds have words
        if int(fact) % 100 and not any(part in normalised for part in marked):
            return False
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
    forms += _other_forms(wanted)
    return re.compile("|".join(forms))


def _other_forms(wanted: str) -> list[str]:
    """Patterns of the same time of day, or the same amount, in other notation; none for any other fact."""
    return _clock_forms(wanted) or _amount_forms(wanted)


def _clock_forms(wanted: str) -> list[str]:
    match = _CLOCK.fullmatch(wanted)
    if match is None:
        return []
    hour, minute = int(match[1] or match[4]), int(match[2] or match[5] or 0)
    half = match[3]
    behind = "(?:[:.]00)?" if minute == 0 else f"[:.]{minute:02d}"
    if half is None:
        if hour < 13:  # of which half of the day, the fact does not say
            return [rf"(?<![\w.,:])0?{hour}[:.]{minute:02d}(?: ?[ap]m(?!\w)|(?!\w|[.,:]\d))"]
        half = "pm"
    else:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return [
        rf"(?<![\w.,:])0?{hour % 12 or 12}{behind} ?{half}(?!\w)",
        rf"(?<![\w.,:])0?{hour}[:.]{minute:02d}(?!\w|[.,:]\d)",
    ]


def _amount_forms(wanted: str) -> list[str]:
    """Thousands with and without marks between, whole amounts with and without cents, the currency before or behind."""
    match = _AMOUNT.fullmatch(wanted)
    if match is None:
        return []
    factor = SCALES.get(match[3] or "", 1)
    values = {round(value * factor, 2) for value in number_values(match[2])}
    currency = _CURRENCIES.get(match[1] or match[4] or "")
    if currency is None and max(values) < 1000:
        return []
    amount = f"(?:{'|'.join(spelling for value in sorted(values) for spelling in _spellings(value))})"
    if currency is None:
        return [rf"(?<!\d)(?<!\d[.,:]){amount}(?!\w|[.,:]\d)"]
    written = _WRITTEN_CURRENCIES[currency]
    return [rf"(?<!\w){written} ?{amount}(?!\w|[.,:]\d)", rf"(?<!\d)(?<!\d[.,:]){amount} ?{written}"]


def _spellings(value: float) -> Iterator[str]:
    whole, cents = f"{value:.2f}".split(".")
    groups = f"{int(whole):,}".replace(",", "[,.]?")
    yield groups + ("(?:[.,]00)?" if cents == "00" else rf"[.,]{cents.rstrip('0')}0?")
    for words, size, smallest in (("k|thousand", 1e3, 1e2), ("m|mn|mio|million", 1e6, 1e4), ("bn|billion", 1e9, 1e7)):
        if size <= value < 1000 * size and value % smallest == 0:
            short = f"{value / size:g}".replace(".", "[.,]")
            yield rf"{short}(?:[.,]0)? ?(?:{words})"


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


_TICKED = re.compile(r"`([^`\n]{2,200})`")
_QUOTED = re.compile(r"(?<!\w)['\"“‘]([A-Z0-9][^'\"“”‘’\n]{2,80})['\"”’](?!\w)")
_COUNTED = re.compile(
    r"[ -]?(?:-? ?(?:to|and|-|–) ?\d{1,5} )?(?:words?|characters?|hashtags?|emojis?|sentences?|paragraphs?|bullets?|bullet points?|lines?|steps?|tweets?|options|versions|things|reasons|ways|tips|lessons|ideas|examples|questions)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r" ?[ap]\.? ?m\b\.?| (?:thousand|million|billion)\b", re.IGNORECASE)
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
            # A time of day and a number of millions are the same in other notation, with what stands behind them.
            behind = _GOES_ON.match(bare, end)
            found.setdefault(fact, (fact,) if behind is None else (fact, numeral + behind.group()))
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
