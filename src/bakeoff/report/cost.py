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
from bakeoff.cost.uncertainty import FEWEST_FAMILIES, BreakEven
from bakeoff.decide.wording import plural
from bakeoff.report.layout import bullets, cells, table, title
from bakeoff.report.moved import MEANING, marked, moved_lines
from bakeoff.report.worth import USABLE, worth_sentence

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = "bakeoff.cost/1"
_SMALLEST = 1e-4
"""A hundredth of a cent, in dollars."""
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
            "break_even_interval",
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
        "break_even_interval": None
        if found.break_even_interval is None
        else found.break_even_interval.model_dump(mode="json"),
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
    yield Text(_headline(costed), style="bold")
    pieces = _pieces(costed)
    made = table("candidate", "usable", f"{_unit(pieces)} here", "in the cloud", "so it is", "even from")
    for each in costed.candidates:
        made.add_row(
            *cells(_name(each), *(["-"] * 5 if each.answer is None else _row(each.answer, each.texts, pieces)))
        )
    yield made
    yield from bullets(MEANING, moved_lines({each.candidate or "": each.fallbacks for each in costed.candidates}))
    yield from bullets(
        f"Intervals, 90 %, {_unit(pieces)}", [line for each in costed.candidates if (line := _intervals(each, pieces))]
    )
    yield from bullets(
        "No cost", [printable(f"{each.candidate}: {each.missing}") for each in costed.candidates if each.missing]
    )
    first = next(each for each in costed.candidates if each.answer is not None)
    of_gates = () if costed.run_id is None else (USABLE,)
    if first.answer is not None:
        yield title(f"What that rests on{f' ({_name(first)})' if first.candidate else ''}")
        yield _tornado(first.answer, first.texts)
        yield from bullets("Note", [printable(note) for note in (*_notes(first.answer), *costed.notes, *of_gates)])
    del width


def _name(each: CostedCandidate) -> str:
    if each.candidate is None:
        return "these numbers"
    return marked(each.candidate, {each.candidate: each.fallbacks}, printable(each.candidate))


def _headline(costed: Costed) -> str:
    """Return what is in the figures of this machine, which stands before any of them."""
    found = next(each.answer for each in costed.candidates if each.answer is not None)
    if _is_priced(found):
        spread = "" if found.local.hardware is not None else ", which no figure here holds until a volume is stated"
        return f"Here: electricity, and the machine{spread}."
    return "Here: electricity alone, without the machine, whose price nobody stated (--hardware-price)."


def _is_priced(found: Answer) -> bool:
    """Whether the machine has a price: without one, from which volume it is paid for is no question."""
    return found.local.hardware is not None or any(each.name == "hardware_price" for each in found.assumptions)


def _pieces(costed: Costed) -> int:
    """Return for how many pieces money is shown: 1,000 where one is under a hundredth of a cent."""
    totals = [
        total
        for each in costed.candidates
        if each.answer is not None
        for total in (each.answer.local.total, each.answer.cloud.estimate)
        if total
    ]
    return 1000 if any(abs(total) < _SMALLEST for total in totals) else 1


def _unit(pieces: int) -> str:
    return "a piece" if pieces == 1 else f"{pieces:,} pieces"


def _row(found: Answer, texts: int | None, pieces: int) -> tuple[str, ...]:
    even = found.break_even_per_day
    paid = "-" if even is None else even if isinstance(even, str) else f"{even:,.0f} a day" if even > 0 else "the first"
    return (
        _usable(found, texts),
        money(pieces * found.local.total),
        "-" if found.cloud.estimate is None else money(pieces * found.cloud.estimate),
        _compared(found),
        paid,
    )


def _usable(found: Answer, texts: int | None) -> str:
    """Return the share of usable texts, with how many it was counted on, or that it was assumed."""
    assumed = any(each.name == "accepted" and each.provenance == "assumed" for each in found.assumptions)
    share = percent_text(found.accepted, 0).replace(" ", "")
    return f"{share} ASSUMED" if assumed else share if texts is None else f"{share} of {texts}"


def _compared(found: Answer) -> str:
    """Return how this machine compares, in words: a percentage below a hundred says nothing of what is 300 times dearer."""
    if found.saving_percent is None:
        return "-"
    share = found.saving_percent / 100
    if share >= 0:
        return f"{percent_text(share)} cheaper"
    return f"{percent_text(-share, 0)} dearer" if share > -1 else f"{1 - share:,.0f} x dearer"


def _intervals(each: CostedCandidate, pieces: int) -> str:
    """Return one candidate's intervals, "" where nothing was measured or doubted."""
    if each.answer is None or each.answer.saving.low is None:
        return ""
    found = each.answer
    here, cloud, saves = (_span(part, pieces) for part in (found.local_interval, found.cloud, found.saving))
    return f"{_name(each)}: here {here}, cloud {cloud}, saves {saves}"


def _span(estimate: Estimate, pieces: int = 1) -> str:
    if estimate.estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return money(pieces * estimate.estimate)
    return f"{money(pieces * estimate.estimate)} [{money(pieces * estimate.low)}, {money(pieces * estimate.high)}]"


def _negated(estimate: Estimate) -> Estimate:
    centre, low, high = (None if end is None else -end for end in (estimate.estimate, estimate.high, estimate.low))
    return estimate.model_copy(update={"estimate": centre, "low": low, "high": high})


def _tornado(found: Answer, texts: int | None) -> RenderableType:
    made = table("assumption", "value", "range", "from", "costs the same at")
    by_name = {each.name: each for each in found.assumptions}
    for swing in found.swings:
        each = by_name[swing.name]
        span = "-" if each.low == each.high else f"{_amount(each.low, each.unit)} to {_amount(each.high, each.unit)}"
        source = {"reported": "stated", "assumed": "ASSUMED"}.get(each.provenance, each.provenance)
        if each.note and each.note != "stated" and each.provenance == "reported":
            source = "reported"
        counted = each.name == "accepted" and texts is not None
        name = f"usable of {plural(texts or 0, 'text')}" if counted else _WORDS[each.name]
        turns = "never" if swing.flips_sign_at is None else _amount(swing.flips_sign_at, each.unit)
        made.add_row(*cells(name, _amount(each.value, each.unit), span, source, turns))
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


def _even_in_words(found: BreakEven) -> str:
    low, high = (end if isinstance(end, str) else f"{end:,.0f}" for end in (found.low, found.high))
    never = f"; in {found.never_share:.0%} of the draws each piece loses money" if found.never_share else ""
    return f"even from {low} to {high} a day, {found.level:.0%}{never}"


def _notes(found: Answer) -> list[str]:
    notes = [f"{_WORDS[each.name]}: {each.note}" for each in found.assumptions if each.note and each.note != "stated"]
    local = found.local
    notes.append(f"{digits(local.energy_j)} J a piece, {_energy_provenance(found)}; a piece is a text that is usable")
    lacks = {"the machine's price (--hardware-price)": local.hardware, "its idle time (--idle-watts)": local.idle}
    missing = [name for name, cost in lacks.items() if cost is None]
    if found.busy_share is None:
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
    if found.break_even_interval is not None:
        notes.append(_even_in_words(found.break_even_interval))
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
        over = f"{plural(found.saving.briefs, 'family', 'families')} of briefs"
        few = found.saving.briefs < FEWEST_FAMILIES
        notes.append(
            f"no intervals: {over}, under {FEWEST_FAMILIES}"
            if few
            else f"90 % intervals over {over}, and the ranges above"
        )
    if found.co2_g is not None:
        notes.append(f"{digits(found.co2_g)} g of CO2 a piece")
    notes.append(
        "electricity is rarely what decides: the machine's price, the volume and the share of usable texts are"
    )
    return notes
