"""The arithmetic of one text's cost, on this machine and in a cloud; pure, in one currency.

    electricity = J / 3.6e6 x price of a kWh
    idle        = idle watts while no text is written, shared out over the texts
    hardware    = (price - residual) / years x the share of the machine that is charged to this, shared out over the texts
    break-even  = fixed costs a day / (cloud's price - own marginal cost); "never" where that margin is not positive, and
                  not known where nobody stated a fixed cost

A piece is a text that can be used: one that is accepted with probability p takes 1 / p texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bakeoff.core.spec import Record

JOULES_PER_KWH = 3.6e6
DAYS_PER_YEAR = 365.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Everything that a cost depends on. Money is in one currency throughout.

    `busy_s` is how long the machine works for one text, at `watts`; `energy_j` replaces their product where it was
    measured. `cloud_text` is the cloud's price of one text. Acceptance rates are shares above 0.
    `pieces_per_day` is None where nobody stated a volume: idle time and hardware are then shared out over nothing.
    `idle_watts` and `hardware_price` are None where nobody stated them: they are in no sum then, and cost nobody-knows-what.
    `token_ratio` is the cloud's tokens for a text over those that `cloud_text` was worked out from.
    """

    busy_s: float
    watts: float
    energy_j: float | None = None
    tariff: float
    cloud_text: float
    accepted: float = 1.0
    cloud_accepted: float = 1.0
    token_ratio: float = 1.0
    pieces_per_day: float | None = None
    idle_watts: float | None = None
    hardware_price: float | None = None
    residual: float = 0.0
    years: float = 4.0
    attribution: float = 1.0
    maintenance_per_year: float = 0.0

    @property
    def joules(self) -> float:
        """Energy of one text, in joules."""
        return self.busy_s * self.watts if self.energy_j is None else self.energy_j


class LocalCost(Record):
    """Of one piece. `idle` and `hardware` are None where no volume was stated, or no idle watts, or no price of the machine;
    `total` is what is known of the three.
    """

    energy_j: float
    electricity: float
    idle: float | None
    hardware: float | None
    total: float


def electricity_cost(joules: float, tariff: float) -> float:
    """Return what so much energy costs.

    >>> round(electricity_cost(35 * 1.588, 0.15) * 1e6, 6)
    2.315833
    """
    return joules / JOULES_PER_KWH * tariff


def local_cost(values: Values) -> LocalCost:
    """Return what one piece costs on this machine."""
    texts = 1.0 / values.accepted
    electricity = electricity_cost(values.joules, values.tariff) * texts
    pieces = values.pieces_per_day
    if pieces is None or pieces <= 0:
        return LocalCost(
            energy_j=values.joules * texts, electricity=electricity, idle=None, hardware=None, total=electricity
        )
    idle = hardware = None
    if values.idle_watts is not None:
        idle_s = max(0.0, _DAY_S - pieces * texts * values.busy_s) * values.attribution
        idle = electricity_cost(values.idle_watts * idle_s, values.tariff) / pieces
    if values.hardware_price is not None or values.maintenance_per_year:
        hardware = hardware_per_year(values) / DAYS_PER_YEAR / pieces
    return LocalCost(
        energy_j=values.joules * texts,
        electricity=electricity,
        idle=idle,
        hardware=hardware,
        total=electricity + (idle or 0.0) + (hardware or 0.0),
    )


def cloud_cost(values: Values) -> float:
    """Return what one piece costs in the cloud."""
    return values.cloud_text * values.token_ratio / values.cloud_accepted


def saving_per_piece(values: Values) -> float:
    """Return how much cheaper a piece is here; negative where it is dearer."""
    return cloud_cost(values) - local_cost(values).total


def hardware_per_year(values: Values) -> float:
    """Return what is charged for the machine in a year, maintenance included."""
    spread = ((values.hardware_price or 0.0) - values.residual) / values.years
    return values.attribution * spread + values.maintenance_per_year


def annual_saving(values: Values) -> float | None:
    """Return what a year saves at the stated volume; None where none was stated."""
    return None if values.pieces_per_day is None else saving_per_piece(values) * values.pieces_per_day * DAYS_PER_YEAR


def break_even_per_day(values: Values) -> float | Literal["never"] | None:
    """Return from how many pieces a day on this machine is cheaper; "never" where each piece loses money.

    None where nobody stated what the machine costs a day, neither price nor upkeep nor idle watts: from how many pieces on
    that is paid for is no question then.

    While a text is written the machine does not idle, which lowers what that text costs by as much.

    >>> round(break_even_per_day(Values(busy_s=1.588, watts=35, tariff=0.15, cloud_text=0.00015, hardware_price=2000)), 1)
    9275.6
    """
    texts = 1.0 / values.accepted
    idle_share = (values.idle_watts or 0.0) * values.attribution
    marginal = electricity_cost(values.joules - idle_share * values.busy_s, values.tariff) * texts
    fixed = hardware_per_year(values) / DAYS_PER_YEAR + electricity_cost(idle_share * _DAY_S, values.tariff)
    margin = cloud_cost(values) - marginal
    if margin <= 0:
        return "never"
    stated = values.hardware_price is not None or values.idle_watts is not None or values.maintenance_per_year > 0
    return fixed / margin if stated else None


def busy_share(values: Values) -> float | None:
    """Return the share of a day that the machine would work; above 1 one machine cannot. None without a volume."""
    if values.pieces_per_day is None:
        return None
    return values.pieces_per_day / values.accepted * values.busy_s / _DAY_S
