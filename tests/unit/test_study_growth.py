"""How the evidence of a run grew: its last step is what the run's own document says."""

from __future__ import annotations

import json
from math import log10
from pathlib import Path

import pytest

from bakeoff.store.db import Store
from bakeoff.study.growth import growth_of
from bakeoff.study.stored_plan import load_plan
from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import TYPES, suite_text


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    kinds = {f"b{i}": TYPES[i % 3] for i in range(60)}
    (tmp_path / "suite.yaml").write_text(suite_text(60), encoding="utf-8")
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    return made


def test_a_race_is_replayed(space: InsideWorkspace) -> None:
    done = space.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--race", "--json")
    document = json.loads(done.stdout)
    store = Store.open_folder(space.home)
    growth = growth_of(load_plan(store, "latest"), store)
    store.close()
    (out,) = document["race"]["overall"]["eliminations"]
    loser, winner = growth[out["candidate"]], growth[out["by"]]
    assert [step.families for step in loser] == list(range(1, out["after"] + 1))
    assert loser[-1].log10_e == pytest.approx(log10(out["e_value"]))
    by_id = {candidate["id"]: candidate for candidate in document["candidates"]}
    assert loser[-1].mean == pytest.approx(by_id[out["candidate"]]["quality"]["estimate"])
    assert winner[-1].mean == pytest.approx(by_id[out["by"]]["quality_in_selection"]["estimate"])
    assert all(step.log10_e is None for step in winner)


def test_a_run_of_fixed_briefs_in_their_order(space: InsideWorkspace) -> None:
    done = space.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")
    by_id = {candidate["id"]: candidate for candidate in json.loads(done.stdout)["candidates"]}
    store = Store.open_folder(space.home)
    plan = load_plan(store, "latest")
    growth, thin = growth_of(plan, store), growth_of(plan, store, most=7)
    store.close()
    for name, steps in growth.items():
        assert len(steps) == by_id[name]["quality"]["clusters"]
        assert steps[-1].mean == pytest.approx(by_id[name]["quality"]["estimate"])
        widths = [step.half_width for step in steps if step.half_width is not None]
        assert widths[-1] < 5
        assert steps[0].half_width is None
        assert len(thin[name]) == 7
        assert (thin[name][0], thin[name][-1]) == (steps[0], steps[-1])
