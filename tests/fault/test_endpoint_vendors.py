"""`bakeoff run` and `bakeoff judge` against endpoints that are right in their own way: what they refuse, list, and are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff_command import Workspace
from contracts import check_run_document
from faulty_runs import KEY, Ended, ended, quick_workspace, run_against, write_suite
from misbehaving import MODEL, Misbehaving

BRIEFS = 12


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Workspace:
    return quick_workspace(tmp_path, monkeypatch, capsys)


def run_models(workspace: Workspace, *models: str) -> Ended:
    write_suite(workspace.folder / "suite.yaml", BRIEFS)
    options = ("--models", ",".join(models), "--fixed-n", str(BRIEFS), "--json")
    return ended(workspace.call("run", "suite.yaml", *options))


def asked_with(bodies: list[dict[str, Any]]) -> set[str]:
    """Which of the fields that can be left out, in all of these requests."""
    return {name for body in bodies for name in ("temperature", "top_p", "seed") if name in body}


CHOOSY = [
    (
        "Claude",
        {"temperature", "seed"},
        1,
        "refuses top_p: it samples with its own, and not with top_p 0.95 as was asked",
    ),
    (
        "gpt-5",
        {"seed"},
        2,
        "refuses temperature and top_p: it samples with its own, and not with temperature 0.7 and top_p 0.95 as was asked",
    ),
    ("Mistral on Azure", {"temperature", "top_p"}, 1, None),
    ("Gemini", {"temperature", "top_p"}, 1, None),
]


@pytest.mark.parametrize(("vendor", "left", "refusals", "told"), CHOOSY, ids=[vendor for vendor, *_ in CHOOSY])
def test_what_a_vendor_refuses_is_left_out_and_told_where_it_changes_the_texts(
    workspace: Workspace, vendor: str, left: set[str], refusals: int, told: str | None
) -> None:
    with Misbehaving(vendor) as server:
        run = run_against(workspace, server, briefs=BRIEFS)
    assert run.code == 0, run.err
    check_run_document(run.document)
    assert run.candidate["answers_by_kind"] == {"text": BRIEFS}
    assert run.candidate["retries"] == 0
    assert server.requests == BRIEFS + 1 + refusals
    assert asked_with(server.bodies[refusals:]) == left
    events = [(event["kind"], event["message"]) for event in run.document["events"]]
    assert events == ([] if told is None else [("sampled_otherwise", f"its server {told}")])
    shown = " ".join(workspace.call("show", "latest").stdout.split())
    assert told is None or told in shown


def test_a_refusal_that_names_no_field_stays_one(workspace: Workspace) -> None:
    with Misbehaving("400") as server:
        run = run_against(workspace, server, briefs=BRIEFS)
    assert (run.code, server.requests) == (1, 1)
    assert "answered 400: context too long" in run.err


def test_a_judge_that_refuses_a_temperature_judges_without_and_says_so(workspace: Workspace) -> None:
    with Misbehaving("good") as one, Misbehaving("plain") as other, Misbehaving("gpt-5") as judge:
        assert run_models(workspace, one.model, other.model).code == 0
        done = workspace.call("judge", "latest", "--judge", judge.model, "--briefs", "3", "--ask", "grades", "--json")
    assert done.returncode == 0, done.stderr
    assert asked_with(judge.bodies[-3:]) == {"seed"}
    told = " ".join(done.stderr.split())
    assert "refuses temperature and top_p: it samples with its own" in told
    assert "not with temperature 0 and top_p 1 as was asked" in told


def test_the_first_text_is_another_than_those_that_are_timed_first(workspace: Workspace) -> None:
    """A server that remembers prompts had the first text that was timed from the preflight."""
    with Misbehaving("good") as server:
        run_against(workspace, server, briefs=BRIEFS)
    prompts = [body["messages"][-1]["content"] for body in server.bodies]
    assert prompts[0] == prompts[-1]
    assert len(set(prompts[1:])) == BRIEFS


def test_names_that_a_server_takes_without_listing_them_are_its_own_business(workspace: Workspace) -> None:
    with Misbehaving("good") as server:
        server.listed = ["base-model", "other-model"]
        run = run_against(workspace, server, briefs=BRIEFS)
    assert run.code == 0, run.err
    assert run.candidate["answers_by_kind"] == {"text": BRIEFS}
    (event,) = run.document["events"]
    assert (event["kind"], event["message"]) == (
        "name_not_listed",
        f"its server does not list '{MODEL}', and answers as '{MODEL}'",
    )


def test_what_ollama_lists_as_latest_is_what_was_named(workspace: Workspace) -> None:
    with Misbehaving("good") as server:
        server.listed = [f"{MODEL}:latest"]
        run = run_against(workspace, server, briefs=BRIEFS)
    assert (run.code, run.document["events"]) == (0, [])


def test_a_name_that_is_refused_and_not_listed_is_told_with_those_that_are(workspace: Workspace) -> None:
    with Misbehaving("404") as server:
        server.listed = ["mm", "other-model", "\x1b[2Jcleared"]
        run = run_against(workspace, server, briefs=BRIEFS)
    assert (run.code, server.requests) == (2, 1)
    assert "answered 404: no such model" in run.err
    assert f"its server lists mm, other-model, \ufffd[2Jcleared: write openai:mm@{server.url}" in " ".join(
        run.err.split()
    )
    assert "\x1b" not in run.err


def test_a_key_of_openais_goes_to_one_place_alone(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with Misbehaving("good") as own, Misbehaving("good") as ollama:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{ollama.port}")
        run = run_models(workspace, own.model, f"ollama:{MODEL}")
        assert run.code == 0, run.err
        assert (own.keys, ollama.keys) == ({KEY}, {""})

    with Misbehaving("good") as ollama:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{ollama.port}")
        workspace.environment["BAKEOFF_KEY_127_0_0_1"] = "sk-of-this-host"
        assert run_models(workspace, f"ollama:{MODEL}").code == 0
        assert ollama.keys == {"sk-of-this-host"}


def test_who_gets_no_key_is_told_where_to_put_one(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with Misbehaving("401") as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        run = run_models(workspace, f"ollama:{MODEL}")
    assert run.code == 1
    said = " ".join(run.err.split())
    assert "put its key into BAKEOFF_KEY_127_0_0_1: OPENAI_API_KEY is not sent to Ollama" in said
    assert KEY not in json.dumps(run.document) + run.err
