"""What the page is made from: the result document, and what it leaves out - briefs, texts, single scores, bases of cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from bakeoff.core.generations import Generations
from bakeoff.core.records import Generation, Provenance, Score
from bakeoff.core.spec import Record
from bakeoff.cost.answer import Costed
from bakeoff.decide.methodology import Methodology


class BriefText(Record):
    """A brief as its readers see it. `held_back` briefs had no part in choosing."""

    id: str
    content_type: str
    family: str
    prompt: str
    source: str | None = None
    must_include: tuple[tuple[str, ...], ...] = ()
    held_back: bool = False


class CostBasis(Record):
    """What one candidate's mean text took: seconds of the machine, tokens, and the share of its texts that is usable.

    `missing` says what nobody knows where there is no cost. `watts` come with their range and where they are from.
    """

    candidate: str
    missing: str = ""
    busy_s: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    accepted: float = 1.0
    watts: float = 0.0
    watts_low: float = 0.0
    watts_high: float = 0.0
    watts_provenance: Provenance = "assumed"
    watts_note: str = ""


class RunCost(Record):
    """All candidates' bases, and the answer for terms that nobody has edited yet. Money in US dollars."""

    bases: tuple[CostBasis, ...]
    costed: Costed
    tariff: float
    tariff_low: float
    tariff_high: float
    tariff_provenance: Provenance


class Origin(Record):
    """How the run was made, so that it can be made again."""

    state: str
    started: str
    command: str
    sampling: dict[str, Any]
    replicates: int
    threshold: float | None = None
    held_back: int = 0
    engines: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Everything on the page. `generations` go by candidate; `read_texts` reads some whole, with their scores, by their trials.

    `rested_on` are the ids of the briefs that each candidate's mean is over, those held back apart; a brief of them without a
    text is a failure. `text_bytes` is about how many bytes all generations take as they are stored.
    """

    document: Mapping[str, Any]
    origin: Origin
    briefs: Mapping[str, BriefText]
    generations: Mapping[str, Generations]
    rested_on: Mapping[str, Collection[str]]
    read_texts: Callable[[Sequence[str]], Iterable[tuple[Generation, Score]]]
    text_bytes: Callable[[], int]
    cost: RunCost | None = None
    no_cost: str = ""
    judges: Mapping[str, Any] | None = None
    methods: Methodology | None = None
