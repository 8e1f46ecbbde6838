"""Energy and electricity of a candidate's generation, for the result document: assumed where nothing was measured, and marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bakeoff.core.outlines import GenerationOutline
from bakeoff.core.spec import Candidate
from bakeoff.cost.arithmetic import electricity_cost
from bakeoff.cost.tariffs import ASSUMED_TARIFF
from bakeoff.cost.watts import assumed_watts
from bakeoff.measure.busy import busy_seconds

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
    own: Sequence[GenerationOutline], candidate: Candidate, device: str | None, system: str
) -> dict[str, Any]:
    """Return the document's two fields; null for texts that this machine did not write, or whose time is unknown."""
    busy_s = busy_seconds(own) if candidate.model.is_ours_to_run else None
    if busy_s is None:
        return _UNKNOWN
    watts = assumed_watts(device, system)
    per_text_s = busy_s / len(own)
    tariff, cheapest, dearest = ASSUMED_TARIFF
    return {
        "energy_j_per_generation": {
            "value": per_text_s * watts.value,
            "low": per_text_s * watts.low,
            "high": per_text_s * watts.high,
            "provenance": "assumed",
            "reason": f"ASSUMED {watts.value:g} W, not measured: {watts.note}",
        },
        "cost_per_generation": {
            "value": electricity_cost(per_text_s * watts.value, tariff),
            "low": electricity_cost(per_text_s * watts.low, cheapest),
            "high": electricity_cost(per_text_s * watts.high, dearest),
            "currency": "USD",
            "provenance": "assumed",
            "reason": f"electricity alone, at an assumed {tariff:g} USD a kilowatt-hour; see: bakeoff cost",
        },
    }
