"""`bakeoff plan --traffic`: from a real run's times to replicas, and what cannot be planned."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bakeoff_command import write_suite
from inside import InsideWorkspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


def test_a_run_tells_what_one_machine_holds_and_how_many_hold_more(workspace: InsideWorkspace) -> None:
    write_suite(workspace.folder / "s.yaml", 8)
    (workspace.folder / "old.jsonl").write_text(
        "".join(
            json.dumps({"brief_id": f"{kind}-{i}", "text": f"Our shop opens on 14 March, number {i}."}) + "\n"
            for i, kind in enumerate(["tweet", "business_email"] * 4)
        )
    )
    ran = workspace.call("run", "s.yaml", "--models", "bundled:social,recorded:old.jsonl", "--fixed-n", "8", "--json")
    names = [candidate["id"] for candidate in json.loads(ran.stdout)["candidates"]]
    traffic = ("plan", "--from", "latest", "--candidate", "bundled:social", "--target-p95", "60")
    few = json.loads(workspace.call(*traffic, "--traffic", "1/h", "--json").stdout)
    assert few["schema"] == "bakeoff.capacity/1"
    assert few["replicas"] == 1
    assert few["one_replica_per_s"] > 1 / 3600
    many = json.loads(workspace.call(*traffic, "--traffic", f"{few['one_replica_per_s'] * 3:.3f}/s", "--json").stdout)
    assert 3 <= many["replicas"] <= 5
    assert many["measured"]["texts"] == 8
    workspace.environment["COLUMNS"] = "80"
    shown = workspace.call(*traffic, "--traffic", "30/min").stdout
    assert "95 % of the texts within" in shown
    assert "machine" in shown
    assert max(map(len, shown.splitlines())) <= 80
    never = workspace.call(*traffic[:-1], "0.000001", "--traffic", "30/min").stdout
    assert "No number of machines like this one" in never
    assert max(map(len, never.splitlines())) <= 80
    recorded = next(name for name in names if name != "bundled:social")
    refused = workspace.call(
        "plan", "--from", "latest", "--traffic", "1/s", "--target-p95", "5", "--candidate", recorded
    )
    assert refused.returncode == 2
    assert "has not measured how fast" in refused.stderr
    refused = workspace.call(
        "plan", "--from", "latest", "--traffic", "1/s", "--target-p95", "5", "--candidate", "nobody"
    )
    assert refused.returncode == 2
    assert "bundled:social" in refused.stderr
    _place(workspace, 1)
    assert json.loads(workspace.call(*traffic, "--traffic", "1/h", "--json").stdout) == few
    _place(workspace, 4)
    export = ("export", "latest", "--to", "ray-serve", "--models", "bundled:social", "--target-p95", "60")
    for command in (traffic, export):
        refused = workspace.call(*command, "--traffic", "1/h")
        assert refused.returncode == 2
        assert "up to 4 workers together: what one machine holds is not known" in refused.stderr
        assert "without --on" in refused.stderr


def _place(workspace: InsideWorkspace, workers: int) -> None:
    """Make a run that is stored one on a cluster."""
    placement = json.dumps({"workers": workers, "cpus": 1, "nodes": []})
    with closing(sqlite3.connect(workspace.home / "bakeoff.db")) as connection, connection:
        connection.execute("update plans set plan = json_set(plan, '$.placement', json(?))", (placement,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--traffic", "30/min", "--target-p95", "5"], "--from RUN"),
        (["--traffic", "30/min", "--from", "latest"], "--target-p95"),
        (["--traffic", "30", "--target-p95", "5", "--from", "latest"], "30/min"),
        (["--traffic", "0/s", "--target-p95", "5", "--from", "latest"], "above 0"),
        (["--traffic", "1/s", "--target-p95", "inf", "--from", "latest"], "--target-p95 inf"),
        (["--traffic", "1/s", "--target-p95", "5", "--from", "latest"], "there is no run"),
        (["--traffic", "1/s", "--target-p95", "5", "--from", "latest", "--difference", "1"], "not with"),
        (["--sd", "2", "--difference", "1", "--target-p95", "5"], "go with --traffic"),
        ([], "--traffic"),
    ],
)
def test_what_cannot_be_planned_is_told(workspace: InsideWorkspace, arguments: list[str], said: str) -> None:
    refused = workspace.call("plan", *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
