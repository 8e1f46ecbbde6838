"""What the last screen says of energy: a measured figure and an assumed one never look alike."""

from __future__ import annotations

from typing import Any

import pytest

from bakeoff.core.records import Timings
from bakeoff.core.spec import Candidate, ModelSpec
from bakeoff.measure.energy import EnergySummary
from bakeoff.report.energy import energy_and_cost
from bakeoff.report.speed import energy_lines
from bakeoff.study.plan import trials_of
from bakeoff.study.runner import gone_generation
from made_generations import column_of
from sample_runs import make_plan


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


def test_texts_that_were_never_asked_for_do_not_make_the_others_cheaper() -> None:
    plan = make_plan(12, ("ann",))
    candidate: Candidate = plan.candidates[0]
    ours = candidate.model_copy(
        update={"model": ModelSpec(reference="ann", name="ann", source="folder", location="ann", digest="d1")}
    )
    trials = list(trials_of(plan, candidate))
    written = [
        trial.generation(
            text="A text.", finish_reason="stop", timings=Timings(latency_s=2.0), finished_unix_s=100.0 + 2 * number
        )
        for number, trial in enumerate(trials[:4])
    ]
    alone = energy_and_cost(column_of(written), ours, "cpu", "Linux", EnergySummary())
    given_up = [*written, *(gone_generation(trial) for trial in trials[4:])]
    assert energy_and_cost(column_of(given_up), ours, "cpu", "Linux", EnergySummary()) == alone
    assert alone["energy_j_per_generation"]["value"] == pytest.approx(2.0 * 65)
    nothing = energy_and_cost(
        column_of(gone_generation(trial) for trial in trials), ours, "cpu", "Linux", EnergySummary()
    )
    assert nothing["energy_j_per_generation"]["value"] is None


def test_each_worker_of_a_cluster_draws_its_own_watts() -> None:
    plan = make_plan(4, ("ann",))
    spec = ModelSpec(reference="ann", name="ann", source="folder", location="ann", digest="d1")
    ours = plan.candidates[0].model_copy(update={"model": spec})
    written = [
        trial.generation(text="A text.", finish_reason="stop", timings=Timings(latency_s=2.0), finished_unix_s=100.0)
        for trial in trials_of(plan, ours)
    ]
    one, two = (
        energy_and_cost(column_of(written), ours, "cpu", "Linux", EnergySummary(), workers) for workers in (1, 2)
    )
    assert one["energy_j_per_generation"]["value"] == pytest.approx(2.0 * 65 / 4)
    assert two["energy_j_per_generation"]["value"] == pytest.approx(2 * 2.0 * 65 / 4)
