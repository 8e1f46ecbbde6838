"""The store: nothing twice, nothing lost, and one line for every way in which a database can refuse."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakeoff.core.errors import StoreError, UsageError
from bakeoff.core.records import Generation, RunEvent, Score, WorkerLoad
from bakeoff.store.db import RunSummary, Store
from bakeoff.store.named import find_run
from bakeoff.study.run_lock import hold_run
from bakeoff.study.run_state import find_finished
from made_runs import generation


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open_folder(tmp_path)
    yield made
    made.close()


def refused(url: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        Store(url)
    assert caught.value.hint
    assert len(caught.value.message.splitlines()) == 1
    return caught.value


def load(candidate: str) -> WorkerLoad:
    return WorkerLoad(
        candidate=candidate,
        load_s=0.5,
        first_token_s=0.1,
        device="cpu",
        dtype="float32",
        engine_version="onnx 1",
        peak_memory_bytes=None,
        weight_bytes=3,
    )


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store, tmp_path: Path) -> None:
    ids = ["20260101-000000-aaaa", "20260101-000000-aabb", "20260202-000000-cccc", "25%x-a", "25_x-b"]
    for number, name in enumerate(ids):
        store.add_run(name, "s", f"2026-01-0{number + 1}", {})
    assert find_run(store, "20260202").run_id == ids[2]
    assert find_run(store, ids[0]).run_id == ids[0]
    assert find_run(store, "latest").run_id == ids[4]
    assert find_run(store, "25%x").run_id == ids[3]  # no pattern of SQL
    with pytest.raises(UsageError, match="2 runs begin with '20260101'") as several:
        find_run(store, "20260101")
    assert f"{ids[1]}, {ids[0]}; write more" in several.value.hint
    for wrong in ("202", "2027", "", "LATEST", "20260202-000000-CCCC"[:18]):
        with pytest.raises(UsageError, match="there is no run") as none:
            find_run(store, wrong)
        assert ids[4] in none.value.hint
        assert "more" not in none.value.hint
    store.set_state(ids[2], "interrupted")
    with pytest.raises(UsageError, match="has no result yet") as unfinished:
        find_finished(store, "20260202", tmp_path)
    assert unfinished.value.hint == f"go on with:  bakeoff run --resume {ids[2]}"
    store.set_state(ids[2], "running")
    (tmp_path / "runs" / ids[2]).mkdir(parents=True)
    with (
        hold_run(tmp_path / "runs" / ids[2], ids[2]),
        pytest.raises(UsageError, match="has no result yet") as running,
    ):
        find_finished(store, "20260202", tmp_path)
    assert running.value.hint == "it is still running: wait until it ends"
    with pytest.raises(UsageError) as killed:
        find_finished(store, "20260202", tmp_path)
    assert killed.value.hint == f"go on with:  bakeoff run --resume {ids[2]}"


def test_what_else_could_be_named_is_told(store: Store, tmp_path: Path) -> None:
    ids = [f"2026010{number}-000000-aaaa" for number in range(1, 8)]
    for name in ids:
        store.add_run(name, "s", f"{name[:4]}-01-{name[6:8]}", {})
    with pytest.raises(UsageError, match="there is no run") as none:
        find_run(store, "2027")
    assert none.value.hint == f"runs: {', '.join(reversed(ids[2:]))} and 2 more (all of them:  bakeoff runs)"
    for name in ids[:3]:
        store.set_state(name, "done", result={"decision": {"outcome": "winner", "choice": "a"}})
    store.set_state(ids[-1], "failed")
    with pytest.raises(UsageError, match=f"run {ids[-1]} has no result yet") as unfinished:
        find_finished(store, "latest", tmp_path)
    assert unfinished.value.hint.endswith(f"    or name {ids[2]}, the newest run that has one")


def test_a_trial_is_stored_once(store: Store) -> None:
    first = generation("ann", "b0")
    assert store.add_generation("r", first)
    assert not store.add_generation("r", first.model_copy(update={"text": "another text"}))
    assert store.generations("r") == [first]
    assert store.add_generation("other run", first)
    assert store.finished_trials("r") == {first.trial}


def test_generations_stored_together_are_told_apart(store: Store) -> None:
    made = [generation("ann", f"b{i}") for i in range(4)]
    assert store.add_generations("r", made[1:3]) == [True, True]
    assert store.add_generations("r", made) == [True, False, False, True]
    assert store.add_generations("r", []) == []
    assert len(store.generations("r")) == 4


def test_generations_are_read_by_trial(store: Store) -> None:
    made = [generation("ann", f"b{i}") for i in range(1200)]
    store.add_generations("r", made)
    wanted = [one.trial for one in made[::-2]]
    found = store.generations_of("r", [*wanted, "no such trial"])
    assert [one.trial for one in found] == sorted(wanted)
    assert store.generations_of("r", []) == []
    assert store.generations_of("s", wanted) == []
    assert store.text_bytes("r") == sum(len(one.model_dump_json()) for one in made)
    assert store.text_bytes("s") == 0


def test_scores_come_in_batches(store: Store) -> None:
    store.add_scores("r", "rules/1", [Score(trial=f"t{i:02}", value=i / 5, publishable=True) for i in range(23)])
    batches = list(store.score_batches("r", "rules/1", size=10))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    assert [one.trial for batch in batches for one in batch] == [f"t{i:02}" for i in range(23)]


def test_a_score_is_stored_once_per_version_of_the_scorer(store: Store) -> None:
    score = Score(trial="t", value=5, publishable=True)
    store.add_scores("r", "rules/1", [score])
    store.add_scores(
        "r", "rules/1", [score.model_copy(update={"value": 6.0}), Score(trial="u", value=1, publishable=False)]
    )
    store.add_scores("r", "rules/2", [score.model_copy(update={"value": 7.0})])
    assert [(s.trial, s.value) for s in store.scores("r", "rules/1")] == [("t", 5.0), ("u", 1.0)]
    assert [s.value for s in store.scores("r", "rules/2")] == [7.0]
    assert store.scores("r", "rules/3") == []


@pytest.mark.parametrize(
    "text", ["", "zero \x00 byte", "𝔘nicode 👩‍👩‍👧 \u202e", '"quotes" \\ and\r\nends', "x" * 1_000_000]
)
def test_texts_come_back_as_they_were(store: Store, text: str) -> None:
    made = generation("ann", "b0").model_copy(update={"text": text})
    store.add_generation("r", made)
    assert store.generations("r") == [made]


def test_generations_come_in_the_order_of_their_keys(store: Store) -> None:
    made = [generation("ann", f"b{i}") for i in (5, 1, 9, 3)]
    for one in made:
        store.add_generation("r", one)
    assert store.generations("r") == sorted(made, key=lambda one: one.trial)


def test_loads_and_events_come_in_the_order_of_happening(store: Store) -> None:
    events = [RunEvent(at=f"t{i}", kind="worker_died", candidate=None, message=str(i)) for i in (3, 1, 2)]
    for happened in events:
        store.add_event("r", happened)
    store.add_load("r", load("bob"))
    store.add_load("r", load("ann"))
    assert store.events("r") == events
    assert [one.candidate for one in store.loads("r")] == ["bob", "ann"]
    assert store.loads("other") == []


def test_runs_newest_first_and_latest(store: Store) -> None:
    assert store.run("latest") is None
    for run_id, started in [("b", "2026-01-02T00:00:00"), ("a", "2026-01-03T00:00:00"), ("c", "2026-01-01T00:00:00")]:
        store.add_run(run_id, "suite", started, {"seed": 1})
    assert [row.run_id for row in store.runs()] == ["a", "b", "c"]
    latest = store.run("latest")
    assert latest is not None
    assert (latest.run_id, latest.state, latest.plan, latest.result, latest.elapsed_s) == (
        "a",
        "running",
        {"seed": 1},
        None,
        0,
    )
    assert store.run("nothing") is None


def test_runs_are_listed_without_reading_what_they_hold(store: Store, tmp_path: Path) -> None:
    for number, decision in enumerate(
        [
            {"outcome": "winner", "choice": 'ann "[b]" ü'},
            {"outcome": "no_clear_winner", "choice": None},
        ]
    ):
        store.add_run(f"r{number}", "suite", f"t{number}", {})
        store.set_state(f"r{number}", "done", result={"candidates": ["x" * 1000], "decision": decision})
    store.add_run("r2", "suite", "t2", {})
    store.add_generation("r1", generation("ann", "b0"))
    store.add_generation("r1", generation("ann", "b1"))
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        other.execute("UPDATE plans SET plan = 'no JSON at all'")
    other.close()
    assert store.runs() == [
        RunSummary("r2", "suite", "t2", "running", 0, None, None),
        RunSummary("r1", "suite", "t1", "done", 2, "no_clear_winner", None),
        RunSummary("r0", "suite", "t0", "done", 0, "winner", 'ann "[b]" ü'),
    ]


def test_a_plan_is_replaced_where_it_lies(store: Store, tmp_path: Path) -> None:
    """Runs that began before there was a table of plans have it with the run."""
    for run_id in ("new", "old", "other"):
        store.add_run(run_id, "s", "t", {"cpus": 8})
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        other.execute("DELETE FROM plans WHERE run_id = 'old'")
        other.execute("UPDATE runs SET plan = '{\"cpus\": 8}' WHERE run_id = 'old'")
    other.close()
    for run_id in ("new", "old"):
        store.replace_plan(run_id, {"cpus": 4})
    assert [find_run(store, run_id).plan["cpus"] for run_id in ("new", "old", "other")] == [4, 4, 8]


def test_a_run_id_is_taken_once(store: Store) -> None:
    store.add_run("a", "s", "t", {})
    with pytest.raises(StoreError, match="stored already"):
        store.add_run("a", "s", "t", {})


def test_a_plan_is_written_once(store: Store, tmp_path: Path) -> None:
    store.add_run("a", "s", "t", {"briefs": ["x" * 100_000]})
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    for _ in range(20):
        store.set_state("a", "running", add_elapsed_s=1.0)
    assert (tmp_path / "bakeoff.db-wal").stat().st_size < 500_000  # four pages a change, not the plan
    row = store.run("a")
    assert row is not None
    assert (row.plan, row.elapsed_s) == ({"briefs": ["x" * 100_000]}, 20.0)


def test_a_run_from_before_there_were_plans_apart(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        other.execute("DROP TABLE plans")
        other.execute("INSERT INTO runs VALUES ('old', 's', '1', 'done', '{\"seed\": 1}', '{\"x\": 2}', 1500)")
    other.close()
    old = store.run("old")
    assert old is not None
    assert (old.plan, old.result, old.elapsed_s) == ({"seed": 1}, {"x": 2}, 1.5)
    store.add_run("new", "s", "2", {"seed": 3})
    new, latest = store.run("new"), store.run("latest")
    assert new is not None
    assert (new.plan, latest) == ({"seed": 3}, new)
    assert [row.run_id for row in store.runs()] == ["new", "old"]


def test_elapsed_time_adds_up_and_a_result_stays(store: Store) -> None:
    store.add_run("a", "s", "t", {})
    store.set_state("a", "running", add_elapsed_s=1.25)
    store.set_state("a", "done", add_elapsed_s=0.5, result={"x": [1, None]})
    store.set_state("a", "done")
    row = store.run("a")
    assert row is not None
    assert (row.state, row.elapsed_s, row.result) == ("done", 1.75, {"x": [1, None]})


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    first = Store.open_folder(tmp_path)
    first.add_generation("r", generation("ann", "b0"))
    first.close()
    again = Store.open_folder(tmp_path)
    assert again.generations("r") == [generation("ann", "b0")]
    again.close()


@pytest.mark.parametrize("folder", ["plain", "with space", "what?x=1", "50%41", "ünï", "a#b"])
def test_folders_of_any_name(tmp_path: Path, folder: str) -> None:
    made = Store.open_folder(tmp_path / folder)
    made.close()
    assert (tmp_path / folder / "bakeoff.db").is_file()


def test_durability_is_as_promised(tmp_path: Path) -> None:
    made = Store.open_folder(tmp_path)
    made.add_generation("r", generation("ann", "b0"))
    # Another connection sees it while ours is open: it was committed.
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("SELECT count(*) FROM generations").fetchone() == (1,)
    other.close()
    made.close()


@pytest.mark.parametrize("version", ["2", "0", "new"])
def test_a_store_of_another_version(tmp_path: Path, version: str) -> None:
    Store.open_folder(tmp_path).close()
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        other.execute("UPDATE info SET value = ? WHERE key = 'schema_version'", (version,))
    other.close()
    error = refused(f"sqlite:///{tmp_path / 'bakeoff.db'}")
    assert f"schema version {version}" in error.message


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "bakeoff.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    assert "not a database" in refused(f"sqlite:///{tmp_path / 'bakeoff.db'}").message


def test_a_database_that_was_cut_off(tmp_path: Path) -> None:
    made = Store.open_folder(tmp_path)
    for number in range(200):
        made.add_generation("r", generation("ann", f"b{number}"))
    made.close()
    file = tmp_path / "bakeoff.db"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(StoreError):
        Store.open_folder(tmp_path).generations("r")


def test_another_programs_database(tmp_path: Path) -> None:
    """It is told so, and not one table is added to it."""
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        other.execute("CREATE TABLE info (id INTEGER)")
    other.close()
    error = refused(f"sqlite:///{tmp_path / 'bakeoff.db'}")
    assert "no such column: info" in error.message
    assert "is a bakeoff store" in error.hint
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("info",)]
    other.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        Store.open_folder(tmp_path / "file" / "workspace")
    assert "BAKEOFF_HOME" in caught.value.hint


def test_a_store_that_may_only_be_read(tmp_path: Path) -> None:
    made = Store.open_folder(tmp_path)
    made.add_run("a", "s", "t", {})
    made.close()
    read_only = Store(f"sqlite:///file:{tmp_path / 'bakeoff.db'}?mode=ro&uri=true")
    assert [row.run_id for row in read_only.runs()] == ["a"]
    with pytest.raises(StoreError, match="readonly") as caught:
        read_only.set_state("a", "done")
    assert "which you may write" in caught.value.hint
    read_only.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "", "sqlite", "postgresql+psycopg://me:hunter2@127.0.0.1:notaport/db", "nodb://me:hunter2@h/db"]
)
def test_an_address_that_is_none_is_told_without_its_password(url: str) -> None:
    error = refused(url)
    assert "BAKEOFF_STORE" in error.message
    assert "hunter2" not in error.message + error.hint


def test_a_driver_that_is_not_installed() -> None:
    error = refused("mysql+mysqldb://me:hunter2@127.0.0.1/db")
    assert "MySQLdb" in error.message


def test_records_of_an_older_version_are_read(store: Store, tmp_path: Path) -> None:
    """New fields have defaults, so that a record without them is what it was."""
    old = {
        "trial": "t",
        "candidate": "ann",
        "brief": "b",
        "replicate": 0,
        "seed": 1,
        "text": "x",
        "finish_reason": "stop",
    }
    with sqlite3.connect(tmp_path / "bakeoff.db") as other:
        other.execute("INSERT INTO generations VALUES ('r', 't', 'ann', 'b', 0, ?)", (json.dumps(old),))
    other.close()
    assert store.generations("r") == [Generation.model_validate(old)]
