"""The `bakeoff` command inside the test's own process: its real entry point with real arguments, several times as quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.cli.main import main
from bakeoff_command import Workspace


class InsideWorkspace(Workspace):
    """Like `Workspace`; `call` starts no process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder)
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def call(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; a warning on the way is an error, as everywhere in the tests."""
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            patch.chdir(self.folder)
            for name in {name for name in (*os.environ, *self.environment) if name.startswith("BAKEOFF_")} | {
                "COLUMNS"
            }:
                if name in self.environment:
                    patch.setenv(name, self.environment[name])
                else:
                    patch.delenv(name)
            # What the command itself sets (--debug does) must not outlive it.
            patch.setenv("BAKEOFF_DEBUG", "")
            patch.setattr(sys, "argv", ["bakeoff", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = self._capsys.readouterr()
        code = ended.value.code
        return subprocess.CompletedProcess(list(arguments), code if isinstance(code, int) else 0, out, err)
