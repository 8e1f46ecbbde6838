"""`bakeoff methods`: of a stored run, and of anyone's scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakeoff.store.db import Store
from bakeoff.study.suite import parse_suite
from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

RUN = ["run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json"]


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    text = suite_text(40)
    (tmp_path / "suite.yaml").write_text(text)
    kinds = {brief.id: brief.content_type for brief in parse_suite(text, "s").briefs}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    return made


def test_a_run_is_held_against_small_samples_of_itself(space: InsideWorkspace) -> None:
    assert space.call(*RUN).returncode == 0
    said = space.call("methods", "latest", "--draws", "500", "--json")
    assert said.returncode == 0, said.stderr
    document = json.loads(said.stdout)
    assert document["schema"] == "bakeoff.methods/1"
    assert document["run_id"] == space.run_id()
    assert (document["texts"], document["families"]) == (40, 20)
    assert document["rigorous"]["choice"] == "recorded:good.jsonl"
    assert document["rigorous"]["ruled_out"] == ["recorded:poor.jsonl"]
    rules = {(rule["by"], rule["n"]): rule for rule in document["rules"]}
    assert {n for _, n in rules} == {3, 4, 5, 15}
    assert rules["score", 3]["names_right"] > 0.99  # they are far apart
    again = json.loads(space.call("methods", "latest", "--draws", "500", "--json").stdout)
    assert again == document
    shown = space.call("methods", "latest", "--draws", "500").stdout
    assert "The whole run names recorded:good.jsonl." in shown


def test_anyones_scores_are_held_against_samples_of_themselves(space: InsideWorkspace) -> None:
    rows = "".join(
        f"{model},b{i},{0.5 + 0.1 * (i % 3) + add}\n" for model, add in (("a", 0.2), ("b", 0)) for i in range(30)
    )
    (space.folder / "t.csv").write_text(f"system,brief,score\n{rows}")
    said = space.call("methods", "--table", "t.csv", "--bounds", "0,1", "--columns", "model=system", "--json")
    document = json.loads(said.stdout)
    assert document["run_id"] is None
    assert document["baseline"] == pytest.approx(0.8)
    assert {rule["by"] for rule in document["rules"]} == {"score"}
    assert document["figure"]["axis_high"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a RUN, or a --table"),
        (("latest", "--table", "t.csv"), "name a RUN, or a --table"),
        (("latest",), "there is no run 'latest'"),
        (("--table", "one.csv"), "1 model,"),
        (("--table", "few.csv"), "3 families"),
    ],
)
def test_what_cannot_be_is_told(space: InsideWorkspace, arguments: tuple[str, ...], said: str) -> None:
    (space.folder / "one.csv").write_text("model,brief,score\n" + "".join(f"a,b{i},5\n" for i in range(20)))
    (space.folder / "few.csv").write_text(
        "model,brief,score\n" + "".join(f"{m},b{i},5\n" for m in "ab" for i in range(3))
    )
    refused = space.call("methods", *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "command", [("methods", "latest"), ("export", "latest", "--to", "mlflow"), ("cost", "latest"), ("show", "latest")]
)
def test_a_run_that_was_interrupted_names_the_newest_with_a_result(
    space: InsideWorkspace, command: tuple[str, ...]
) -> None:
    assert space.call(*RUN).returncode == 0
    decided = space.run_id()
    store = Store(f"sqlite:///{space.home / 'bakeoff.db'}")
    store.add_run(
        "20991231-000000-aaaa", "mine", "2099-12-31", store.run(decided).plan | {"run_id": "20991231-000000-aaaa"}
    )
    store.set_state("20991231-000000-aaaa", "interrupted")
    store.close()
    done = space.call(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "run 20991231-000000-aaaa has no result yet" in done.stderr
    assert f"or name {decided}, the newest run that has one" in done.stderr
