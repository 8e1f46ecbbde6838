"""All that follows from a run's rows, in one record: what reports are made from."""

from __future__ import annotations

from pydantic import Field, InstanceOf

from bakeoff.core.generations import Generations
from bakeoff.core.records import Decision, Route, RunEvent
from bakeoff.core.spec import Record
from bakeoff.decide.analysis import Analysis
from bakeoff.decide.raced import RaceFacts
from bakeoff.decide.same_weights import SameWeights
from bakeoff.measure.energy import EnergySummary
from bakeoff.measure.memory import LoadSummary
from bakeoff.measure.timing import TimingSummary


class Conclusion(Record):
    """Everything a report needs. `timings`, `loads` and `generations` go by candidate, `routes` by content type.

    `to_confirm` names who may be chosen, with the content types for which it is to write held-back briefs too. `generations` have their scores
    with them, and no texts: the store has those.
    """

    analysis: Analysis
    decision: Decision
    routes: dict[str, Route]
    timings: dict[str, TimingSummary]
    loads: dict[str, LoadSummary]
    energy: dict[str, EnergySummary] = Field(default_factory=dict)
    same_weights: tuple[SameWeights, ...] = ()
    events: tuple[RunEvent, ...]
    generations: dict[str, InstanceOf[Generations]]
    complete: bool
    to_confirm: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    race: RaceFacts | None = None
