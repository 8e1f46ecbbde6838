"""From a run's work, or from a few numbers, and the terms that somebody stated, to what a text costs here and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Provenance
from bakeoff.core.spec import Record
from bakeoff.cost.answer import Answer, Costed, CostedCandidate, answer
from bakeoff.cost.arithmetic import Values
from bakeoff.cost.assumptions import Assumption
from bakeoff.cost.prices import CloudPrice, find_price, read_prices
from bakeoff.cost.tariffs import ASSUMED_TARIFF, Country, find_country
from bakeoff.cost.uncertainty import Sample, TokenPrices, means_of
from bakeoff.cost.watts import AssumedWatts, assumed_watts
from bakeoff.measure.energy import EnergySummary
from bakeoff.study.costing import Work
from bakeoff.study.plan import Plan

DEFAULT_CLOUD = "gpt-4o-mini"
_MILLION = 1e6


class Terms(Record):
    """What somebody stated; None where nobody did. Money in US dollars, `rate` in dollars for a unit of another currency."""

    against: str | None = None
    own_prices: dict[str, CloudPrice] = Field(default_factory=dict)
    price_in: float | None = None
    price_out: float | None = None
    cloud_per_request: float | None = None
    watts: float | None = None
    tariff: float | None = None
    country: Country | None = None
    rate: float | None = None
    requests_per_day: float | None = None
    idle_watts: float | None = None
    hardware_price: float | None = None
    years: float = 4.0
    residual: float = 0.0
    attribution: float = 1.0
    maintenance: float = 0.0
    accepted: float | None = None
    cloud_accepted: float | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Terms:
        """Read a command's options.

        Raises:
            UsageError: a country without a row, or a file of prices that is none.
        """
        told = {name: options[name] for name in cls.model_fields if name in options and name != "country"}
        country = None if options["country"] is None else find_country(options["country"])
        own = {} if options["prices"] is None else read_prices(options["prices"])
        return cls(**told | {"country": country, "own_prices": own})

    @property
    def co2_per_kwh(self) -> float | None:
        """Grams of CO2 a kilowatt-hour, None without a country that has a figure."""
        return None if self.country is None else self.country.co2


def calculate(terms: Terms, watts: float, busy_s: float) -> Costed:
    """Work out a text of `busy_s` seconds at `watts`, without a run.

    Raises:
        UsageError: terms that lack something.
    """
    tariff = _tariff(terms)
    flat = terms.cloud_per_request or 0.0
    values = _values(terms, watts, busy_s, tariff.value, flat)
    stated = [
        _stated("watts", watts, "W"),
        _stated("busy_s", busy_s, "s"),
        tariff,
        _stated("cloud_text", flat, "USD"),
        *_volume(terms),
    ]
    price = CloudPrice(
        model="flat price", provider=None, input_per_million=0, output_per_million=0, catalogue="stated", date=""
    )
    found = answer(values, stated, co2_per_kwh=terms.co2_per_kwh)
    return Costed(price=price, flat=flat, candidates=(CostedCandidate(candidate=None, answer=found),))


def cost_of_run(plan: Plan, work: Sequence[Work], choice: str | None, terms: Terms) -> Costed:
    """Work out every candidate of a run; the one that was chosen comes first.

    Raises:
        UsageError: an unknown price, or terms that lack something.
    """
    flat = terms.cloud_per_request
    price = _price(terms)
    tokens = TokenPrices(prompt=price.input_per_million / _MILLION, completion=price.output_per_million / _MILLION)
    ordered = sorted(work, key=lambda each: each.candidate != choice)
    candidates = [_candidate(plan, each, terms, tokens, flat) for each in ordered]
    if all(each.answer is None for each in candidates):
        said = "; ".join(f"{each.candidate}: {each.missing}" for each in candidates)
        raise UsageError(
            f"run {plan.run_id} tells nothing about cost: {said}",
            "run models on this machine, or calculate without a run:  bakeoff cost --watts W --latency-ms MS ...",
        )
    notes = [] if terms.against or flat is not None or terms.price_in is not None else [_NOBODY_NAMED]
    return Costed(price=price, flat=flat, candidates=tuple(candidates), run_id=plan.run_id, notes=tuple(notes))


_NOBODY_NAMED = f"compared with {DEFAULT_CLOUD}, since none was named (--against)"


def _candidate(plan: Plan, work: Work, terms: Terms, tokens: TokenPrices, flat: float | None) -> CostedCandidate:
    if work.sample is None or work.remote:
        missing = work.missing or "it runs on somebody else's machine: what that draws is not known here"
        return CostedCandidate(candidate=work.candidate, answer=None, missing=missing)
    watts = assumed_watts(work.device, plan.machine.system)
    tariff = _tariff(terms)
    power = _power(terms, watts, work.energy)
    plain = _values(terms, power.value, 0.0, tariff.value, 0.0)
    stated = [power, tariff, *_volume(terms)]

    def ask(sample: Sample, seed: int) -> Answer:
        values = _fixed(means_of(sample, tokens, plain), terms, flat)
        ways = (sample, tokens) if flat is None and terms.accepted is None else (None, None)
        return answer(values, stated, sample=ways[0], prices=ways[1], co2_per_kwh=terms.co2_per_kwh, seed=seed)

    by_type = {kind: ask(sample, plan.seed) for kind, sample in work.by_content_type.items()}
    return CostedCandidate(candidate=work.candidate, answer=ask(work.sample, plan.seed), by_content_type=by_type)


def _fixed(values: Values, terms: Terms, flat: float | None) -> Values:
    """Return the values with what somebody stated in place of what was measured."""
    changed = values if flat is None else replace(values, cloud_text=flat)
    return changed if terms.accepted is None else replace(changed, accepted=terms.accepted)


def _values(terms: Terms, watts: float, busy_s: float, tariff: float, cloud_text: float) -> Values:
    return Values(
        busy_s=busy_s,
        watts=watts,
        tariff=tariff,
        cloud_text=cloud_text,
        accepted=terms.accepted or 1.0,
        cloud_accepted=terms.cloud_accepted or 1.0,
        pieces_per_day=terms.requests_per_day,
        idle_watts=terms.idle_watts or 0.0,
        hardware_price=terms.hardware_price or 0.0,
        residual=terms.residual,
        years=terms.years,
        attribution=terms.attribution,
        maintenance_per_year=terms.maintenance,
    )


def _price(terms: Terms) -> CloudPrice:
    if terms.price_in is not None and terms.price_out is not None:
        return CloudPrice(
            model="your price",
            provider=None,
            input_per_million=terms.price_in,
            output_per_million=terms.price_out,
            catalogue="stated",
            date="",
        )
    return find_price(terms.against or DEFAULT_CLOUD, terms.own_prices)


def _tariff(terms: Terms) -> Assumption:
    if terms.tariff is not None:
        return _stated("tariff", terms.tariff, "USD/kWh")
    country = terms.country
    if country is None or country.price is None:
        value, low, high = ASSUMED_TARIFF
        note = (
            "give --tariff or --country" if country is None else f"no price of {country.code} is known: give --tariff"
        )
        return Assumption(
            name="tariff", value=value, low=low, high=high, unit="USD/kWh", provenance="assumed", note=note
        )
    if terms.rate is None:
        raise UsageError(
            f"--country {country.code}: a kilowatt-hour costs {country.price} {country.currency} there",
            f"say what one {country.currency} is in dollars, such as --rate 1.1, or give --tariff in dollars",
        )
    note = f"households of {country.code}, Eurostat, second half of 2024"
    value = country.price * terms.rate
    return Assumption(
        name="tariff", value=value, low=value, high=value, unit="USD/kWh", provenance="reported", note=note
    )


def _power(terms: Terms, watts: AssumedWatts, drawn: EnergySummary) -> Assumption:
    if terms.watts is not None:
        return _stated("watts", terms.watts, "W")
    if drawn.watts is not None:
        note = f"{drawn.source}, scope {drawn.scope}, over {drawn.seconds:.0f} s of writing"
        source: Provenance = "derived" if drawn.quality == "estimated" else "measured"
        value = drawn.watts
        return Assumption(name="watts", value=value, low=value, high=value, unit="W", provenance=source, note=note)
    return Assumption(
        name="watts",
        value=watts.value,
        low=watts.low,
        high=watts.high,
        unit="W",
        provenance="assumed",
        note=f"ASSUMED, not measured: {watts.note}",
    )


def _volume(terms: Terms) -> list[Assumption]:
    """Return what was stated of volume and hardware, and what follows from nobody having done so."""
    found = []
    if terms.requests_per_day is not None:
        found.append(_stated("pieces_per_day", terms.requests_per_day, "pieces/day"))
    if terms.idle_watts is not None:
        found.append(_stated("idle_watts", terms.idle_watts, "W"))
    if terms.hardware_price is not None:
        found.append(_stated("hardware_price", terms.hardware_price, "USD"))
        found.append(_stated("years", terms.years, "years"))
        found.append(_stated("attribution", terms.attribution, "share"))
    accepted = terms.cloud_accepted
    note = "" if accepted is not None else "every text of the cloud is usable, to its advantage; give --cloud-accepted"
    value = accepted or 1.0
    found.append(
        Assumption(
            name="cloud_accepted",
            value=value,
            low=value,
            high=value,
            unit="share",
            provenance="assumed" if accepted is None else "reported",
            note=note,
        )
    )
    return found


def _stated(name: str, value: float, unit: str) -> Assumption:
    return Assumption(name=name, value=value, low=value, high=value, unit=unit, provenance="reported", note="stated")
