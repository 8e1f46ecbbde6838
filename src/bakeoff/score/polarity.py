"""Statements of the brief that the text turns around: "cannot be restored" in the one, "can be restored" in the other.

Wording, no meaning, in English. Three ways of saying the opposite are known: the same auxiliary without its negation, the same word
with a negation where the brief has none (or the other way about), and a word of opposite sense (`opposites`). Where the text says
it both ways, nothing is held against it. Imperatives ("do not mention ..") are instructions, and left out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from bakeoff.score.language import FUNCTION_WORDS

_AUXILIARY = r"(?:can|could|will|would|is|are|was|were)"
_NOT = r"(?: ?not|n[’']t| no longer| never)"
_NEGATED = re.compile(rf"\b(?P<verb>{_AUXILIARY}|ca|wo){_NOT} (?P<be>be )?(?P<word>[a-z]{{4,}})", re.IGNORECASE)
_WHOLE = {"ca": "can", "wo": "will"}

_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[.,;:!?()\n–—]")
_ENDS = frozenset(".!?\n")
_BREAKS = frozenset(".,;:!?()\n–—") | {"but", "because", "so", "although", "while", "which"}
_CUES = frozenset(
    str.split(
        "not no never without cannot can't don't doesn't didn't won't isn't aren't wasn't weren't nor neither none nothing nobody"
    )
)
_CONDITIONS = frozenset(str.split("when if until unless whether where once before after"))
_NOUN_CUES = frozenset(
    str.split("no without nor neither none nothing nobody")
)  # "the draft without the soil section" denies no soil
# Words that deny without a "not": where one stands in the sentence, nothing is said about it.
_SOFT_CUES = frozenset(
    str.split(
        "zero instead rather skip forget avoid avoids exclude excludes excluding excluded stop stops ditch lack lacks hardly goodbye "
        "unless nowhere few little less rid optional wouldn't couldn't shouldn't haven't hasn't hadn't unnecessary "
        "unable impossible fail fails failed failing refuse refuses refused refusing decline declines declined"
    )
)
# Of whom nobody does something, what stands behind it is done: with "nobody may use a phone", "the phone stays here" agrees.
_NOBODY = frozenset(str.split("none nothing nobody"))
_MODALS = frozenset(
    str.split(
        "may can will shall should must could would might is are was were has have had of them us in at on from the"
    )
)
_NO_NEGATION = frozenset(
    str.split("only more less fewer later sooner longer earlier just least matter doubt wonder one")
)
_FREE = re.compile(r"-free\b|\bfree (?:of|from)\b")  # "nut-free", "free of nuts"; "free delivery" denies nothing
_NO = re.compile(r"n(?<![^\W_].)(?:o|ot|ever|or|either|one|othing|obody)(?![^\W_])")
_REACH = 4
_COMMON = FUNCTION_WORDS["en"] | frozenset(
    str.split(
        "make made making take takes want wants like come comes good great best better well much many another even ever other same thing things "
        "time times really still know knows going goes word words line lines hashtag hashtags emoji emojis jargon call action mention write writes draft include use used tone way ways anything something someone anyone everything"
    )
)


def turned_around(text: str, prompt: str) -> tuple[str, ...]:
    """Return what the text says the other way round, in its own words, each once.

    >>> turned_around("A revoked key can be restored.", "Say that revoked keys cannot be restored.")
    ('can be restored',)
    """
    statements = _statements(prompt)
    if not statements:
        return ()
    plain = " ".join(text.split())
    found = []
    for said, negated in statements:
        match = said.search(plain)
        if match is not None and negated.search(plain) is None:
            found.append(match.group())
    return tuple(found)


@lru_cache(maxsize=256)
def _statements(prompt: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Return for each negated statement how it would be said without the negation, and with any."""
    patterns = {}
    plain = " ".join(prompt.split())
    lowered = plain.lower()
    if not any(negation in lowered for negation in ("not", "n't", "n’t", "no longer", "never")):
        return ()
    for match in _NEGATED.finditer(plain):
        verb, word = _WHOLE.get(match["verb"].casefold(), match["verb"].casefold()), match["word"].casefold()
        be = "be " if match["be"] else ""
        said = re.compile(rf"\b{verb} {be}{word}\b", re.IGNORECASE)
        negated = re.compile(rf"(?:\bnot|n[’']t|\bno longer|\bnever|\bcannot) (?:\w+ )?(?:be )?{word}\b", re.IGNORECASE)
        patterns[verb, be, word] = (said, negated)
    return tuple(patterns.values())


class _Uses(NamedTuple):
    """How a text uses its words, by stem: with a negation before them, right behind one, without any in the sentence; and their company.

    `of_nobody` has the stem of the verb of what nobody does, for the words that are negated by "nobody" alone. What a question holds
    is hedged: it states nothing.
    """

    negated: dict[str, str]
    of_nobody: dict[str, str]
    at_once: dict[str, frozenset[str]]
    plain: dict[str, frozenset[str]]
    hedged: frozenset[str]


def negated_otherwise(text: str, prompt: str) -> tuple[str, ...]:
    """Return words that the brief negates and the text does not, or the other way about, as the text or brief has them.

    >>> negated_otherwise("Just walk in, booking required.", "Classes with no booking required.")
    ('booking', 'required')
    >>> negated_otherwise("Shoes are not included.", "Classes, shoes included.")
    ('not included',)
    """
    if not (_may_deny(prompt) or _may_deny(text)):
        return ()
    asked = _uses(prompt, of_brief=True)
    said = _uses(text, of_brief=False)
    found: dict[str, None] = {}
    for stem, word in asked.negated.items():
        if stem not in said.plain or stem in said.negated.keys() | said.hedged | asked.plain.keys() | asked.hedged:
            continue
        if stem not in asked.of_nobody or _stand_together(text, stem, asked.of_nobody[stem]):
            found.setdefault(word)
    for stem, company in said.at_once.items():
        unsure = stem in asked.negated or stem in asked.hedged or stem in said.plain
        if not unsure and company & asked.plain.get(stem, frozenset()):
            found.setdefault(f"not {said.negated.get(stem, stem)}")
    return tuple(found)


def _may_deny(text: str) -> bool:
    """Whether there may be a negation in `text`: without one, neither it nor the brief negates anything."""
    lowered = text.lower()
    return _NO.search(lowered) is not None or any(
        part in lowered for part in ("n't", "n’t", "without", "cannot", "-free", "free of", "free from")
    )


def _stand_together(text: str, *stems: str) -> bool:
    return any({*stems} <= {stem_of(token) for token in sentence} for sentence in _sentences(text))


def stem_of(word: str) -> str:
    """Return what words of one family share, roughly: no plural s, five letters."""
    return word.removesuffix("s")[:5] if len(word) > 3 else word


@lru_cache(maxsize=256)
def _uses(text: str, *, of_brief: bool) -> _Uses:
    negated: dict[str, str] = {}
    of_nobody: dict[str, str] = {}
    at_once: dict[str, frozenset[str]] = {}
    plain: dict[str, set[str]] = {}
    hedged: set[str] = set()
    for sentence in _sentences(text):
        words = [token for token in sentence if token not in _BREAKS]
        stems = frozenset(stem_of(word) for word in words if _carries(word))
        cued = sentence[-1] == "?" or not _CUES.isdisjoint(words) or not _SOFT_CUES.isdisjoint(words)
        reach, since, cue, verb = 0, 0, "", ""
        for index, token in enumerate(sentence):
            if token in _BREAKS:
                reach = 0
            elif token in _CUES and _denies(sentence, index, of_brief):
                reach, since, cue = _REACH, 0, token
                verb = next((stem_of(word) for word in sentence[index + 1 :] if word not in _MODALS), "")
            elif _carries(token):
                stem = stem_of(token)
                if reach > 0:
                    negated.setdefault(stem, token)
                    if cue in _NOBODY:
                        of_nobody.setdefault(stem, verb)
                    if since == 0 and cue not in _NOUN_CUES:
                        at_once.setdefault(stem, stems - {stem})
                elif _is_hedged(sentence, index) if of_brief else cued:
                    hedged.add(stem)
                else:
                    plain.setdefault(stem, set()).update(stems - {stem})
                since += 1
            reach -= token not in _BREAKS and token not in _CUES
    return _Uses(
        negated, of_nobody, at_once, {stem: frozenset(company) for stem, company in plain.items()}, frozenset(hedged)
    )


def _sentences(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for token in _TOKEN.findall(_FREE.sub(" without ", text.replace("’", "'").lower())):
        if token in _ENDS:
            if found[-1] and token.startswith("?"):
                found[-1].append(token)
            found.append([])
        else:
            found[-1].append(token)
    return [sentence for sentence in found if sentence]


def _is_hedged(sentence: list[str], index: int) -> bool:
    """Whether a negation stands between the breaks around a word, or a condition before it."""
    start = next((at + 1 for at in range(index, -1, -1) if sentence[at] in _BREAKS), 0)
    end = next((at for at in range(index, len(sentence)) if sentence[at] in _BREAKS), len(sentence))
    clause = sentence[start:end]
    return not (_CUES | _SOFT_CUES).isdisjoint(clause) or not _CONDITIONS.isdisjoint(clause[: index - start])


def _denies(sentence: list[str], index: int, of_brief: bool) -> bool:
    """Whether a negation denies what follows: not "no more than", nor, in a brief, the instruction "do not mention"."""
    if index + 1 < len(sentence) and sentence[index + 1] in _NO_NEGATION:
        return False
    if not of_brief:
        return True
    start = index - 1 if sentence[index] == "not" and index and sentence[index - 1] == "do" else index
    told = sentence[index] in {"don't", "never"} or start < index
    return not (told and (start == 0 or sentence[start - 1] in _BREAKS or sentence[start - 1] in {"and", "please"}))


def _carries(word: str) -> bool:
    return len(word) >= 3 and word.isalpha() and word not in _COMMON
