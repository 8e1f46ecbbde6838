"""From a run's work, or from a few numbers, and the terms that somebody stated, to what a text costs here and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

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
_TOKEN_RATIO = (0.8, 1.25)
"""A provider's tokens for the same text over the model's own, each having a tokenizer of its own; assumed."""
_YEARS = (4.0, 3.0, 6.0)
"""How long a machine is used: value, low, high; assumed."""


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
    years: float | None = None
    residual: float | None = None
    attribution: float | None = None
    maintenance: float | None = None
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
    stated += [] if terms.idle_watts is None else [_stated("idle_watts", terms.idle_watts, "W")]
    stated.append(_all_usable() if terms.accepted is None else _stated("accepted", terms.accepted, "share"))
    found = answer(values, stated, co2_per_kwh=terms.co2_per_kwh)
    return Costed(price=_FLAT, flat=flat, candidates=(CostedCandidate(candidate=None, answer=found),))


def cost_of_run(plan: Plan, work: Sequence[Work], choice: str | None, terms: Terms, *, tornado: bool = True) -> Costed:
    """Work out every candidate of a run; the one that was chosen comes first. Without `tornado`, no swings.

    Raises:
        UsageError: an unknown price, or terms that lack something.
    """
    flat = terms.cloud_per_request
    price = _price(terms)
    tokens = TokenPrices(prompt=price.input_per_million / _MILLION, completion=price.output_per_million / _MILLION)
    ordered = sorted(work, key=lambda each: each.candidate != choice)
    candidates = [_candidate(plan, each, terms, Cloud(tokens, flat), tornado=tornado) for each in ordered]
    if all(each.answer is None for each in candidates):
        said = "; ".join(f"{each.candidate}: {each.missing}" for each in candidates)
        raise UsageError(
            f"run {plan.run_id} tells nothing about cost: {said}",
            "run models on this machine, or calculate without a run:  bakeoff cost --watts W --latency-ms MS ...",
        )
    notes = [] if terms.against or flat is not None or terms.price_in is not None else [_NOBODY_NAMED]
    return Costed(price=price, flat=flat, candidates=tuple(candidates), run_id=plan.run_id, notes=tuple(notes))


_NOBODY_NAMED = f"compared with {DEFAULT_CLOUD}, since none was named (--against)"


class Cloud(NamedTuple):
    """What the cloud asks: for a token, or, where that is stated, for each text."""

    tokens: TokenPrices
    flat: float | None


def _candidate(plan: Plan, work: Work, terms: Terms, cloud: Cloud, *, tornado: bool) -> CostedCandidate:
    if work.sample is None or work.remote:
        missing = work.missing or "it runs on somebody else's machine: what that draws is not known here"
        return CostedCandidate(candidate=work.candidate, answer=None, missing=missing)
    tokens, flat = cloud
    watts = assumed_watts(work.device, plan.machine.system)
    tariff = _tariff(terms)
    power = _power(terms, watts, work.energy)
    idle = _idle(terms, work.energy)
    plain = replace(
        _values(terms, power.value, 0.0, tariff.value, 0.0), idle_watts=None if idle is None else idle.value
    )
    stated = [power, tariff, *_volume(terms), *([] if idle is None else [idle])]
    stated += [_ratio()] if flat is None else [_stated("cloud_text", flat, "USD")]
    fixed = {"cloud_text": flat, "accepted": terms.accepted}
    known = {name: value for name, value in fixed.items() if value is not None}

    def ask(sample: Sample) -> Answer | None:
        if terms.accepted is None and not any(sample.accepted):
            return None
        values = replace(means_of(sample, tokens, plain), **known)
        usable = _usable(terms, values.accepted, sum(sample.texts))
        return answer(
            values,
            [*stated, usable],
            sample=sample,
            prices=tokens,
            fixed=known,
            co2_per_kwh=terms.co2_per_kwh,
            seed=plan.seed,
            tornado=tornado,
        )

    found = ask(work.sample)
    if found is None:
        missing = f"none of its {sum(work.sample.texts)} texts was usable: {_SUPPOSE}"
        return CostedCandidate(candidate=work.candidate, answer=None, missing=missing)
    by_type = {kind: ask(sample) for kind, sample in work.by_content_type.items()}
    return CostedCandidate(
        candidate=work.candidate,
        answer=found,
        texts=sum(work.sample.texts) if terms.accepted is None else None,
        by_content_type=by_type,
        fallbacks=work.fallbacks,
    )


_SUPPOSE = "what a usable one costs is not known (suppose a share:  --accepted 0.5)"


def _usable(terms: Terms, share: float, texts: int) -> Assumption:
    if terms.accepted is not None:
        return _stated("accepted", terms.accepted, "share")
    note = f"the publishable share of {texts} texts"
    return Assumption(
        name="accepted", value=share, low=share, high=share, unit="share", provenance="measured", note=note
    )


def _all_usable() -> Assumption:
    note = "every text is usable; give --accepted"
    return Assumption(name="accepted", value=1.0, low=1.0, high=1.0, unit="share", provenance="assumed", note=note)


def _ratio() -> Assumption:
    low, high = _TOKEN_RATIO
    note = "the cloud's tokens for a text over the model's own: tokenizers differ"
    return Assumption(name="token_ratio", value=1.0, low=low, high=high, unit="x", provenance="assumed", note=note)


def _idle(terms: Terms, drawn: EnergySummary) -> Assumption | None:
    """Return what the machine draws while it writes nothing: stated, or measured before the run; None where neither."""
    if terms.idle_watts is not None:
        return _stated("idle_watts", terms.idle_watts, "W")
    if drawn.idle_w is None or terms.requests_per_day is None:
        return None
    value = max(0.0, drawn.idle_w)
    source: Provenance = "derived" if drawn.quality == "estimated" else "measured"
    note = f"{drawn.source}, scope {drawn.scope}, before anything was loaded"
    return Assumption(name="idle_watts", value=value, low=value, high=value, unit="W", provenance=source, note=note)


def _values(terms: Terms, watts: float, busy_s: float, tariff: float, cloud_text: float) -> Values:
    return Values(
        busy_s=busy_s,
        watts=watts,
        tariff=tariff,
        cloud_text=cloud_text,
        accepted=terms.accepted or 1.0,
        cloud_accepted=terms.cloud_accepted or 1.0,
        pieces_per_day=terms.requests_per_day,
        idle_watts=terms.idle_watts,
        hardware_price=terms.hardware_price,
        residual=terms.residual or 0.0,
        years=terms.years or _YEARS[0],
        attribution=terms.attribution or 1.0,
        maintenance_per_year=terms.maintenance or 0.0,
    )


_FLAT = CloudPrice(
    model="flat price", provider=None, input_per_million=0, output_per_million=0, catalogue="stated", date=""
)


def _price(terms: Terms) -> CloudPrice:
    if terms.cloud_per_request is not None:
        return _FLAT
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
    if country is not None and country.price is None and terms.rate is not None:
        raise UsageError(
            f"--rate {terms.rate:g} would change nothing: no price of {country.code} is known",
            "give --tariff in dollars, and leave out --rate",
        )
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
    if terms.hardware_price is not None:
        found += [_stated("hardware_price", terms.hardware_price, "USD"), *_use(terms)]
    if terms.maintenance is not None:
        found.append(_stated("maintenance_per_year", terms.maintenance, "USD"))
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


def _use(terms: Terms) -> list[Assumption]:
    """Return how long the machine is used, for how much of it this pays, and what is left: what nobody stated is assumed."""
    value, low, high = _YEARS
    years = Assumption(
        name="years",
        value=value,
        low=low,
        high=high,
        unit="years",
        provenance="assumed",
        note="how long the machine is used; give --years",
    )
    whole = Assumption(
        name="attribution",
        value=1.0,
        low=1.0,
        high=1.0,
        unit="share",
        provenance="assumed",
        note="the whole machine is charged to this; give --attribution",
    )
    found = [
        years if terms.years is None else _stated("years", terms.years, "years"),
        whole if terms.attribution is None else _stated("attribution", terms.attribution, "share"),
    ]
    return found if terms.residual is None else [*found, _stated("residual", terms.residual, "USD")]


def _stated(name: str, value: float, unit: str) -> Assumption:
    return Assumption(name=name, value=value, low=value, high=value, unit=unit, provenance="reported", note="stated")
