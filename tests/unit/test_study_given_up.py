"""A candidate whose worker died too often: what is concluded without its missing texts, and that a resumed run gets them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bakeoff.core.clock import HandClock
from bakeoff.core.errors import WorkerDied
from bakeoff.core.records import Generation, RunEvent
from bakeoff.library.conclusion import finish, finished_result
from bakeoff.store.db import Store
from bakeoff.study.comparing import StoredRun, compare_in_run
from bakeoff.study.conclude import conclude
from bakeoff.study.fixed import run_fixed
from bakeoff.study.gathering import Gathering, Reloading
from bakeoff.study.laps import divide, left_over
from bakeoff.study.plan import Plan, Trial, choose_briefs
from bakeoff.study.pulse import GONE
from bakeoff.study.racing import run_race
from bakeoff.study.retries import Patience
from bakeoff.study.runner import Runner
from bakeoff.study.writers import Message
from sample_runs import make_plan

GOOD = "Our shop in Leeds opens on 14 March, and you are invited. Come in from nine o'clock and have a coffee with us."
POOR = "14 March"

Dies = Callable[[Trial, int], bool]
"""Whether the worker dies of a trial, its candidate having been asked for so many texts before."""


class Mortal:
    """Writes the same text each time, unless it dies."""

    loads = ()

    def __init__(self, text: str, dies: Dies) -> None:
        self._text = text
        self._dies = dies
        self.asked = 0

    async def open(self) -> None: ...

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        del messages, first_token_s
        self.asked += 1
        await asyncio.sleep(0)
        if self._dies(trial, self.asked):
            raise WorkerDied("killed by signal 9")
        return trial.generation(text=f"{self._text} ({trial.brief})", finish_reason="stop", concurrency=concurrency)

    async def measure(self) -> None: ...

    async def close(self) -> None: ...


class Deaf:
    """A progress that nobody looks at."""

    def turn(self, candidate: str) -> None: ...

    def finished(self, generation: Generation) -> None: ...

    def told(self, event: RunEvent) -> None: ...

    def standing(self, lines: object, left: object, out: object) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open_folder(tmp_path)
    yield made
    made.close()


def ours(plan: Plan, *names: str) -> Plan:
    """The same, with these candidates as models in folders."""
    made = []
    for each in plan.candidates:
        here = {"source": "folder", "location": each.id} if each.id in names else {}
        made.append(each.model_copy(update={"model": each.model.model_copy(update=here)}))
    return plan.model_copy(update={"candidates": tuple(made)})


def race_plan() -> Plan:
    plan = make_plan(200, ("ann", "bob"))
    racing, held_back = divide(plan.suite.briefs, seed=0)
    return ours(plan.model_copy(update={"mode": "race", "brief_ids": racing, "held_back": held_back}), "ann", "bob")


def fixed_plan(briefs: int, count: int) -> Plan:
    plan = make_plan(briefs, ("ann", "bob"))
    chosen = choose_briefs(plan.suite.briefs, count, seed=0)
    held_back = left_over(plan.suite.briefs, chosen, seed=0)
    return ours(plan.model_copy(update={"brief_ids": chosen, "held_back": held_back}), "ann", "bob")


def never(_trial: Trial, _asked: int) -> bool:
    return False


def run(plan: Plan, store: Store, ann: Dies = never) -> dict[str, Mortal]:
    """Begin a run, or go on with it; ann is the better one."""
    writers = {"ann": Mortal(GOOD, ann), "bob": Mortal(POOR, never)}
    if store.run(plan.run_id) is None:
        store.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    gathering = Gathering(Deaf())
    runner = Runner(plan, store, writers, gathering, HandClock(datetime(2026, 1, 1, tzinfo=UTC)), Patience())
    if plan.mode == "race":
        asyncio.run(run_race(plan, store, runner, gathering, Reloading(0.0, 0.0), together=True))
    else:
        asyncio.run(run_fixed(plan, store, runner, Deaf(), together=True))
    return writers


def again_of(document: dict[str, Any]) -> list[str]:
    return [step.partition("    ")[2] for step in document["decision"]["next"] if "--resume" in step]


@pytest.mark.parametrize("plan", [race_plan(), fixed_plan(60, 40)], ids=["race", "fixed"])
def test_it_cannot_be_chosen_until_a_resumed_run_has_its_texts(plan: Plan, store: Store, tmp_path: Path) -> None:
    run(plan, store, ann=lambda _trial, asked: asked > 14)
    found = conclude(plan, store, complete=True)
    assert [event.kind for event in found.events] == ["worker_died"] * 3 + [GONE]
    assert found.decision.choice != "ann"
    assert any("it was given up, and" in reason for reason in found.decision.reasons)
    if found.race is not None:
        assert found.race.overall.withdrawn == ("ann",)
        assert found.race.overall.eliminations == ()
    document = finish(plan, store, workspace=tmp_path)
    (ann, bob) = document["candidates"]
    assert ann["failures_by_kind"]["gone"] > 0
    # Texts that saw each of the three deaths, and no others.
    stored = [made for made in store.generations(plan.run_id) if made.failed]
    assert ann["failures_by_kind"].get("worker_died", 0) == len(stored)
    assert all((made.error_kind, made.attempts) == ("worker_died", 3) for made in stored)
    # What it lacks counts as a failure, in its score and in the share of publishable texts.
    assert ann["quality"]["estimate"] < ann["mean_score_of_texts"] - 0.5
    assert ann["publishable_rate"]["estimate"] < 1
    assert bob["failures"] == 0
    assert again_of(document) == ["starts its worker anew, and asks for the missing texts"]
    assert finished_result(plan, store) is None
    compared = compare_in_run(StoredRun(plan, store, tmp_path), "ann", "bob")
    assert "was given up in run" in compared.unfit

    writers = run(plan, store)
    assert writers["ann"].asked > 0
    document = finish(plan, store, workspace=tmp_path)
    assert document["candidates"][0]["errors"] == ({"worker_died": len(stored)} if stored else {})
    assert again_of(document) == []
    assert finished_result(plan, store) is not None
    assert compare_in_run(StoredRun(plan, store, tmp_path), "ann", "bob").unfit == ""


@pytest.mark.parametrize("plan", [race_plan(), fixed_plan(200, 40)], ids=["race", "fixed"])
def test_a_score_that_it_did_not_live_to_confirm_is_confirmed_by_a_resumed_run(
    plan: Plan, store: Store, tmp_path: Path
) -> None:
    held_back = set(plan.held_back)
    later = set(plan.held_back[len(held_back) // 2 :])
    run(plan, store, ann=lambda trial, _asked: trial.brief in later)
    document = finish(plan, store, workspace=tmp_path)
    ann = document["candidates"][0]
    assert document["decision"]["choice"] == ann["id"] == "ann"
    assert not ann["confirmed"]
    assert "gone" not in ann["errors"]
    assert again_of(document) == ["starts its worker anew, and asks for the missing texts"]
    if plan.mode != "race":
        assert any(
            "was given up before it had written those that were to confirm" in note for note in document["notes"]
        )
    assert finished_result(plan, store) is None

    run(plan, store)
    document = finish(plan, store, workspace=tmp_path)
    assert document["candidates"][0]["confirmed"]
    assert again_of(document) == []
    assert finished_result(plan, store) is not None


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ((), "asks for the missing texts, once their endpoint answers again"),
        (("ann",), "starts workers anew, and asks for the missing texts, once their endpoints answer again"),
    ],
)
def test_what_a_resumed_run_does_is_said_of_endpoints_and_workers(
    folders: tuple[str, ...], said: str, store: Store, tmp_path: Path
) -> None:
    plan = ours(make_plan(30), *folders)
    store.add_run(plan.run_id, plan.suite.name, "2026-01-01T00:00:00+00:00", plan.model_dump(mode="json"))
    for name in ("ann", "bob"):
        store.add_event(plan.run_id, RunEvent(at="now", kind=GONE, candidate=name, message="given up"))
    assert again_of(finish(plan, store, workspace=tmp_path)) == [said]
