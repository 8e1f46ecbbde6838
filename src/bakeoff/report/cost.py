"""What a text costs, as `bakeoff.cost/1` and for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.text import Text

from bakeoff.core.plain import printable
from bakeoff.core.records import Estimate
from bakeoff.core.units import digits, money, percent_text
from bakeoff.cost.answer import MOST_BUSY, Answer, Costed, CostedCandidate
from bakeoff.cost.assumptions import Assumption
from bakeoff.report.layout import bullets, cells, table, title
from bakeoff.report.moved import MEANING, marked, moved_lines
from bakeoff.report.worth import USABLE, worth_sentence

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = "bakeoff.cost/1"
_NAMES = {"busy_s": "latency", "cloud_text": "cloud_per_request", "pieces_per_day": "requests_per_day"}
"""What options and the document call a value, where the formulas have another name for it."""
_WORDS = {
    "busy_s": "time for a text",
    "watts": "power while writing",
    "idle_watts": "power while idle",
    "tariff": "price of electricity",
    "cloud_text": "price in the cloud",
    "cloud_accepted": "usable in the cloud",
    "accepted": "usable here",
    "token_ratio": "tokens in the cloud",
    "pieces_per_day": "usable texts a day",
    "hardware_price": "price of the machine",
    "residual": "worth at the end",
    "maintenance_per_year": "upkeep a year",
    "years": "years of use",
    "attribution": "share of the machine",
}
"""What people read."""


def cost_document(costed: Costed) -> dict[str, Any]:
    """Return the document; its top level is the first candidate that has a cost."""
    first = next(each for each in costed.candidates if each.answer is not None)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "run_id": costed.run_id,
        "currency": "USD",
        "notes": list(costed.notes),
        "validity_text": None if costed.run_id is None else f"{USABLE[0].upper()}{USABLE[1:]}. {worth_sentence()}",
    }
    document |= {
        "candidate": first.candidate,
        "fallbacks": list(first.fallbacks),
        **_answer(costed, first.answer),
    }
    if costed.run_id is not None:
        document["candidates"] = [
            {
                "candidate": each.candidate,
                "missing": each.missing or None,
                "fallbacks": list(each.fallbacks),
                **_answer(costed, each.answer),
                "by_content_type": {kind: _answer(costed, found) for kind, found in each.by_content_type.items()},
            }
            for each in costed.candidates
        ]
    return document


def _answer(costed: Costed, found: Answer | None) -> dict[str, Any]:
    if found is None:
        names = (
            "local",
            "cloud",
            "saving",
            "saving_percent",
            "annual_saving",
            "break_even_per_day",
            "capacity",
            "co2_g",
        )
        return dict.fromkeys(names) | {"accepted": None, "assumptions": []}
    local, price = found.local, costed.price
    return {
        "local": {
            "energy_j": local.energy_j,
            "energy_provenance": _energy_provenance(found),
            "electricity_cost": local.electricity,
            "idle_cost": local.idle,
            "hardware_cost": local.hardware,
            "total": local.total,
            "interval": found.local_interval.model_dump(mode="json"),
        },
        "cloud": {
            "cost": found.cloud.estimate,
            "interval": found.cloud.model_dump(mode="json"),
            "model": price.model,
            "catalogue": price.catalogue,
            "date": price.date or None,
            "input_per_million": None if costed.flat is not None else price.input_per_million,
            "output_per_million": None if costed.flat is not None else price.output_per_million,
        },
        "saving": found.saving.model_dump(mode="json"),
        "saving_percent": found.saving_percent,
        "annual_saving": found.annual_saving.model_dump(mode="json"),
        "break_even_per_day": found.break_even_per_day,
        "capacity": {
            "busy_share": found.busy_share,
            "one_machine_is_enough": found.one_machine_is_enough,
            "break_even_busy_share": found.break_even_busy_share,
        },
        "co2_g": found.co2_g,
        "accepted": found.accepted,
        "assumptions": [_assumption(each, found) for each in found.assumptions],
    }


def _energy_provenance(found: Answer) -> str:
    watts = next((each for each in found.assumptions if each.name == "watts"), None)
    if watts is None or watts.provenance == "measured":
        return "measured"
    return "assumed" if watts.provenance == "assumed" else "derived"


def _assumption(each: Assumption, found: Answer) -> dict[str, Any]:
    swing = next(swing for swing in found.swings if swing.name == each.name)
    return {
        "name": _NAMES.get(each.name, each.name),
        "value": each.value,
        "unit": each.unit,
        "low": each.low,
        "high": each.high,
        "provenance": each.provenance,
        "note": each.note,
        "saving_at_low": swing.at_low,
        "saving_at_high": swing.at_high,
        "flips_sign_at": swing.flips_sign_at,
    }


def cost_lines(costed: Costed, width: int) -> Iterator[RenderableType]:
    """Yield what people read, for a terminal of `width` columns."""
    price = costed.price
    if costed.flat is None:
        where = f"{price.provider}:{price.model}" if price.provider else price.model
        rates = f"{price.input_per_million:g} and {price.output_per_million:g} USD per million tokens in and out"
        looked = f", looked up for {price.date}" if price.date else ""
        yield Text(printable(f"Against {where}: {rates} ({price.catalogue}{looked})."))
    else:
        yield Text(f"Against a flat price of {money(costed.flat)} a text.")
    made = table("candidate", "usable", "a piece here", "in the cloud", "so it is", "even from")
    for each in costed.candidates:
        made.add_row(*cells(_name(each), *(["-"] * 5 if each.answer is None else _row(each.answer))))
    yield made
    yield from bullets(MEANING, moved_lines({each.candidate or "": each.fallbacks for each in costed.candidates}))
    yield from bullets("Intervals, 90 %, a piece", [line for each in costed.candidates if (line := _intervals(each))])
    yield from bullets(
        "No cost", [printable(f"{each.candidate}: {each.missing}") for each in costed.candidates if each.missing]
    )
    first = next(each for each in costed.candidates if each.answer is not None)
    of_gates = () if costed.run_id is None else (USABLE,)
    if first.answer is not None:
        yield title(f"What that rests on{f' ({_name(first)})' if first.candidate else ''}")
        yield _tornado(first.answer)
        yield from bullets("Note", [printable(note) for note in (*_notes(first.answer), *costed.notes, *of_gates)])
    del width


def _name(each: CostedCandidate) -> str:
    if each.candidate is None:
        return "these numbers"
    return marked(each.candidate, {each.candidate: each.fallbacks}, printable(each.candidate))


def _row(found: Answer) -> tuple[str, ...]:
    even = found.break_even_per_day
    return (
        f"{found.accepted:.0%}",
        money(found.local.total),
        "-" if found.cloud.estimate is None else money(found.cloud.estimate),
        _compared(found),
        even if isinstance(even, str) else f"{even:,.0f} a day" if even else "the first",
    )


def _compared(found: Answer) -> str:
    """Return how this machine compares, in words: a percentage below a hundred says nothing of what is 300 times dearer."""
    if found.saving_percent is None:
        return "-"
    if found.saving_percent >= 0:
        return f"{found.saving_percent:.1f} % cheaper"
    times = 1 - found.saving_percent / 100
    return f"{-found.saving_percent:.0f} % dearer" if times < 2 else f"{times:,.0f} x dearer"


def _intervals(each: CostedCandidate) -> str:
    """Return one candidate's intervals, "" where nothing was measured or doubted."""
    if each.answer is None or each.answer.saving.low is None:
        return ""
    found = each.answer
    return f"{_name(each)}: here {_span(found.local_interval)}, cloud {_span(found.cloud)}, saves {_span(found.saving)}"


def _span(estimate: Estimate) -> str:
    if estimate.estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return money(estimate.estimate)
    return f"{money(estimate.estimate)} [{money(estimate.low)}, {money(estimate.high)}]"


def _negated(estimate: Estimate) -> Estimate:
    centre, low, high = (None if end is None else -end for end in (estimate.estimate, estimate.high, estimate.low))
    return estimate.model_copy(update={"estimate": centre, "low": low, "high": high})


def _tornado(found: Answer) -> RenderableType:
    made = table("assumption", "value", "range", "from", "costs the same at")
    by_name = {each.name: each for each in found.assumptions}
    for swing in found.swings:
        each = by_name[swing.name]
        span = "-" if each.low == each.high else f"{_amount(each.low, each.unit)} to {_amount(each.high, each.unit)}"
        source = {"reported": "stated", "assumed": "ASSUMED"}.get(each.provenance, each.provenance)
        if each.note and each.note != "stated" and each.provenance == "reported":
            source = "reported"
        turns = "never" if swing.flips_sign_at is None else _amount(swing.flips_sign_at, each.unit)
        made.add_row(*cells(_WORDS[each.name], _amount(each.value, each.unit), span, source, turns))
    return made


def _amount(value: float, unit: str) -> str:
    """Return a value of an assumption as people write it.

    >>> _amount(0.15, "USD/kWh"), _amount(47123.4, "W"), _amount(0.1078, "share"), _amount(1000, "pieces/day")
    ('$0.15/kWh', '47,123 W', '10.8 %', '1,000')
    """
    if unit.startswith("USD"):
        return f"{money(value)}{unit[3:]}"
    if unit == "share":
        return percent_text(value) if value >= 0.001 else f"{digits(100 * value)} %"
    return digits(value) if unit in {"pieces/day", "years"} else f"{digits(value)} {unit}"


def _notes(found: Answer) -> list[str]:
    notes = [f"{_WORDS[each.name]}: {each.note}" for each in found.assumptions if each.note and each.note != "stated"]
    local = found.local
    notes.append(f"{digits(local.energy_j)} J a piece, {_energy_provenance(found)}; a piece is a text that is usable")
    lacks = {"the machine's price (--hardware-price)": local.hardware, "its idle time (--idle-watts)": local.idle}
    missing = [name for name, cost in lacks.items() if cost is None]
    if found.annual_saving.estimate is None:
        notes.append(
            "electricity alone: no volume was stated (--requests-per-day), so neither the machine nor its idle time is in it"
        )
    elif missing:
        notes.append(f"not stated, and not in it: {' and '.join(missing)}")
    if found.break_even_busy_share is not None and found.break_even_busy_share > MOST_BUSY:
        notes.append(
            f"one machine cannot break even: writing that many would take {found.break_even_busy_share:.0%} of the day "
            f"({MOST_BUSY:.0%} at most)"
        )
    if found.annual_saving.estimate is not None:
        year = found.annual_saving
        loses = found.annual_saving.estimate < 0
        span = _span(_negated(year) if loses else year)
        notes.append(
            f"a year at that volume {'costs' if loses else 'saves'} {span} {'more than' if loses else 'against'} the cloud"
        )
    if found.one_machine_is_enough is False:
        notes.append(
            f"one machine cannot serve this: it would write {found.busy_share:.0%} of the day ({MOST_BUSY:.0%} at most)"
        )
    if found.saving.briefs:
        notes.append(f"90 % intervals over {found.saving.briefs} families of briefs, and the ranges above")
    if found.co2_g is not None:
        notes.append(f"{digits(found.co2_g)} g of CO2 a piece")
    notes.append(
        "electricity is rarely what decides: the machine's price, the volume and the share of usable texts are"
    )
    return notes
