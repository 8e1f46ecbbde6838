"""A race from the first lap to the confirmed score, with writers that do as they are told and no model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bakeoff.core.clock import HandClock
from bakeoff.core.errors import AnswerEmpty
from bakeoff.core.records import Generation, RunEvent, WorkerLoad
from bakeoff.store.db import Store
from bakeoff.study.conclude import conclude
from bakeoff.study.fixed import run_fixed
from bakeoff.study.gathering import Gathering, Reloading
from bakeoff.study.laps import divide, left_over
from bakeoff.study.plan import Plan, Trial, choose_briefs
from bakeoff.study.racing import counted_briefs, run_race
from bakeoff.study.retries import Patience
from bakeoff.study.runner import Runner
from bakeoff.study.scoring import Scored
from bakeoff.study.writers import Message
from sample_runs import make_plan

GOOD = (
    "Our shop in Leeds opens on 14 March, and you are invited. Come in from nine o'clock, have a coffee with us and look "
    "round the new workshop. We look forward to meeting you. Which piece would you like to see made?"
)


class Author:
    """Writes the same good text each time, or nothing at all."""

    def __init__(self, *, silent: bool) -> None:
        self.loads: tuple[WorkerLoad, ...] = ()
        self.silent = silent
        self.is_open = False
        self.starts = self.written = 0

    async def open(self) -> None:
        self.starts += not self.is_open
        self.is_open = True

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        del messages, first_token_s
        self.written += 1
        await asyncio.sleep(0)
        if self.silent:
            raise AnswerEmpty("the answer is empty")
        return trial.generation(text=f"{GOOD} ({trial.brief})", finish_reason="stop", concurrency=concurrency)

    async def measure(self) -> None:
        pass

    async def close(self) -> None:
        self.is_open = False


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.left: list[Mapping[str, int]] = []
        self.out: dict[str, str] = {}

    def turn(self, candidate: str) -> None:
        pass

    def finished(self, generation: Generation) -> None:
        pass

    def told(self, event: RunEvent) -> None:
        pass

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        self.lines += lines
        self.left.append(left)
        self.out |= out


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open_folder(tmp_path)
    yield made
    made.close()


def fixed_plan(briefs: int, count: int) -> Plan:
    plan = make_plan(briefs, ("ann", "bob"))
    chosen = choose_briefs(plan.suite.briefs, count, seed=0)
    return plan.model_copy(update={"brief_ids": chosen, "held_back": left_over(plan.suite.briefs, chosen, seed=0)})


def race_plan(briefs: int = 200) -> Plan:
    plan = make_plan(briefs, ("ann", "bob"))
    racing, held_back = divide(plan.suite.briefs, seed=0)
    return plan.model_copy(update={"mode": "race", "brief_ids": racing, "held_back": held_back})


def run(plan: Plan, store: Store, *, together: bool) -> tuple[dict[str, Author], Heard]:
    authors = {"ann": Author(silent=False), "bob": Author(silent=True)}
    heard = Heard()
    if store.run(plan.run_id) is None:
        store.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    gathering = Gathering(heard)
    runner = Runner(plan, store, authors, gathering, HandClock(datetime(2026, 1, 1, tzinfo=UTC)), Patience())
    if plan.mode == "race":
        asyncio.run(run_race(plan, store, runner, gathering, Reloading(0.0, 0.0), together=together))
    else:
        asyncio.run(run_fixed(plan, store, runner, heard, together=together))
    return authors, heard


@pytest.mark.parametrize("together", [True, False])
def test_the_silent_one_is_out_and_the_other_confirmed(store: Store, together: bool) -> None:
    plan = race_plan()
    authors, heard = run(plan, store, together=together)
    conclusion = conclude(plan, store, complete=True)
    assert conclusion.decision.choice == "ann"
    assert conclusion.analysis.overall.result("ann").in_selection is not None
    assert conclusion.race is not None
    assert conclusion.race.overall.floored
    assert authors["bob"].written < len(plan.brief_ids) / 3
    assert authors["ann"].written == authors["bob"].written + len(plan.held_back)
    assert any("bob is out" in line for line in heard.lines)
    assert heard.out["bob"].endswith(": ann is better")
    assert "confirming scores on briefs that had no part in them: ann" in heard.lines[-1]
    assert heard.left[0] == {"ann": len(plan.brief_ids), "bob": len(plan.brief_ids)}
    laps = sum("after" in line and "leads" in line for line in heard.lines) + 2
    if not together:
        # One load a lap at most for each: who wrote last in a lap is first in the next.
        assert authors["ann"].starts + authors["bob"].starts <= laps + 1


def test_a_race_that_is_over_writes_nothing_more(store: Store) -> None:
    plan = race_plan()
    run(plan, store, together=True)
    before = conclude(plan, store, complete=True)
    authors, _ = run(plan, store, together=True)
    assert (authors["ann"].written, authors["bob"].written) == (0, 0)
    assert conclude(plan, store, complete=True).race == before.race


def test_a_race_cut_short_keeps_what_it_showed(tmp_path: Path, store: Store) -> None:
    plan = race_plan()
    run(plan, store, together=True)
    part = Store.open_folder(tmp_path / "part")
    try:
        part.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
        part.add_generations(plan.run_id, store.generations(plan.run_id)[:12])
        cut = conclude(plan, part, complete=False)
    finally:
        part.close()
    assert cut.race is not None
    assert cut.race.overall.ending == "stopped"
    assert cut.decision.choice is None


@pytest.mark.parametrize("together", [True, False])
def test_after_a_fixed_number_of_briefs_the_chosen_one_is_confirmed_on_others(store: Store, together: bool) -> None:
    plan = fixed_plan(200, count=40)
    authors, heard = run(plan, store, together=together)
    conclusion = conclude(plan, store, complete=True)
    assert conclusion.decision.choice == "ann"
    assert "that did not choose it" in conclusion.decision.reasons[0]
    ann, bob = (conclusion.analysis.overall.result(name) for name in ("ann", "bob"))
    assert ann.in_selection is not None
    assert (ann.in_selection.quality.briefs, ann.quality.briefs) == (40, len(plan.held_back))
    assert (ann.generations, bob.generations) == (40 + len(plan.held_back), 40)
    assert (authors["ann"].written, authors["bob"].written) == (ann.generations, 40)
    assert bob.in_selection is None
    assert "confirming scores on briefs that had no part in them: ann" in heard.lines[-1]
    again, _ = run(plan, store, together=together)
    assert again["ann"].written == 0


def test_without_families_left_over_nobody_is_confirmed(store: Store) -> None:
    plan = fixed_plan(40, count=40)
    assert plan.held_back == ()
    run(plan, store, together=True)
    assert conclude(plan, store, complete=True).analysis.overall.result("ann").in_selection is None


def test_what_counts_is_what_the_race_took_and_nothing_beside_it(store: Store) -> None:
    plan = race_plan()
    run(plan, store, together=True)
    scored = Scored.of(plan, store)
    counted = counted_briefs(plan, scored, ())
    ann = scored.generations["ann"]
    written = {brief for brief, number in ann.briefs.items() if number in ann.brief}
    ann, bob = ({brief.id for brief in counted[name]} for name in ("ann", "bob"))
    assert set(plan.held_back) <= written
    assert not ann & set(plan.held_back)
    assert bob <= ann <= set(plan.brief_ids)
    assert ann < written
    fixed = fixed_plan(40, 20)
    assert {b.id for b in counted_briefs(fixed, scored, ())["ann"]} == set(fixed.brief_ids)
