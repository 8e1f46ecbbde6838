"""The default run is a race: fewer texts than a fixed number would take, the same after a kill, and said as it is."""

from __future__ import annotations

import json
import signal

import pytest

from bakeoff_command import Workspace, write_suite
from contracts import check_run_document
from faulty_runs import write_suite as write_tweets
from misbehaving import Misbehaving
from recorded_texts import write_texts
from waiting import wait_until

MODELS = "bundled:generalist,bundled:baseline"


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("race"))


@pytest.fixture(scope="module")
def done(space):
    return space.call("run", "--models", MODELS, "--json", timeout_s=220)


@pytest.fixture(scope="module")
def document(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_stops_when_it_is_decided(space, document):
    check_run_document(document)
    assert document["mode"] == "race"
    assert document["decision"]["choice"] == "bundled:generalist"
    race = document["race"]
    assert race["overall"]["ending"] == "decided"
    assert race["briefs_raced"] < race["briefs_fixed"] / 2
    written = sum(candidate["generations"] for candidate in document["candidates"])
    assert written == space.count(document["run_id"]) < race["briefs_fixed"] / 2 + 38


def test_the_winners_score_comes_from_briefs_that_did_not_choose_it(space, document):
    generalist, baseline = document["candidates"][0], document["candidates"][1]
    if generalist["id"] != "bundled:generalist":
        generalist, baseline = baseline, generalist
    assert (generalist["confirmed"], baseline["confirmed"]) == (True, False)
    written = {
        str(brief) for (brief,) in space.rows("select brief from generations where candidate = 'bundled:baseline'")
    }
    own = {
        str(brief) for (brief,) in space.rows("select brief from generations where candidate = 'bundled:generalist'")
    }
    assert len(own - written) >= generalist["quality"]["briefs"] == 38
    assert generalist["quality"]["estimate"] != generalist["quality_in_selection"]["estimate"]
    assert baseline["quality_in_selection"] is None


def test_it_is_shown_as_it_goes_and_at_the_end(space, done, document):
    assert "a race over at most 137 briefs x 2 candidates" in done.stderr
    assert "bundled:generalist leads, 2 of 2 candidates in" in done.stderr
    assert "confirming scores on briefs that had no part in them: bundled:generalist" in done.stderr
    shown = " ".join(space.call("show", document["run_id"]).stdout.split())
    assert "The race over everything: decided after" in shown
    assert "fewer); with what was under way" in shown
    assert "texts were written; the evidence is approximate" in shown
    assert "that did not choose it" in shown
    assert "as overall" in shown


def test_a_killed_race_goes_on_and_ends_as_it_would_have(tmp_path, document):
    space = Workspace(tmp_path)
    process = space.start("run", "--models", MODELS, "--json")
    wait_until(lambda: space.count() >= 25 or process.poll() is not None, "25 texts stored", 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not space.workers(), "workers of a killed run are gone", 10)
    before = space.generations(space.run_id())
    resumed = space.call("run", "--resume", "latest", "--json")
    assert resumed.returncode == 0, resumed.stderr
    after = space.generations(space.run_id())
    assert before.items() <= after.items()
    found = json.loads(resumed.stdout)
    assert found["race"] == document["race"]
    assert found["comparisons"] == document["comparisons"]
    assert {c["id"]: c["quality"] for c in found["candidates"]} == {
        c["id"]: c["quality"] for c in document["candidates"]
    }
    again = space.call("run", "--resume", "latest", "--json")
    assert space.generations(space.run_id()) == after
    assert json.loads(again.stdout)["race"] == document["race"]


def test_an_endpoint_that_dies_is_withdrawn_and_not_beaten(tmp_path):
    space = Workspace(tmp_path)
    space.environment |= {"BAKEOFF_GIVE_UP_S": "3", "BAKEOFF_BACKOFF_S": "0.1"}
    write_tweets(space.folder / "suite.yaml", 120)
    with (
        Misbehaving(lambda ask: "die" if ask.number > 9 else "good") as dying,
        Misbehaving("good") as healthy,
    ):
        ran = space.call(
            "run", "suite.yaml", "--models", f"{dying.model},{healthy.model}", "--concurrency", "4", "--json"
        )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    check_run_document(found)
    gone, fine = found["candidates"]
    assert found["mode"] == "race"
    assert found["race"]["overall"]["withdrawn"] == [gone["id"]]
    assert found["race"]["overall"]["eliminations"] == []
    assert gone["failures_by_kind"].get("gone", 0) > 0
    assert fine["failures"] == 0
    shown = " ".join(space.call("show", "latest").stdout.split())
    assert "beats" not in shown
    assert "it was given up, and" in shown


def test_texts_that_exist_already_are_all_used_unless_a_race_is_asked_for(tmp_path):
    space = Workspace(tmp_path)
    suite = write_suite(space.folder / "suite.yaml", 60)
    kinds = {f"{kind}-{i}": kind for i in range(60) for kind in [("tweet", "business_email")[i % 2]]}
    write_texts(space.folder / "good.jsonl", kinds)
    write_texts(space.folder / "poor.jsonl", kinds, good=False)
    arguments = ("run", str(suite), "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")
    everything = json.loads(space.call(*arguments).stdout)
    assert (everything["mode"], everything["race"]) == ("fixed", None)
    raced = json.loads(space.call(*arguments, "--race").stdout)
    check_run_document(raced)
    assert raced["mode"] == "race"
    assert raced["decision"]["choice"] == everything["decision"]["choice"] == "recorded:good.jsonl"
    assert raced["race"]["briefs_raced"] < 2 * 60
    strict = json.loads(space.call(*arguments, "--strict").stdout)
    assert strict["race"]["evidence"] == "strict"
    assert strict["decision"]["choice"] == "recorded:good.jsonl"


@pytest.mark.parametrize("option", ["--race", "--strict"])
def test_a_fixed_number_is_no_race(tmp_path, option):
    refused = Workspace(tmp_path).call("run", "--fixed-n", "10", option)
    assert refused.returncode == 2
    assert "--fixed-n is no race" in refused.stderr
