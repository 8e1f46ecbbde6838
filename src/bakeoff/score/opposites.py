"""Words of opposite sense: the brief says that something rose, the text that it fell.

A short list of pairs that business texts turn on. A word counts against a text only where the brief has its opposite, the text has it
nowhere, no negation stands in the sentence, and both sentences speak of the same thing: they share another content word or a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from bakeoff.score.language import FUNCTION_WORDS
from bakeoff.score.polarity import stem_of

_PAIRS = (
    (
        r"rose|rises?|rising|risen|grew|grows?|grown|growing|growth|increas\w+|climb(?:s|ed|ing)?|up (?:by|from)|gain(?:s|ed)?|doubl\w+|more than doubled",
        r"fell|falls?|fallen|falling|drop(?:s|ped)?|decreas\w+|declin\w+|down (?:by|from)|shrank|shrunk|shrinks?|reduc\w+|halved|cuts?|lower(?:s|ed)",
    ),
    (
        r"support\w*|approv\w+|accept\w*|agree[ds]?|welcom\w+|in favou?r",
        r"oppos\w+|reject\w*|refus\w+|against|disapprov\w+|disagree[ds]?",
    ),
    (
        r"free of charge|free|no (?:extra |additional )?(?:charge|cost|fee)|complimentary|gratis",
        r"(?:a|for a|small|extra|additional) fee|fees|(?:extra|additional) (?:cost|charge)|surcharge|half price|chargeable|paid extra|for sale at",
    ),
    (r"includ(?:e|es|ed|ing)", r"exclud(?:e|es|ed|ing)|costs? extra|sold separately|(?:are|is) extra"),
    (
        r"required|mandatory|compulsory|obligatory|must",
        r"optional|voluntary|(?:isn't|aren't|not) (?:required|needed|necessary)|unnecessary",
    ),
    (
        r"allow(?:s|ed)?|permit(?:s|ted)?|welcome",
        r"forbid(?:s|den)?|prohibit(?:s|ed)?|bann?(?:ed|s)?|disallow(?:s|ed)?",
    ),
    (r"opens?|opened|opening|stays? open|reopen\w*", r"closes?|closed|closing|closure|shuts?|shutting"),
    (
        r"keeps?|kept|retain(?:s|ed)?|preserved?|safe|saved",
        r"cut|lost|lose[sn]?|losing|axed|eliminated|scrapped|deleted|laid off",
    ),
    (r"stopped|stops?|shut down|paused", r"running|runs|started|keep \w+ running"),
    (r"stays?|remains?|staying", r"leaves?|leaving|quits?|resigns?|resigned|steps? down|departs?"),
    (
        r"only (?:\w+ ){1,2}(?:may|can)",
        r"(?:every|any|all) (?:\w+ ){1,2}(?:may|can)|everyone (?:may|can)|everybody (?:may|can)",
    ),
    (
        r"stays? on|remains? on|(?:switch|turn)(?:ed)? on|is on|keeps? \w+ on",
        r"(?:switch|turn|shut)(?:ed|s)? off|(?:is|goes|be) off|shut down",
    ),
    (r"earlier|sooner|brought forward|early", r"later|delay(?:s|ed)?|postponed?|put back|late"),
    (r"buys?|bought|buying|purchas\w+|acquir\w+", r"sells?|sold(?! to\b)|selling"),
    (
        r"hir(?:e|es|ed|ing)|recruit(?:s|ed|ing)?",
        r"fir(?:ed|ing)|lett?(?:s|ing)? (?:\w+ ){1,4}go|lay(?:s|ing)? off|laid off|dismiss(?:ed|es|ing)?",
    ),
    (r"wins?|won|winning", r"los(?:es?|t|ing)"),
    (r"pass(?:es|ed)?", r"fail(?:s|ed)?"),
    (r"confirm(?:s|ed|ing)?", r"cancel(?:s|led|ed|ling)?|call(?:s|ed)? off"),
    (r"enabl(?:e|es|ed|ing)", r"disabl(?:e|es|ed|ing)"),
    (r"faster|quicker|speed(?:s|ed)? up", r"slower|slow(?:s|ed)? down"),
    (r"cheaper|less expensive|lower (?:cost|price)s?", r"dearer|more expensive|pricier|higher (?:cost|price)s?"),
    (r"online|remotely|virtual(?:ly)?|by video", r"in person|on[- ]site|face to face"),
    (r"indoors?", r"outdoors?"),
    (r"permanent(?:ly)?", r"temporar(?:y|ily)"),
    (r"weekdays?", r"weekends?"),
    (r"mornings?", r"evenings?|afternoons?"),
    (r"daily|every day|per day", r"weekly|monthly|every (?:week|month)|per (?:week|month)"),
    (
        r"monthly|every month|per month|a month",
        r"yearly|annual(?:ly)?|weekly|daily|every (?:year|week|day)|per (?:year|week|day)|a (?:year|week|day)",
    ),
    (
        r"everyone|everybody|all (?:staff|employees|customers|members)|open to all",
        r"members only|invit(?:ation|e)[- ]only|only (?:for )?(?:members|managers|invited)",
    ),
    (r"always", r"never"),
    (r"vegan|vegetarian", r"beef|chicken|pork|meat"),
    (r"safe", r"unsafe|dangerous|hazardous"),
    (r"refund\w*", r"non-?refundable"),
    (r"public(?:ly)?", r"private(?:ly)?|confidential"),
)
# Bounds: what counts is the number they bound.
_BOUNDS = (
    (
        r"at least|a minimum of|minimum of|no (?:less|fewer) than|or more",
        r"at most|up to|a maximum of|maximum of|no more than",
    ),
    (r"under|below|less than|fewer than|younger than", r"over|above|more than|older than"),
    (r"before|until|till|by|no later than", r"after|from|since|starting|as of"),
)
_NUMBER = r"(?:[$€£] ?)?(\d[\d.,:]*\d|\d)"
_DENIAL = re.compile(r"\b(?:not|no|never|without|cannot|nor|neither|instead)\b|n't\b")
_WORDS = re.compile(r"[a-z]{4,}|\d[\d.,:]*\d|\d")
_BEGUN = re.compile(r"(?<![\w-])[a-z]{1,3}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGIT = re.compile(r"\d")
_SPLIT = re.compile(r"(?<=[.!?])\s+|\n+")


def opposites_of(text: str, prompt: str) -> tuple[str, ...]:
    """Return the words of `text` that say the opposite of what the brief says, each once.

    >>> opposites_of("Visitor numbers fell to 27,000.", "Visitor numbers rose to 27,000.")
    ('fell',)
    >>> opposites_of("Work from home at least 3 days.", "Staff may work from home up to 3 days a week.")
    ('at least 3',)
    """
    lowered = text.replace("’", "'").lower()
    found: dict[str, None] = {}
    for own, other, company in _claims(prompt):
        if other.search(lowered) is None:
            continue
        about = [sentence for sentence in _SPLIT.split(lowered) if company & _company(sentence)]
        against = [match for sentence in about if (match := other.search(sentence)) and not _is_denied(sentence, match)]
        if against and not any(own.search(sentence) for sentence in about):
            found.setdefault(against[0].group())
    for same, contrary in _bounds(prompt):
        if (bound := contrary.search(lowered)) is not None and same.search(lowered) is None:
            found.setdefault(bound.group())
    return tuple(found)


@lru_cache(maxsize=256)
def _claims(prompt: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str], frozenset[str]], ...]:
    """Return what the brief claims: its word, the opposite, and what stands with it."""
    lowered = prompt.replace("’", "'").lower()
    found = []
    sides = _sides()
    for own, other in (sides[at] for at in _may_be_claimed(lowered)):
        if own.search(lowered) is None or other.search(lowered) is not None:
            continue
        company: set[str] = set()
        for sentence in _SPLIT.split(lowered):
            match = own.search(sentence)
            if match is not None and not _is_denied(sentence, match):
                company |= _company(f"{sentence[: match.start()]} {sentence[match.end() :]}")
        if company:
            found.append((own, other, frozenset(company)))
    return tuple(found)


@lru_cache(maxsize=256)
def _bounds(prompt: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Return for each bounded number of the brief how the text may bound it, and how it may not."""
    lowered = prompt.replace("’", "'").lower()
    found = []
    for bound, own, other in _bounding() if _DIGIT.search(lowered) is not None else ():
        for match in bound.finditer(lowered):
            number = re.escape(match.group(1))
            ends = rf"[ -](?:the )?(?:[$€£] ?)?{number}(?![\d]|[.,:]\d)"
            if re.search(rf"\b(?:{other}){ends}", lowered) is None:
                found.append((re.compile(rf"\b(?:{own}){ends}"), re.compile(rf"\b(?:{other}){ends}")))
    return tuple(found)


@lru_cache(maxsize=1)
def _bounding() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    return tuple(
        (re.compile(rf"\b(?:{own})[ -](?:the )?{_NUMBER}"), own, other)
        for pair in _BOUNDS
        for own, other in (pair, pair[::-1])
    )


@lru_cache(maxsize=1)
def _sides() -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Each side of each pair with its opposite."""
    compiled = [[re.compile(rf"(?<![\w-])(?:{side})(?![\w-])") for side in pair] for pair in _PAIRS]
    return tuple((own, other) for one, two in compiled for own, other in ((one, two), (two, one)))


@lru_cache(maxsize=1)
def _by_start() -> dict[str, list[int]]:
    """How words begin, and the sides that have one beginning so: their places in `_sides`."""
    found: dict[str, list[int]] = {}
    for place, side in enumerate(side for pair in _PAIRS for side in pair):
        for start in set(_starts(side)):
            found.setdefault(start, []).append(place)
    return found


def _may_be_claimed(lowered: str) -> list[int]:
    """The places of sides of which some word may stand in the text: most texts hold words of few, and are spared the others."""
    known = _by_start()
    begun = {part for word in _BEGUN.findall(lowered) for part in (word[:1], word[:2], word) if part in known}
    return sorted({place for start in begun for place in known[start]})


def _starts(alternatives: str) -> Iterator[str]:
    """Yield how the first word of each alternative begins, up to three letters: for letters, and groups at the beginning."""
    for alternative in _split_top(alternatives):
        if alternative.startswith("(?:"):
            group, rest = _first_group(alternative)
            optional = rest.startswith("?")
            for inside in _split_top(group):
                yield from _starts(inside + rest.removeprefix("?"))
            if optional:
                yield from _starts(rest[1:])
            continue
        word = alternative[: len(alternative) - len(alternative.lstrip(_LETTERS))]
        if alternative[len(word) : len(word) + 1] == "?":  # the last letter may be missing
            word = word[:-1]
        yield word[:3]


def _split_top(alternatives: str) -> list[str]:
    """Split at the bars outside of all groups."""
    parts, depth = [""], 0
    for character in alternatives:
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _first_group(alternative: str) -> tuple[str, str]:
    depth = 0
    for at, character in enumerate(alternative):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return alternative[3:at], alternative[at + 1 :]
    raise ValueError(f"a group is not closed: {alternative}")


def _is_denied(sentence: str, match: re.Match[str]) -> bool:
    """Whether a negation stands in the clause before the words, or right behind them."""
    before = re.split(r"[,;:()–—]|\bbut\b", sentence[: match.start()])[-1]
    after = re.split(r"[,;:()–—]|\bbut\b", sentence[match.end() :])[0]
    return _DENIAL.search(before) is not None or _DENIAL.search(after[:24]) is not None


def _company(sentence: str) -> set[str]:
    """What a sentence speaks of: stems of its content words, and numbers."""
    words = (word for word in _WORDS.findall(sentence) if word not in FUNCTION_WORDS["en"])
    return {word if word[0].isdigit() else stem_of(word) for word in words}
