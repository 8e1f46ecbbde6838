"""Which MLflow is meant, and what is refused before MLflow is loaded."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bakeoff.core.errors import MissingDependency, StoreError, UsageError
from bakeoff.core.installing import install_command
from bakeoff.report.mlflow import _DEFAULTS, prepare_environment
from bakeoff.report.mlflow_address import check_reachable, find_address, require_mlflow
from bakeoff.report.mlflow_exports import newest_experiment
from postgres_server import free_port


@pytest.fixture(autouse=True)
def _no_address_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_without_an_address_it_is_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = find_address(None, Path(".bakeoff"))
    assert found.uri == f"sqlite:///{tmp_path}/.bakeoff/mlflow.db"
    assert found.artifacts == tmp_path / ".bakeoff" / "mlflow-artifacts"


def test_the_environment_is_honoured_and_an_option_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    found = find_address(None, tmp_path)
    assert (found.uri, found.artifacts, found.is_server) == ("http://127.0.0.1:5000", None, True)
    assert find_address("sqlite:////srv/other.db", tmp_path).sqlite_file == Path("/srv/other.db")


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "file:mlruns", "mlruns", "/tmp/mlruns"])
def test_folders_of_files_are_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UsageError, match="maintenance mode") as refused:
        find_address(uri, tmp_path)
    assert "sqlite:///" in refused.value.hint


@pytest.mark.parametrize("uri", ["ftp://x/y", "sqlite:", "sqlite:///", "redis://h"])
def test_what_is_no_address_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UsageError):
        find_address(uri, tmp_path)


def test_a_password_is_shown_to_nobody(tmp_path: Path) -> None:
    address = find_address(f"postgresql://me:hunter2@127.0.0.1:{free_port()}/db", tmp_path)
    assert "hunter2" not in address.shown
    with pytest.raises(StoreError) as refused:
        check_reachable(address)
    assert "hunter2" not in refused.value.message
    assert "cannot be reached" in refused.value.message


def test_a_database_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file" / "mlflow.db", tmp_path):
        with pytest.raises(StoreError, match="cannot be written"):
            check_reachable(find_address(f"sqlite:///{place}", tmp_path))


def test_without_mlflow_there_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingDependency) as refused:
        require_mlflow(find_address(None, tmp_path))
    assert refused.value.hint == install_command("mlflow")
    assert refused.value.exit_code == 2


def test_nothing_to_look_at(tmp_path: Path) -> None:
    address = find_address(None, tmp_path)
    with pytest.raises(UsageError, match="nothing was exported"):
        newest_experiment(address)
    assert not (tmp_path / "mlflow.db").exists()
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(UsageError, match="nothing was exported"):
        newest_experiment(address)


def test_no_usage_is_reported_unless_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _DEFAULTS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    prepare_environment()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    prepare_environment()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"
