"""Which language a text is in, and whether its words are in an order that language allows.

Both are cheap: shares of function words. They answer "certainly not" and otherwise abstain; neither is a language
identifier for short or mixed text, and neither knows grammar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

WORD = re.compile(r"[^\W_]+(?:['’‑-][^\W_]+)*")
"""A word: letters and digits, joined by apostrophes and hyphens."""
_ASCII_WORDS = bytes(code if chr(code).isalnum() or chr(code) in "'-" else 32 for code in range(128)).ljust(256)


def words_in(text: str) -> list[str]:
    """Return what `WORD` finds in `text`, which takes a third of the time where it is ASCII."""
    if not text.isascii():
        return WORD.findall(text)
    runs = text.encode().translate(_ASCII_WORDS).decode().split()
    if "'" not in text and "-" not in text:
        return runs
    return [word for run in runs for word in ((run,) if run.isalnum() else WORD.findall(run))]


FUNCTION_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        code: frozenset(words.split())
        for code, words in {
            "en": "the a an and or but of to in on at for from by with is are was were be been has have had it its this that these those "
            "we our you your they their i my he she his her as not no do does did can will would so if than then when what which who how "
            "all more out up into about there here just after before over also any some each only because while now us them me",
            "de": "der die das den dem des ein eine einen einem einer und oder aber von zu im in am auf für aus bei mit ist sind war waren "
            "wird werden hat haben es sich nicht wir unser unsere sie ihr ihre ich du er als auch wenn dass nach über so nur noch wie was "
            "kann zum zur durch um vor bis kein keine sein seine ihm ihn mehr",
            "fr": "le la les l un une des du de et ou mais à au aux en dans sur pour par avec est sont était être a ont avez avons il elle "
            "on nous vous votre vos notre nos ils je ne pas que qui ce cette ces se sa son ses plus si comme leur leurs d qu c s n y",
            "es": "el la los las un una unos unas y o pero de del al en con por para es son era ser está están ha han se no que su sus lo "
            "le les nos nuestro nuestra usted ustedes yo tu si como más este esta estos estas ese esa muy ya sin sobre hay",
            "it": "il lo la i gli le un uno una e o ma di del della dei delle al alla in nel nella con per da dal dalla su è sono era essere "
            "ha hanno si non che ci vi nostro nostra vostro voi noi io se come più questo questa questi anche degli agli alle sul sulla",
            "nl": "de het een en of maar van naar te in op aan voor uit bij met is zijn was waren wordt worden heeft hebben er niet geen wij "
            "we ons onze u uw jullie zij ze hun ik je hij als ook dat dit die deze om door over tot nog maar zo kan kunnen",
            "pt": "o a os as um uma uns umas e ou mas de do da dos das ao à em no na nos nas com por para é são era ser está estão tem se "
            "não que seu sua seus suas lhe nosso nossa você vocês eu como mais este esta esse essa muito já sem sobre pelo pela",
        }.items()
    }
)

LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "en": "english",
        "de": "german",
        "fr": "french",
        "es": "spanish",
        "it": "italian",
        "nl": "dutch",
        "pt": "portuguese",
    }
)

_DETERMINERS = frozenset(["a", "an", "the", "my", "our", "your", "their", "its", "every"])
# What never follows a determiner in English prose, adjectival participles and nouns left out on purpose.
_NEVER_AFTER = frozenset(
    [
        "a",
        "an",
        "the",
        "my",
        "your",
        "their",
        "its",
        "of",
        "to",
        "and",
        "or",
        "from",
        "by",
        "with",
        "is",
        "are",
        "was",
        "were",
        "had",
        "has",
        "have",
        "it",
        "we",
        "they",
        "you",
        "i",
        "he",
        "she",
        "them",
        "us",
        "that",
        "this",
        "because",
        "if",
        "when",
        "which",
        "who",
        "whose",
        "would",
        "could",
        "should",
        "will",
        "be",
        "been",
        "at",
        "into",
        "through",
        "not",
        "do",
        "does",
        "did",
    ]
)
_NEVER_LAST = frozenset(["the", "an", "our", "your", "their", "my", "and", "or", "every"])


def detect_other_language(words: Sequence[str], expected: str) -> str | None:
    """Return the code of the language that `words` are in when it is clearly another than `expected`, else None.

    Needs 15 words and one of the known languages (en, de, fr, es, it, nl, pt) on both sides; abstains otherwise.
    """
    if len(words) < 15 or expected not in FUNCTION_WORDS:
        return None
    ours = _share_of(FUNCTION_WORDS[expected], words)
    if ours > 0.12:
        return None
    shares = {code: ours if code == expected else _share_of(known, words) for code, known in FUNCTION_WORDS.items()}
    best = max(shares, key=lambda code: shares[code])
    if best == expected or shares[best] < 0.2 or shares[best] < 2.5 * ours:
        return None
    return best


def english_share(words: Sequence[str]) -> float:
    """Return the share of English function words, 0 for fewer than 15 words."""
    return _share_of(FUNCTION_WORDS["en"], words) if len(words) >= 15 else 0.0


def _share_of(known: frozenset[str], words: Sequence[str]) -> float:
    return sum(map(known.__contains__, words)) / len(words)


def other_script_share(text: str) -> float:
    """Return the share of letters that are not Latin, 0 for a text without letters.

    Greek and other letters used as symbols count; a caller should ask for a large share.
    """
    if text.isascii():
        return 0.0
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return 0.0
    return sum(ord(character) > 0x24F and not 0x1E00 <= ord(character) <= 0x1EFF for character in letters) / len(
        letters
    )


def impossible_pairs(sentences: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return word pairs that English does not allow ("the of", a sentence that ends in "the"), in order.

    `sentences` are words as written: the capital A of "plan A" is no article. Shuffled words have many; edited prose has nearly none.
    """
    found: list[str] = []
    for words in sentences:
        lowered = [*map(str.lower, words)]
        if "A" in words[1:]:
            lowered = ["" if word == "A" and index else word.lower() for index, word in enumerate(words)]
        found += [
            f"{first} {second}"
            for first, second in pairwise(lowered)
            if first in _DETERMINERS and second in _NEVER_AFTER and first != second
        ]
        if len(lowered) > 1 and lowered[-1] in _NEVER_LAST:
            found.append(f"{lowered[-1]} .")
    return tuple(found)
