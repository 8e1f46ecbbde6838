"""What the last screen says of energy: a measured figure and an assumed one never look alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bakeoff.core.clock import HandClock
from bakeoff.core.errors import WorkerDied
from bakeoff.core.records import Generation, Timings, WorkerLoad
from bakeoff.core.spec import Candidate, ModelSpec
from bakeoff.measure.energy import EnergySummary
from bakeoff.report.energy import energy_and_cost
from bakeoff.report.speed import energy_lines
from bakeoff.store.db import Store
from bakeoff.study.plan import Trial, trials_of
from bakeoff.study.runner import Runner, gone_generation
from bakeoff.study.writers import Message
from heard import Heard
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


def our_own(candidate: Candidate) -> Candidate:
    """The same, as a model in a folder."""
    spec = ModelSpec(reference="ann", name="ann", source="folder", location="ann", digest="d1")
    return candidate.model_copy(update={"model": spec})


def test_texts_that_were_never_asked_for_do_not_make_the_others_cheaper() -> None:
    plan = make_plan(12, ("ann",))
    candidate: Candidate = plan.candidates[0]
    ours = our_own(candidate)
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


class Dying:
    """Writes so many texts, 2 s each, and dies of every later one."""

    loads: tuple[WorkerLoad, ...] = ()

    def __init__(self, clock: HandClock, texts: int) -> None:
        self._clock = clock
        self._left = texts

    async def open(self) -> None: ...

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        if not self._left:
            raise WorkerDied("killed by signal 9")
        self._left -= 1
        self._clock.advance(2.0)
        return trial.generation(
            text="A text.", finish_reason="stop", timings=Timings(latency_s=2.0), concurrency=concurrency
        )

    async def measure(self) -> None: ...

    async def close(self) -> None: ...


def test_texts_of_a_worker_that_died_too_often_do_not_make_the_others_cheaper(tmp_path: Path) -> None:
    plan = make_plan(300, ("ann",), concurrency=1)
    store = Store.open_folder(tmp_path)
    store.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
    asyncio.run(Runner(plan, store, {"ann": Dying(clock, 30)}, Heard(), clock).run(together=True))
    stored = store.generations(plan.run_id)
    store.close()
    # The text that it died of was asked for, three times; the others were not, and are not stored.
    assert [made.error_kind for made in stored if made.failed] == ["worker_died"]
    assert sum(made.tried for made in stored) == len(stored) == 31
    written = {made.trial for made in stored}
    missing = [gone_generation(trial) for trial in trials_of(plan, plan.candidates[0]) if trial.key not in written]
    told = energy_and_cost(column_of([*stored, *missing]), our_own(plan.candidates[0]), "cpu", "Linux", EnergySummary())
    assert told["energy_j_per_generation"]["value"] == pytest.approx(30 * 2.0 * 65 / 31)


@pytest.mark.parametrize(
    ("error", "retried", "tried"),
    [
        # What was stored before such candidates were given up, by which these runs are read.
        ("the worker died 3 times in this run; the trial was not tried", (), False),
        ("the worker died 3 times in this run; the trial was not tried", ("worker_died",), True),
        ("killed by signal 9", (), True),
    ],
)
def test_a_stored_failure_tells_whether_its_text_was_asked_for(
    error: str, retried: tuple[str, ...], tried: bool
) -> None:
    (trial,) = trials_of(make_plan(1, ("ann",)), make_plan(1, ("ann",)).candidates[0])
    made = trial.generation(
        text=None, finish_reason="error", error_kind="worker_died", error=error, retried=retried, attempts=2
    )
    assert Generation.model_validate_json(made.model_dump_json()).tried is tried
    assert not gone_generation(trial).tried


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
