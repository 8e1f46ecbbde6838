"""The command table, the outer wall and its exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bakeoff import __version__
from bakeoff.cli.main import COMMANDS
from bakeoff_command import Workspace
from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import TYPES, suite_text
from waiting import wait_until

HEAVY = ("numpy", "pydantic", "rich", "torch", "onnxruntime", "sqlalchemy", "yaml", "scipy", "aiohttp", "transformers")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom bakeoff.cli.main import main\nsys.argv = ['bakeoff', *sys.argv[1:]]\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write(' '.join(sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stderr.split()}
    assert "click" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_is_what_the_commands_say(name: str) -> None:
    target, help_line = COMMANDS[name]
    module, _, attribute = target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert (command.help or "").strip().splitlines()[0] == help_line
    assert help_line.endswith(".")


def test_help_lists_every_command(workspace: InsideWorkspace) -> None:
    for flag in ("--help", "-h"):
        shown = workspace.call(flag)
        assert shown.returncode == 0
        for name, (_, help_line) in COMMANDS.items():
            assert name in shown.stdout
            assert " ".join(help_line.split()[:4]) in shown.stdout
    assert not workspace.home.exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(workspace: InsideWorkspace, name: str) -> None:
    shown = workspace.call(name, "--help")
    assert shown.returncode == 0
    assert COMMANDS[name][1].split(":")[0] in shown.stdout
    assert not workspace.home.exists()


def test_version(workspace: InsideWorkspace) -> None:
    assert workspace.call("--version").stdout == f"bakeoff, version {__version__}\n"


def test_without_a_command_there_is_help(workspace: InsideWorkspace) -> None:
    shown = workspace.call()
    assert shown.returncode == 2
    assert "Commands:" in shown.stdout + shown.stderr


def test_no_runs_yet(workspace: InsideWorkspace) -> None:
    assert "bakeoff run" in workspace.call("runs").stdout
    assert workspace.call("runs", "--json").stdout == '{"schema": "bakeoff.runs/1", "runs": []}\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name one model"),
        (("bundled:x", "--model", "bundled:y", "--port", "1"), "Name one model"),
        (("bundled:x",), "Say where to listen"),
        (("bundled:x", "--port", "1", "--socket", "s"), "Say where to listen"),
        (("bundled:nothing", "--port", "0"), "no bundled model"),
        (("openai:m@http://h/v1", "--port", "0"), "only a model folder"),
        (("bundled:x", "--port", "70000"), "not in the range"),
        (("bundled:x", "--port", "0", "--threads", "0"), "not in the range"),
    ],
)
def test_worker_says_what_it_needs(workspace: InsideWorkspace, arguments: tuple[str, ...], said: str) -> None:
    refused = workspace.call("worker", *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_a_fault_of_ours_is_told_without_a_traceback(
    workspace: InsideWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "runs", ("bakeoff.cli.runs:not_there", "gone"))
    told = workspace.call("runs")
    assert told.returncode == 1
    assert told.stderr.splitlines()[0].startswith("error: unexpected AttributeError:")
    assert "bakeoff --debug" in told.stderr
    assert "Traceback" not in told.stderr
    debugged = workspace.call("--debug", "runs")
    assert "Traceback" in debugged.stderr


def recorded(folder: Path) -> None:
    (folder / "suite.yaml").write_text(suite_text(6))
    write_texts(folder / "good.jsonl", {f"b{i}": TYPES[i % 3] for i in range(6)})


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    """Interrupted while it waits for a file that never ends: before anything is stored, nothing is to be resumed."""
    workspace = Workspace(tmp_path)
    recorded(tmp_path)
    os.mkfifo(tmp_path / "endless.jsonl")
    process = workspace.start("run", "suite.yaml", "--models", "recorded:endless.jsonl")
    # Opening the other end returns when the command has opened its own: it waits for a line now.
    with (tmp_path / "endless.jsonl").open("wb"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert out == ""


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    process = workspace.start("runs", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    wait_until(lambda: process.poll() is not None, "the command ends")
    process.stderr.close()
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_progress_goes_to_stderr_and_the_result_to_stdout(workspace: InsideWorkspace) -> None:
    recorded(workspace.folder)
    ran = workspace.call("run", "suite.yaml", "--models", "recorded:good.jsonl")
    assert ran.returncode == 0
    assert "6 of 6 texts" in ran.stderr
    assert "suite small, 6 briefs x 1 candidate = 6 texts" in ran.stderr
    assert "texts," not in ran.stdout.splitlines()[0]
    assert "Decision" in ran.stdout
