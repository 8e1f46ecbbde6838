"""What the last screen says of energy: a measured figure and an assumed one never look alike."""

from __future__ import annotations

from typing import Any

from bakeoff.report.speed import energy_lines


def document(*energies: dict[str, Any] | None) -> dict[str, Any]:
    names = "abcdef"
    return {
        "ranked_by": {"order": list(names[: len(energies)])},
        "candidates": [
            {"id": name, "energy_j_per_generation": energy} for name, energy in zip(names, energies, strict=False)
        ],
    }


LABELS = {name: name.upper() for name in "abcdef"}
ASSUMED = {"value": 1.25, "provenance": "assumed", "reason": "ASSUMED 65 W, not measured: a processor package at work"}
MEASURED = {
    "value": 12.5,
    "provenance": "measured",
    "reason": "rapl, scope cpu_pkg, 40 texts in 9.0 s",
    "j_per_token": 0.05,
    "net": 8.0,
}


def test_assumed_joules_are_marked() -> None:
    (line,) = energy_lines(document(ASSUMED, ASSUMED | {"value": 2}), LABELS)
    assert line == "joules a text: A 1.25, B 2. ASSUMED 65 W, not measured: a processor package at work"


def test_measured_joules_name_their_source() -> None:
    lines = energy_lines(
        document(MEASURED, MEASURED | {"provenance": "derived", "net": None, "j_per_token": None}), LABELS
    )
    assert (
        lines[0]
        == "A: 12.5 J a text, 0.05 J a token, 8 above idling; measured (rapl, scope cpu_pkg, 40 texts in 9.0 s)"
    )
    assert lines[1] == "B: 12.5 J a text; estimated by the chip itself (rapl, scope cpu_pkg, 40 texts in 9.0 s)"


def test_unknown_energy_is_not_told() -> None:
    nothing = {"value": None, "provenance": None, "reason": "no energy was measured"}
    assert energy_lines(document(nothing, None), LABELS) == []
