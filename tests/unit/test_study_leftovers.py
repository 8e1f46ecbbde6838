"""Folders of runs that stored nothing: the empty ones go, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from bakeoff.core.clock import SystemClock
from bakeoff.study.leftovers import remove_if_empty, sweep
from bakeoff.study.run_folder import run_folder
from bakeoff.study.run_lock import hold_run


def left(workspace: Path, name: str, *, age_s: float = 3600, **files: str) -> Path:
    folder = run_folder(workspace, name)
    with hold_run(folder, name):
        (folder / "logs").mkdir()
        (folder / "logs" / "worker.log").touch()
        for file, text in files.items():
            (folder / file).write_text(text)
    now = SystemClock().now().timestamp()
    os.utime(folder / "lock", (now - age_s, now - age_s))
    return folder


def test_only_empty_folders_of_runs_that_nobody_knows_are_removed(tmp_path: Path) -> None:
    gone = left(tmp_path, "killed")
    kept = [
        left(tmp_path, "stored"),
        left(tmp_path, "told", report="what a worker said"),
        left(tmp_path, "young", age_s=1),
        run_folder(tmp_path, "not-ours"),  # no run of this machine made it
    ]
    held = left(tmp_path, "held")
    with hold_run(held, "held"):
        os.utime(held / "lock", (0, 0))
        assert sweep(tmp_path / "runs", ["stored"], SystemClock()) == ["killed"]
    assert not gone.exists()
    assert all(folder.exists() for folder in (*kept, held))
    assert sweep(tmp_path / "nowhere", [], SystemClock()) == []


def test_a_log_that_says_something_is_kept(tmp_path: Path) -> None:
    folder = left(tmp_path, "failed")
    (folder / "logs" / "worker.log").write_text("no such file")
    assert not remove_if_empty(folder)
    (folder / "logs" / "worker.log").write_text("")
    assert remove_if_empty(folder)
    assert not folder.exists()
