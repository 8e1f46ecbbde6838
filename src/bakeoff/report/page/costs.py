"""Cost on the page: a table for terms that a reader may edit there, worked out here for the terms as they stand.

The page's script does the same arithmetic as `bakeoff.cost.arithmetic`; a test in a browser holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bakeoff.core.units import money, percent_text
from bakeoff.cost.answer import MOST_BUSY
from bakeoff.cost.arithmetic import Values, break_even_per_day, busy_share, cloud_cost, local_cost
from bakeoff.report.page.facts import CostBasis, RunCost

_MILLION = 1e6


class Field(NamedTuple):
    """A term that a reader may change. `value` is None where nobody stated one; `source` is where it is from."""

    name: str
    label: str
    value: float | None
    unit: str
    source: str
    low: float = 0.0
    high: float = 1e12


class CostRow(NamedTuple):
    """One candidate's answer, money for 1,000 usable texts, or why there is none. `number` is its place in `script_data`."""

    number: int
    candidate: str
    missing: str
    watts: float
    watts_source: str
    accepted: float
    here: str
    cloud: str
    compared: str
    even: str
    busy: str
    interval: str


def fields_of(cost: RunCost) -> list[Field]:
    """Return the terms that hold for all candidates, as they stand before anybody edits them."""
    price = cost.costed.price
    looked = f"{price.catalogue}, {price.date}" if price.date else price.catalogue
    tariff = f"{cost.tariff_provenance}; {cost.tariff_low:g} to {cost.tariff_high:g} is usual"
    return [
        Field("price_in", f"{price.model}: a million tokens read", price.input_per_million, "USD", looked),
        Field("price_out", f"{price.model}: a million tokens written", price.output_per_million, "USD", looked),
        Field(
            "cloud_accepted", "Usable texts of the cloud", 1.0, "share", "assumed, to the cloud's advantage", 0.001, 1
        ),
        Field("tariff", "A kilowatt-hour", cost.tariff, "USD", tariff),
        Field("pieces_per_day", "Usable texts that you need a day", None, "", "not stated", 0.001),
        Field("hardware_price", "Price of the machine", 0.0, "USD", "not stated: the machine is not charged for"),
        Field("residual", "Its worth afterwards", 0.0, "USD", "not stated"),
        Field("years", "Years that it is used", 4.0, "", "assumed", 0.1, 50),
        Field("attribution", "Share of it charged to this", 1.0, "share", "assumed", 0.0, 1),
        Field("maintenance_per_year", "Upkeep a year", 0.0, "USD", "not stated"),
        Field("idle_watts", "Watts while it idles", 0.0, "W", "not stated"),
    ]


def values_of(basis: CostBasis, terms: dict[str, float | None]) -> Values:
    """Return what the arithmetic takes, for one candidate and the terms of `fields_of` by name."""
    known = {name: value for name, value in terms.items() if value is not None}
    tokens = (
        basis.prompt_tokens * known.get("price_in", 0.0) + basis.completion_tokens * known.get("price_out", 0.0)
    ) / _MILLION
    return Values(
        busy_s=basis.busy_s,
        watts=basis.watts,
        tariff=known["tariff"],
        cloud_text=tokens,
        accepted=basis.accepted,
        cloud_accepted=known["cloud_accepted"],
        pieces_per_day=known.get("pieces_per_day"),
        idle_watts=known["idle_watts"] or None,  # 0 stands in a field that nobody filled in
        hardware_price=known["hardware_price"] or None,
        residual=known["residual"],
        years=known["years"],
        attribution=known["attribution"],
        maintenance_per_year=known["maintenance_per_year"],
    )


def cost_rows(cost: RunCost, order: Sequence[str]) -> list[CostRow]:
    """Return the table, for the terms as they stand; candidates in `order`."""
    terms = {field.name: field.value for field in fields_of(cost)}
    answers = {each.candidate: each.answer for each in cost.costed.candidates}
    rows = []
    for number, basis in sorted(enumerate(cost.bases), key=lambda found: order.index(found[1].candidate)):
        if basis.missing:
            rows.append(CostRow(number, basis.candidate, basis.missing, 0.0, "", 0.0, "–", "–", "–", "–", "–", ""))
            continue
        values = values_of(basis, terms)
        here, there = local_cost(values).total, cloud_cost(values)
        even, busy = break_even_per_day(values), busy_share(values)
        found = answers.get(basis.candidate)
        interval = ""
        if found is not None and found.local_interval.low is not None and found.local_interval.high is not None:
            interval = f"{money(1000 * found.local_interval.low)} to {money(1000 * found.local_interval.high)}"
        rows.append(
            CostRow(
                number=number,
                candidate=basis.candidate,
                missing="",
                watts=basis.watts,
                watts_source=basis.watts_provenance,
                accepted=basis.accepted,
                here=money(1000 * here),
                cloud=money(1000 * there),
                compared=compared(here, there),
                even=_even_words(even),
                busy="–" if busy is None else percent_text(busy, 0),
                interval=interval,
            )
        )
    return rows


def _even_words(even: float | str | None) -> str:
    if even is None or isinstance(even, str):
        return even or "–"
    return "the first" if even <= 0 else f"{even:,.0f} a day"


def compared(here: float, there: float) -> str:
    """Return how this machine compares, in words.

    >>> compared(1.0, 4.0), compared(1.5, 1.0), compared(5.0, 1.0)
    ('75 % cheaper', '50 % dearer', '5.0 times dearer')
    >>> compared(1.46e-4, 50.0), compared(4.999, 5.0), compared(5.001, 5.0)
    ('>99.9 % cheaper', '<0.1 % cheaper', '<1 % dearer')
    """
    if there <= 0:
        return "–"
    if here <= there:
        return f"{percent_text(1 - here / there)} cheaper"
    return f"{percent_text(here / there - 1, 0)} dearer" if here < 2 * there else f"{here / there:,.1f} times dearer"


def script_data(cost: RunCost) -> dict[str, Any]:
    """Return what the page's script needs to work it all out again."""
    return {
        "most_busy": MOST_BUSY,
        "bases": [
            {
                "busy_s": basis.busy_s,
                "prompt_tokens": basis.prompt_tokens,
                "completion_tokens": basis.completion_tokens,
                "accepted": basis.accepted,
                "watts": basis.watts,
            }
            if not basis.missing
            else None
            for basis in cost.bases
        ],
    }
