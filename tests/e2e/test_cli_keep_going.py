"""Models that do not answer at the start: all are told and nothing is generated, or the others go on without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.study.suite import parse_suite
from contracts import check_run_document, one_document
from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

DEAD = ["openai:m@http://127.0.0.1:9/v1", "openai:n@http://127.0.0.1:10/v1"]
SUITE = suite_text(12)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    (tmp_path / "suite.yaml").write_text(SUITE)
    kinds = {brief.id: brief.content_type for brief in parse_suite(SUITE, "s").briefs}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


def test_all_that_are_dead_are_told_and_nothing_is_generated(workspace: InsideWorkspace) -> None:
    done = workspace.call("run", "suite.yaml", "--models", ",".join(["recorded:good.jsonl", *DEAD]))
    assert done.returncode == 2
    assert all(f"{name}: does not answer" in done.stderr for name in DEAD)
    _, _, hint = done.stderr.partition("hint: ")
    assert [line.strip() for line in hint.splitlines()] == [
        f"{', '.join(DEAD)}: start the server, or check the URL",
        "or go on with the others: --keep-going",
    ]
    assert one_document(workspace.call("runs", "--json").stdout)["runs"] == []


def test_each_dead_endpoint_has_the_hint_of_its_own_fault(workspace: InsideWorkspace) -> None:
    wrong = "openai:m@http://no..name/v1"
    done = workspace.call("run", "suite.yaml", "--models", f"{wrong},{DEAD[0]}", "--fixed-n", "2", "--yes")
    assert done.returncode == 2
    _, _, hint = done.stderr.partition("hint: ")
    assert [line.strip() for line in hint.splitlines()] == [
        f"{wrong}: check the URL: a host's name has parts of 1 to 63 characters, with one dot between them",
        f"{DEAD[0]}: start the server, or check the URL",
    ]


def test_the_others_go_on_and_the_result_says_without_whom(workspace: InsideWorkspace) -> None:
    models = ",".join(["recorded:good.jsonl", DEAD[0], "recorded:poor.jsonl"])
    done = workspace.call("run", "suite.yaml", "--models", models, "--keep-going", "--json")
    assert done.returncode == 0, done.stderr
    document = one_document(done.stdout)
    check_run_document(document)
    assert {found["id"] for found in document["candidates"]} == {"recorded:good.jsonl", "recorded:poor.jsonl"}
    (event,) = (each for each in document["events"] if each["kind"] == "left_out")
    assert event["candidate"] == DEAD[0]
    assert event["message"].startswith("left out before the first text: does not answer")
    again = workspace.call("run", "--resume", "latest", "--json")
    assert one_document(again.stdout)["candidates"] == document["candidates"]


def test_one_that_is_left_alone_does_not_race(workspace: InsideWorkspace) -> None:
    models = ",".join(["recorded:good.jsonl", DEAD[0]])
    done = workspace.call("run", "suite.yaml", "--models", models, "--race", "--keep-going", "--json")
    document = one_document(done.stdout)
    assert (done.returncode, document["mode"], len(document["candidates"])) == (0, "fixed", 1)


def test_nobody_is_left(workspace: InsideWorkspace) -> None:
    done = workspace.call("run", "suite.yaml", "--models", ",".join(DEAD), "--keep-going")
    assert done.returncode == 2
    assert all(f"{name}: does not answer" in done.stderr for name in DEAD)
    assert "--keep-going" not in done.stderr
