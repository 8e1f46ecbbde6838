"""Templates: reading the text files, choosing, filling. `[a|b]` is a choice, `{slot}` a fact.

Prompt patterns are split: the last seventh of every list (at least one of four) is held out of training, so that
an evaluation can ask in words that no model has seen.
"""

import random
import re
from functools import cache
from pathlib import Path
from string import Formatter

from .facts import Facts

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_START = re.compile(r"(?<=[.!?] )([a-z])(?![\w-]*\.example)")
COMPOSED = frozenset({"clause", "clause2", "did", "plan"})
Block = dict[str, list[str]]


@cache
def load(name: str) -> dict[str, Block]:
    """The blocks of `text/<name>.txt` by their title, each a dictionary of template lists."""
    blocks: dict[str, Block] = {}
    block: Block = {}
    for line in (Path(__file__).parent / "text" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            block = blocks[line[3:].strip()] = {}
        elif line.strip() and not line.startswith("#"):
            part, text = line.split(": ", 1)
            block.setdefault(part, []).append(text)
    return blocks


@cache
def lines(name: str) -> list[str]:
    """The lines of `text/<name>.txt`."""
    return (Path(__file__).parent / "text" / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@cache
def slots(template: str) -> frozenset[str]:
    """The names of the facts a template uses; capitalised variants count as the fact itself."""
    found = (field for _, field, _, _ in Formatter().parse(template) if field)
    return frozenset(name.removesuffix("_cap") for name in found)


def capitalise(text: str) -> str:
    """The text with a capital at its start and after each full stop, web addresses left alone."""
    text = _START.sub(lambda match: match.group(1).upper(), text)
    first = text.split(" ", 1)[0]
    return text if ".example" in first else text[:1].upper() + text[1:]


class Writer:
    """Chooses and fills templates for one example, from one random stream.

    Args:
        rng: the example's own stream.
        held: draw prompt patterns from the held-out part instead of the training part.
        rich: know more prompt patterns (never held-out ones), as the second stage of training does.
    """

    def __init__(self, rng: random.Random, *, held: bool, rich: bool = False) -> None:
        self.rng = rng
        self.held = held
        self.rich = rich
        self.facts = Facts(rng)
        self.given: set[str] = set()
        self.used: set[str] = set()

    def pattern(self, pool: list[str], more: list[str] | None = None) -> str:
        """A prompt pattern from this split's part of the pool, or from `more` as well when the writer is rich."""
        kept = max(1, round(len(pool) / 7)) if len(pool) >= 4 else 0
        part = pool[len(pool) - kept :] if self.held and kept else pool[: len(pool) - kept]
        if self.rich and more:
            part = part + more
        return self.expand(self.rng.choice(part))

    def expand(self, template: str) -> str:
        """The template with each `[a|b]` decided."""
        while match := _CHOICE.search(template):
            chosen = self.rng.choice(match.group(1).split("|"))
            template = template[: match.start()] + chosen + template[match.end() :]
        return template

    def tell(self, template: str) -> str:
        """Fill a prompt template; its facts are given from now on."""
        self.given |= slots(template)
        for slot in sorted(slots(template) & COMPOSED):
            if slot not in self.facts:
                self.compose(slot)
        if "a_role" in self.given:
            self.given.add("role")
        if "role" in self.given:
            self.given.add("a_role")
        if "product" in self.given:
            self.given.add("product_noun")
        return capitalise(template.format_map(self.facts))

    def answer(self, pool: list[str]) -> str:
        """Fill one of the answer templates that need given facts only; empty if there is none."""
        fitting = [t for t in map(self.expand, pool) if slots(t) <= self.given]
        if not fitting:
            return ""
        best = max(len(slots(t) - self.used) for t in fitting)
        chosen = self.rng.choice([t for t in fitting if len(slots(t) - self.used) >= best - 1])
        self.mark(chosen)
        return capitalise(chosen.format_map(self.facts))

    def mark(self, template: str) -> None:
        """Note the facts of a template as used in the answer."""
        self.used |= slots(template)
        for one, other in (("role", "a_role"), ("a_role", "role"), ("product", "product_noun")):
            if one in self.used:
                self.used.add(other)

    def leftovers(self, kind: str, skip: frozenset[str] = frozenset()) -> list[str]:
        """One sentence for each given fact that the answer has not used yet, in a stable order.

        Args:
            kind: `post` or `tweet`, the register to prefer.
            skip: facts that may stay unsaid.
        """
        extras = load("extras")
        sentences = []
        for slot in sorted(self.given - skip - {"product_noun"}):
            if slot in self.used:
                continue
            block = extras.get(f"extra.{slot}") or extras.get(f"left.{slot}")
            if block:
                sentences.append(self.answer(block.get(kind) or block["post"]))
        return [s for s in sentences if s]

    def compose(self, slot: str) -> None:
        """Put a free clause ("clause", "clause2", "did", "plan") into the facts under `slot`."""
        own = Facts(self.rng)
        own.trade = self.facts.trade
        source = {"did": "did", "plan": "plan"}.get(slot, "clauses")
        self.facts[slot] = " ".join(self.expand(self.rng.choice(lines(source))).format_map(own).split())

    def chance(self, p: float) -> bool:
        """True with probability `p`."""
        return self.rng.random() < p
