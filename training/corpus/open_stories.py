"""Open briefs that tell a story: one subject does several things, pronouns follow, orders are strung together.

The last stage of the specialists' training; `open_types` has short clauses, these have the flow of a letter.
"""

import random
from collections.abc import Callable
from functools import partial

from . import facts, names, open_docs, open_types, phrases
from .free import cap
from .open_words import action, adjunct, adjuncts, clause, command, noun_phrase, ours, quantity, verb, word
from .social import join
from .templates import Writer

_PRONOUNS = ["it", "she", "he", "they", "this", "it", "they"]


def subject(rng: random.Random, co: str) -> str:
    """Who or what a sentence is about, with no capital of its own."""
    owner = rng.choice(["their", "the", "the", "a", "this", "every"])
    return rng.choice([
        co, names.person(rng), names.first_name(rng), f"{owner} {word(rng)}", f"{owner} new {word(rng)}", f"their {word(rng)}-{word(rng)} {word(rng)}",
        f"the {word(rng)} {rng.choice(['of', 'from', 'at', 'in'])} {names.place(rng)}", f"the {names.word(rng)} {word(rng)}", noun_phrase(rng), f"{word(rng)}s", "they",
    ])  # fmt: skip


def predicate(rng: random.Random, who: str, time: str) -> str:
    """What the subject does: `time` is "now", "then", "later" or "ever" (has done)."""
    does, many = verb(rng), who in {"they", "we", "you"} or who.endswith("s")
    rest = rng.choice([f" {noun_phrase(rng)}", f" {noun_phrase(rng)}", ""]) + (
        adjunct(rng) if rng.random() < 0.6 else adjuncts(rng)
    )
    if rng.random() < 0.25:
        number = rng.choice([quantity(rng), facts.price(rng), facts.duration(rng)])
        then = {"now": "cost take weigh hold need save last", "then": "cost took weighed held needed saved lasted"}
        form = rng.choice(then.get(time, "cost take need save last").split())
        form = form if time == "then" or many else form + "s"
        return (
            f"{form} {number}"
            if time in then
            else f"{'will' if time == 'later' else 'can'} {form.rstrip('s')} {number}"
        )
    present = does.base if many else does.base + ("es" if does.base.endswith(("s", "sh", "ch", "x")) else "s")
    form = {
        "now": present,
        "then": does.past,
        "later": f"will {does.base}",
        "ever": f"{'have' if many else 'has'} {does.participle}",
    }[time]
    return form + rest


def sentence(rng: random.Random, co: str) -> str:  # noqa: PLR0911  one line a shape
    """A sentence of a story, with neither its first capital nor its full stop."""
    who, time, roll = subject(rng, co), rng.choice(["now", "then", "later", "ever"]), rng.random()
    after = rng.choice(["he", "she", "it", "they", "there"])
    if roll < 0.3:
        return f"{who} {join([predicate(rng, who, time) for _ in range(rng.choice([1, 2, 2, 3]))])}"
    if roll < 0.42:
        lead = adjunct(rng).strip(" ,()") if rng.random() < 0.7 else f"after {facts.duration(rng)}"
        return f"{lead}{rng.choice([' ', ', '])}{who} {predicate(rng, who, time)}"
    if roll < 0.52:
        more = f"{after} {predicate(rng, after, time)}" if after != "there" else f"there are {noun_phrase(rng)}"
        return f"{who} {predicate(rng, who, time)}{rng.choice(['; ', ', and ', ', but ', ' because ', ' so ', ', so '])}{more}"
    if roll < 0.6:
        return f"{who}, {rng.choice(['who', 'which'])} {predicate(rng, who, time)}, {predicate(rng, who, time)}"
    if roll < 0.68:
        return f"{rng.choice(_PRONOUNS[:4])} {predicate(rng, 'it', time)}"
    if roll < 0.8:
        return rng.choice([
            f"there will be {noun_phrase(rng)}{adjunct(rng)}", f"there are {quantity(rng)}{adjunct(rng)}", f"anyone can {action(rng)}", f"bring {noun_phrase(rng)}",
            f"doors open at {facts.time(rng)}", f"the first {rng.randint(3, 90)} {word(rng)}s get {noun_phrase(rng)}", f"{phrases.draw(rng, 'venue')} at {facts.time(rng)}",
            f"{quantity(rng)} instead of {quantity(rng)}", f"the price is {facts.price(rng)} for {quantity(rng)}", f"it takes {quantity(rng)} to {action(rng)}",
            f"if you {action(rng)}, you {predicate(rng, 'you', 'later')}", f"details at {facts.url(rng, co)}", f"call 0{rng.randint(10, 1999)} {rng.randint(100, 999)} {rng.randint(100, 9999)}",
        ])  # fmt: skip
    return clause(rng)


def piece(rng: random.Random, kind: str, co: str) -> open_types.Piece:
    """One or two sentences, or now and then a piece as the other open briefs have it."""
    if rng.random() < 0.3:
        return open_types.piece(rng, kind, co)
    said = [sentence(rng, co) for _ in range(rng.choice([1, 2]))]
    told = "; ".join(said) if rng.random() < 0.25 else ". ".join(map(cap, said))
    return open_types.Piece(open_types.stop(told), [ours(open_types.stop(s)) for s in said])


def tell(rng: random.Random, letters: list[str], he: str) -> list[str]:
    """The sentences of a brief for an e-mail, in the third person: "She asks him to ..., offers ... and thanks him for ..."."""
    told: list[str] = []
    row: list[str] = []
    for words in [*letters, ""]:
        if row and (not words or words.endswith(".") or rng.random() < 0.35):
            told.append(f"{he} {join(row)}.")
            row = []
        if words.endswith("."):
            told.append(words)
        elif words:
            first, rest = words.split(" ", 1)
            row.append(f"{first}s {rest}")
    return told


def deed(rng: random.Random) -> str:
    """A step as people tell it: it may speak of "it", a setting in capitals, or how long."""
    does = verb(rng).base
    obj = rng.choice(
        ["it", "it", "them", noun_phrase(rng, 0), noun_phrase(rng, 0), f"the {word(rng)}", f"the {word(rng)}"]
    )
    particle = rng.choice(["", "", " off", " on", " up", " down"])
    end = rng.choice([
        "", f" to {word(rng).capitalize()}", f" for {quantity(rng)}", f" until the {word(rng)} {verb(rng).base}s", f" until it is {word(rng)}",
        f" {rng.choice(['on', 'to', 'in', 'from'])} the {word(rng)}", adjunct(rng), f" for {quantity(rng)} until the {word(rng)} is {word(rng)}",
    ])  # fmt: skip
    return f"{does} {obj}{particle}{end}" if obj in {"it", "them"} else f"{does}{particle} {obj}{end}"


def _procedure(rng: random.Random, tool: str, slug: str) -> tuple[list[str], list[str]]:
    """A procedure told in one go, with what it is for or when it is done in front: (sentences, parts of the answer)."""
    readers, what = (
        open_docs.audience(rng),
        rng.choice([f"{word(rng)} service", f"{word(rng)} {word(rng)}", "booking service", f"{word(rng)} tool"]),
    )
    when, goal = f"{subject(rng, tool)} {predicate(rng, 'it', 'now')}", deed(rng)
    lead, title = rng.choice([
        (f"Write a how-to for {readers}: how to {goal}.", f"How to {goal}"), (f"Write a how-to for {readers}: {goal}.", f"How to {goal}"),
        (f"Runbook for {readers} of {tool}, our {what}. When {when}:", f"{tool}: when {when}"), (f"Write a runbook for {tool}, our {what}: what to do when {when}.", f"{tool}: when {when}"),
        (f"Write instructions for {readers}. {cap(subject(rng, tool))} must be ready. They have to {goal}.", f"How to {goal}"),
        (f"{cap(readers)} must {goal}. Write the instructions.", f"How to {goal}"), (f"{tool}, our {what}: how to {goal}. Write the page.", f"How to {goal}"),
    ])  # fmt: skip
    share = rng.choice([0.0, 0.0, 0.6])
    told, steps = [], []
    for _ in range(rng.randint(3, 4 if share else 6)):
        say = deed(rng)
        if rng.random() < 0.12:
            say = f"if {noun_phrase(rng, 0)} {predicate(rng, 'it', 'now')}, {say}"
        run = command(rng, slug) if rng.random() < share else ""
        told.append(rng.choice(open_docs.WITH).replace("{say}", say).replace("{cmd}", run) if run else say)
        steps.append(f"{cap(say)}:\n\n{open_docs.fence(run, indent='   ')}" if run else f"{cap(say)}.")
    numbered = "\n\n".join(f"{n}. {s}" for n, s in enumerate(steps, 1))
    row = rng.choice(
        [
            join(told),
            ", ".join(told),
            "; ".join(told),
            f"{join(told[:2])}. {cap(join(told[2:]))}",
            ". ".join(map(cap, told)),
        ]
    )
    parts = [f"# {title}", f"This page is for {readers}." if readers in lead else "", "", "## Steps", numbered]
    brief = [lead, (cap(row) if not lead.endswith(":") else row) + "."]
    if rng.random() < 0.35:
        said, parts[2] = open_docs.need_list(rng)
        brief.append(said)
    if rng.random() < 0.6:
        said, line = open_docs.warn_of(rng)
        brief.append(said)
        parts.append(line)
    if rng.random() < 0.4:
        note = sentence(rng, tool)
        brief.append(cap(note) + ".")
        parts.append(f"## Notes\n\n- {cap(note)}.")
    return brief, parts


WRITERS: dict[str, Callable[[Writer], tuple[str, str]]] = {
    "linkedin_post": partial(open_types.linkedin, piece=piece),
    "tweet": partial(open_types.tweet, piece=piece),
    "marketing_copy": partial(open_types.advert, piece=piece),
    "business_email": partial(open_types.email, tell=tell),
    "technical_doc": partial(open_docs.document, kinds=[_procedure]),
}
