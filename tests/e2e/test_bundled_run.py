"""The product's own promise, on its own models and suite: a bake-off from the command line to a decision."""

import json

import pytest

from bakeoff_command import Workspace

TYPES = ["linkedin_post", "tweet", "business_email", "technical_doc", "marketing_copy"]
NAMES = ["bundled:baseline", "bundled:generalist", "bundled:social", "bundled:technical"]


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("bundled"))


@pytest.fixture(scope="module")
def document(space):
    """One whole run: every candidate writes every brief of the built-in suite."""
    done = space.call("run", "--fixed-n", "175", "--json", timeout_s=220)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_id(document):
    return {candidate["id"]: candidate for candidate in document["candidates"]}


def test_every_candidate_wrote_every_brief(document):
    assert sorted(by_id(document)) == NAMES
    for candidate in document["candidates"]:
        # Whoever may be chosen writes briefs that are left over, too.
        more = candidate["quality"]["briefs"] if candidate["confirmed"] else 0
        assert candidate["generations"] == document["suite"]["briefs"] + more
        assert candidate["failures"] == 0
        assert candidate["device"] == "cpu"
        assert (candidate["latency_s"]["count"], candidate["latency_s"]["windows"]) == (25, 5)
        assert candidate["latency_s"]["p50_low"] < candidate["latency_s"]["p50"] < candidate["latency_s"]["p50_high"]
        assert 0 < candidate["itl_s"]["p50"] <= candidate["itl_s"]["p99"]
        assert candidate["tokens_per_s_low"] < candidate["tokens_per_s"] < candidate["tokens_per_s_high"]
        # What the page cache keeps is the system's to decide: a start that found part of the file counts as neither.
        assert candidate["load_warm_s"] is None or candidate["load_warm_s"] > 0
        assert 0 < candidate["ttft_s"]["p50"] < candidate["latency_s"]["p50"]
        assert candidate["tokens_per_s"] > 0
        assert candidate["peak_memory_bytes"] > candidate["weight_bytes"]


def test_it_ends_with_a_decision_and_a_route_for_each_content_type(document):
    decision = document["decision"]
    assert decision["outcome"] in {"winner", "best_within_eps", "no_clear_winner"}
    assert decision["leader"] in NAMES
    assert decision["reasons"]
    assert list(document["routes"]) == TYPES or sorted(document["routes"]) == sorted(TYPES)
    for route in document["routes"].values():
        assert route["candidate"] in NAMES
        assert route["evidence"]["low"] < route["evidence"]["estimate"] < route["evidence"]["high"]


def test_specialists_are_better_at_their_trade_and_the_baseline_is_visibly_weak(document):
    """What the models were trained for: with this seed, shown by their mean scores."""
    found = by_id(document)

    def mean(name, content_type):
        return found[name]["by_content_type"][content_type]["estimate"]

    for content_type in ("linkedin_post", "tweet", "marketing_copy"):
        assert mean("bundled:social", content_type) > mean("bundled:technical", content_type)
    for content_type in ("business_email", "technical_doc"):
        assert mean("bundled:technical", content_type) > mean("bundled:social", content_type)
    assert found["bundled:baseline"]["quality"]["estimate"] < found["bundled:generalist"]["quality"]["estimate"]


def test_the_report_files_say_what_the_document_says(space, document):
    folder = space.home / "runs" / document["run_id"]
    assert json.loads((folder / "result.json").read_text()) == document
    text = (folder / "report.txt").read_text()
    assert "Decision" in text
    assert (document["decision"]["choice"] or document["decision"]["leader"]) in text


def test_the_printed_next_steps_are_commands_that_exist(space, document):
    texts = next(step for step in document["decision"]["next"] if "--texts" in step).split("    ")[0]
    brief = space.rows("select brief from generations")[0][0]
    shown = space.call(*texts.replace("BRIEF", str(brief)).split()[1:])
    assert shown.returncode == 0, shown.stderr
    for name in NAMES:
        assert name in shown.stdout
    serve = next(step for step in document["decision"]["next"] if "bakeoff serve" in step)
    assert serve.split()[2:4] == ["--run", document["run_id"]]
    assert space.call("serve", "--run", document["run_id"], "--print-plan").returncode == 0
