"""One store on a PostgreSQL server, used by several machines (a workspace folder each): nothing lost, nothing done twice."""

import contextlib
import json
import os
import signal
import socket

import psycopg
import pytest
from sqlalchemy import event

from bakeoff.core.errors import RunHeld
from bakeoff.core.records import Generation, Score
from bakeoff.store.db import Store
from bakeoff_command import Workspace, write_suite
from postgres_server import postgres_server
from tiny_model import make_tiny_model
from waiting import wait_until

BRIEFS = 40
RUN = ("run", "suite.yaml", "--models", "one", "--fixed-n", str(BRIEFS))


@pytest.fixture(scope="module")
def server():
    with postgres_server() as url:
        yield url


class Machine(Workspace):
    """A machine: its own folder and workspace, and the store that all share."""

    def __init__(self, folder, url):
        super().__init__(folder)
        self.url = url
        self.environment["BAKEOFF_STORE"] = url

    def rows(self, query):
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            try:
                return connection.execute(query).fetchall()
            except psycopg.errors.UndefinedTable:
                return []


@pytest.fixture
def machines(tmp_path, server, request):
    """Two of them, on an empty store."""
    name = f"t{abs(hash(request.node.name))}"
    with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    make_tiny_model(tmp_path / "one", seed=1, hidden=128, layers=4, eos=False)
    found = []
    for each in ("a", "b"):
        folder = tmp_path / each
        folder.mkdir()
        (folder / "one").symlink_to(tmp_path / "one")
        write_suite(folder / "suite.yaml", BRIEFS, max_tokens=120)
        found.append(Machine(folder, f"{server}/{name}"))
    return found


def reach(process, machine, count):
    wait_until(lambda: machine.count() >= count or process.poll() is not None, f"{count} texts are stored", 60)
    assert process.poll() is None, process.communicate()


def test_two_runs_at_once_lose_nothing(machines):
    processes = [machine.start(*RUN, "--json") for machine in machines]
    results = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode in {0, 3} for process in processes] == [True, True], results
    documents = [json.loads(out) for out, _ in results]
    assert documents[0]["run_id"] != documents[1]["run_id"]
    for document in documents:
        assert machines[0].count(document["run_id"]) == BRIEFS
        assert document["candidates"][0]["generations"] == BRIEFS
    assert documents[0]["candidates"][0]["quality"] == documents[1]["candidates"][0]["quality"]
    assert {json.loads(r)["text"] for (r,) in machines[0].rows("select record from generations")}


def test_two_machines_do_not_work_on_one_run(machines):
    here, there = machines
    process = here.start(*RUN)
    reach(process, here, 5)
    run_id = here.run_id()
    process.send_signal(signal.SIGSTOP)  # it holds the run, and cannot finish it meanwhile
    refused = there.call("run", "--resume", run_id)
    assert refused.returncode == 2
    assert f"process {process.pid} on {socket.gethostname()} is working on run {run_id}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 2
    (listed,) = json.loads(there.call("runs", "--json").stdout)["runs"]
    assert listed["state"] == "running"
    before = here.generations(run_id)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(
        lambda: json.loads(there.call("runs", "--json").stdout)["runs"][0]["state"] == "interrupted",
        "the server has noticed",
    )
    with psycopg.connect(there.url.replace("+psycopg", "")) as connection:  # as if it had been begun on such a machine
        connection.execute("UPDATE plans SET plan = jsonb_set(plan::jsonb, '{machine,chip}', '\"Abacus\"')::text")
    done = there.call("run", "--resume", run_id, "--json")
    assert done.returncode in {0, 3}, done.stderr
    after = there.generations(run_id)
    assert len(after) == BRIEFS
    assert "begun on Abacus" in done.stderr
    assert [event["kind"] for event in json.loads(done.stdout)["events"]] == ["resumed_elsewhere"]
    assert before.items() <= after.items()  # not one was made again: times included


def test_a_claim_names_its_holder_and_ends_with_it(machines):
    url = machines[0].url
    mine, other = Store(url), Store(url)
    with mine.claim("r1"):
        with pytest.raises(RunHeld, match=f"process {os.getpid()} on"), other.claim("r1"):
            pass
        with other.claim("r2"):
            assert mine.claimed(["r1", "r2", "r3"]) == {"r1", "r2"}
    assert other.claimed(["r1", "r2"]) == set()
    with other.claim("r1"):
        assert mine.claimed(["r1"]) == {"r1"}
    mine.close()
    other.close()


def test_a_server_that_ends_idle_sessions_ends_no_claim(machines, server):
    url = machines[0].url
    plain = url.replace("+psycopg", "")
    with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET idle_session_timeout = '500ms'")
        mine = Store(url)  # a session has the setting that held when it began
        with mine.claim("r1"), contextlib.closing(psycopg.connect(plain)) as idle:
            pid = idle.info.backend_pid
            there = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            wait_until(lambda: admin.execute(there, (pid,)).fetchone() == (0,), "an idle session is ended", 20)
            looking = Store(url)
            assert looking.claimed(["r1"]) == {"r1"}
            looking.close()
    mine.close()


def test_a_server_that_goes_away_ends_the_run_in_a_line(tmp_path):
    with postgres_server() as url:
        folder = tmp_path / "space"
        folder.mkdir()
        make_tiny_model(folder / "one", seed=1, hidden=128, layers=4, eos=False)
        write_suite(folder / "suite.yaml", BRIEFS, max_tokens=120)
        machine = Machine(folder, f"{url}/postgres")
        process = machine.start(*RUN)
        reach(process, machine, 5)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "error: the store at postgresql" in err
    assert "Traceback" not in err
    assert out == ""
    assert not machine.workers()


def end_sessions(url):
    """End all sessions of a store, as a restart, a failover or a firewall does; return how many there were."""
    server, _, name = url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        return len(
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            ).fetchall()
        )


def test_a_session_that_is_ended_costs_a_run_nothing(machines):
    machine = machines[0]
    process = machine.start(*RUN, "--json")
    for count in (5, 15, 25):
        reach(process, machine, count)
        assert end_sessions(machine.url)
    out, err = process.communicate(timeout=200)
    assert process.returncode in {0, 3}, err
    assert json.loads(out)["candidates"][0]["generations"] == BRIEFS
    assert "error" not in err


def test_what_was_being_written_as_its_session_ended_is_written_once(machines):
    url = machines[0].url
    store, ended = Store(url), []

    def end_once(_connection, _cursor, statement, *_rest):
        if "INSERT INTO" in statement and not ended:
            ended.append(end_sessions(url))

    event.listen(store._engine, "before_cursor_execute", end_once)
    made = Generation(trial="t", candidate="c", brief="b", replicate=0, seed=1, text="Hello.", finish_reason="stop")
    assert store.add_generations("r", [made]) == [True]
    assert ended
    ended.clear()
    store.add_scores("r", "s", [Score(trial="t", value=1, publishable=True)])
    assert ended
    assert store.add_generations("r", [made]) == [False]
    assert [found.trial for found in store.generations("r")] == ["t"]
    assert [found.trial for found in store.scores("r", "s")] == ["t"]
    store.close()
