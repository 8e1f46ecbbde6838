"""Energy and electricity of a candidate's generation, for the result document: assumed where nothing was measured, and marked."""

from __future__ import annotations

from typing import Any

from bakeoff.core.generations import Generations
from bakeoff.core.spec import Candidate
from bakeoff.cost.arithmetic import electricity_cost
from bakeoff.cost.tariffs import ASSUMED_TARIFF
from bakeoff.cost.watts import assumed_watts
from bakeoff.measure.busy import worker_seconds
from bakeoff.measure.energy import EnergySummary

_UNKNOWN = {
    "energy_j_per_generation": {"value": None, "provenance": None, "reason": "no energy was measured"},
    "cost_per_generation": {
        "value": None,
        "currency": None,
        "provenance": None,
        "reason": "no price or energy is known for this candidate",
    },
}


def energy_and_cost(
    own: Generations, candidate: Candidate, device: str | None, system: str, measured: EnergySummary, workers: int = 1
) -> dict[str, Any]:
    """Return the document's two fields; null for texts that no worker of ours wrote, or whose time is unknown.

    Each of up to so many `workers` counts as a machine.
    """
    if measured.j_per_text is not None:
        return {
            "energy_j_per_generation": _measured(measured),
            "cost_per_generation": _electricity(*[measured.j_per_text] * 3),
        }
    asked = sum(count for way, count in own.count_ways() if way.tried)
    busy_s = worker_seconds(own, workers) if candidate.model.is_ours_to_run and asked else None
    if busy_s is None:
        return _UNKNOWN
    watts = assumed_watts(device, system)
    per_text_s = busy_s / asked
    joules = [per_text_s * each for each in (watts.value, watts.low, watts.high)]
    why = f" ({measured.problem})" if measured.problem else ""
    energy = {
        "value": joules[0],
        "low": joules[1],
        "high": joules[2],
        "provenance": "assumed",
        "reason": f"ASSUMED {watts.value:g} W, not measured{why}: {watts.note}",
    }
    return {"energy_j_per_generation": energy, "cost_per_generation": _electricity(*joules)}


def _measured(found: EnergySummary) -> dict[str, Any]:
    return {
        "value": found.j_per_text,
        "provenance": "derived" if found.quality == "estimated" else "measured",
        "reason": f"{found.source}, scope {found.scope}, {found.texts} texts in {found.seconds:.1f} s",
        "net": None if found.net_j is None else found.net_j / found.texts,
        "j_per_token": found.j_per_token,
        "watts": found.watts,
        "idle_watts": found.idle_w,
        "scope": found.scope,
        "note": found.problem or None,
    }


def _electricity(value: float, low: float, high: float) -> dict[str, Any]:
    tariff, cheapest, dearest = ASSUMED_TARIFF
    return {
        "value": electricity_cost(value, tariff),
        "low": electricity_cost(low, cheapest),
        "high": electricity_cost(high, dearest),
        "currency": "USD",
        "provenance": "assumed",
        "reason": f"electricity alone, at an assumed {tariff:g} USD a kilowatt-hour; see: bakeoff cost",
    }
