"""Did the text do what the brief asked: its facts, its bans, its limits, its parts, and no numbers out of thin air.

Facts weigh two thirds and instructions (limits and parts) one third, where the brief states both. A forbidden text
costs 3 points; a number that neither brief nor source gives costs 0.5, or 2 when it makes a claim (money, percent, a
multiple, a thousand or more), 5 at most; a date that the brief does not give, where it gives dates, costs 6, and so does what contradicts the
brief: a statement turned around, another number of the same thing, another name in its place. Facts that had to be read off the
prompt count generously: seven in ten are nearly enough. Wording is checked, meaning is not: a contradiction in other words goes unseen.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bakeoff.score.brief import BriefChecks
from bakeoff.score.dates import invented_dates
from bakeoff.score.dimensions import Dimension, counts_within
from bakeoff.score.facts import (
    contains_fact,
    find_forbidden,
    prompt_facts,
)
from bakeoff.score.figures import misplaced_figures
from bakeoff.score.names import wrong_names
from bakeoff.score.normal import normalise
from bakeoff.score.numerals import known_numbers, number_values, numbers_in, scaled
from bakeoff.score.opposites import opposites_of
from bakeoff.score.parts import SIGN_OFF, missing_parts
from bakeoff.score.polarity import negated_otherwise, turned_around
from bakeoff.score.text import EMAIL, HASHTAG, Text, is_list_item, without_links

_FACT_SHARE = 2 / 3
_GUESSED_ENOUGH = 0.7
_GUESSED_MISS = 0.3
_SIGNATURE_LINE = 12
_WRONG_COST = 6.0
_WRONG_MOST = 8.0
_CLAIM_BEFORE = re.compile(r"[$€£¥]\s?$")
_CLAIM_AFTER = re.compile(
    r"\s?(?:%|percent\b|per cent\b|x\b|times\b|k\b|million\b|billion\b|thousand\b|euros?\b|dollars?\b|pounds?\b|\+)",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_LABEL_BEFORE = re.compile(
    r"(?:\b(?:step|part|option|chapter|section|phase|figure|table|tip|reason|item|rule|version|v|level|page|point|no|number|q)\.? ?|#|^\s{0,12})$",
    re.IGNORECASE,
)


class FactCheck(NamedTuple):
    """How many facts the brief gives, which are absent, and whether the brief declared them (else: read off the prompt)."""

    total: int
    missing: tuple[str, ...]
    declared: bool

    @property
    def recall(self) -> float | None:
        """Share of facts present, None where the brief gives none."""
        return None if self.total == 0 else 1 - len(self.missing) / self.total


def check_facts(text: Text, checks: BriefChecks) -> FactCheck:
    """Look for the declared facts or, where none are declared and there is no source, for those read off the prompt."""
    wanted = checks.must_include
    declared = bool(wanted)
    if not declared and checks.source is None:
        wanted = prompt_facts(checks.prompt)
    normalised = normalise(text.raw)
    missing = tuple(alternatives[0] for alternatives in wanted if not contains_fact(alternatives, normalised))
    return FactCheck(total=len(wanted), missing=missing, declared=declared)


def brief_compliance(text: Text, checks: BriefChecks, facts: FactCheck) -> Dimension:
    """Grade what the module says. None for a brief without a prompt, facts, bans, limits and parts."""
    broken, stated = counts_within(text, checks.limits)
    absent = missing_parts(checks.parts, text, checks)
    instructions = stated + len(checks.parts)
    if not checks.prompt.strip() and not (facts.total or checks.must_not_include or instructions):
        return Dimension(value=None, evidence=("the brief states nothing to check",))
    evidence: list[str] = []
    kept = 1 - (len(broken) + len(absent)) / instructions if instructions else None
    recall = facts.recall if facts.declared or facts.recall is None else _of_guesses(facts)
    if recall is not None and kept is not None:
        value = 10 * (_FACT_SHARE * recall + (1 - _FACT_SHARE) * kept)
    else:
        value = 10 * (recall if recall is not None else kept if kept is not None else 1.0)
    if facts.missing:
        source = "declared" if facts.declared else "read off the prompt"
        evidence.append(
            f"{len(facts.missing)} of {facts.total} facts ({source}) absent: {', '.join(facts.missing[:5])}"
        )
    if broken:
        evidence.append(f"limits broken: {', '.join(broken)}")
    if absent:
        evidence.append(f"parts absent: {', '.join(absent)}")
    if banned := [
        found for fact in checks.must_not_include if (found := find_forbidden(fact, normalise(text.raw))) is not None
    ]:
        value -= 3.0 * len(banned)
        evidence.append(f"forbidden: {', '.join(banned[:4])}")
    claims, others = invented_numbers(text, checks)
    dates = _dates_out_of_thin_air(text, checks)
    if dates:
        value -= min(_WRONG_MOST, _WRONG_COST * len(dates))
        evidence.append(f"dates that the brief does not give: {', '.join(dates[:3])}")
    if turned := contradictions(text, checks):
        value -= min(_WRONG_MOST, _WRONG_COST * len(turned))
        evidence.append(f"the other way round than the brief has it: {', '.join(turned[:3])}")
    if claims or others:
        value -= min(5.0, 2.0 * len(claims) + 0.5 * len(others))
        evidence.append(f"numbers that the brief does not give: {', '.join((claims + others)[:5])}")
    return Dimension(value=round(max(0.0, value), 3), evidence=tuple(evidence))


def contradictions(text: Text, checks: BriefChecks) -> tuple[str, ...]:
    """Return what the text says against the brief, in its own words: turned around, misplaced figures, other names. English only."""
    if checks.language != "en":
        return ()
    return tuple(
        dict.fromkeys(
            (
                *turned_around(text.raw, checks.prompt),
                *negated_otherwise(text.no_code, checks.prompt),
                *opposites_of(text.no_code, checks.prompt),
                *misplaced_figures(text.no_links, checks.prompt, checks.source or ""),
                *wrong_names(text, checks),
            )
        )
    )


def _of_guesses(facts: FactCheck) -> float:
    """Recall of guessed facts, of which each may be beside the point: one is given, and seven in ten are nearly enough."""
    recall = 1.0 - len(facts.missing) / facts.total
    if recall >= _GUESSED_ENOUGH:
        return 1.0 - _GUESSED_MISS * (1.0 - recall) / (1.0 - _GUESSED_ENOUGH)
    return (1.0 - _GUESSED_MISS) * recall / _GUESSED_ENOUGH


def _dates_out_of_thin_air(text: Text, checks: BriefChecks) -> tuple[str, ...]:
    if _DIGIT.search(text.no_code) is None:
        return ()
    known = (checks.prompt, checks.source or "", *(text for fact in checks.must_include for text in fact))
    return invented_dates(text.no_code, *known)


def invented_numbers(text: Text, checks: BriefChecks) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (claims, other numbers) that neither prompt, facts nor source give, each once.

    Not looked at: code, links, e-mail addresses, hashtags, list numbers, labels ("Step 3"), 0 to 3, years, times given
    as part of a known hour, and anything at all where there is no prompt.
    """
    if not checks.prompt.strip() or _DIGIT.search(text.no_code) is None:
        return (), ()
    known = known_numbers(checks.prompt, checks.source or "", *(text for fact in checks.must_include for text in fact))
    claims: dict[str, None] = {}
    others: dict[str, None] = {}
    for line in _before_signature(text):
        if _DIGIT.search(line) is None:
            continue
        bare = without_links(line)
        bare = HASHTAG.sub(" ", bare) if "#" in bare else bare
        bare = EMAIL.sub(" ", bare) if "@" in bare else bare
        for numeral, start, end in numbers_in(bare):
            before, after = bare[max(0, start - 12) : start + 1], bare[end : end + 12]
            if _is_label(line, numeral, bare[max(0, start - 12) : start], after, start):
                continue
            values = number_values(numeral)
            values |= scaled(values, after.lower(), 0)
            is_claim = (
                _CLAIM_BEFORE.search(before[:-1]) is not None
                or bare[start : start + 1] in "$€£¥"
                or _CLAIM_AFTER.match(after) is not None
            )
            largest = max(values)
            if values & known or any(int(value) in known and ":" in numeral for value in values):
                continue
            if not is_claim and (largest <= 3 or (1900 <= largest <= 2100 and len(numeral) == 4)):
                continue
            (claims if is_claim or largest >= 1000 else others).setdefault(numeral)
    return tuple(claims), tuple(others)


def _before_signature(text: Text) -> list[str]:
    """The lines outside code, without those below a sign-off: telephone and registration numbers are no claims."""
    lines = text.no_code.splitlines()
    for at in range(len(lines) - 1, max(-1, len(lines) - 12), -1):
        if SIGN_OFF.match(lines[at].strip()):
            return lines[:at] + [line for line in lines[at:] if len(line.split()) > _SIGNATURE_LINE]
    return lines


def _is_label(line: str, numeral: str, before: str, after: str, start: int) -> bool:
    if is_list_item(line) and start <= len(line) - len(line.lstrip()) and after[:1] in ".)":
        return True
    return _LABEL_BEFORE.search(before) is not None and before.strip() != "" and len(numeral) <= 3
