"""Facts of a brief, drawn at random: dates, amounts, places, reasons, commands, files. One function a kind.

`Facts` is a mapping that draws a fact when a template first asks for it, so that the templates decide which facts a
brief has, and the answer can be held to exactly those.
"""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from . import names, phrases, technical

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Trade(NamedTuple):
    """A line of business: how it is called (with its article), words for names, goods, products and hashtags."""

    label: str
    suffixes: list[str]
    things: list[str]
    products: list[str]
    tags: list[str]


def _read_trades() -> list[Trade]:
    lines = (Path(__file__).parent / "trades.txt").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.strip()]
    return [Trade(row[0], *([w.strip() for w in cell.split(",")] for cell in row[1:])) for row in rows]


TRADES = _read_trades()


def date(rng: random.Random) -> str:
    """A date as people write it: "14 March", "Thursday 5 June", "June 5", "next Friday" never."""
    day, month = rng.randint(1, 28), rng.choice(_MONTHS)
    roll = rng.random()
    if roll < 0.42:
        return f"{day} {month}"
    if roll < 0.62:
        return f"{rng.choice(_DAYS)} {day} {month}"
    if roll < 0.74:
        return f"{month} {day}"
    if roll < 0.84:
        return f"{day} {month} {rng.randint(2024, 2029)}"
    return rng.choice(_DAYS) if roll < 0.95 else f"{rng.choice(_DAYS)}, {month} {day}"


def time(rng: random.Random) -> str:
    """A time of day: "9 am", "10:30", "6 pm", "7.30 pm"."""
    hour = rng.randint(1, 12)
    roll = rng.random()
    if roll < 0.55:
        return f"{hour} {rng.choice(['am', 'pm'])}"
    if roll < 0.75:
        return f"{hour}{rng.choice([':', '.'])}{rng.choice(['15', '30', '45'])} {rng.choice(['am', 'pm'])}"
    return f"{rng.randint(7, 21)}:{rng.choice(['00', '15', '30', '45'])}"


def price(rng: random.Random, low: int = 2, high: int = 4000) -> str:
    """An amount of money, log-uniform between `low` and `high`, in one of the usual spellings."""
    value = int(low * (high / low) ** rng.random())
    text = f"{value:,}" if rng.random() < 0.8 else str(value)
    if value < 100 and rng.random() < 0.25:
        text += f".{rng.choice(['50', '90', '95', '99'])}"
    roll = rng.random()
    if roll < 0.85:
        return rng.choice(["£", "$", "€"]) + text
    return f"{text} {rng.choice(['euros', 'dollars', 'pounds'])}"


def count(rng: random.Random) -> str:
    """A number of things, 2 to about 20,000, mostly small."""
    value = int(2 * 10 ** (4 * rng.random() ** 1.7))
    return f"{value:,}" if value > 999 else str(value)


def percent(rng: random.Random) -> str:
    """A share: "18 percent" or "18%"."""
    return f"{rng.randint(2, 95)}{rng.choice([' percent', '%', '%', ' per cent'])}"


def duration(rng: random.Random) -> str:
    """A length of time: "40 minutes", "3 days", "6 weeks"."""
    unit, top = rng.choice([("minutes", 90), ("hours", 48), ("days", 30), ("weeks", 12), ("months", 18)])
    return f"{rng.randint(2, top)} {unit}"


def version(rng: random.Random) -> str:
    """A version number of one to three parts."""
    parts = [rng.randint(1, 19)] + [rng.randint(0, 20) for _ in range(rng.choice([1, 1, 2]))]
    return ".".join(map(str, parts))


def url(rng: random.Random, stem: str) -> str:
    """A web address in the reserved domain `.example`, half of the time made from the company's name."""
    host = "".join(c for c in stem.lower() if c.isalnum()) if rng.random() < 0.5 else names.syllables(rng, 2, 3)
    ending = rng.choice(["", "", "", "/" + rng.choice(["new", "join", "jobs", "book", "shop", "survey", "events"])])
    return f"{host}.example{ending}"


def code(rng: random.Random) -> str:
    """A discount code such as SPRING20."""
    return rng.choice([rng.choice(names.ADJ), rng.choice(names.NOUN), names.syllables(rng, 1, 2)]).upper() + str(
        rng.randint(5, 99)
    )


def hashtag(rng: random.Random) -> str:
    """A hashtag that must be copied: two words in camel case, or an invented one with a number."""
    roll = rng.random()
    if roll < 0.6:
        return f"#{rng.choice(names.ADJ + phrases.VERBS)}{rng.choice(names.NOUN)}"
    if roll < 0.8:
        return f"#{names.syllables(rng).capitalize()}{rng.choice(['', str(rng.randint(10, 30))])}"
    return f"#{rng.choice(names.NOUN)}{rng.choice(['Day', 'Week', 'Club', 'Time', 'Life', 'Talk', 'News'])}"


def number_id(rng: random.Random, heads: list[str]) -> str:
    """An order or invoice number: "INV-20831", "48-113", "K7712"."""
    digits = str(rng.randint(100, 99999))
    return rng.choice([f"{rng.choice(heads)}-{digits}", digits, f"{rng.choice('ABCDEFGHKLMNPRSTW')}{digits}"])


class Facts(dict[str, str]):
    """Facts by slot name, each drawn when first asked for; a name ending in a digit is another fact of that kind."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.trade = rng.choice(TRADES)

    def __missing__(self, key: str) -> str:
        base = key.rstrip("0123456789")
        if base.endswith("_cap"):
            value = self[base[:-4]]
            value = value[0].upper() + value[1:]
        elif base == "first":
            value = self["recipient"].split()[0]
        else:
            value = self._draw(base)
            for _ in range(8):
                if value not in self.values():
                    break
                value = self._draw(base)
        self[key] = value
        return value

    def _draw(self, base: str) -> str:
        rng = self.rng
        if base in phrases.LISTS:
            return phrases.draw(rng, base)
        made: dict[str, Callable[[], str]] = {
            "co": lambda: names.company(rng, self.trade.suffixes),
            "client": lambda: names.company(rng, rng.choice(TRADES).suffixes),
            "partner": lambda: names.company(rng, rng.choice(TRADES).suffixes),
            "trade": lambda: self.trade.label,
            "place": lambda: names.place(rng),
            "thing": lambda: phrases.adjective(rng) + rng.choice(self.trade.things),
            "product": self._product,
            "product_noun": lambda: (self["product"], self["product_noun"])[1],
            "person": lambda: names.person(rng),
            "recipient": lambda: names.person(rng),
            "sender": lambda: names.person(rng),
            "a_role": lambda: phrases.with_article(self["role"]),
            "date": lambda: date(rng),
            "time": lambda: time(rng),
            "clock": lambda: f"{rng.randint(0, 23):02d}:{rng.choice(['00', '15', '30', '45'])}",
            "price": lambda: price(rng),
            "salary": lambda: price(rng, 18000, 90000),
            "count": lambda: count(rng),
            "count_s": lambda: str(rng.randint(2, 60)),
            "years": lambda: str(rng.randint(2, 120)),
            "percent": lambda: percent(rng),
            "duration": lambda: duration(rng),
            "version": lambda: version(rng),
            "url": lambda: url(rng, self["co"]),
            "code": lambda: code(rng),
            "tag": lambda: hashtag(rng),
            "invoice": lambda: number_id(rng, ["INV", "RE", "F", "2025", "2026"]),
            "order": lambda: number_id(rng, ["ORD", "PO", "A", "B", "NL"]),
            "phone": lambda: f"0{rng.randint(10, 99)} {rng.randint(100, 999)} {rng.randint(100, 9999)}",
            "room": lambda: rng.choice([f"{rng.randint(1, 5)}.{rng.randint(1, 30):02d}", names.word(rng)]),
            "language": lambda: rng.choice(
                ["French", "Polish", "Welsh", "German", "Spanish", "Turkish", "Hindi", "Dutch"]
            ),
            "country": lambda: rng.choice(
                ["Norway", "Japan", "Portugal", "Peru", "Ireland", "Italy", "Canada", "Kenya"]
            ),
            **{key: partial(technical.draw, rng, key) for key in technical.KEYS},
            "project": lambda: rng.choice(["project ", "Project ", "the project ", ""]) + names.word(rng),
        }
        return made[base]()

    def _product(self) -> str:
        name, noun = names.product(self.rng, self.trade.products)
        self["product_noun"] = noun
        return name
