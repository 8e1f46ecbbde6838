"""Copying exercises for the first minutes of training: with them a model finds out early that the prompt matters."""

import random

from . import facts, names
from .social import join
from .templates import Writer

_KINDS = [
    "co",
    "product",
    "person",
    "date",
    "price",
    "place",
    "time",
    "percent",
    "venue",
    "event",
    "client",
    "url",
    "phone",
    "order",
    "file",
    "tool",
    "tag",
    "code",
    "count",
    "duration",
    "path",
    "role",
    "reason",
    "award",
]
_REPEAT = ["Repeat: {x}", "Say this again: {x}", "Copy this: {x}", "Write down: {x}", "Echo: {x}"]
_SENTENCES = [
    (("product", "date", "price"), "{product} arrives on {date} and costs {price}."),
    (("co", "place", "date"), "{co} opens in {place} on {date}."),
    (("person", "co", "role"), "{person} joins {co} as {role}."),
    (("event", "venue", "time"), "Come to {event} at {venue}, {time}."),
    (("client", "percent", "product"), "{client} saved {percent} with {product}."),
    (("order", "date", "reason"), "Order {order} is late until {date} because of {reason}."),
    (("person", "phone", "url"), "{person} answers on {phone}, and there is more at {url}."),
    (("tool", "file", "path"), "{tool} writes {file} to {path}."),
    (("co", "award", "tag"), "{co} has won {award}. {tag}"),
    (("person", "person2", "time"), "{person} meets {person2} at {time}."),
]


def exercise(writer: Writer) -> tuple[str, str]:
    """One exercise: (prompt, answer)."""
    rng = writer.rng
    roll = rng.random()
    if roll < 0.25:
        return _repeat(rng)
    if roll < 0.5:
        kinds = rng.sample(_KINDS, rng.randint(3, 7))
        asked = rng.sample(kinds, rng.randint(1, min(3, len(kinds))))
        told = "; ".join(
            f"{kind.replace('co', 'company') if kind == 'co' else kind}: {writer.facts[kind]}" for kind in kinds
        )
        wanted = join(["company" if kind == "co" else kind for kind in asked])
        return f"{told}. Give the {wanted}.", ", ".join(writer.facts[kind] for kind in asked)
    if roll < 0.75:
        used, sentence = rng.choice(_SENTENCES)
        order = rng.sample(used, len(used))
        told = rng.choice(["; ", ", "]).join(
            f"{k.rstrip('2')} {writer.facts[k]}" if rng.random() < 0.5 else writer.facts[k] for k in order
        )
        return f"One sentence with these facts: {told}.", sentence.format_map(writer.facts)
    values = [writer.facts[kind] for kind in rng.sample(_KINDS, rng.randint(2, 5))]
    return f"Mention {join(values)}.", f"{join(values)}."


def _repeat(rng: random.Random) -> tuple[str, str]:
    makers = [
        names.first_name,
        names.surname,
        names.word,
        names.place,
        facts.date,
        facts.price,
        facts.time,
        facts.hashtag,
        facts.code,
        names.syllables,
        facts.count,
        facts.version,
    ]
    words = " ".join(rng.choice(makers)(rng) for _ in range(rng.randint(4, 16)))
    return rng.choice(_REPEAT).replace("{x}", words), words
