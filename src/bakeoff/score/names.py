"""Names that the text puts in the place of the brief's: another person, another day, sender and recipient the other way round.

Looked at only where a name, weekday or month of the brief is absent and the text has one that the brief does not give; and where
both parties of the brief are there, in each other's place.
"""

from __future__ import annotations

import re
from functools import lru_cache

from bakeoff.score.brief import BriefChecks
from bakeoff.score.facts import contains_fact, names_in
from bakeoff.score.language import FUNCTION_WORDS
from bakeoff.score.normal import normalise
from bakeoff.score.parts import addressed_names, brief_parties, signed_names
from bakeoff.score.polarity import stem_of
from bakeoff.score.text import Text, parsed

_DAYS = frozenset(str.split("monday tuesday wednesday thursday friday saturday sunday"))
# Without May and March, which are words as well.
_MONTHS = frozenset(str.split("january february april june july august september october november december"))
_WRITTEN = frozenset(f"{name}{ending}" for name in _DAYS | _MONTHS for ending in ("", "s", "'s", "s's"))
_FULL_NAME = re.compile(r"(?<![\w'.-])[A-Z][\w'-]{1,30}(?: (?:& )?[A-Z][\w'-]{1,30}){1,2}")
_VERB = re.compile(r"[a-z]{2,}(?:s|ed) |beat |met |won |bought |sold |took ")
_BETWEEN = re.compile(r" ((?:[a-z]+ ){1,3})(?![a-z]+ )")
_CAPITAL = re.compile(r"(?<![\w'’.-])[A-Z][\w]{1,30}")
_AROUND = re.compile(r"[a-z]{2,}")
_RECIPIENT = re.compile(
    r"\b(?:to|customer|client|colleague|tell|ask|thank|invite|remind|inform|dear|Mr|Ms|Mrs|Miss|Dr|Prof)\b\.? "
    r"(?:(?!(?:of|at|from|in|about|with|for|on)\b)[a-z]+ ){0,3}((?:[A-Z][\w'-]{1,30} ?){1,3})"
)
_ANYBODY = frozenset(
    str.split(
        "all team everyone everybody sir madam customer colleague colleagues friend friends guest guests neighbour neighbours neighbor neighbors member members there folks "
        "hiring manager recruiter recruiting recruitment committee sirs madame monsieur reader readers partner partners client clients"
    )
)


def wrong_names(text: Text, checks: BriefChecks) -> tuple[str, ...]:
    """Return names, days and months of the text that stand where the brief has others, each once."""
    known = f"{checks.prompt}\n{checks.source or ''}\n" + "\n".join(
        fact for alternatives in checks.must_include for fact in alternatives
    )
    found: dict[str, None] = {}
    for names in (_DAYS, _MONTHS):
        said = _calendar(text.word_set, names)
        asked = _calendar(parsed(known).word_set, names) if said and _holds(known.lower(), names) else set()
        if asked - said and said - asked:
            found.setdefault(", ".join(sorted(name.title() for name in said - asked)))
    _parties(text, checks, found)
    _replaced(text, known, checks.prompt, found)
    _exchanged(text.raw, checks.prompt, found)
    return tuple(found)


def _holds(text: str, any_of: frozenset[str]) -> bool:
    return any(part in text for part in any_of)


def _calendar(words: frozenset[str], names: frozenset[str]) -> set[str]:
    return {word.removesuffix("'s").removesuffix("s") for word in words & _WRITTEN} & names


def _parties(text: Text, checks: BriefChecks, found: dict[str, None]) -> None:
    """The sender addressed, somebody addressed or signing whom the brief does not know."""
    senders, others = brief_parties(checks.prompt)
    addressed = addressed_names(text)
    if not (addressed or senders):
        return
    if addressed & senders and not addressed & others:
        found.setdefault(f"addressed to the sender, {' '.join(sorted(addressed & senders))}")
    known = senders | others
    recipients = {word for match in _RECIPIENT.finditer(checks.prompt) for word in match.group(1).split()} - senders
    prompt = checks.prompt.casefold()
    strange = {
        name for name in addressed if name.casefold().rstrip("s") not in prompt and name.casefold() not in _ANYBODY
    }
    if strange and recipients and not addressed & known:
        found.setdefault(f"addressed to {' '.join(sorted(strange))}")
    if senders and senders.isdisjoint(_CAPITAL.findall(text.raw)):
        signed = signed_names(text) - addressed
        if signed and not signed & known:
            found.setdefault(f"signed by {' '.join(sorted(signed))}")


def _replaced(text: Text, known: str, prompt: str, found: dict[str, None]) -> None:
    """A name of the brief is nowhere, and the text has another in the same company."""
    if not _placed_names(prompt):
        return
    normalised, wanted = normalise(text.raw), normalise(known)
    strange: list[tuple[str, frozenset[str]]] | None = None
    for name, company in _placed_names(prompt):
        words = name.split()
        if any(contains_fact((word,), normalised) for word in words if len(word) > 2):
            if len(words) == 2 and not contains_fact((name,), normalised):
                other = re.search(
                    rf"\b{re.escape(words[0])} (?!{re.escape(words[1])})([A-Z][\w'-]{{2,30}})", text.no_code
                )
                if other is not None and not contains_fact((other.group(1),), wanted):
                    found.setdefault(f"{other.group()} (the brief has {name})")
            continue
        if strange is None:
            strange = [
                (inside, around)
                for inside, around in _names_inside(text)
                if not any(contains_fact((word,), wanted) for word in inside.split())
            ]
        for inside, around in strange:
            if company & around:
                found.setdefault(f"{inside} (the brief has {name})")
                break


@lru_cache(maxsize=256)
def _placed_names(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The names in a text, each with the stems of the content words within a few words of it."""
    placed = []
    for name in names_in(text):
        at = text.find(name)
        around = f"{text[max(0, at - 40) : at]} {text[at + len(name) : at + len(name) + 40]}"
        if (
            at > 0
            and text[at - 1] not in "\n("
            and not name.isupper()
            and text[at + len(name) : at + len(name) + 1] != ":"
        ):
            placed.append(
                (
                    name,
                    frozenset(
                        stem_of(word) for word in _AROUND.findall(around.lower()) if word not in FUNCTION_WORDS["en"]
                    ),
                )
            )
    return tuple(placed)


def _names_inside(text: Text) -> list[tuple[str, frozenset[str]]]:
    """Names inside sentences that are not headings, where a capital means a name, with their company."""
    inside: list[tuple[str, frozenset[str]]] = []
    for sentence in text.sentences:
        words = sentence.split()
        if len(words) >= 5 and sum(word[:1].isupper() for word in words) <= 0.5 * len(words) and "[" not in sentence:
            inside.extend(_placed_names(sentence))
    return inside


def _exchanged(raw: str, prompt: str, found: dict[str, None]) -> None:
    """One name doing to another in the text what the brief has the other way about."""
    actions = _actions(prompt)
    flat = " ".join(raw.split()) if actions else ""
    for same, exchanged in actions:
        match = exchanged.search(flat)
        if match is not None and same.search(flat) is None:
            found.setdefault(match.group()[:80])


@lru_cache(maxsize=256)
def _actions(prompt: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    flat = " ".join(prompt.split())
    begins: dict[int, list[str]] = {}
    ends: dict[int, list[str]] = {}
    for name in dict.fromkeys((*names_in(flat), *_FULL_NAME.findall(flat))):
        for match in re.finditer(rf"\b{re.escape(name)}\b", flat):
            begins.setdefault(match.start(), []).append(name)
            ends.setdefault(match.end(), []).append(name)
    verbs: dict[tuple[str, str], str] = {}  # of the first place where the one stands before the other
    for end in sorted(ends):
        between = _BETWEEN.match(flat, end)
        if between is None or _VERB.match(between.group(1)) is None:
            continue
        for first in ends[end]:
            for second in begins.get(between.end(), ()):
                if first != second:
                    verbs.setdefault((first, second), between.group(1).split()[0][:5])
    found = []
    for (first, second), verb in verbs.items():
        way = rf" {re.escape(verb)}[a-z]*(?: (?!by\b)[a-z]+){{0,3}} "
        found.append(
            (
                re.compile(rf"\b{re.escape(first)}{way}{re.escape(second)}\b"),
                re.compile(rf"\b{re.escape(second)}{way}{re.escape(first)}\b"),
            )
        )
    return tuple(found)
