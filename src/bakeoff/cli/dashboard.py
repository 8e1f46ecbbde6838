"""`bakeoff dashboard`: MLflow's own pages on what this workspace exported, on this machine only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.report.mlflow_address import Address

_READY_S = 120.0
_STOP_S = 10.0
_LOOK_AGAIN_S = 0.2


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Where the pages are.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Who may look: this machine, unless you say otherwise."
)
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
def dashboard(port: int, host: str, *, no_open: bool) -> None:
    """Open MLflow's pages on what this workspace exported.

    Exports nothing by itself: bakeoff export RUN --to mlflow does. Ends with Ctrl-C.
    """
    from bakeoff.library.workspace import workspace_folder
    from bakeoff.report.mlflow_address import find_address, require_mlflow
    from bakeoff.report.mlflow_exports import newest_experiment
    from bakeoff.report.mlflow_view import view_path

    address = find_address(None, workspace_folder())
    if address.is_server:
        click.echo(f"The tracking server of MLFLOW_TRACKING_URI has the pages: {address.shown}")
        if not no_open:
            webbrowser.open(address.uri)
        return
    require_mlflow(address)
    path = view_path(newest_experiment(address))
    _require_port(host, port)
    _serve(address, host, port, workspace_folder(), path, opens=not no_open)


def _require_port(host: str, port: int) -> None:
    from bakeoff.core.errors import UsageError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"port {port} of {host} cannot be had: {error.strerror}",
            f"another one: bakeoff dashboard --port {port + 1}",
        ) from None


def _serve(address: Address, host: str, port: int, workspace: Path, path: str, *, opens: bool) -> None:
    from bakeoff.core.errors import StoreError

    log = workspace / "mlflow-dashboard.log"
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    click.echo(f"Starting MLflow's pages at {url} ... (its log: {log})", err=True)
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            _command(address, host, port),
            env=_environment(address),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, so that whatever it starts ends with it
        )
        # A service manager's TERM ends it as Ctrl-C does, and leaves nothing behind.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            if not _wait_until_ready(process, url):
                raise StoreError("MLflow's pages did not start", f"its last words are in {log}")
            click.echo(f"{url}{path}")
            click.echo("Ctrl-C ends it.", err=True)
            if opens:
                webbrowser.open(f"{url}{path}")
            code = process.wait()
            raise StoreError(f"MLflow's pages ended by themselves (exit code {code})", f"its last words are in {log}")
        except KeyboardInterrupt:
            click.echo("ended", err=True)
        finally:
            _stop(process)


def _command(address: Address, host: str, port: int) -> list[str]:
    from bakeoff.core.programs import program_of
    from bakeoff.report.mlflow_address import database_url

    uri = database_url(address.uri).render_as_string(hide_password=False)
    served = ["--host", host, "--port", str(port), "--workers", "1"]
    return program_of("mlflow", "server", "--backend-store-uri", uri, *served)


def _environment(address: Address) -> dict[str, str]:
    """Return what MLflow reads: no reports to its makers, no processes for jobs that nobody asked for."""
    own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    if address.artifacts is not None:
        own["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = address.artifacts.as_uri()
    return own | dict(os.environ)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> bool:
    ends = time.monotonic() + _READY_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - an address of our own making
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            time.sleep(_LOOK_AGAIN_S)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: first asked, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
