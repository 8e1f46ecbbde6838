"""Graded properties of one text, 0 to 10, where 10 means that nothing was found to deduct.

`business_quality` register, `length_quality` range, `structure_quality` parts and form, `language_quality` mechanics.
`technical_quality` and `brief_compliance` have modules of their own. None where a dimension does not apply. The sizes
of deductions are this project's judgment, set by hand before any human label was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import eq
from typing import NamedTuple

from bakeoff.score.brief import BriefChecks, Limits
from bakeoff.score.language import words_in
from bakeoff.score.lexicon import BUZZWORDS, CLICHES, HOSTILE, SLANG
from bakeoff.score.odd_words import QUOTES, is_odd_token
from bakeoff.score.parts import GREETING, missing_parts
from bakeoff.score.text import URL, Text, is_list_item


class Dimension(NamedTuple):
    """A value 0-10 (None: does not apply) and, in a few words each, what it was made of."""

    value: float | None
    evidence: tuple[str, ...] = ()


class _Ledger:
    """Deductions from 10, each with its reason."""

    def __init__(self) -> None:
        self.value = 10.0
        self.reasons: list[str] = []

    def deduct(self, amount: float, reason: str) -> None:
        """Take `amount` off and keep the reason; nothing happens for an amount of 0 or less."""
        if amount > 0:
            self.value -= amount
            self.reasons.append(f"-{amount:.1f} {reason}")

    def close(self) -> Dimension:
        """Return the dimension, floored at 0."""
        return Dimension(value=round(max(0.0, self.value), 3), evidence=tuple(self.reasons))


def business_quality(text: Text, checks: BriefChecks) -> Dimension:
    """Register: no cliches, no stuffed buzzwords, no slang, no hostility, no shouting."""
    ledger = _Ledger()
    lowered = text.plain_prose
    asked = f"{checks.prompt} {checks.source or ''}".lower()
    if cliches := sorted({phrase for phrase in CLICHES.findall(lowered) if phrase not in asked}):
        ledger.deduct(min(5.0, 1.0 * len(cliches)), f"stock phrases: {', '.join(cliches[:4])}")
    if buzz := [word for word in BUZZWORDS.findall(lowered) if word not in asked]:
        excess = len(buzz) - 1 - len(text.words) / 100
        stuffed = f"{len(buzz)} buzzwords in {len(text.words)} words: {', '.join(buzz[:4])}"
        ledger.deduct(min(5.0, 1.0 * excess), stuffed)
    if slang := SLANG.findall(lowered):
        casual = checks.content_type in {"tweet", "linkedin_post", "marketing_copy"}
        ledger.deduct(min(5.0, (0.5 if casual else 1.5) * len(slang)), f"slang: {', '.join(slang[:4])}")
    if hostile := [phrase for phrase in HOSTILE.findall(lowered) if phrase not in asked]:
        ledger.deduct(min(8.0, 3.0 * len(hostile)), f"hostile: {', '.join(hostile[:3])}")
    if len(shouted := _shouted(text.no_links, asked)) > 1:
        ledger.deduct(min(3.0, 0.75 * (len(shouted) - 1)), f"words in capitals: {', '.join(shouted[:4])}")
    exclamations = text.prose.count("!")
    allowed = (1 if checks.content_type in {"business_email", "technical_doc"} else 2) + len(text.words) // 80
    if exclamations > allowed:
        ledger.deduct(min(3.0, 0.5 * (exclamations - allowed)), f"{exclamations} exclamation marks")
    return ledger.close()


_CAPITALS = re.compile("[A-Z]{5}")


def _shouted(text: str, asked: str) -> list[str]:
    if text.isascii() and _CAPITALS.search(text) is None:
        return []
    return [
        word
        for word in words_in(text)
        if len(word) >= 5 and word.isalpha() and word.isupper() and word.lower() not in asked
    ]


def length_quality(text: Text, checks: BriefChecks) -> Dimension:
    """10 inside every stated bound and the type's soft range, falling linearly to 0 at 50 % beyond; the worst counts.

    A bound of the brief replaces the soft range on its side. Length inside the range earns nothing.
    """
    limits = checks.limits
    low, high = limits.min_words, limits.max_words
    if checks.norms.soft_words is not None:
        soft_low, soft_high = checks.norms.soft_words
        # A brief that allows 30 words makes a soft minimum of 40 meaningless; likewise above.
        ceiling = high if high is not None else _words_in(limits.max_characters)
        if low is None and (limits.min_characters is None and limits.min_sentences is None):
            low = soft_low if ceiling is None else min(soft_low, int(0.4 * ceiling))
        if high is None and limits.max_characters is None:
            high = max(soft_high, 2 * (limits.min_words or 0))
    measured = (
        ("words", text.word_count, low, high),
        ("characters", len(text.raw.strip()), limits.min_characters, limits.max_characters),
        ("sentences", len(text.sentences), limits.min_sentences, limits.max_sentences),
    )
    if all(lowest is None and highest is None for _, _, lowest, highest in measured):
        return Dimension(value=None, evidence=("no length is asked for",))
    value, evidence = 10.0, []
    for unit, amount, lowest, highest in measured:
        grade = _grade_range(amount, lowest, highest)
        if grade < 10:
            evidence.append(
                f"{amount} {unit}, asked for {lowest if lowest is not None else 0} to {'any' if highest is None else highest}"
            )
        value = min(value, grade)
    return Dimension(value=round(value, 3), evidence=tuple(evidence))


def _words_in(characters: int | None) -> int | None:
    return None if characters is None else max(1, characters // 6)


def _grade_range(amount: int, low: int | None, high: int | None) -> float:
    if low and amount < low:
        return max(0.0, 10 * (1 - (low - amount) / (0.5 * low)))
    if high is not None and amount > high:
        return max(0.0, 10 * (1 - (amount - high) / (0.5 * max(high, 1))))
    return 10.0


def structure_quality(text: Text, checks: BriefChecks) -> Dimension:
    """Share of the parts that the brief (weight 2) and the type (weight 1) ask for, minus breaches of form."""
    declared = tuple(dict.fromkeys(checks.parts))
    usual = tuple(part for part in checks.norms.default_parts if part not in declared)
    ledger = _Ledger()
    # A type's usual parts are a custom, not a demand: with nothing declared their absence costs a third at most.
    total = 2.0 * len(declared) + len(usual) + (0.0 if declared else 2.0 * len(usual))
    absent = missing_parts(declared, text, checks)
    unusual = missing_parts(usual, text, checks)
    if absent:
        ledger.deduct(20.0 * len(absent) / total, f"missing: {', '.join(absent)}")
    if unusual:
        # E-mails lose more: a mail without subject, greeting and close is no mail.
        factor = 20.0 if checks.content_type == "business_email" and not declared else 10.0
        ledger.deduct(factor * len(unusual) / total, f"usual and missing: {', '.join(unusual)}")
    _deduct_form(ledger, text, checks)
    return ledger.close()


_MARKDOWN = re.compile(r"^\s{0,3}#{1,6}\s|\*\*[^*\n]{1,200}\*\*|^\s{0,3}```|\[[^\]\n]{1,100}\]\(", re.MULTILINE)


def _deduct_form(ledger: _Ledger, text: Text, checks: BriefChecks) -> None:
    norms = checks.norms
    marked = not norms.markdown and _holds(text.raw, ("#", "**", "```", "]("))
    if marked and (mark := _MARKDOWN.search(text.raw)) is not None:
        ledger.deduct(1.5, f"Markdown where it is not shown as such: {mark.group().strip()[:30]!r}")
    if norms.soft_max_hashtags is not None and text.hashtags and checks.limits.max_hashtags is None:
        ledger.deduct(min(4.0, 1.0 * (len(text.hashtags) - norms.soft_max_hashtags)), f"{len(text.hashtags)} hashtags")
    if norms.soft_max_emoji is not None and text.emoji and checks.limits.max_emoji is None:
        ledger.deduct(min(4.0, 1.0 * (len(text.emoji) - norms.soft_max_emoji)), f"{len(text.emoji)} emoji")
    longest = max((len(part.split()) for part in text.paragraphs if not is_list_item(part)), default=0)
    roof = 90 if norms.content_type in {"linkedin_post", "business_email"} else 150
    if longest > roof:
        ledger.deduct(min(3.0, 1.0 + (longest - roof) / 60), f"a paragraph of {longest} words")


def language_quality(text: Text, checks: BriefChecks) -> Dimension:
    """Mechanics: repetition, sentence length, doubled words, brackets and quotes, capitals, broken words.

    There is no spelling dictionary behind this: well-shaped misspellings pass.
    """
    if not text.words:
        return Dimension(value=None if text.code_blocks else 0.0, evidence=("no words",))
    ledger = _Ledger()
    if len(text.words) >= 20 and (share := text.repeated_share) > 0.04:
        ledger.deduct(min(4.0, 30 * (share - 0.04)), f"{share:.0%} of four-word runs are repeated")
    _deduct_sentences(ledger, text, checks)
    _deduct_marks(ledger, text)
    if text.may_be_odd and (odd := _odd_words(text, checks.language)):
        ledger.deduct(min(5.0, 0.75 * len(odd)), f"broken words: {', '.join(odd[:4])[:80]}")
    return ledger.close()


def _odd_words(text: Text, language: str) -> list[str]:
    tokens = [token.strip(QUOTES) for token in text.no_links.split() if not token.startswith(("#", "@"))]
    return [token for token in tokens if token and is_odd_token(token, language)]


_DOUBLED = re.compile(r"\b([a-z]{1,20}) \1\b")
_MAY_DOUBLE = frozenset(
    ["that", "had", "very", "so", "no", "bye", "ha", "knock", "long", "many", "far", "much", "really", "hip"]
)
# What stands before the letter is looked at once the letter is there: that is tried at few places of a text.
_ARTICLE = re.compile(
    r"[Aa](?<![\w'’.-].)(?:"
    r"(?:(?<=a)|(?<![\w,;:)] A)) (?=[aeio][a-z])(?!(?:one|once|eu|ewe)[a-z]{0,12}|(?:uni|use|usu)[a-z]{0,12})[a-z]+"
    r"|n (?=[bcdfgjklmnpqrstvwxz][a-z]{2})[a-z]+)"
)
_SMALL_I = re.compile(r"i(?<![\w.'’/-].)(?=[ '’](?!\.e)\w)")
_JOINTS = str.maketrans("'‑-", "   ")


def _holds(text: str, any_of: Iterable[str]) -> bool:
    return any(part in text for part in any_of)


def _deduct_sentences(ledger: _Ledger, text: Text, checks: BriefChecks) -> None:
    lengths = [len(words) for words in text.sentence_words if words]
    longest = max(lengths, default=0)
    if longest > 55:
        ledger.deduct(min(3.0, 1.0 + (longest - 55) / 20), f"a sentence of {longest} words")
    if longest > 30 and (mean := sum(lengths) / len(lengths)) > 30:
        ledger.deduct(min(2.0, (mean - 30) / 5), f"{mean:.0f} words a sentence on average")
    _deduct_lower_case(ledger, text, checks.language)
    if checks.language == "en":
        _deduct_english(ledger, text)


def _deduct_lower_case(ledger: _Ledger, text: Text, language: str) -> None:
    sentences = text.sentences
    if language != "en":  # in German and Dutch, what a greeting with a comma begins goes on below it
        sentences = tuple(
            sentence
            for before, sentence in zip(("", *sentences), sentences, strict=False)
            if not (before.endswith(",") and GREETING.match(before))
        )
    starts = [sentence.lstrip(" \"'“‘(*_-•") for sentence in sentences if not is_list_item(sentence)]
    if not any(start[:1].islower() for start in starts):
        return
    starts = [
        start for start in starts if start and start[0].isalpha() and not URL.match(start) and len(start.split()) >= 3
    ]
    if lower := [start for start in starts if start[0].islower() and start.split()[0].isalpha()]:
        ledger.deduct(
            min(4.0, 6.0 * len(lower) / max(2, len(starts))),
            f"{len(lower)} of {len(starts)} sentences start in lower case",
        )


def _deduct_english(ledger: _Ledger, text: Text) -> None:
    if pairs := text.impossible_pairs:
        ledger.deduct(min(5.0, 1.0 * len(pairs)), f"words that do not go together: {', '.join(pairs[:4])}")
    runs = " ".join(text.words).translate(_JOINTS).split()
    if any(map(eq, runs, runs[1:])) and (doubled := list(_doubled(text))):
        ledger.deduct(min(3.0, 1.0 * len(doubled)), f"doubled: {', '.join(doubled[:4])}")
    if articles := _ARTICLE.findall(text.prose):
        ledger.deduct(min(2.0, 0.5 * len(articles)), f"a/an: {', '.join(articles[:3])}")
    if alone := len(_SMALL_I.findall(text.no_code)):
        ledger.deduct(min(2.0, 0.5 * alone), "i for I")


def _doubled(text: Text) -> Iterator[str]:
    """Words that stand there twice within a sentence; cells of a table may hold the same side by side."""
    for sentence, words in zip(text.sentences, text.lowered_sentence_words, strict=True):
        if not sentence.startswith("|"):
            yield from (word for word in _DOUBLED.findall(" ".join(words)) if word not in _MAY_DOUBLE)


_ITEM_OR_SMILE = re.compile(r"^\s{0,12}(?:\d{1,3}|[a-z])\)|[:;]-?[()]", re.MULTILINE)
_INCHES = re.compile(r"\d\"")
_GLUED_COMMA = re.compile(r",(?<=[a-z],)[a-z]")
_SPACED = re.compile(r"\w [,;](?=\s)|\w \.(?=\s|$)|[a-z],[a-z]")
_STRAY = re.compile(r"(?<!\.)\.\.(?!\.)|[.!?,]{1} [.,](?=\s|$)|,,")


def _deduct_marks(ledger: _Ledger, text: Text) -> None:
    prose = text.no_code
    without_items = prose
    if _holds(prose, "()"):
        without_items = _ITEM_OR_SMILE.sub("", prose)
    for left, right in (("(", ")"), ("[", "]"), ("“", "”")):
        if without_items.count(left) != without_items.count(right):
            ledger.deduct(1.0, f"{left} without {right}")
    if prose.count('"') % 2 and not _INCHES.search(prose):
        ledger.deduct(1.0, 'an odd number of "')
    stray = _holds(prose, (" ,", " ."))
    if stray or " ;" in prose or _GLUED_COMMA.search(prose):
        ledger.deduct(min(2.0, 0.5 * len(_SPACED.findall(prose))), "spaces around commas and full stops")
    if stray or _holds(prose, ("..", ",,")):
        ledger.deduct(min(2.0, 0.5 * len(_STRAY.findall(prose))), "stray full stops")
    if len(text.words) >= 30 and not _holds(prose, ".!?…:"):
        ledger.deduct(3.0, "no punctuation")


def counts_within(text: Text, limits: Limits) -> tuple[tuple[str, ...], int]:
    """Return the limits that `text` breaks, in words, and how many limits the brief states."""
    bounds = [(name, bound) for name, bound in limits if bound is not None] if limits.model_fields_set else []
    if not bounds:
        return (), 0
    broken: list[str] = []
    stated = 0
    counted = {
        "words": text.word_count,
        "characters": len(text.raw.strip()),
        "sentences": len(text.sentences),
        "hashtags": len(text.hashtags),
        "emoji": len(text.emoji),
        "paragraphs": len(text.paragraphs),
    }
    for name, bound in bounds:
        side, _, what = name.partition("_")
        stated += 1
        amount = counted[what]
        if amount < bound if side == "min" else amount > bound:
            broken.append(f"{name} {bound}: {amount}")
    return tuple(broken), stated
