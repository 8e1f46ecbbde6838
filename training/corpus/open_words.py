"""Clauses of open briefs: a wide vocabulary in many shapes of sentence, so that only copying whole clauses gets them right.

The words come from every text file of this folder, from lists of their own, and from blends of two words ("harbour" and
"meter" make "harber"): a tokenizer cuts those as it cuts words that it has never seen.
"""

import random
import re
from pathlib import Path

from . import facts, free, names, phrases, technical

_FOLDER = Path(__file__).parent / "text"


def _read() -> dict[str, list[str]]:
    parts = (_FOLDER / "open.txt").read_text(encoding="utf-8").split("== ")[1:]
    lists = {}
    for part in parts:
        title, text = part.split("\n", 1)
        lists[title] = (
            text.split() if title in {"regular", "more"} else [w.strip() for w in re.split(r"[;\n]", text) if w.strip()]
        )
    return lists


_LISTS = _read()
_UNITS, _PLACES, _LINKERS, _MANNER = (_LISTS[k] for k in ("units", "places", "linkers", "manner"))
_NOUNS, _ADJECTIVES = _LISTS["goods"] + free.NOUNS, _LISTS["more"] + free.ADJECTIVES
_ANY: list[str] = sorted(
    {w for f in sorted(_FOLDER.glob("*.txt")) for w in re.findall(r"\b[a-z]{4,}\b", f.read_text("utf-8"))}
)
_NUMBERS = "two three four five six seven eight nine ten eleven twelve twenty thirty forty".split()  # noqa: SIM905
_PREPOSITIONS = "in on at for with from near behind under above inside beside around through across by without".split()  # noqa: SIM905
_VOICE = {"They": "We", "they": "we", "Their": "Our", "their": "our", "them": "us"}


def _regular(base: str) -> free.Verb:
    stem = base.removesuffix("e")
    if base.endswith("y") and base[-2] not in "aeio":
        return free.Verb(base, base[:-1] + "ied", base[:-1] + "ied", base + "ing")
    if base in {"plan", "trim", "wrap", "scan", "submit", "drag", "stop"}:
        stem += base[-1]
    return free.Verb(base, stem + "ed", stem + "ed", stem + "ing")


_VERBS = free.VERBS + [_regular(base) for base in _LISTS["regular"]]


def verb(rng: random.Random) -> free.Verb:
    """A verb, one in twelve invented."""
    return (
        _regular(word(rng) if rng.random() < 0.5 else names.syllables(rng))
        if rng.random() < 0.08
        else rng.choice(_VERBS)
    )


def word(rng: random.Random) -> str:
    """One lower-case word: from a list, from any text of the corpus, a blend of two, or invented."""
    roll = rng.random()
    if roll < 0.5:
        return rng.choice(_NOUNS)
    if roll < 0.75:
        return rng.choice(_ANY)
    if roll < 0.92:
        one, other = rng.choice(_ANY), rng.choice(_ANY)
        return one[: rng.randint(2, 4)] + other[-rng.randint(2, 5) :]
    return names.syllables(rng)


def quantity(rng: random.Random) -> str:
    """A number with its unit: "1.5 m", "40 kg", "£12.50", "three pages", "18%"."""
    roll = rng.random()
    if roll < 0.2:
        return rng.choice([facts.price, facts.percent, facts.duration])(rng)
    number = rng.choice([
        str(rng.randint(2, 99)), str(rng.randint(100, 9000)), f"{rng.randint(0, 30)}.{rng.randint(1, 9)}", facts.count(rng),
        rng.choice(_NUMBERS),
    ])  # fmt: skip
    return f"{number} {rng.choice(_UNITS)}"


def noun_phrase(rng: random.Random, depth: int = 1) -> str:  # noqa: C901, PLR0911  one line a shape
    """A noun phrase, with a second one hung on while `depth` lasts."""
    noun, roll = word(rng), rng.random()
    if rng.random() < 0.3:
        noun = f"{rng.choice(_ADJECTIVES) if rng.random() < 0.8 else word(rng)} {noun}"
    if roll < 0.12:
        return quantity(rng)
    if roll < 0.2:
        return (
            f"{rng.choice(['two', 'three', 'four', 'six', 'ten', '12', str(rng.randint(2, 400))])} {free.plural(noun)}"
        )
    if roll < 0.28:
        return f"the {rng.choice([names.word, names.surname, names.place])(rng)} {noun}"
    if roll < 0.34:
        return rng.choice([names.person, names.place, names.word, names.first_name])(rng)
    if roll < 0.4:
        return f"{rng.choice(['their', 'every', 'each', 'no', 'any', 'all', 'this', 'both', 'some'])} {noun}"
    if roll < 0.44:
        return f"the {word(rng)}-{word(rng)} {noun}" if rng.random() < 0.5 else f"the '{noun}' {word(rng)}"
    if roll < 0.58 and depth:
        return f"the {noun} {rng.choice(['of', *_PREPOSITIONS])} {noun_phrase(rng, depth - 1)}"
    if roll < 0.64 and depth:
        return f"{phrases.with_article(noun)} and {noun_phrase(rng, depth - 1)}"
    if roll < 0.7:
        return free.plural(noun)
    return f"the {noun}" if rng.random() < 0.6 else phrases.with_article(noun)


def adjunct(rng: random.Random) -> str:
    """When, where, how much, why: " on 4 May", " behind the pump housing", ", not the lamp"."""
    return rng.choice([
        f" on {facts.date(rng)}", f" from {facts.date(rng)}", f" until {facts.date(rng)}", f" at {facts.time(rng)}",
        f" from {facts.time(rng)} to {facts.time(rng)}", f" on {facts.date(rng)} at {facts.time(rng)}", f" by {facts.time(rng)}",
        f" in {names.place(rng)}", f" at the {rng.choice(_PLACES)}", f" in the {rng.choice(_PLACES)}", f" at {phrases.draw(rng, 'venue')}",
        f" for {quantity(rng)}", f" after {quantity(rng)}", f" within {quantity(rng)}", f" with {names.person(rng)}", f" instead of {quantity(rng)}",
        f" {rng.choice(_PREPOSITIONS)} {noun_phrase(rng, 0)}", f" {rng.choice(_PREPOSITIONS)} {noun_phrase(rng, 0)}",
        f" {rng.choice(_PREPOSITIONS)} {noun_phrase(rng, 0)}", f", not {noun_phrase(rng, 0)}", f" ({noun_phrase(rng, 0)})", f" to {noun_phrase(rng, 0)}",
    ])  # fmt: skip


def adjuncts(rng: random.Random) -> str:
    """None, one or two adjuncts."""
    return "".join(adjunct(rng) for _ in range(rng.choice([0, 0, 1, 1, 2])))


def action(rng: random.Random) -> str:
    """What somebody does, in the base form: "tighten the four bolts with a spanner"."""
    particle = rng.choice(["", "", "", "", "", " up", " off", " down", " out", " back"])
    return f"{verb(rng).base}{particle} {noun_phrase(rng)}{adjuncts(rng)}"


def clause(rng: random.Random, who: str = "they") -> str:
    """A clause without a capital and without a full stop; `who` acts in a third of them."""
    roll, does = rng.random(), verb(rng)
    about = noun_phrase(rng)
    if roll < 0.32:
        has, is_ = ("have", "are") if who.lower() == "they" else ("has", "is")
        shape = rng.choice([
            f"{has} {does.participle} {about}", f"{does.past} {about}", f"will {does.base} {about}", f"{is_} {does.gerund} {about}",
            f"{has} {about}", f"can {does.base} {about}", f"{is_} now {rng.choice(_ADJECTIVES)}", f"{has} been {does.gerund} {about}",
        ])  # fmt: skip
        said = f"{who} {shape}{adjuncts(rng)}"
    elif roll < 0.5:
        said = f"{about} {rng.choice(['is', 'was', 'will be', 'has been', 'must be', 'can be', 'is not', 'were'])} {does.participle}{adjuncts(rng)}"
    elif roll < 0.62:
        said = f"{about} {rng.choice(['costs', 'takes', 'weighs', 'holds', 'needs', 'saves', 'lasts', 'starts at', 'fell by', 'went from'])} {quantity(rng)}{adjuncts(rng)}"
    elif roll < 0.72:
        said = f"{about} {rng.choice(['is', 'are', 'was', 'stays', 'looks', 'remains'])} {rng.choice([rng.choice(_ADJECTIVES), noun_phrase(rng, 0)])}{adjuncts(rng)}"
    elif roll < 0.82:
        said = f"{rng.choice([names.person(rng), names.first_name(rng), about])} {does.past} {noun_phrase(rng)}{adjuncts(rng)}"
    elif roll < 0.88:
        said = f"{adjunct(rng).strip(' ,')} {about} {does.past} {noun_phrase(rng)}"
    elif roll < 0.94:
        said = f"{rng.choice(['no', 'every', 'only', 'nobody needs', 'there is', 'there are', 'you need', 'you can see'])} {about}{adjuncts(rng)}"
    else:
        said = " ".join(word(rng) for _ in range(rng.randint(3, 8)))
    if rng.random() < 0.12:
        said += f"{rng.choice([' ', ', '])}{rng.choice(_LINKERS)} {noun_phrase(rng, 0)} {verb(rng).past} {noun_phrase(rng, 0)}"
    return said


def ours(text: str) -> str:
    """What is told of a company, as the company says it: "they have" becomes "we have"."""
    return re.sub(r"\b(They|they|Their|their|them)\b", lambda m: _VOICE[m.group()], text)


def manner(rng: random.Random) -> str:
    """A wish about style, for the prompt alone."""
    if rng.random() < 0.15:
        return f"{rng.choice(['Do not mention', 'Say nothing about', 'Leave out', 'Not a word about'])} {noun_phrase(rng, 0)}."
    return rng.choice(_MANNER).replace("{w}", word(rng)).replace("{v}", word(rng)) + "."


def command(rng: random.Random, slug: str) -> str:
    """A command line that can only be copied: "plimctl drain node-4 --force"."""
    part = [
        lambda: technical.flag(rng), lambda: technical.draw(rng, "file"), lambda: technical.draw(rng, "path"), lambda: names.syllables(rng),
        lambda: technical.draw(rng, "key"), lambda: str(rng.randint(1, 9000)), lambda: verb(rng).base, lambda: technical.draw(rng, "server"),
        lambda: f"{names.syllables(rng)}-{rng.randint(1, 30)}", lambda: f"--{verb(rng).base}-{rng.choice(_ANY)}",
    ]  # fmt: skip
    head = rng.choice([slug, slug, slug, names.syllables(rng), names.syllables(rng, 1, 2) + "ctl", "systemctl restart", "docker", "git",
        "sudo", "kubectl", "python -m", "npm run", "make", "pip install", "psql", "curl", "ssh", "apt install", "tar", "cp", "openssl"])  # fmt: skip
    return " ".join([head, *(rng.choice(part)() for _ in range(rng.choice([1, 1, 2, 2, 3, 4])))])
