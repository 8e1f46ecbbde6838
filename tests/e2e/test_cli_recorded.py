"""The whole command without any model: recorded texts, endpoints that are dead or serve something else, wrong input."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakeoff.study.suite import parse_suite
from bakeoff_command import Workspace
from contracts import check_run_document, check_runs_document, one_document
from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

BRIEFS = 36
SUITE = suite_text(BRIEFS)
KINDS = {brief.id: brief.content_type for brief in parse_suite(SUITE, "s").briefs}


def fill(folder: Path) -> None:
    """A suite and two files of recorded texts, one good and one poor."""
    (folder / "suite.yaml").write_text(SUITE)
    write_texts(folder / "good.jsonl", KINDS)
    write_texts(folder / "poor.jsonl", KINDS, good=False)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    fill(tmp_path)
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


def test_recorded_candidates_from_end_to_end(tmp_path: Path) -> None:
    fill(tmp_path)
    workspace = Workspace(tmp_path)
    models = "recorded:good.jsonl,recorded:poor.jsonl"
    ran = workspace.call("run", "suite.yaml", "--models", models, "--json")
    assert ran.returncode == 0, ran.stderr
    document = one_document(ran.stdout)
    check_run_document(document)
    good, poor = sorted(document["candidates"], key=lambda candidate: candidate["id"])
    assert (good["id"], poor["id"]) == ("recorded:good.jsonl", "recorded:poor.jsonl")
    assert good["generations"] == poor["generations"] == document["suite"]["briefs"] == BRIEFS
    assert (document["decision"]["outcome"], document["decision"]["choice"]) == ("winner", "recorded:good.jsonl")
    assert document["suite"]["hash"] == parse_suite(SUITE, "s").hash
    # Nothing was generated, so nothing was timed, and nothing is said of how long it takes.
    assert good["latency_s"]["p50"] is good["peak_memory_bytes"] is good["tokens_per_s"] is None
    assert "Expected to take" not in ran.stderr

    listed = workspace.call("runs", "--json")
    check_runs_document(one_document(listed.stdout))
    assert [(run["run_id"], run["state"]) for run in one_document(listed.stdout)["runs"]] == [
        (document["run_id"], "done")
    ]
    assert listed.stderr == ""
    for name in ("latest", document["run_id"]):
        shown = workspace.call("show", name, "--json")
        assert one_document(shown.stdout) == document
        assert shown.stderr == ""

    report = Path(document["report"])
    report = report if report.is_absolute() else workspace.folder / report
    assert "Run recorded:good.jsonl" in report.read_text()
    screen = workspace.call("show", "latest").stdout
    assert "Run recorded:good.jsonl" in screen
    assert document["run_id"] in workspace.call("runs").stdout


def test_the_same_run_twice_says_the_same(workspace: InsideWorkspace) -> None:
    arguments = (
        "run",
        "suite.yaml",
        "--models",
        "recorded:good.jsonl,recorded:poor.jsonl",
        "--fixed-n",
        "12",
        "--json",
    )
    one, two = (one_document(workspace.call(*arguments).stdout) for _ in range(2))
    for field in ("suite", "comparisons", "routes", "validity"):
        assert one[field] == two[field]
    assert one["candidates"] == two["candidates"]
    assert one["suite"]["briefs"] == 12
    listed = one_document(workspace.call("runs", "--json").stdout)
    check_runs_document(listed)
    assert {run["run_id"] for run in listed["runs"]} == {one["run_id"], two["run_id"]}


@pytest.mark.parametrize("count", [1, 35])
def test_missing_texts_fail_and_count(workspace: InsideWorkspace, count: int) -> None:
    missing = set(list(KINDS)[:count])
    write_texts(workspace.folder / "gaps.jsonl", KINDS, leave_out=missing)
    ran = workspace.call("run", "suite.yaml", "--models", "recorded:gaps.jsonl,recorded:poor.jsonl", "--json")
    document = one_document(ran.stdout)
    check_run_document(document)
    gaps = next(candidate for candidate in document["candidates"] if candidate["id"] == "recorded:gaps.jsonl")
    assert (gaps["generations"], gaps["failures"], gaps["errors"]) == (BRIEFS, count, {"missing_text": count})
    assert gaps["success_rate"]["estimate"] == pytest.approx(1 - count / BRIEFS)
    stored = workspace.generations(document["run_id"]).values()
    failed = [one for one in stored if one["text"] is None]
    assert {one["brief"] for one in failed} == missing
    assert all("has no text for brief" in str(one["error"]) for one in failed)
    scores = [json.loads(str(record)) for (record,) in workspace.rows("select record from scores")]
    assert (
        sum(score["value"] == 0 and score["gates"][0]["gate"] == "failed" for score in scores if score["gates"])
        == count
    )
    shown = workspace.call("show", "latest", "--texts", min(missing)).stdout
    assert "(failed:" in shown


def test_nobody_qualifies_is_exit_3(workspace: InsideWorkspace) -> None:
    models = "recorded:poor.jsonl"
    (workspace.folder / "strict.yaml").write_text(suite_text(BRIEFS, top="threshold: 9.9\n"))
    ran = workspace.call("run", "strict.yaml", "--models", models, "--json")
    assert ran.returncode == 3, ran.stderr
    document = one_document(ran.stdout)
    check_run_document(document)
    assert document["decision"]["outcome"] == "none_qualified"
    assert all(route["candidate"] is None for route in document["routes"].values())
    assert "No candidate qualified." in workspace.call("show", "latest").stdout


def test_what_models_write_is_shown_inert(workspace: InsideWorkspace) -> None:
    evil = "\x1b[31mred\x1b]0;title\x07 [bold]x[/bold] [link=http://e.example]l[/link] <script>alert(1)</script> \u202eback 👩‍👩‍👧"
    (workspace.folder / "[red]evil.jsonl").write_text(
        "".join(json.dumps({"brief_id": brief, "text": evil}) + "\n" for brief in KINDS)
    )
    ran = workspace.call("run", "suite.yaml", "--models", "recorded:[red]evil.jsonl,recorded:good.jsonl")
    assert ran.returncode == 0, ran.stderr
    shown = workspace.call("show", "latest", "--texts", "b0")
    assert shown.returncode == 0
    for output in (ran.stdout, ran.stderr, shown.stdout, workspace.call("runs").stdout):
        assert not set(output) & set("\x1b\x07\u202e\x9b")
    assert "[bold]x[/bold]" in shown.stdout
    assert "<script>alert(1)</script>" in shown.stdout
    assert "👩‍👩‍👧" in shown.stdout
    assert "recorded:[red]evil.jsonl" in shown.stdout
    assert "[red]evil.jsonl" in ran.stdout


def test_norms_that_nobody_uses_are_noted_before_and_after(workspace: InsideWorkspace) -> None:
    (workspace.folder / "norms.yaml").write_text(suite_text(BRIEFS, top="content_types: {press: {hard_limit: 9}}\n"))
    ran = workspace.call("run", "norms.yaml", "--models", "recorded:good.jsonl", "--json")
    note = "no brief of the suite is of the declared content types: press"
    assert f"Note: {note}" in " ".join(ran.stderr.split())
    assert one_document(ran.stdout)["notes"] == [note]


def test_texts_for_briefs_of_another_suite_are_refused(workspace: InsideWorkspace) -> None:
    with (workspace.folder / "good.jsonl").open("a") as file:
        file.write('{"brief_id": "b-0", "text": "x"}\n')
    refused = workspace.call("run", "suite.yaml", "--models", "recorded:good.jsonl")
    assert refused.returncode == 2
    assert f"good.jsonl:{BRIEFS + 1}: brief_id: 'b-0' is no brief of this suite" in refused.stderr
    assert "did you mean b" in refused.stderr
    assert workspace.rows("select run_id from runs") == []


def test_texts_of_a_brief_that_is_not_there(workspace: InsideWorkspace) -> None:
    workspace.call("run", "suite.yaml", "--models", "recorded:good.jsonl")
    shown = workspace.call("show", "latest", "--texts", "b00")
    assert shown.returncode == 2
    assert "did you mean b0" in shown.stderr
    assert shown.stdout == ""


WRONG_USE = [
    (("run", "suite.yaml", "--models", "recorded:nowhere.jsonl"), "cannot be read"),
    (("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:good.jsonl"), "named twice"),
    (("run", "suite.yaml", "--models", "bundeld:x,recorded:nowhere.jsonl"), "bundeld:x: there is no such model folder"),
    (("run", "suite.yaml", "--models", " , "), "no candidates"),
    (
        ("run", "suite.yaml", "--models", "onnx+recorded:good.jsonl"),
        "an engine can be forced for a model folder or file only",
    ),
    (("run", "suite.yaml", "--models", "recorded:good.jsonl", "--fixed-n", "37"), "the suite has 36 briefs"),
    (("run", "nowhere.yaml"), "there is no such suite file"),
    (("run", "wrong.yaml"), "wrong.yaml:3: brief: is not a known key"),
    (("run", "suite.yaml", "--model", "x"), "--models"),
    (("run", "--resume", "latest"), "there is no run 'latest'"),
    (("run", "suite.yaml", "--resume", "latest"), "cannot be changed by: suite"),
    (("run", "--concurrency", "0"), "0 is not in the range"),
    (("run", "suite.yaml", "--models", "openai:m@http://models.example/v1"), "say --yes"),
    (("show", "nothing"), "there is no run 'nothing'"),
    (("show",), "Missing argument"),
    (("rnu",), "Did you mean run?"),
    (("nonsense",), "There is no command 'nonsense'"),
    (("--nonsense",), "No such option"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG_USE, ids=[" ".join(arguments) for arguments, _ in WRONG_USE])
def test_wrong_use_is_exit_2_and_stores_nothing(
    workspace: InsideWorkspace, arguments: tuple[str, ...], said: str
) -> None:
    (workspace.folder / "wrong.yaml").write_text("version: 1\nname: x\nbrief: []\n")
    refused = workspace.call(*arguments)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert refused.stdout == ""
    assert "Traceback" not in refused.stderr
    assert workspace.rows("select run_id from runs") == []


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Accepts connections (the kernel does), and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_endpoints_are_asked_before_anything_is_generated(
    workspace: InsideWorkspace, silent_server: int, closed_port: int
) -> None:
    dead, silent = f"openai:m@http://127.0.0.1:{closed_port}/v1", f"openai:m@http://127.0.0.1:{silent_server}/v1"
    begun = time.monotonic()
    refused = workspace.call("run", "suite.yaml", "--models", f"recorded:good.jsonl,{dead},{silent}")
    took_s = time.monotonic() - begun
    assert refused.returncode == 2
    told = [line for line in refused.stderr.partition("hint: ")[0].splitlines() if "openai:" in line]
    assert len(told) == 2
    assert re.search(r"does not answer: .* cannot be reached", told[0])
    assert re.search(r"does not answer: .* within 2 s", told[1])
    assert "\x1b" not in refused.stderr
    # All at once, 2 s each, on a machine that may be busy.
    assert took_s < 6
    assert workspace.rows("select run_id from runs") == []


def test_where_results_live(workspace: InsideWorkspace) -> None:
    assert workspace.call("runs", "--json").returncode == 0
    assert (workspace.home / "bakeoff.db").is_file()
    del workspace.environment["BAKEOFF_HOME"]
    assert workspace.call("runs", "--json").returncode == 0
    assert (workspace.folder / ".bakeoff" / "bakeoff.db").is_file()
    workspace.environment["BAKEOFF_STORE"] = f"sqlite:///{workspace.folder / 'team.db'}"
    assert one_document(workspace.call("runs", "--json").stdout)["runs"] == []
    assert (workspace.folder / "team.db").is_file()
    for variable, value, said in [
        ("BAKEOFF_STORE", "nonsense", "BAKEOFF_STORE is no database address"),
        ("BAKEOFF_HOME", str(workspace.folder / "suite.yaml" / "x"), "cannot make the workspace folder"),
    ]:
        workspace.environment.pop("BAKEOFF_STORE", None)
        workspace.environment[variable] = value
        failed = workspace.call("runs")
        assert failed.returncode == 1
        assert said in failed.stderr
        assert "Traceback" not in failed.stderr


SCORER = """
class Exclaims:
    name = "exclaims"
    value_range = (0, 1)

    def score(self, text, checks):
        return 1.0 if "!" in text else 0.0
"""


def test_scorers_by_other_packages_count_where_a_suite_weighs_them(
    workspace: InsideWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = workspace.folder / "site"
    (package / "exclaims-1.0.dist-info").mkdir(parents=True)
    (package / "exclaims-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: exclaims\nVersion: 1.0\n"
    )
    entry = package / "exclaims-1.0.dist-info" / "entry_points.txt"
    entry.write_text("[bakeoff.scorers]\nexclaims = exclaims_scorer:Exclaims\nbroken = nowhere:x\n")
    (package / "exclaims_scorer.py").write_text(SCORER)
    (workspace.folder / "own.yaml").write_text(suite_text(BRIEFS, top="weights: {exclaims: 5}\n"))
    arguments = ("run", "own.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")

    without = workspace.call(*arguments)
    assert without.returncode == 2
    assert "neither a dimension nor an installed scorer" in without.stderr

    monkeypatch.syspath_prepend(str(package))
    document = one_document(workspace.call(*arguments).stdout)
    check_run_document(document)
    good = next(candidate for candidate in document["candidates"] if candidate["id"] == "recorded:good.jsonl")
    tweets = sum(kind == "tweet" for kind in KINDS.values())
    assert good["dimensions"]["exclaims"] == pytest.approx(10 * tweets / BRIEFS, abs=0.01)
    assert "score" in workspace.call("show", "latest", "--texts", "b0").stdout

    (workspace.folder / "own.yaml").write_text(suite_text(BRIEFS, top="weights: {broken: 5}\n"))
    broken = workspace.call(*arguments)
    assert broken.returncode == 2
    assert "cannot be imported" in broken.stderr
    # Told before the first text: no second run was stored.
    assert len(workspace.rows("select run_id from runs")) == 1


def test_going_on_with_a_finished_run_says_that_nothing_was_left_to_do(workspace: InsideWorkspace) -> None:
    first = workspace.call("run", "suite.yaml", "--models", "recorded:good.jsonl", "--json")
    again = workspace.call("run", "--resume", "latest", "--json")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert f"Run {workspace.run_id()} is finished: nothing was left to do." in again.stderr
    assert "nothing was left to do" not in first.stderr


def test_a_plan_by_another_version_is_refused_in_one_line(workspace: InsideWorkspace) -> None:
    import sqlite3

    workspace.call("run", "suite.yaml", "--models", "recorded:good.jsonl")
    with sqlite3.connect(workspace.home / "bakeoff.db") as database:
        (text,) = database.execute("SELECT plan FROM plans").fetchone()
        plan = json.loads(text) | {"version": "9.9", "mode": "tournament"}
        database.execute("UPDATE plans SET plan = ?", (json.dumps(plan),))
    database.close()
    for arguments in (("run", "--resume", "latest"), ("show", "latest")):
        refused = workspace.call(*arguments)
        assert refused.returncode == 2
        assert "was planned by bakeoff 9.9" in refused.stderr
        assert "(at mode)" in refused.stderr
        assert len(refused.stderr.splitlines()) == 2
