"""What a candidate computed elsewhere than on its device stands beside its figures, in every command that prints some."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import bakeoff
from bakeoff.cli.watched import Watched
from bakeoff.report.moved import MARK, MEANING
from bakeoff.study.stored_plan import load_plan
from bakeoff_command import Workspace
from inside import InsideWorkspace
from made_store import make_plan, make_suite, store_in, write_run

MOVED, PLAIN = "ours:moved", "ours:plain"
OPERATORS = ("aten::linalg_svd", "aten::_foo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("moved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(made / "home"))
        store = store_in(made / "home")
        write_run(store, make_plan(make_suite(30), (MOVED, PLAIN)), moved={MOVED: OPERATORS})
        store.close()
    return made


@pytest.fixture
def space(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(folder, monkeypatch, capsys)


def fallbacks_by_name(value: Any) -> dict[str, set[tuple[str, ...]]]:
    """Every `fallbacks` of a document by the candidate that the same object names."""
    found: dict[str, set[tuple[str, ...]]] = {}
    if isinstance(value, list):
        for each in value:
            for name, lists in fallbacks_by_name(each).items():
                found.setdefault(name, set()).update(lists)
    elif isinstance(value, dict):
        name = value.get("candidate") or value.get("id")
        if name in {MOVED, PLAIN} and "fallbacks" in value and "outcome" not in value:
            found.setdefault(name, set()).add(tuple(value["fallbacks"]))
        for each in value.values():
            for inner, lists in fallbacks_by_name(each).items():
                found.setdefault(inner, set()).update(lists)
    return found


COMMANDS = {
    "show": ("show", "latest"),
    "compare": ("compare", "latest", MOVED, PLAIN),
    "cost": ("cost", "latest"),
    "methods": ("methods", "latest", "--draws", "100"),
    "plan": ("plan", "--traffic", "1/min", "--from", "latest", "--candidate", MOVED, "--target-p95", "30"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_marks_who_was_moved_and_says_what_the_mark_is(space: InsideWorkspace, name: str) -> None:
    said = space.call(*COMMANDS[name])
    assert said.returncode == 0, said.stderr
    text = " ".join(said.stdout.split())
    assert f"{MOVED}{MARK}" in text
    assert f"{PLAIN}{MARK}" not in text
    assert MEANING in text
    assert f"{MOVED}{MARK}: {', '.join(OPERATORS)}" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_document_has_it_beside_the_candidate(space: InsideWorkspace, name: str) -> None:
    document = json.loads(space.call(*COMMANDS[name], "--json").stdout)
    if name in {"compare", "methods"}:
        assert {who: tuple(what) for who, what in document["fallbacks"].items() if what} == {MOVED: OPERATORS}
    else:
        found = fallbacks_by_name(document)
        assert found[MOVED] == {OPERATORS}
        assert found.get(PLAIN, {()}) == {()}


def test_tables_have_it_beside_every_figure_and_analyse_reads_it_back(space: InsideWorkspace) -> None:
    assert space.call("export", "latest", "--to", "csv", "-o", "out").returncode == 0
    for table in ("candidates", "candidate_types", "generations", "scores", "loads"):
        with (space.folder / "out" / f"{table}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        by_candidate = {row["candidate"]: row["fallbacks"] for row in rows}
        assert json.loads(by_candidate[MOVED]) == list(OPERATORS), table
        assert json.loads(by_candidate[PLAIN]) == [], table
    with (space.folder / "out" / "comparisons.csv").open(newline="") as file:
        pair = next(csv.DictReader(file))
    assert {pair["a"]: pair["a_fallbacks"], pair["b"]: pair["b_fallbacks"]} == {
        MOVED: json.dumps(list(OPERATORS)),
        PLAIN: "[]",
    }
    again = ("analyse", "out/scores.csv", "--columns", "model=candidate,score=score_points")
    document = json.loads(space.call(*again, "--json").stdout)
    assert document["fallbacks"] == {MOVED: list(OPERATORS)}
    text = " ".join(space.call(*again).stdout.split())
    assert f"{MOVED}{MARK}" in text
    assert f"{PLAIN}{MARK}" not in text
    assert MEANING in text


def test_the_page_marks_it_in_every_table_and_chart(space: InsideWorkspace) -> None:
    (page,) = (space.home / "runs").glob("*/report.html")
    shown = re.sub(r"(?s)<(script|style).*?</\1>", "", page.read_text(encoding="utf-8"))
    headed = re.findall(r'<th scope="row">([^<]*)</th>', shown)
    assert headed.count(f"{MOVED}{MARK}") >= 5
    assert MOVED not in headed
    assert f"{PLAIN}{MARK}" not in shown
    named = [words for words in re.findall(r"<text[^>]*>([^<]*)</text>", shown) if MOVED in words]
    assert len(named) >= 5
    assert all(f"{MOVED}{MARK}" in words for words in named)
    assert MEANING in unescape(shown)


def test_mlflow_has_it_in_the_runs_name_and_parameters(space: InsideWorkspace) -> None:
    pytest.importorskip("mlflow")
    said = Workspace.call(space, "export", "latest", "--to", "mlflow")  # a process: MLflow's libraries warn
    assert said.returncode == 0, said.stderr
    with closing(sqlite3.connect(space.home / "mlflow.db")) as stored:
        params = "SELECT name, value FROM params JOIN runs USING (run_uuid) WHERE key = 'fallbacks'"
        assert dict(stored.execute(params)) == {f"moved{MARK}": ", ".join(OPERATORS), "plain": "none"}
        notes = "SELECT runs.name, value FROM tags JOIN runs USING (run_uuid) WHERE key = 'mlflow.note.content'"
        assert {name for name, note in stored.execute(notes) if MEANING in note} == {f"moved{MARK}"}


def test_the_library_has_it_too(space: InsideWorkspace) -> None:
    run = bakeoff.open_run("latest", workspace=space.home)
    assert run.compare(MOVED, PLAIN).fallbacks == {MOVED: OPERATORS}
    assert MEANING in " ".join(str(run).split())


def test_who_looks_on_while_it_runs_sees_it(space: InsideWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(space.home))
    store = store_in(space.home)
    watched = Watched(load_plan(store, "latest"), store).progress()
    store.close()
    assert [one["name"] for one in watched["candidates"]] == [f"{MOVED}{MARK}", PLAIN]
    assert {"candidate": "", "message": f"{MEANING}: {MOVED}{MARK}: {', '.join(OPERATORS)}"} in watched["events"]
