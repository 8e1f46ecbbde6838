"""How a metric gets its value: where in a run's document it stands, what it is worth (provenance), and why it is not known.

A value is never 0 for want of one, and never passes for a measurement that it is not: what rests on an assumption is called
so in its name (`energy/assumed_j_per_text` beside `energy/j_per_text`), so that no chart can put the two in one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bakeoff.core.records import Provenance

GIB = float(1 << 30)


class Subject(NamedTuple):
    """All that is known of one candidate when its metrics are worked out.

    `run` is the document `bakeoff.run/1`, `candidate` its part of it; `cost` is its part of `bakeoff.cost/1`, with `missing`
    where there is none; `texts` is `report.text_facts` as JSON; `budget_bytes` is what workers may take where it ran.
    """

    run: Mapping[str, Any]
    candidate: Mapping[str, Any]
    cost: Mapping[str, Any]
    texts: Mapping[str, Any]
    budget_bytes: int | None = None


class Value(NamedTuple):
    """A number with its provenance; or none, and `reason` says why."""

    number: float | None
    provenance: Provenance
    reason: str = ""


class Found(NamedTuple):
    """A metric of one candidate: `name` as it is exported, with `assumed_` in it where its value rests on an assumption."""

    name: str
    unit: str
    value: Value


Rule = Callable[[Subject], Value]


def unknown(reason: str) -> Value:
    """Return no number, for a reason."""
    return Value(None, "derived", reason)


def exported_name(name: str, provenance: Provenance) -> str:
    """Return `group/assumed_rest` for what was assumed, the name as it is for all else.

    >>> exported_name("energy/j_per_text", "assumed"), exported_name("energy/j_per_text", "measured")
    ('energy/assumed_j_per_text', 'energy/j_per_text')
    """
    group, _, rest = name.partition("/")
    return f"{group}/assumed_{rest}" if provenance == "assumed" else name


def number_at(holder: Mapping[str, Any], path: str) -> float | None:
    """Return the number at `a.b.c`, None where there is none."""
    found: Any = holder
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


def scored(path: str) -> Rule:
    """Return a rule for what follows from scores: the candidate's own field, `derived`."""
    return _of_candidate(path, 1.0, lambda _: "derived", "there was nothing to estimate it from")


def counted(path: str) -> Rule:
    """Return a rule for what was counted in the run: the candidate's own field, `measured`."""
    return _of_candidate(path, 1.0, lambda _: "measured", "it was not counted")


def timed(path: str, factor: float = 1.0) -> Rule:
    """Return a rule for times and rates: as measured or reported as the candidate's timings are."""
    why = "its texts were not timed that way, or too few of them were"
    return _of_candidate(path, factor, lambda own: own.get("timing_provenance") or "measured", why)


def loaded(path: str, factor: float = 1.0) -> Rule:
    """Return a rule for what the worker process took."""

    def rule(subject: Subject) -> Value:
        number = number_at(subject.candidate, path)
        if number is not None:
            return Value(number * factor, "measured")
        told = "; ".join(subject.candidate.get("unknown") or ())
        return unknown(told or "no worker of ours held it, or none told")

    return rule


def drawn(path: str, factor: float = 1.0) -> Rule:
    """Return a rule for energy, by the candidate's own provenance; `path` starts below `energy_j_per_generation`."""

    def rule(subject: Subject) -> Value:
        held = subject.candidate["energy_j_per_generation"]
        number = number_at(held, path)
        if number is None:
            return unknown(_not_drawn(held, path))
        return Value(number * factor, held["provenance"])

    return rule


def _not_drawn(held: Mapping[str, Any], path: str) -> str:
    if held.get("value") is None:
        return str(held.get("reason"))
    if path in {"low", "high"} and held["provenance"] != "assumed":
        return "it was measured: there is no assumed range"
    return "no meter measured it"


def costed(path: str, factor: float = 1.0, *, why: str = "") -> Rule:
    """Return a rule for money: `assumed` as soon as anything that it rests on is, else `derived`."""

    def rule(subject: Subject) -> Value:
        number = number_at(subject.cost, path)
        if number is None:
            return unknown(subject.cost.get("missing") or why or "nobody stated what it rests on")
        return Value(number * factor, money_provenance(subject))

    return rule


def written(path: str, why: str) -> Rule:
    """Return a rule for what the texts themselves tell (`report.text_facts`)."""

    def rule(subject: Subject) -> Value:
        number = number_at(subject.texts, path)
        return unknown(why) if number is None else Value(number, "derived")

    return rule


def money_provenance(subject: Subject) -> Provenance:
    """Return `assumed` where the watts or the tariff were, which everything in money rests on."""
    named = {each["name"]: each["provenance"] for each in subject.cost.get("assumptions", ())}
    return "assumed" if "assumed" in (named.get("watts"), named.get("tariff")) else "derived"


def _of_candidate(path: str, factor: float, provenance: Callable[[Mapping[str, Any]], Provenance], why: str) -> Rule:
    def rule(subject: Subject) -> Value:
        number = number_at(subject.candidate, path)
        return unknown(why) if number is None else Value(number * factor, provenance(subject.candidate))

    return rule
