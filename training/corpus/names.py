"""Names nobody can learn by heart: people, companies, products, places, made from lists and from syllables.

A small model copies a name only when remembering it is hopeless, so about half of all names are invented.
"""

import random
from pathlib import Path


def _read() -> dict[str, list[str]]:
    blocks: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "text" / "words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            words = blocks[line[3:]] = []
        elif not line.startswith("#"):
            words += line.split()
    return blocks


_WORDS = _read()
FIRST, LAST, PLACES, ADJ, NOUN = (_WORDS[key] for key in ("first", "last", "places", "adj", "noun"))
_ONSET, _VOWEL, _CODA = (_WORDS[key] for key in ("onset", "vowel", "coda"))
_CODA += [""] * 34  # most syllables end in a vowel


def syllables(rng: random.Random, least: int = 2, most: int = 3) -> str:
    """A pronounceable invented word of `least` to `most` syllables, in lower case."""
    return "".join(
        rng.choice(_ONSET) + rng.choice(_VOWEL) + rng.choice(_CODA) for _ in range(rng.randint(least, most))
    )[:11]


def word(rng: random.Random) -> str:
    """A capitalised word for a name: invented half of the time."""
    roll = rng.random()
    if roll < 0.5:
        return syllables(rng).capitalize()
    return rng.choice(ADJ if roll < 0.62 else NOUN if roll < 0.8 else LAST)


def first_name(rng: random.Random) -> str:
    """A given name, one in four invented."""
    return syllables(rng).capitalize() if rng.random() < 0.25 else rng.choice(FIRST)


def surname(rng: random.Random) -> str:
    """A family name, one in three invented."""
    return syllables(rng).capitalize() if rng.random() < 0.33 else rng.choice(LAST)


def person(rng: random.Random) -> str:
    """A given name and a family name."""
    return f"{first_name(rng)} {surname(rng)}"


def company(rng: random.Random, suffixes: list[str]) -> str:  # noqa: PLR0911  one line a shape
    """A company name in one of the usual shapes; `suffixes` are words of the trade ("Cycles", "Bakery")."""
    shape = rng.random()
    suffix = rng.choice(suffixes)
    if shape < 0.5:
        return f"{word(rng)} {suffix}"
    if shape < 0.62:
        return f"{surname(rng)} & {surname(rng)}"
    if shape < 0.7:
        return f"{rng.choice(ADJ)} {rng.choice(NOUN)}"
    if shape < 0.78:
        return f"{rng.choice(ADJ)} {rng.choice(NOUN)} {suffix}"
    if shape < 0.84:
        return f"{surname(rng)} & {rng.choice(['Sons', 'Daughters', 'Co', 'Partners', 'Friends'])}"
    if shape < 0.9:
        return f"{rng.choice(['Studio', 'Atelier', 'Casa', 'House of', 'Team', 'Project'])} {word(rng)}"
    return syllables(rng).capitalize() + rng.choice(["", "", "ly", "io", "works", "soft", "lab", "way"])


def place(rng: random.Random) -> str:
    """A town, one in four invented."""
    if rng.random() < 0.25:
        ending = ["ton", "ham", "ford", "bury", "ville", "by", "field"]
        return syllables(rng, 1, 2).capitalize() + rng.choice(ending)
    return rng.choice(PLACES)


def product(rng: random.Random, nouns: list[str]) -> tuple[str, str]:
    """A product name and its kind: ("Orion Mixer", "mixer"); the name does not always contain the kind."""
    noun = rng.choice(nouns)
    shape = rng.random()
    if shape < 0.35:
        return f"{word(rng)} {noun.title()}", noun
    if shape < 0.5:
        return f"{rng.choice(ADJ)} {rng.choice(NOUN)}", noun
    if shape < 0.62:
        return (
            f"{word(rng)} {rng.choice(['One', 'Two', 'Mini', 'Plus', 'Pro', 'Max', 'Go', 'Lite', 'Air', 'Home'])}",
            noun,
        )
    if shape < 0.74:
        return f"{word(rng)} {rng.randint(2, 900)}", noun
    if shape < 0.86:
        return f"{rng.choice(ADJ)} {noun.title()}", noun
    return syllables(rng).capitalize(), noun
