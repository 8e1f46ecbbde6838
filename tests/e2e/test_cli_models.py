"""`bakeoff models`: the catalogue, entries of one's own, and what is wrong with either."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import one_document
from inside import InsideWorkspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


def test_the_catalogue_has_facts_with_sources(workspace: InsideWorkspace) -> None:
    listed = one_document(workspace.call("models", "list", "--json").stdout)
    by_name = {entry["name"]: entry for entry in listed["models"]}
    assert len(by_name) >= 18
    assert all(entry["sources"] and not entry["own"] for entry in by_name.values())
    # What the text that this project grew from had wrong.
    assert by_name["facebook/opt-2.7b"]["commercial_use"]["commercial"] == "no"
    assert by_name["microsoft/DialoGPT-medium"]["facts"]["param_count"] == 354_823_168
    for name in ("microsoft/DialoGPT-medium", "google/flan-t5-large", "facebook/opt-2.7b"):
        assert by_name[name]["seed"]["wrong"]
    workspace.environment["COLUMNS"] = "80"
    shown = workspace.call("models", "show", "flan-t5-large").stdout
    assert "google/flan-t5-large" in shown
    assert "Wrong elsewhere" in shown
    for name in by_name:
        lines = workspace.call("models", "show", name).stdout.splitlines()
        # Only an address, which nobody breaks, may be wider than a terminal.
        assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines), name
    assert max(len(line) for line in workspace.call("models", "list").stdout.splitlines()) <= 80


def test_ones_own_models_come_and_go(workspace: InsideWorkspace) -> None:
    added = workspace.call(
        "models", "add", "mine/small", "--reference", "bundled:social", "--licence", "apache-2.0", "--note", "a toy"
    )
    assert added.returncode == 0, added.stderr
    own = one_document(workspace.call("models", "show", "small", "--json").stdout)
    assert (own["schema"], own["own"], own["reference"], own["note"]) == (
        "bakeoff.model/1",
        True,
        "bundled:social",
        "a toy",
    )
    assert own["facts"]["num_hidden_layers"] == 6
    assert own["facts"]["param_count"] > 1_000_000
    assert workspace.call("models", "add", "told", "--reference", "bundled:baseline").returncode == 0
    assert one_document(workspace.call("models", "show", "told", "--json").stdout)["licence"] == "Apache-2.0"
    assert workspace.call("models", "remove", "told").returncode == 0
    fits = one_document(workspace.call("fit", "mine/small", "--json").stdout)["models"][0]
    assert fits["provenance"]["weights_bytes"].startswith("exact")  # its reference names files that are here
    ran = one_document(workspace.call("run", "--models", "mine/small", "--fixed-n", "2", "--json").stdout)
    assert [candidate["id"] for candidate in ran["candidates"]] == ["bundled:social"]
    assert workspace.call("models", "add", "mine/small", "--reference", "bundled:baseline").returncode == 2
    assert workspace.call("models", "add", "mine/small", "--reference", "bundled:baseline", "--replace").returncode == 0
    assert [
        each["name"] for each in one_document(workspace.call("models", "list", "--own", "--json").stdout)["models"]
    ] == ["mine/small"]
    assert workspace.call("models", "remove", "mine/small").returncode == 0
    assert "no models of your own" in workspace.call("models", "list", "--own").stdout


def test_entries_of_a_file(workspace: InsideWorkspace) -> None:
    text = '[models."a/b"]\nreference = "hf:a/b"\nlicence = "mit"\n[models."a/b".facts]\nmodel_type = "llama"\nparam_count = 10\n'
    (workspace.folder / "m.toml").write_text(text)
    assert workspace.call("models", "add", "--from", "m.toml").returncode == 0
    assert one_document(workspace.call("models", "show", "a/b", "--json").stdout)["facts"]["param_count"] == 10
    (workspace.folder / "m.toml").write_text(text.replace("= 10", "= -10"))
    wrong = workspace.call("models", "add", "--from", "m.toml", "--replace")
    assert wrong.returncode == 2
    assert "m.toml:6" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "Qwen3-88"], "did you mean Qwen/Qwen3-8B"),
        (["remove", "Qwen/Qwen3-8B"], "in the catalogue that ships"),
        (["remove", "nobody"], "you have no model of that name"),
        (["add"], "give a NAME"),
        (["add", "x"], "give --reference"),
        (["add", "x", "--reference", "nowhere/at/all"], "there is no such model folder"),
        (["add", "--from", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_cannot_be_done(workspace: InsideWorkspace, arguments: list[str], said: str) -> None:
    done = workspace.call("models", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
