"""One model's cost against a cloud's, put together: intervals, break-even, and what every assumption does to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from bakeoff.core.records import Estimate
from bakeoff.core.spec import Record
from bakeoff.cost.arithmetic import (
    LocalCost,
    Values,
    break_even_per_day,
    busy_share,
    cloud_cost,
    local_cost,
    saving_per_piece,
)
from bakeoff.cost.assumptions import Assumption, Swing, swings
from bakeoff.cost.prices import CloudPrice
from bakeoff.cost.uncertainty import LEVEL, BreakEven, Sample, TokenPrices, spread

MOST_BUSY = 0.8
"""The share of a day that a machine can be expected to write; queues grow beyond all bounds towards 1. Assumed."""


_TOO_MUCH = Estimate(
    estimate=None, low=None, high=None, level=LEVEL, method="one machine cannot write that many", briefs=0
)


class Answer(Record):
    """Of one piece, in one currency. `saving_percent` is None where the cloud costs nothing.

    `annual_saving` is not known where one machine cannot write the stated volume: it would be that of a machine nobody has.
    """

    local: LocalCost
    local_interval: Estimate
    cloud: Estimate
    saving: Estimate
    saving_percent: float | None
    annual_saving: Estimate
    break_even_per_day: float | Literal["never"] | None
    break_even_interval: BreakEven | None
    break_even_busy_share: float | None
    busy_share: float | None
    one_machine_is_enough: bool | None
    co2_g: float | None
    accepted: float
    assumptions: tuple[Assumption, ...]
    swings: tuple[Swing, ...]


class CostedCandidate(Record):
    """`answer` is None where `missing` says why; `candidate` is None where numbers were given instead of a run.

    `fallbacks` is what it computed elsewhere than on its device. `texts` is of how many texts the usable share was counted,
    None where the share was stated.
    """

    candidate: str | None
    answer: Answer | None
    texts: int | None = None
    missing: str = ""
    by_content_type: dict[str, Answer | None] = Field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()


class Costed(Record):
    """All candidates of a run, or one set of numbers; the one to look at first comes first. `flat` is a price of each text."""

    price: CloudPrice
    flat: float | None
    candidates: tuple[CostedCandidate, ...]
    run_id: str | None = None
    notes: tuple[str, ...] = ()


def answer(  # noqa: PLR0913 - each is a part of the question, and all but two have a default
    values: Values,
    assumptions: Sequence[Assumption],
    *,
    sample: Sample | None = None,
    prices: TokenPrices | None = None,
    fixed: Mapping[str, float] | None = None,
    co2_per_kwh: float | None = None,
    seed: int = 0,
    tornado: bool = True,
) -> Answer:
    """Work everything out; `values` hold the means of `sample` and what is `fixed` already. `co2_per_kwh` is in grams.

    Without `tornado`, what every assumption does to the saving is left out.
    """
    intervals = spread(values, assumptions, sample, prices, fixed=fixed, seed=seed)
    there = cloud_cost(values)
    busy = busy_share(values)
    local = local_cost(values)
    even = break_even_per_day(values)
    return Answer(
        local=local,
        local_interval=intervals.local,
        cloud=intervals.cloud,
        saving=intervals.saving,
        saving_percent=100 * saving_per_piece(values) / there if there > 0 else None,
        annual_saving=intervals.annual_saving if busy is None or busy <= MOST_BUSY else _TOO_MUCH,
        break_even_per_day=even,
        break_even_interval=intervals.break_even,
        break_even_busy_share=busy_share(replace(values, pieces_per_day=even)) if isinstance(even, float) else None,
        busy_share=busy,
        one_machine_is_enough=None if busy is None else busy <= MOST_BUSY,
        co2_g=None if co2_per_kwh is None else local.energy_j / 3.6e6 * co2_per_kwh,
        accepted=values.accepted,
        assumptions=tuple(assumptions),
        swings=tuple(swings(values, assumptions)) if tornado else (),
    )
