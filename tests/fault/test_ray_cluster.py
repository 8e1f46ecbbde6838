"""Runs on a Ray cluster of several nodes: what is lost on the way is made again, what is finished is not, nothing stays behind."""

import json
import signal
import sqlite3
import tempfile
from contextlib import closing

import pytest

from bakeoff.core.installing import install_command
from bakeoff_command import Workspace, write_suite
from ray_nodes import ray_nodes
from tiny_model import make_tiny_model
from waiting import wait_until
from worker_processes import workers_of

BRIEFS = 60
LONG = 500
RUN = ("run", "suite.yaml", "--models", "one", "--fixed-n", str(BRIEFS))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model that never ends a text by itself, so that a run takes long enough to be hit."""
    folder = tmp_path_factory.mktemp("models")
    make_tiny_model(folder / "one", seed=1, hidden=128, layers=4, eos=False)
    return folder


def make_workspace(folder, models):
    folder.mkdir(parents=True, exist_ok=True)
    # Not a link: what the workers of this test are known by is their model's path.
    make_tiny_model(folder / "one", seed=1, hidden=128, layers=4, eos=False)
    write_suite(folder / "suite.yaml", BRIEFS, max_tokens=160)
    return Workspace(folder)


@pytest.fixture
def workspace(tmp_path, models):
    space = make_workspace(tmp_path / "space", models)
    yield space
    wait_until(lambda: not space.workers(), "no worker is left", 20)


@pytest.fixture(scope="module")
def here(tmp_path_factory, models):
    """What the same run gives on this machine: its texts by trial, and its document."""
    space = make_workspace(tmp_path_factory.mktemp("here") / "space", models)
    done = space.call(*RUN, "--json")
    assert done.returncode in {0, 3}, done.stderr
    return texts(space.generations(space.run_id())), json.loads(done.stdout)


@pytest.fixture(scope="module")
def cluster():
    with ray_nodes(2) as nodes:
        yield nodes


def texts(generations):
    return {(row["brief"], row["replicate"]): row["text"] for row in generations.values()}


def loads(space, run_id):
    return [json.loads(str(row)) for (row,) in space.rows(f"select record from loads where run_id = '{run_id}'")]


def events(space, run_id, kind):
    rows = space.rows(f"select record from events where run_id = '{run_id}'")
    return [event for event in (json.loads(str(row)) for (row,) in rows) if event["kind"] == kind]


def start_and_reach(space, count, *arguments):
    process = space.start(*RUN, *arguments)
    wait_until(lambda: space.count() >= count or process.poll() is not None, f"{count} generations stored", 90)
    assert process.poll() is None, process.communicate()
    return process


@pytest.mark.parametrize("through", ["address", "client_address"])
def test_the_same_texts_as_here_from_workers_on_both_nodes(workspace, cluster, here, through):
    if through == "client_address":
        pytest.importorskip("grpc", reason="grpcio is not installed")
    done = workspace.call(*RUN, "--on", getattr(cluster, through), "--json")
    assert done.returncode in {0, 3}, done.stderr
    document = json.loads(done.stdout)  # Ray writes nothing there
    run_id = document["run_id"]
    expected, local = here
    assert texts(workspace.generations(run_id)) == expected
    assert document["candidates"][0]["quality"] == local["candidates"][0]["quality"]
    assert len({load["node"] for load in loads(workspace, run_id)}) == 2
    assert document["placement"]["workers"] == 2
    assert [node["cpus"] for node in document["placement"]["nodes"]].count(1.0) == 2
    assert local["placement"] is None


def test_a_node_that_is_killed_and_one_that_joins(workspace):
    write_suite(workspace.folder / "suite.yaml", LONG, max_tokens=160)
    with ray_nodes(1) as nodes:
        victim = nodes.add()
        process = start_and_reach(workspace, 14, "--on", nodes.address, "--workers", "3", "--fixed-n", str(LONG))
        run_id = workspace.run_id()
        before = workspace.generations(run_id)
        nodes.kill(victim)
        nodes.add()
        out, err = process.communicate(timeout=180)
        assert process.returncode in {0, 3}, err
        after = workspace.generations(run_id)
        assert before.items() <= after.items()  # not one was made again: times included
        assert len(texts(after)) == len(after) == LONG
        assert not [row for row in after.values() if row["error"]]
        assert [row for row in after.values() if "worker_lost" in row["retried"]]
        assert events(workspace, run_id, "worker_lost"), err
        assert not events(workspace, run_id, "worker_died"), err
        assert len({load["node"] for load in loads(workspace, run_id)}) == 3
        assert "was lost with node" in out


def test_a_worker_that_is_killed_counts_as_a_death_and_is_placed_again(workspace, cluster, here):
    process = start_and_reach(workspace, 14, "--on", cluster.address)
    workspace.workers()[0].send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=180)
    assert process.returncode in {0, 3}, err
    run_id = workspace.run_id()
    assert texts(workspace.generations(run_id)) == here[0]
    (death,) = events(workspace, run_id, "worker_died")
    assert "SIGKILL" in death["message"]


def test_the_driver_is_killed_and_nothing_stays_behind(workspace, cluster, here):
    process = start_and_reach(workspace, 14, "--on", cluster.address)
    run_id = workspace.run_id()
    assert workspace.workers()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not workspace.workers(), "the workers of a killed run are gone", 30)
    before = workspace.generations(run_id)
    done = workspace.call("run", "--resume", run_id, "--json")
    assert done.returncode in {0, 3}, done.stderr
    assert not events(workspace, run_id, "resumed_elsewhere")
    after = workspace.generations(run_id)
    assert before.items() <= after.items()
    assert texts(after) == here[0]


def test_a_run_of_larger_nodes_goes_on_with_narrower_workers(workspace, cluster, here):
    process = start_and_reach(workspace, 14, "--on", cluster.address)
    run_id = workspace.run_id()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    with closing(sqlite3.connect(workspace.home / "bakeoff.db")) as connection, connection:  # as if begun on such nodes
        connection.execute("update plans set plan = json_set(plan, '$.placement.cpus', 8)")
    refused = workspace.call("run", "--resume", run_id)
    assert refused.returncode == 2
    assert "a worker reserves 8 CPUs" in refused.stderr
    assert "--worker-cpus (with --resume, too)" in refused.stderr
    done = workspace.call("run", "--resume", run_id, "--worker-cpus", "1", "--json")
    assert done.returncode in {0, 3}, done.stderr
    assert texts(workspace.generations(run_id)) == here[0]
    document = json.loads(done.stdout)
    assert document["placement"]["cpus"] == 1
    (told,) = [event for event in document["events"] if event["kind"] == "resumed_elsewhere"]
    assert told["message"] == "begun with 8 CPUs a worker, gone on with on 1: its times are of both"
    assert workspace.rows("select json_extract(plan, '$.placement.cpus') from plans") == [(1,)]


def test_an_interruption_ends_the_workers_and_says_how_to_go_on(workspace, cluster):
    process = start_and_reach(workspace, 14, "--on", cluster.address, "--concurrency", "24")
    lines = [worker.info["cmdline"] for worker in workspace.workers()]
    assert lines
    assert {line[line.index("--max-rows") + 1] for line in lines} == {"24"}
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert f"bakeoff run --resume {workspace.run_id()}" in err
    assert "Traceback" not in err
    assert out == ""
    wait_until(lambda: not workspace.workers(), "the workers are gone", 10)


def test_a_cluster_of_its_own_is_gone_with_the_driver(workspace):
    """Without a cluster `--on ray` starts one on this machine; nothing of it outlives a kill -9."""
    pytest.importorskip("ray")
    workspace.environment.pop("RAY_ADDRESS", None)
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as sockets:  # a short path, as sockets need it
        workspace.environment["RAY_TMPDIR"] = sockets
        process = start_and_reach(workspace, 5, "--on", "ray", "--worker-cpus", "1")
        assert workers_of(sockets)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_until(lambda: not workers_of(sockets) and not workspace.workers(), "Ray and the workers are gone", 40)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--on", "ray://127.0.0.1:9"), "nobody listens there"),
        (("--on", "slurm"), "write --on ray"),
        (("--workers", "2"), "add --on ray"),
        (("--on", "CLUSTER", "--workers", "2", "--concurrency", "1"), "keeps one worker busy"),
        (("--on", "CLUSTER", "--worker-cpus", "64"), "no node of the cluster has that"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(workspace, cluster, arguments, said):
    given = [cluster.address if argument == "CLUSTER" else argument for argument in arguments]
    done = workspace.call(*RUN, *given)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert workspace.count() == 0


def test_without_ray_the_command_that_adds_it_is_told(workspace):
    """A package of that name which cannot be imported stands in for none."""
    broken = workspace.folder / "without" / "ray"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('not here')\n")
    workspace.environment["PYTHONPATH"] = f"{broken.parent}:{workspace.environment.get('PYTHONPATH', '')}"
    done = workspace.call(*RUN, "--on", "ray")
    assert done.returncode == 2
    assert install_command("ray") in done.stderr
