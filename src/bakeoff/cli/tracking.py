"""`tracking: mlflow` in a suite: the export at the end of a run, which may fail in every way without harming the run.

It is done by a process of its own, `bakeoff export`, which is ended when its time is over, whatever it hangs on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from bakeoff.study.plan import Plan

LIMIT = "BAKEOFF_TRACKING_S"
LIMIT_S = 120.0
_STOP_S = 5.0
_HERE = {"127.0.0.1", "localhost", "::1"}


def check_tracking(plan: Plan, *, yes: bool) -> None:
    """Look at what the suite asks for before anything is generated; where it names another machine, ask.

    Raises:
        UsageError: an address that MLflow does not take, a limit that is no number, or nobody to ask.
        click.Abort: the user does not want it.
    """
    from bakeoff.core.errors import UsageError
    from bakeoff.core.plain import printable
    from bakeoff.core.settings import seconds_setting
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.report.mlflow_address import find_address

    asked = plan.suite.tracking
    if asked.to is None:
        return
    seconds_setting(LIMIT, LIMIT_S)
    if asked.uri is None:
        return
    host = urlsplit(find_address(asked.uri, workspace_folder()).uri).hostname
    if host is None or host in _HERE or yes:
        return
    what = printable(f"the suite has the result and all texts sent to MLflow on {host}")
    if not sys.stdin.isatty():
        raise UsageError(what, "say --yes if that is meant")
    click.confirm(f"{what}. Go on?", abort=True, err=True)


def export_at_the_end(plan: Plan) -> None:
    """Export a finished run if its suite asks for it; a failure is one warning, and nothing else."""
    from bakeoff.core.plain import printable
    from bakeoff.core.settings import seconds_setting

    if plan.suite.tracking.to is None:
        return
    click.echo("Exporting to MLflow ...", err=True)
    problem = _export(plan.run_id, seconds_setting(LIMIT, LIMIT_S))
    if problem:
        again = f"later: bakeoff export {plan.run_id} --to mlflow"
        click.echo(printable(f"warning: not exported to MLflow: {problem}; {again}"), err=True)


def _export(run_id: str, limit_s: float) -> str:
    """Return what went wrong, in one line; "" where nothing did, and what the export said is passed on."""
    from bakeoff.core.programs import program_of

    command = program_of("bakeoff", "export", run_id, "--to", "mlflow")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return f"it cannot be started: {error.strerror}"
    try:
        _, said = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return f"it took more than {limit_s:g} s ({LIMIT})"
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        _end(process)
    if process.returncode == 0:
        click.echo(said.rstrip(), err=True)
        return ""
    lines = [line.partition(": ")[2] for line in said.splitlines() if line.startswith(("error: ", "hint: "))]
    return " - ".join(lines) or f"it ended with exit code {process.returncode}"


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=_STOP_S)
