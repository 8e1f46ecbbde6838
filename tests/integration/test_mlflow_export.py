"""`bakeoff export RUN --to mlflow` into real MLflow: SQLite, a tracking server on PostgreSQL, and servers that fail in every way."""

from __future__ import annotations

import http.server
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text

from bakeoff.core.installing import install_command
from bakeoff_command import Workspace
from inside import InsideWorkspace
from postgres_server import free_port, postgres_server
from recorded_texts import write_texts
from sample_runs import suite_text
from waiting import wait_until

pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'bakeoff[mlflow]'")
pytest.importorskip("alembic", reason="only mlflow-skinny is installed: pip install 'bakeoff[mlflow]'")
pytestmark = pytest.mark.timeout(400)
GONE = {"MLFLOW_TRACKING_URI", "MLFLOW_DISABLE_TELEMETRY"}


class Tracked:
    """What stands in MLflow's tables: run uuid -> name -> value, of runs that are not deleted."""

    def __init__(self, url: str, experiment: str | None = None) -> None:
        engine = create_engine(url)
        with engine.connect() as connection:
            every = connection.execute(
                text(
                    "SELECT run_uuid, runs.name AS name, runs.lifecycle_stage, status, artifact_uri, experiments.name "
                    "AS experiment FROM runs JOIN experiments ON runs.experiment_id = experiments.experiment_id"
                )
            ).all()
            rows = [row for row in every if experiment in (None, row.experiment)]
            self.runs = {row[0]: row for row in rows if row[2] == "active"}
            self.deleted = [row[0] for row in rows if row[2] != "active"]
            self.params, self.tags, self.metrics = (
                self._of(connection, name) for name in ("params", "tags", "latest_metrics")
            )
            steps = connection.execute(text("SELECT run_uuid, key, step, value FROM metrics ORDER BY step")).all()
            self.steps = [row for row in steps if row[0] in self.runs]
            self.datasets = connection.execute(text("SELECT name, digest FROM datasets")).all()
            self.locations = dict(connection.execute(text("SELECT name, artifact_location FROM experiments")).all())
        engine.dispose()

    def _of(self, connection, table):  # type: ignore[no-untyped-def]
        found = {run: {} for run in self.runs}
        for run, key, value in connection.execute(text(f"SELECT run_uuid, key, value FROM {table}")).all():
            if run in found:
                found[run][key] = value
        return found

    def run_of(self, candidate: str) -> str:
        """The only run of a candidate."""
        (only,) = [run for run, tags in self.tags.items() if tags["bakeoff.candidate"] == candidate]
        return only


def own(workspace: Workspace) -> Tracked:
    return Tracked(f"sqlite:///{workspace.home / 'mlflow.db'}")


def export(workspace: Workspace, *options: str) -> str:
    """Export the newest run, and return what was said."""
    done = workspace.call("export", "latest", "--to", "mlflow", *options, timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a run of two bundled models, exported once."""
    workspace = Workspace(tmp_path_factory.mktemp("measured"))
    for name in GONE:
        workspace.environment.pop(name, None)
    done = workspace.call(
        "run", "--models", "bundled:baseline,bundled:social", "--fixed-n", "6", "--json", timeout_s=300
    )
    assert done.returncode == 0, done.stderr
    assert "2 new" in export(workspace)
    return workspace


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    """A workspace with files of recorded texts, so that a run takes no time."""
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    for name in GONE:
        monkeypatch.delenv(name, raising=False)
        made.environment.pop(name, None)
    kinds = {f"b{i}": ("tweet", "business_email", "technical_doc")[i % 3] for i in range(30)}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    (tmp_path / "suite.yaml").write_text(suite_text(30), encoding="utf-8")
    return made


MODELS = ("--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")


def test_each_candidate_is_a_run_with_everything(measured: Workspace) -> None:
    document = json.loads(measured.call("show", "latest", "--json").stdout)
    found = own(measured)
    assert len(found.runs) == 2
    for candidate in document["candidates"]:
        run = found.run_of(candidate["id"])
        metrics, params, tags = found.metrics[run], found.params[run], found.tags[run]
        assert found.runs[run].name == candidate["id"].removeprefix("bundled:")
        assert found.runs[run].status == "FINISHED"
        assert len(metrics) >= 50
        assert metrics["quality/mean"] == pytest.approx(candidate["quality"]["estimate"])
        assert metrics["latency/p50_ms"] == pytest.approx(1000 * candidate["latency_s"]["p50"])
        assert metrics["memory/peak_gib"] == pytest.approx(candidate["peak_memory_bytes"] / 2**30)
        assert metrics["reliability/accelerated"] == 0.0
        # Nobody stated a volume, and there is no meter here: no saving of a year, and no joules that look measured.
        assert not [name for name in metrics if "year" in name]
        assert "no volume was stated" in tags["not_logged"]
        if candidate["energy_j_per_generation"]["provenance"] == "assumed":
            assert "energy/assumed_j_per_text" in metrics
            assert "energy/j_per_text" not in metrics
            assert "energy/assumed_j_per_text" in tags["assumed"]
        assert params["device"] == candidate["device"] == "cpu"
        assert params["suite_hash"] == document["suite"]["hash"]
        assert {"suite.run", "hardware", "verdict", "outcome", "methodology", "platform", "confidence_level"} <= set(
            tags
        )
        assert "mlflow.parentRunId" not in tags
        series = [row for row in found.steps if row.run_uuid == run and row.key == "running/mean"]
        assert [row.step for row in series] == list(range(1, len(series) + 1))
        assert series[-1].value == pytest.approx(candidate["mean_score_of_texts"], abs=3)
    assert set(map(frozenset, found.params.values())) == {frozenset(params)}
    assert found.datasets == [("business", document["suite"]["hash"])]


def test_the_texts_are_a_table_of_mlflows(measured: Workspace) -> None:
    program = (
        "import json, mlflow, sys\n"
        "client = mlflow.MlflowClient(sys.argv[1])\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "mlflow.set_experiment('bakeoff business')\n"
        "table = mlflow.load_table('samples.json', run_ids=[sys.argv[2]])\n"
        "names = sorted(each.path for each in client.list_artifacts(sys.argv[2]))\n"
        "print(json.dumps({'table': table.to_dict('list'), 'files': names}))\n"
    )
    run = own(measured).run_of("bundled:social")
    command = [sys.executable, "-W", "ignore", "-c", program, f"sqlite:///{measured.home / 'mlflow.db'}", run]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200, env=measured.environment)
    found = json.loads(said.stdout.splitlines()[-1])
    texts = {
        (row["brief"], row["text"])
        for row in measured.generations(measured.run_id()).values()
        if row["candidate"] == "bundled:social"
    }
    assert set(zip(found["table"]["prompt_id"], found["table"]["output"], strict=True)) == texts
    assert found["files"] == ["metrics.json", "report.txt", "result.json", "samples.json"]


def test_again_changes_nothing_and_changes_replace(measured: Workspace) -> None:
    before = own(measured)
    assert "2 unchanged" in export(measured)
    assert set(own(measured).runs) == set(before.runs)
    run = before.run_of("bundled:social")
    engine = create_engine(f"sqlite:///{measured.home / 'mlflow.db'}")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tags (key, value, run_uuid) VALUES ('mine', 'kept', :run)"), {"run": run})
    engine.dispose()
    (measured.home / "runs" / measured.run_id() / "report.html").write_text("<title>The report</title>")
    assert "2 replaced" in export(measured, "--requests-per-day", "100")
    after = own(measured)
    assert len(after.runs) == 2
    assert not set(after.runs) & set(before.runs)
    assert set(before.runs) <= set(after.deleted)
    changed = after.run_of("bundled:social")
    assert after.tags[changed]["mine"] == "kept"
    assert after.params[changed]["requests_per_day"] == "100.0"
    assert any("year_usd" in name for name in after.metrics[changed])
    files = Path(urlsplit(after.runs[changed].artifact_uri).path)
    assert (files / "report.html").read_text() == "<title>The report</title>"


def test_two_at_once_double_nothing(measured: Workspace) -> None:
    options = ("export", "latest", "--to", "mlflow", "--experiment", "at once")
    running = [measured.start(*options) for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    found = Tracked(f"sqlite:///{measured.home / 'mlflow.db'}", "at once")
    assert sorted(tags["bakeoff.candidate"] for tags in found.tags.values()) == ["bundled:baseline", "bundled:social"]
    assert {row.status for row in found.runs.values()} == {"FINISHED"}


def test_a_full_disk_is_told(recorded: InsideWorkspace) -> None:
    assert recorded.call("run", "suite.yaml", *MODELS).returncode == 0

    def little() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [sys.executable, "-m", "bakeoff", "export", "latest", "--to", "mlflow"]
    done = subprocess.run(
        command, cwd=recorded.folder, env=recorded.environment, capture_output=True, text=True, preexec_fn=little,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "error: MLflow" in done.stderr
    assert "Traceback" not in done.stderr


class _Failing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(500)

    do_POST = do_GET  # noqa: N815 - http.server's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def failing_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections, and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_fails_or_is_gone_is_told(recorded: InsideWorkspace) -> None:
    assert recorded.call("run", "suite.yaml", *MODELS).returncode == 0
    recorded.environment["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "2"
    plain = Workspace(recorded.folder)
    plain.environment = recorded.environment
    with failing_server() as failing, silent_server() as silent:
        for uri in (failing, silent, f"http://127.0.0.1:{free_port()}"):
            began = time.monotonic()
            done = plain.call("export", "latest", "--to", "mlflow", "--tracking-uri", uri, timeout_s=200)
            assert done.returncode == 1, done.stderr
            assert f"error: MLflow at {uri} {'failed' if uri == failing else 'does not answer'}" in done.stderr
            assert "Traceback" not in done.stderr
            assert time.monotonic() - began < (120 if uri == failing else 30)


def test_a_hanging_server_costs_a_run_one_line(recorded: InsideWorkspace) -> None:
    recorded.environment["BAKEOFF_TRACKING_S"] = "3"
    with silent_server() as uri:
        (recorded.folder / "tracked.yaml").write_text(suite_text(30, f"tracking: {{uri: '{uri}'}}\n"), encoding="utf-8")
        done = recorded.call("run", "tracked.yaml", *MODELS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decision"]["choice"] == "recorded:good.jsonl"
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "it took more than 3 s (BAKEOFF_TRACKING_S)" in warnings[0]
    assert f"bakeoff export {recorded.run_id()} --to mlflow" in warnings[0]


def test_without_mlflow_there_is_a_command_and_the_run_is_as_good(
    recorded: InsideWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (recorded.folder / "sitecustomize.py").write_text("import sys\nsys.modules['mlflow'] = None\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(recorded.folder), os.environ.get("PYTHONPATH", "")]))
    (recorded.folder / "tracked.yaml").write_text(suite_text(30, "tracking: mlflow\n"), encoding="utf-8")
    done = recorded.call("run", "tracked.yaml", *MODELS)
    assert done.returncode == 0, done.stderr
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert f"MLflow is not installed - {install_command('mlflow')}" in warning
    monkeypatch.setitem(sys.modules, "mlflow", None)
    done = recorded.call("export", "latest", "--to", "mlflow")
    assert done.returncode == 2
    assert done.stderr == f"error: MLflow is not installed\nhint: {install_command('mlflow')}\n"
    assert not (recorded.home / "mlflow.db").exists()


def test_a_suite_that_sends_texts_elsewhere_is_asked_about(recorded: InsideWorkspace) -> None:
    text = suite_text(30, "tracking: {uri: 'https://mlflow.example'}\n")
    (recorded.folder / "tracked.yaml").write_text(text, encoding="utf-8")
    done = recorded.call("run", "tracked.yaml", *MODELS)
    assert done.returncode == 2
    assert "sent to MLflow on mlflow.example" in done.stderr
    assert "--yes" in done.stderr
    assert not recorded.rows("select run_id from runs")


def test_a_run_may_export_itself(recorded: InsideWorkspace) -> None:
    (recorded.folder / "tracked.yaml").write_text(suite_text(30, "tracking: mlflow\n"), encoding="utf-8")
    done = recorded.call("run", "tracked.yaml", *MODELS)
    assert done.returncode == 0, done.stderr
    assert "2 new" in done.stderr
    found = own(recorded)
    run = found.run_of("recorded:good.jsonl")
    assert found.tags[run]["verdict"] == "chosen"
    # Nobody saw these texts being written: no time, no memory, no energy, and none of it is 0.
    assert not [name for name in found.metrics[run] if name.partition("/")[0] in {"memory", "load", "energy", "cost"}]
    assert "no worker of ours held it" in found.tags[run]["not_logged"]
    assert found.locations["bakeoff small"] == (recorded.home / "mlflow-artifacts").as_uri()


@contextmanager
def tracking_server(database: str, folder: Path) -> Iterator[str]:
    """A real tracking server in a process of its own."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--port", url.rpartition(":")[2]]
    workspace = Workspace(folder)
    environment = workspace.environment | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            wait_until(lambda: _answers(url), "the tracking server answers", 150)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_a_tracking_server_on_postgresql(measured: Workspace, tmp_path: Path) -> None:
    with postgres_server() as url:
        engine = create_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE DATABASE mlflow"))
        engine.dispose()
        with tracking_server(f"{url}/mlflow", tmp_path) as server:
            assert "2 new" in export(measured, "--tracking-uri", server)
        found = Tracked(f"{url}/mlflow")
        assert len(found.runs) == 2
        for run, row in found.runs.items():
            assert len(found.metrics[run]) >= 50
            assert row.status == "FINISHED"
        assert len(list((tmp_path / "artifacts").rglob("samples.json"))) == 2
        # The same database without a server between.
        assert "2 unchanged" in export(measured, "--tracking-uri", f"{url}/mlflow")
