"""`docs/guides/two-kinds.md`, as it stands: a run whose evidence decides two routes, served, and asked for both kinds of text."""

import json
import re
import shlex
import urllib.request
from pathlib import Path

import pytest

from bakeoff_command import Workspace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guides/two-kinds.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.timeout(600)  # the run is most of it: 139 s on two cores with a load of ten
WINNERS = {"linkedin_post": "bundled:social", "technical_doc": "bundled:technical"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("two-kinds"))


@pytest.fixture(scope="module")
def document(workspace):
    """The page's run."""
    said = re.search(r"^\$ bakeoff (run .+)$", PAGE, re.MULTILINE)[1]
    arguments = [str(ROOT / word) if word.startswith("docs/") else word for word in shlex.split(said)]
    done = workspace.call(*arguments, "--json", timeout_s=500)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_kind_is_decided_for_another_model(document):
    assert {kind: route["candidate"] for kind, route in document["routes"].items()} == WINNERS
    assert {route["outcome"] for route in document["routes"].values()} == {"winner"}
    for kind, (pair,) in document["comparisons_by_content_type"].items():
        assert not pair["low"] <= 0 <= pair["high"], kind
        assert pair["clusters"] == 36, kind


def test_the_page_tells_what_comes_out(document):
    """Its leads, to the point that is printed: texts may differ in a word on a processor that rounds otherwise."""
    for kind, (pair,) in document["comparisons_by_content_type"].items():
        row = re.search(rf"^ {kind} +\S+ +(\S+?)\* +\+(\S+) \[\+(\S+), \+(\S+)\]", PAGE, re.MULTILINE)
        assert abs(pair["difference"]) == pytest.approx(float(row[2]), abs=0.5), kind
        assert document["routes"][kind]["evidence"]["estimate"] == pytest.approx(float(row[1]), abs=1.0), kind


def test_one_request_for_each_kind_is_answered_by_its_winner(workspace, document):
    bodies = re.findall(r"^  -d '(.+)' ", PAGE, re.MULTILINE)
    assert {json.loads(body)["model"] for body in bodies} == {f"bakeoff/{kind}" for kind in WINNERS}
    gateway = workspace.start("serve", "--run", "latest", "--port", "0", "--json")
    try:
        url = json.loads(gateway.stdout.readline())["url"]
        answers = [
            ask(url, body | model) for body in map(json.loads, bodies) for model in ({}, {"model": "bakeoff/auto"})
        ]
    finally:
        gateway.terminate()
        gateway.communicate(timeout=40)
    kinds = [kind for kind in WINNERS for _ in range(2)]
    assert [answer["x-bakeoff-route"] for answer in answers] == kinds
    assert [answer["x-bakeoff-candidate"] for answer in answers] == [WINNERS[kind] for kind in kinds]
    for kind, answer in zip(kinds, answers, strict=True):
        evidence = document["routes"][kind]["evidence"]
        assert answer["x-bakeoff-run"] == document["run_id"]
        assert answer["x-bakeoff-fallback"] == "0"
        assert answer["x-bakeoff-evidence"].startswith(
            f"outcome=winner; over={kind}; score={evidence['estimate']:.2f}; "
        ), answer["x-bakeoff-evidence"]
    assert [answer["x-bakeoff-routed-by"].split(";")[0] for answer in answers] == ["route", "classifier"] * 2


def ask(url, body):
    """Return the headers of the answer, by name in lower case."""
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"]
        return {name.lower(): value for name, value in answer.headers.items()}
