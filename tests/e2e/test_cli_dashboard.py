"""`bakeoff dashboard`: MLflow's pages on real exports, and nothing left behind when it ends."""

from __future__ import annotations

import signal
import socket
import urllib.request
from pathlib import Path

import psutil
import pytest

from bakeoff_command import Workspace
from inside import InsideWorkspace
from postgres_server import free_port
from recorded_texts import write_texts
from sample_runs import TYPES, suite_text
from waiting import wait_until

pytest.importorskip("alembic", reason="MLflow is not installed: pip install 'bakeoff[mlflow]'")
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


@pytest.fixture
def exported(inside: InsideWorkspace) -> Workspace:
    (inside.folder / "suite.yaml").write_text(suite_text(6, "tracking: mlflow\n"), encoding="utf-8")
    write_texts(inside.folder / "good.jsonl", {f"b{i}": TYPES[i % 3] for i in range(6)})
    done = inside.call("run", "suite.yaml", "--models", "recorded:good.jsonl", "--json")
    assert "1 new" in done.stderr, done.stderr
    workspace = Workspace(inside.folder)
    workspace.environment.pop("MLFLOW_TRACKING_URI", None)
    return workspace


def test_where_nothing_was_exported(inside: InsideWorkspace) -> None:
    done = inside.call("dashboard", "--no-open")
    assert done.returncode == 2
    assert "nothing was exported" in done.stderr
    assert "hint: export one first: bakeoff export latest --to mlflow" in done.stderr


def test_a_server_elsewhere_has_its_own_pages(inside: InsideWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = inside.call("dashboard", "--no-open")
    assert done.returncode == 0
    assert "http://127.0.0.1:9" in done.stdout


def test_it_shows_what_was_exported_and_leaves_nothing_behind(exported: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = str(taken.getsockname()[1])
        done = exported.call("dashboard", "--no-open", "--port", port)
        assert done.returncode == 2
        assert f"port {port} of 127.0.0.1 cannot be had" in done.stderr
    port = str(free_port())
    process = exported.start("dashboard", "--no-open", "--port", port)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"http://127.0.0.1:{port}")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
            assert b"MLflow" in page.read()
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        listening = {each.laddr.ip for child in children for each in child.net_connections() if each.status == "LISTEN"}
        assert listening == {"127.0.0.1"}
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert said.rstrip().endswith("ended")
        wait_until(lambda: not any(child.is_running() for child in children), "all of MLflow's processes end")
    finally:
        process.kill()
