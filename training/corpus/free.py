"""Free sentences: what a brief tells in words of its own, and the same told by the company itself.

The situations of `text/social.txt` and `text/email.txt` can be learnt; these cannot. A model that sees enough of them
learns to carry sentences over: to turn "They have repaired the old clock tower" into "We have repaired ...".
"""

import random
from pathlib import Path
from typing import NamedTuple

from . import facts, names, phrases

_NUMBERS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty".split()  # noqa: SIM905


class Verb(NamedTuple):
    """The forms of a verb: repair, repaired, repaired, repairing."""

    base: str
    past: str
    participle: str
    gerund: str


class Told(NamedTuple):
    """One thing to say: as the prompt tells it, as the answer says it, and the noun phrase it is about."""

    prompt: str
    answer: str
    about: str


def _read() -> dict[str, str]:
    text = (Path(__file__).parent / "text" / "vocabulary.txt").read_text(encoding="utf-8")
    parts = text.split("== ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}


_TEXT = _read()


def _list(key: str) -> list[str]:
    return [item.strip() for item in _TEXT[key].replace("\n", ";").split(";") if item.strip()]


VERBS = [Verb(*item.split()) for item in _list("verbs")]
NOUNS, AGENTS, BECAUSE = _list("nouns"), _list("agents"), _list("because")
ADJECTIVES = _TEXT["adjectives"].split()


def _noun(rng: random.Random) -> str:
    noun = names.syllables(rng) if rng.random() < 0.1 else rng.choice(NOUNS)
    return f"{rng.choice(ADJECTIVES)} {noun}" if rng.random() < 0.45 else noun


def plural(noun: str) -> str:
    """The plural by the usual rules."""
    if noun.endswith(("s", "sh", "ch", "x")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def _name(rng: random.Random) -> str:
    maker = rng.choice([names.word, names.place, names.person, names.surname])
    return maker(rng)


def thing(rng: random.Random) -> str:  # noqa: PLR0911  one line a shape
    """A noun phrase: "the old clock tower of Alder Library", "14 oak boards", "a fresh loaf"."""
    noun, roll = _noun(rng), rng.random()
    if roll < 0.25:
        number = rng.choice([rng.choice(_NUMBERS), facts.count(rng), facts.count(rng)])
        return f"{number} {plural(noun)}"
    if roll < 0.4:
        return phrases.with_article(noun)
    if roll < 0.52:
        return f"the {noun} {rng.choice(['of', 'in', 'for', 'from', 'near', 'at', 'by'])} {_name(rng)}"
    if roll < 0.62:
        return f"the {_name(rng)} {noun}"
    if roll < 0.7:
        return f"{rng.choice(['all', 'some', 'more', 'most', 'their'])} {plural(noun)}".replace("their", "many")
    if roll < 0.76:
        return f"{facts.price(rng)} for {phrases.with_article(noun)}"
    return f"the {noun}" if rng.random() < 0.6 else f"the {plural(noun)}"


def tail(rng: random.Random) -> str:
    """An ending with a fact: when, where, for whom, how long, why; often nothing."""
    span = f"{rng.choice(_NUMBERS)} {rng.choice(['days', 'weeks', 'months', 'years', 'hours', 'minutes'])}"
    return rng.choice([
        "", "", "", "",
        f" on {facts.date(rng)}", f" by {facts.date(rng)}", f" since {facts.date(rng)}", f" from {facts.date(rng)}",
        f" at {facts.time(rng)}", f" in {names.place(rng)}", f" in {names.place(rng)} on {facts.date(rng)}",
        f" for {names.company(rng, rng.choice(facts.TRADES).suffixes)}", f" with {names.person(rng)}",
        f" after {span}", f" within {facts.duration(rng)}", f" for {facts.price(rng)}", f" in {facts.duration(rng)}",
        f" at {phrases.draw(rng, 'venue')}", f", {phrases.draw(rng, 'early')}", f" because {rng.choice(BECAUSE)}",
        f", because {rng.choice(BECAUSE)}", f" and {rng.choice(VERBS).past} {thing(rng)}", f" without {thing(rng)}",
        f" from {facts.time(rng)} to {facts.time(rng)}", f" as part of {phrases.draw(rng, 'event')}",
    ])  # fmt: skip


def statement(rng: random.Random) -> str:
    """A sentence without subject changes, no capital and no full stop: "the ferry leaves at 9 am"."""
    about = rng.choice(["the", "every", "the new", "the old"]) + " " + rng.choice(NOUNS)
    verb = rng.choice(VERBS)
    roll = rng.random()
    if roll < 0.3:
        return f"{about} {rng.choice(['was', 'will be', 'has been', 'must be', 'can be'])} {verb.participle}{tail(rng)}"
    if roll < 0.5:
        price = rng.choice([facts.price(rng), facts.duration(rng), facts.percent(rng)])
        return f"{about} {rng.choice(['costs', 'takes', 'saves', 'is worth', 'adds', 'needs'])} {price}{tail(rng)}"
    if roll < 0.7:
        return f"{names.person(rng)} {verb.past} {thing(rng)}{tail(rng)}"
    if roll < 0.85:
        return f"there {rng.choice(['is', 'will be', 'was'])} {phrases.with_article(_noun(rng))}{tail(rng)}"
    return f"{about} {rng.choice(['is', 'was', 'stays'])} {rng.choice(ADJECTIVES)}{tail(rng)}"


def cap(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def tell(rng: random.Random, company: str) -> Told:
    """One thing that a company has to say."""
    verb, about, end = rng.choice(VERBS), thing(rng), tail(rng)
    roll = rng.random()
    they = rng.choice(["They", "They", company, "The firm", "The team", "The company"])
    one = they != "They"
    if roll < 0.22:
        done = rng.choice(["", "just ", "now "]) + f"{verb.participle} {about}{end}"
        return Told(f"{they} {'has' if one else 'have'} {done}.", f"We have {done}.", about)
    if roll < 0.38:
        return Told(f"{they} {verb.past} {about}{end}.", f"We {verb.past} {about}{end}.", about)
    if roll < 0.5:
        modal = rng.choice(["will", "can", "must"])
        return Told(f"{they} {modal} {verb.base} {about}{end}.", f"We {modal} {verb.base} {about}{end}.", about)
    if roll < 0.6:
        want = rng.choice(["want to", "plan to", "need to", "hope to"])
        they_want = want.replace(" to", "s to") if one else want
        return Told(f"{they} {they_want} {verb.base} {about}{end}.", f"We {want} {verb.base} {about}{end}.", about)
    if roll < 0.68:
        return Told(
            f"{they} {'is' if one else 'are'} {verb.gerund} {about}{end}.", f"We are {verb.gerund} {about}{end}.", about
        )
    said = statement(rng)
    lead = rng.choice(
        ["", "", "", "Say that ", "Mention that ", "It must say that ", "Add that ", "Also, ", "Tell readers that "]
    )
    return Told(cap(f"{lead}{said}."), cap(f"{said}."), said)


def silence(rng: random.Random) -> str:
    """Something that must not be said, for the prompt alone."""
    return rng.choice(
        ["Do not mention {x}.", "Say nothing about {x}.", "Leave out {x}.", "Not a word about {x}."]
    ).replace("{x}", f"the {_noun(rng)}")


def manner(rng: random.Random) -> str:
    """A wish about style that changes nothing in the answer."""
    bans = [
        rng.choice(["journey", "passionate", "proud", "overdue", "unfortunately", "excited", "obligation", "rockstar"])
        for _ in "ab"
    ]
    return rng.choice([
        "Not sentimental.", "No emoji.", "The tone should be careful rather than triumphant.", "It should not sound like advertising.",
        f"Avoid the words '{bans[0]}' and '{bans[1]}'.", "No cliches.", "Nothing official.", "Tone between friends.",
        "Factual and short.", "Sound like a person, not a company.", "No superlatives.", "People are worried, so be calm.",
        "It may be a little funny.", "No promises.", f"Do not use '{bans[0]}'.", "Modest tone.",
    ])  # fmt: skip
