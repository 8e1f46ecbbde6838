"""Several processes on one store, SQLite and PostgreSQL: nothing lost, nothing doubled, nobody turned away."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bakeoff.core.errors import StoreError
from bakeoff.core.records import RunEvent, Score
from bakeoff.store.db import Store
from made_runs import generation
from postgres_server import free_port, postgres_server

STORES = 30
WRITER = Path(__file__).parents[1] / "store_writers.py"


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


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of our own."""
    with postgres_server() as url:
        yield url


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
        Store(f"postgresql+psycopg://me:hunter2@127.0.0.1:{free_port()}/db")
    assert "BAKEOFF_STORE" in caught.value.hint
    assert "hunter2" not in caught.value.message
