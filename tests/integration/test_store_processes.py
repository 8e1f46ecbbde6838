"""Several processes on one store, SQLite and PostgreSQL: nothing lost, nothing doubled, nobody turned away."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bakeoff.core.errors import StoreError
from bakeoff.core.records import RunEvent, Score
from bakeoff.store.db import Store
from made_runs import generation

STORES = 30
WRITER = Path(__file__).parents[1] / "store_writers.py"
_FOLDERS = (Path("/usr/local/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))


def write_at_once(url: str, spans: list[tuple[int, int]]) -> list[int]:
    """Run a process for each span, all at the same time; return how many trials each found new."""
    running = [
        subprocess.Popen(
            [sys.executable, str(WRITER), url, str(first), str(last)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first, last in spans
    ]
    results = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * len(spans), [err for _, err in results]
    return [int(out) for out, _ in results]


def check_writers(url: str) -> None:
    # Overlapping spans on a store that is not there yet: all four make it, and race for the same trials.
    new = write_at_once(url, [(0, 80), (40, 120), (40, 120), (0, 120)])
    store = Store(url)
    assert sum(new) == 120
    assert store.finished_trials("r") == {f"t{number}" for number in range(120)}
    assert len(store.generations("r")) == 120
    store.close()


def test_processes_share_a_sqlite_store(tmp_path: Path) -> None:
    check_writers(f"sqlite:///{tmp_path / 'bakeoff.db'}")


def open_together(folder: Path, barrier: Barrier) -> None:
    """Open new stores, each at the moment at which others open it too."""
    for number in range(STORES):
        barrier.wait(60)
        Store.open_folder(folder / str(number)).close()


def test_a_new_store_may_be_opened_by_several_at_the_same_moment(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(4)
    opening = [spawn.Process(target=open_together, args=(tmp_path, barrier)) for _ in range(4)]
    for process in opening:
        process.start()
    for process in opening:
        process.join(60)
    assert [process.exitcode for process in opening] == [0] * 4
    assert len(list(tmp_path.glob("*/bakeoff.db"))) == STORES


def _postgres_programs() -> tuple[Path, Path] | None:
    for folder in _FOLDERS:
        initdb, postgres = folder / "initdb", folder / "postgres"
        if initdb.exists() and postgres.exists():
            return initdb, postgres
    found = [shutil.which(name) for name in ("initdb", "postgres")]
    return (Path(found[0]), Path(found[1])) if found[0] and found[1] else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of our own in a temporary folder, gone afterwards."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = _postgres_programs()
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
        port = _free_port()
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


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    name = f"t{abs(hash(request.node.name))}"
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}/{name}"


def test_processes_share_a_postgresql_store(database: str) -> None:
    check_writers(database)


def test_postgresql_keeps_what_sqlite_keeps(database: str) -> None:
    store = Store(database)
    odd = generation("models/" + "long" * 200, "b0").model_copy(update={"trial": "t", "text": "zero \x00 byte 👩‍👩‍👧"})
    assert store.add_generation("r", odd)
    assert not store.add_generation("r", odd)
    assert store.generations("r") == [odd]
    store.add_scores("r", "rules/1", [Score(trial="t", value=5, publishable=True)] * 2)
    assert len(store.scores("r", "rules/1")) == 1
    store.add_event("r", RunEvent(at="now", kind="worker_died", candidate=None, message="m"))
    assert len(store.events("r")) == 1
    for run_id, started in [("a", "2026-01-01T00:00:00+00:00"), ("b", "2026-01-01T00:00:00.5+00:00")]:
        store.add_run(run_id, "s", started, {"seed": 1})
    result = {"decision": {"outcome": "winner", "choice": "ann 👩"}, "said": "zero \x00 \ud83d half \udc00 \\ud83d"}
    store.set_state("a", "done", add_elapsed_s=1.5, result=result)
    assert [(row.run_id, row.outcome, row.choice) for row in store.runs()] == [
        ("b", None, None),
        ("a", "winner", "ann 👩"),
    ]
    row = store.run("a")
    assert row is not None
    assert (row.state, row.elapsed_s, row.result) == ("done", 1.5, result)
    store.close()


def test_another_version_on_postgresql(database: str) -> None:
    Store(database).close()
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE info SET value = '7'"))
    engine.dispose()
    with pytest.raises(StoreError, match="schema version 7"):
        Store(database)


def test_a_server_that_is_not_there() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(StoreError) as caught:
        Store(f"postgresql+psycopg://me:hunter2@127.0.0.1:{_free_port()}/db")
    assert "BAKEOFF_STORE" in caught.value.hint
    assert "hunter2" not in caught.value.message
