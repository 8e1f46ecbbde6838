"""What the cost of serving follows from: watts and tariff, each with whose word it is, and a cloud's price. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from bakeoff.core.records import Provenance
from bakeoff.core.spec import Record
from bakeoff.cost.prices import CloudPrice

_Price = Annotated[float, Field(ge=0, le=1e9, strict=True)]


class CostSettings(Record):
    """What somebody stated. `against` is a cloud model; its price is looked up, or given in dollars per million tokens.

    `tariff` is dollars a kWh, `watts` what this machine draws while it writes; what nobody states is assumed, and told as such.
    """

    against: Annotated[str, Field(min_length=1, strict=True)] | None = None
    price_in: _Price | None = None
    price_out: _Price | None = None
    tariff: Annotated[float, Field(ge=0, le=1e6, strict=True)] | None = None
    watts: Annotated[float, Field(gt=0, le=1e6, strict=True)] | None = None


class Figure(Record):
    """A number that something is worked out from, and whose word it is; `note` says it in words."""

    value: float
    provenance: Provenance
    note: str = ""


class CostTerms(Record):
    """What costs follow from: watts and device of each model that runs here, dollars a kWh, the cloud's price, if any."""

    watts: Mapping[str, Figure] = Field(default_factory=dict)
    devices: Mapping[str, str] = Field(default_factory=dict)
    tariff: Figure | None = None
    cloud: CloudPrice | None = None
