"""A PostgreSQL of a test's own in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FOLDERS = (Path("/usr/local/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))


def postgres_programs() -> tuple[Path, Path] | None:
    """`initdb` and `postgres`, None where they are not installed."""
    for folder in _FOLDERS:
        initdb, postgres = folder / "initdb", folder / "postgres"
        if initdb.exists() and postgres.exists():
            return initdb, postgres
    found = [shutil.which(name) for name in ("initdb", "postgres")]
    return (Path(found[0]), Path(found[1])) if found[0] and found[1] else None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield its URL, without a database; skips the test where there is no PostgreSQL, or it does not start here."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb and postgres are not installed")
    initdb, postgres = programs
    # PostgreSQL refuses to run as root: there, as its own user if there is one.
    user = None
    if os.geteuid() == 0:
        import pwd

        if "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
            pytest.skip("running as root, and there is no user postgres to run PostgreSQL as")
        user = "postgres"
    with tempfile.TemporaryDirectory(prefix="pg") as home:
        folder = Path(home)
        if user is not None:
            shutil.chown(folder, user)
        made = subprocess.run(
            [initdb, "-D", folder / "data", "-U", "me", "-A", "trust", "-E", "UTF8", "--no-sync"],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"initdb does not work here: {made.stderr.strip().splitlines()[-1]}")
        port = free_port()
        options = ["-D", folder / "data", "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-F"]
        process = subprocess.Popen(
            [postgres, *options], user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if "ready to accept connections" in line:
                    break
            else:
                pytest.skip(f"PostgreSQL does not start here: {said[-1:]}")
            yield f"postgresql+psycopg://me@127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: clients are not waited for
            process.communicate(timeout=30)
