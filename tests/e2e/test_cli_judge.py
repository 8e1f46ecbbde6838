"""`bakeoff judge` over a real endpoint: both orders, the cache, flips, juries, a bundled model that is useless and said so."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text

Verdict = Callable[[str, str], str]


def by_length(first: str, second: str) -> str:
    return "A" if len(first) > len(second) else "B"


def always_first(first: str, second: str) -> str:
    del first, second
    return "A"


def spelt(token: str) -> dict[str, object]:
    """A token as OpenAI's protocol tells of it, with what else it might have been."""
    top = [{"token": token, "logprob": -0.05}, {"token": "hm", "logprob": -4.0}]
    return {"token": token, "logprob": -0.05, "top_logprobs": top}


class StubJudge:
    """An endpoint that judges by a rule and remembers what it was asked; `logprobs` as `read` from OpenAI's protocol."""

    def __init__(self, verdict: Verdict, *, logprobs: bool) -> None:
        self.verdict = verdict
        self.logprobs = logprobs
        self.asked: list[str] = []
        self.warmth: list[tuple[float, int]] = []
        self.grade: Callable[[int], str] = lambda _seed: "4"
        self.status = 200
        self.thought: list[str] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply({"data": [{"id": "judge"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if body.get("logprobs") and not stub.logprobs:
                    self.reply({"error": {"message": "logprobs is not supported"}}, 400)
                    return
                self.reply(stub.answer(body), stub.status)

            def reply(self, value: object, status: int = 200) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def reference(self) -> str:
        return f"openai:judge@http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, body: dict[str, object]) -> dict[str, object]:
        assert "stream" not in body
        user = body["messages"][1]["content"]  # type: ignore[index]
        self.asked.append(user)
        self.warmth.append((body["temperature"], body["seed"]))  # type: ignore[arg-type]
        fence = re.search(r"^=====\[.*$", user, re.MULTILINE)
        assert fence is not None
        blocks = [block.strip() for block in user.split(fence.group())]
        said = self.verdict(blocks[-4], blocks[-2]) if "Text B" in user else self.grade(body["seed"])  # type: ignore[arg-type]
        choice: dict[str, object] = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "".join([*self.thought, said])},
        }
        if self.logprobs:
            choice["logprobs"] = {"content": [spelt(token) for token in (*self.thought, said)]}
        return {"choices": [choice], "model": "judge", "usage": {"prompt_tokens": 100, "completion_tokens": 1}}


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    (tmp_path / "suite.yaml").write_text(suite_text(30), encoding="utf-8")
    from bakeoff.study.suite import load_suite

    kinds = {brief.id: brief.content_type for brief in load_suite(tmp_path / "suite.yaml").briefs}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    done = made.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def stub(request: pytest.FixtureRequest) -> Iterator[StubJudge]:
    verdict, logprobs = getattr(request, "param", (by_length, True))
    made = StubJudge(verdict, logprobs=logprobs)
    yield made
    made.server.shutdown()
    made.server.server_close()


def judged(space: InsideWorkspace, reference: str, *more: str, code: int = 0) -> dict[str, object]:
    done = space.call("judge", "latest", "--judge", reference, *more, "--json")
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("stub", [(by_length, True), (by_length, False)], indirect=True)
def test_both_orders_are_asked_once_and_for_all(space: InsideWorkspace, stub: StubJudge) -> None:
    document = judged(space, stub.reference, "--briefs", "10")
    assert document["schema"] == "bakeoff.judge/1"
    (one,) = document["judges"]  # type: ignore[misc]
    assert len(stub.asked) == len(set(stub.asked)) == one["asked"] == 20
    best = one["candidates"][0]
    assert (best["candidate"], best["win_rate"]["estimate"], best["win_rate"]["briefs"]) == (
        "recorded:good.jsonl",
        1.0,
        10,
    )
    assert best["win_rate"]["low"] < 1.0
    assert (one["flips"], one["prompt_tokens"], one["completion_tokens"]) == (0, 2000, 20)
    assert "not validated: you have labelled no pair" in one["validity"]
    assert judged(space, stub.reference, "--briefs", "10") == document
    assert len(stub.asked) == 20
    judged(space, stub.reference, "--briefs", "12")
    assert len(stub.asked) == 24


@pytest.mark.parametrize("stub", [(always_first, True)], indirect=True)
def test_who_always_takes_the_first_is_undecided(space: InsideWorkspace, stub: StubJudge) -> None:
    (one,) = judged(space, stub.reference, "--briefs", "8")["judges"]  # type: ignore[misc]
    assert one["flips"] == 8
    assert {found["win_rate"]["estimate"] for found in one["candidates"]} == {0.5}


def test_grades_are_on_the_scale_of_the_dimensions(space: InsideWorkspace, stub: StubJudge) -> None:
    (one,) = judged(space, stub.reference, "--briefs", "5", "--ask", "grades")["judges"]  # type: ignore[misc]
    assert {found["judge_quality"]["estimate"] for found in one["candidates"]} == {7.5}
    assert {found["win_rate"]["estimate"] for found in one["candidates"]} == {None}


@pytest.mark.parametrize("stub", [(by_length, False)], indirect=True)
def test_without_probabilities_a_grade_is_the_mean_of_drawn_answers(space: InsideWorkspace, stub: StubJudge) -> None:
    stub.grade = lambda seed: "3" if seed % 2 else "5"
    arguments = (stub.reference, "--briefs", "2", "--ask", "grades", "--concurrency", "1")
    (one,) = judged(space, *arguments)["judges"]  # type: ignore[misc]
    assert stub.warmth == [(0.0, 0), *[(0.7, seed) for seed in range(1, 6)] * 4]
    assert one["asked"] == 4
    assert {found["judge_quality"]["estimate"] for found in one["candidates"]} == {(3.8 - 1) * 2.5}
    assert (one["prompt_tokens"], one["completion_tokens"]) == (2100, 21)  # the one that found no probabilities, too
    judged(space, *arguments)
    assert len(stub.asked) == 21

    stub.grade = lambda seed: "4" if seed < 4 else "I would rather not say"
    (other,) = judged(space, stub.reference, "--briefs", "5", "--ask", "grades")["judges"]  # type: ignore[misc]
    assert other["without_answer"] == 6


@pytest.mark.parametrize("stub", [(by_length, True), (by_length, False)], indirect=True)
def test_a_judge_that_thinks_first_is_read_by_its_answer(space: InsideWorkspace, stub: StubJudge) -> None:
    stub.thought = ["<think>", "B has 3 facts, A has 5.", "</think>", "\n\n"]
    (one,) = judged(space, stub.reference, "--briefs", "3", "--ask", "both")["judges"]  # type: ignore[misc]
    assert (one["asked"], one["without_answer"]) == (12, 0)
    assert {found["judge_quality"]["estimate"] for found in one["candidates"]} == {7.5}
    assert {found["win_rate"]["estimate"] for found in one["candidates"]} == {0.0, 1.0}
    stub.thought = ["<think>", "B has 3 facts, A has"]
    stub.verdict = stub.grade = lambda *_asked: "4"
    (other,) = judged(space, stub.reference, "--briefs", "6")["judges"]  # type: ignore[misc]
    assert other["without_answer"] == 6  # of those that were not asked before


def test_labels_say_what_a_judge_is_worth(space: InsideWorkspace, stub: StubJudge) -> None:
    from bakeoff.core.clock import SystemClock
    from bakeoff.store.db import Store
    from bakeoff.study.labelling import Labelling
    from bakeoff.study.stored_plan import load_plan

    store = Store.open_folder(Path(space.environment["BAKEOFF_HOME"]))
    session = Labelling(load_plan(store, "latest"), store, SystemClock(), 20)
    while (question := session.question) is not None:
        session.answer(question.number, "left" if len(question.left) > len(question.right) else "right")
    store.close()
    (one,) = judged(space, stub.reference, "--briefs", "30")["judges"]  # type: ignore[misc]
    agreement = one["agreement"]
    assert (agreement["agreement"]["estimate"], agreement["longer_wins"], agreement["validated"]) == (1.0, 1.0, False)
    assert "not shown to be better than both chance and the longer text" in one["validity"]
    labels = json.loads(space.call("label", "latest", "--pairs", "20", "--json").stdout)
    assert stub.reference in {line["scorer"] for line in labels["agreements"]}


@pytest.mark.parametrize("stub", [(by_length, True)], indirect=True)
def test_a_jury_says_how_far_it_agrees(space: InsideWorkspace, stub: StubJudge) -> None:
    other = StubJudge(always_first, logprobs=True)
    try:
        document = judged(space, f"{stub.reference},{other.reference}", "--briefs", "6")
    finally:
        other.server.shutdown()
        other.server.server_close()
    assert [one["judge"] for one in document["judges"]] == [stub.reference, other.reference, "jury"]  # type: ignore[union-attr]
    assert document["judges"][2]["candidates"][0]["win_rate"]["estimate"] == 1.0  # type: ignore[index]
    assert document["jury_alpha"] is not None


@pytest.mark.parametrize(("status", "most"), [(401, 8), (404, 40)])
def test_a_judge_that_fails_says_so_and_is_asked_again(
    space: InsideWorkspace, stub: StubJudge, status: int, most: int
) -> None:
    space.environment["BAKEOFF_BACKOFF_S"] = "0.01"
    stub.status = status
    done = space.call("judge", "latest", "--judge", stub.reference, "--briefs", "30")
    assert done.returncode == 1
    assert str(status) in done.stderr
    assert 0 < len(stub.asked) <= most
    stub.status = 200
    (one,) = judged(space, stub.reference, "--briefs", "30")["judges"]  # type: ignore[misc]
    assert (one["asked"], one["failed"]) == (60, 0)


def test_a_bundled_model_is_of_no_use_as_a_judge(space: InsideWorkspace) -> None:
    (one,) = judged(space, "bundled:baseline", "--briefs", "4")["judges"]  # type: ignore[misc]
    assert one["asked"] == 8
    assert one["without_answer"] > 4
    assert "of no use as a judge" in one["validity"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--judge", "recorded:good.jsonl"), "cannot judge"),
        (("--judge", "bundled:nosuch"), "nosuch"),
        (("--judge", "openai:m@http://judge.example/v1"), "say --yes"),
        (("--judge", "openai:m@http://127.0.0.1:9/v1"), "does not answer"),
        ((), "--judge"),
    ],
)
def test_what_cannot_judge_is_told(space: InsideWorkspace, arguments: tuple[str, ...], said: str) -> None:
    done = space.call("judge", "latest", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
