"""Runs that are killed, interrupted, or lose a worker: nothing finished is lost, doubled or made again."""

import contextlib
import csv
import json
import signal
import subprocess
import sys

import psutil
import pytest

from bakeoff_command import Workspace, write_suite
from tiny_model import make_tiny_model
from waiting import wait_until

BRIEFS = 36
MODELS = "one,two"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models that never end a text by themselves, so that a run takes long enough to be hit."""
    folder = tmp_path_factory.mktemp("models")
    make_tiny_model(folder / "one", seed=1, hidden=128, layers=4, eos=False)
    make_tiny_model(folder / "two", seed=2, hidden=128, layers=4, eos=False)
    return folder


def make_workspace(folder, models):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("one", "two"):
        (folder / name).symlink_to(models / name)
    write_suite(folder / "suite.yaml", BRIEFS, max_tokens=120)
    return Workspace(folder)


@pytest.fixture
def workspace(tmp_path, models):
    return make_workspace(tmp_path / "space", models)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, models):
    """What an uninterrupted run gives: its generations by trial, and its document."""
    space = make_workspace(tmp_path_factory.mktemp("undisturbed") / "space", models)
    done = space.call("run", "suite.yaml", "--models", MODELS, "--fixed-n", str(BRIEFS), "--json")
    assert done.returncode in {0, 3}, done.stderr
    return space.generations(space.run_id()), json.loads(done.stdout)


def assert_same_result(space, run_id, document, undisturbed):
    generations, expected = undisturbed
    found = space.generations(run_id)
    assert {trial: row["text"] for trial, row in found.items()} == {
        trial: row["text"] for trial, row in generations.items()
    }
    assert document["decision"]["outcome"] == expected["decision"]["outcome"]
    for name in ("quality", "by_content_type", "publishable_rate", "success_rate", "generations", "failures", "gated"):
        for ours, theirs in zip(document["candidates"], expected["candidates"], strict=True):
            assert ours[name] == theirs[name], name
    assert document["comparisons"] == expected["comparisons"]


def start_and_reach(space, count):
    """Start a run and return once `count` generations are stored."""
    process = space.start("run", "suite.yaml", "--models", MODELS, "--fixed-n", str(BRIEFS))
    wait_until(lambda: space.count() >= count or process.poll() is not None, f"{count} generations stored", 60)
    assert process.poll() is None, process.communicate()
    return process


def test_kill_9_of_the_run_again_and_again_then_resume(workspace, undisturbed):
    process = start_and_reach(workspace, 13)
    run_id = workspace.run_id()
    before: dict[str, dict[str, object]] = {}
    for reach in (29, 51):
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_until(lambda: not workspace.workers(), "workers of a killed run are gone", 10)
        now = workspace.generations(run_id)
        assert before.items() <= now.items()
        before = now
        process = workspace.start("run", "--resume", run_id)
        wait_until(lambda reach=reach: workspace.count() >= reach, f"{reach} generations stored", 60)
    process.send_signal(signal.SIGSTOP)  # it holds the run, and cannot finish it meanwhile
    refused = workspace.call("run", "--resume", run_id)
    assert refused.returncode == 2
    assert f"process {process.pid} is working on run {run_id}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 2  # the error and the hint: it did not even begin
    shown = workspace.call("show", run_id)
    assert (shown.returncode, "--resume" in shown.stderr) == (2, False)
    assert "it is still running: wait until it ends" in shown.stderr
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (listed,) = json.loads(workspace.call("runs", "--json").stdout)["runs"]
    assert listed["state"] == "interrupted"
    written = workspace.call("export", run_id, "--to", "csv", "-o", "tables")
    assert "the run is interrupted" in written.stdout, written.stderr
    (row,) = csv.DictReader((workspace.folder / "tables" / "run.csv").read_text(encoding="utf-8").splitlines())
    assert row["state"] == "interrupted"
    compared = workspace.call("compare", run_id, *MODELS.split(","), "--not-worse-by", "0.3")
    assert "is not finished (interrupted)" in " ".join(compared.stdout.split()), compared.stderr
    shown = workspace.call("show", run_id)
    assert shown.returncode == 2
    assert f"bakeoff run --resume {run_id}" in shown.stderr
    before = workspace.generations(run_id)
    assert len(before) < 2 * BRIEFS
    done = workspace.call("run", "--resume", run_id, "--json")
    assert done.returncode in {0, 3}, done.stderr
    after = workspace.generations(run_id)
    assert len(after) == 2 * BRIEFS
    # Not one finished generation was made again: the rows, times included, are those stored before.
    assert before.items() <= after.items()
    document = json.loads(done.stdout)
    assert_same_result(workspace, run_id, document, undisturbed)
    assert all(candidate["peak_memory_bytes"] > 0 for candidate in document["candidates"])
    assert not workspace.workers()


def test_kill_9_of_a_worker_is_survived_and_reported(workspace, undisturbed):
    process = start_and_reach(workspace, 25)
    victim = workspace.workers()[0]
    victim.send_signal(signal.SIGKILL)
    out, err = process.communicate(
        timeout=120
    )  # less than the 180 s that a first token may take: nobody waits for the dead
    assert process.returncode in {0, 3}, err
    run_id = workspace.run_id()
    shown = json.loads(workspace.call("show", run_id, "--json").stdout)
    assert_same_result(workspace, run_id, shown, undisturbed)
    deaths = [event for event in shown["events"] if event["kind"] == "worker_died"]
    assert len(deaths) == 1
    assert "SIGKILL" in deaths[0]["message"]
    assert "SIGKILL" in out
    assert "SIGKILL" in err
    retried = [row for row in workspace.generations(run_id).values() if row["attempts"] > 1]
    assert 1 <= len(retried) <= 8


def test_a_worker_that_always_dies_gives_its_candidate_up_and_a_resumed_run_starts_it_anew(workspace, undisturbed):
    process = start_and_reach(workspace, 15)
    killed = set()

    def kill_the_first_model():
        for worker in workspace.workers():
            # From the listing: asked again, a worker that has ended meanwhile is an error.
            line = worker.info["cmdline"]
            if any(part.endswith("/one") for part in line) and worker.pid not in killed:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.send_signal(signal.SIGKILL)
                    killed.add(worker.pid)
        return process.poll() is not None

    # Reading both pipes meanwhile: a full pipe would stop the run.
    wait_until(kill_the_first_model, "the run ends", 120)
    out, err = process.communicate()
    assert process.returncode in {0, 3}, err
    shown = json.loads(workspace.call("show", "latest", "--json").stdout)
    one, two = shown["candidates"]
    assert len(killed) == 3
    # Stored are only texts that were in flight at each of the three deaths.
    run_id = workspace.run_id()
    before = workspace.generations(run_id)
    of_deaths = {trial for trial, row in before.items() if row["error"]}
    assert all((before[trial]["error_kind"], before[trial]["attempts"]) == ("worker_died", 3) for trial in of_deaths)
    missing = 2 * BRIEFS - len(before)
    assert missing > 0
    assert one["errors"] == {"gone": missing} | ({"worker_died": len(of_deaths)} if of_deaths else {})
    assert one["generations"] == BRIEFS
    assert one["success_rate"]["estimate"] < 1
    assert two["failures"] == 0
    assert [event["kind"] for event in shown["events"]] == ["worker_died"] * 3 + ["endpoint_gone"]
    assert "What went wrong" in out
    told = " ".join(out.split())
    assert "given up: its worker died 3 times" in told
    assert f"bakeoff run --resume {run_id} starts its worker anew, and asks for the missing texts" in told
    done = workspace.call("run", "--resume", run_id, "--json")
    assert done.returncode in {0, 3}, done.stderr
    after = workspace.generations(run_id)
    assert before.items() <= after.items()
    assert {trial: row["text"] for trial, row in after.items() if trial not in of_deaths} == {
        trial: row["text"] for trial, row in undisturbed[0].items() if trial not in of_deaths
    }
    document = json.loads(done.stdout)
    assert not any("--resume" in step for step in document["decision"]["next"])
    assert not workspace.workers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_cleanly_and_says_how_to_go_on(workspace, undisturbed, number):
    process = start_and_reach(workspace, 20)
    process.send_signal(number)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130
    run_id = workspace.run_id()
    assert f"bakeoff run --resume {run_id}" in err
    assert "Traceback" not in err
    assert out == ""
    assert not workspace.workers()
    assert workspace.rows("select state from runs") == [("interrupted",)]
    done = workspace.call("run", "--resume", "latest", "--json")
    assert_same_result(workspace, run_id, json.loads(done.stdout), undisturbed)


def test_resuming_a_finished_run_generates_nothing(workspace):
    done = workspace.call("run", "suite.yaml", "--models", "one", "--fixed-n", "6", "--json")
    run_id = workspace.run_id()
    before = workspace.generations(run_id)
    again = workspace.call("run", "--resume", run_id, "--json")
    assert again.returncode == done.returncode
    assert workspace.generations(run_id) == before
    first, second = json.loads(done.stdout), json.loads(again.stdout)
    assert first["candidates"][0]["quality"] == second["candidates"][0]["quality"]


def test_a_model_that_changed_since_is_not_mixed_in(workspace, tmp_path):
    make_tiny_model(tmp_path / "changing", seed=5, eos=False)
    (workspace.folder / "changing").symlink_to(tmp_path / "changing")
    process = workspace.start("run", "suite.yaml", "--models", "changing")
    wait_until(lambda: workspace.count() >= 5, "5 generations stored", 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    make_tiny_model(tmp_path / "changing", seed=6, eos=False)
    refused = workspace.call("run", "--resume", "latest")
    assert refused.returncode == 2
    assert "changing has changed since" in refused.stderr


def test_two_runs_at_once_in_one_workspace_lose_nothing(workspace):
    processes = [workspace.start("run", "suite.yaml", "--models", "one", "--json") for _ in range(2)]
    documents = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert documents[0]["run_id"] != documents[1]["run_id"]
    for document in documents:
        assert workspace.count(document["run_id"]) == BRIEFS
    assert documents[0]["candidates"][0]["quality"] == documents[1]["candidates"][0]["quality"]


def test_a_full_disk_is_told_and_loses_nothing_stored(workspace):
    """A file size limit stands in for a full disk: writes to the store fail the same way."""
    script = 'ulimit -f 200; exec "$@"'
    process = subprocess.run(
        [
            "bash",
            "-c",
            script,
            "bash",
            sys.executable,
            "-m",
            "bakeoff",
            "run",
            "suite.yaml",
            "--models",
            MODELS,
            "--fixed-n",
            str(BRIEFS),
        ],
        cwd=workspace.folder,
        env=workspace.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 1
    assert "error: the store" in process.stderr
    assert "hint:" in process.stderr
    assert "Traceback" not in process.stderr
    assert not workspace.workers()
    stored = workspace.count()
    assert stored > 0
    done = workspace.call("run", "--resume", "latest", "--json")
    assert done.returncode in {0, 3}, done.stderr
    assert workspace.count() == 2 * BRIEFS
