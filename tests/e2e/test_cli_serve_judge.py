"""`quality.judge` from settings to an alarm: a run, its labels, a judge behind a URL, a gateway that asks it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from bakeoff.cli import serving_watch
from bakeoff.core.clock import SystemClock
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.serve.quality_sampling import QualitySampling
from bakeoff.serve.settings import QualitySettings
from bakeoff.store.db import Store
from bakeoff.study.judging import KnownJudge
from bakeoff.study.labelling import Labelling
from bakeoff.study.stored_plan import load_plan
from bakeoff_command import Workspace
from gateways import make_model, make_plan
from sample_runs import suite_text
from waiting import wait_until
from worker_processes import until

MARK = "warmly"
GOOD = f"We {MARK} invite you to the opening on 14 March."
LONG_POOR = "There is an opening on 14 March, and it is an opening, and there are things in it that people may see."


class Stub:
    """One server: the models `good` and `poor` write, `judge` grades by whether it finds a word, `blind` always says 3.

    `factual` grades well where it is shown the facts that a brief declares, and is blind without them.
    """

    def __init__(self, port: int = 0) -> None:
        self.good_writes_well = True
        self.questions: list[str] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.reply({"data": [{"id": name} for name in ("good", "poor", "judge", "blind", "factual")]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply(stub.answer(body["model"], body["messages"][-1]["content"]))

            def reply(self, value: object) -> None:
                data = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reference(self, model: str) -> str:
        return f"openai:{model}@http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, model: str, asked: str) -> dict[str, object]:
        choice: dict[str, object] = {"index": 0, "finish_reason": "stop"}
        if model in {"judge", "blind", "factual"}:
            self.questions.append(asked)
            sees = model == "judge" or (model == "factual" and "Facts that must be there" in asked)
            said = "3" if not sees else "5" if MARK in asked else "2"
            choice["logprobs"] = {"content": [{"token": said, "top_logprobs": [{"token": said, "logprob": -0.01}]}]}
        else:
            # By turns the better text is the longer and the shorter one.
            longer = (
                sum(map(ord, asked))
                % 2
                * " It is the first one in the street for years, and there is bread for everybody."
            )
            well = model == "good" and self.good_writes_well
            said = GOOD + longer if well else LONG_POOR
        choice["message"] = {"role": "assistant", "content": said}
        return {"object": "chat.completion", "model": model, "choices": [choice]}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, stub: Stub) -> Workspace:
    """A run of two endpoints and what two judges say of it; nobody has labelled anything."""
    made = Workspace(tmp_path_factory.mktemp("judged"))
    (made.folder / "suite.yaml").write_text(suite_text(30), encoding="utf-8")
    names = f"{stub.reference('good')},{stub.reference('poor')}"
    done = made.call("run", "suite.yaml", "--models", names, "--fixed-n", "30")
    assert done.returncode == 0, done.stderr
    judges = ",".join(map(stub.reference, ("judge", "blind", "factual")))
    done = made.call("judge", "latest", "--judge", judges, "--ask", "grades", "--briefs", "30")
    assert done.returncode == 0, done.stderr
    return made


def label(workspace: Workspace) -> None:
    """Answer all that is left to ask: whoever wrote the word is better."""
    store = Store.open_folder(workspace.home)
    session = Labelling(load_plan(store, "latest"), store, SystemClock(), 30)
    while (question := session.question) is not None:
        session.answer(question.number, "left" if MARK in question.left else "right")
    store.close()


def settings(workspace: Workspace, judge: str) -> Path:
    file = workspace.folder / "serve.toml"
    file.write_text(f"[quality]\nshare = 1.0\nexpected_grades = 100.0\njudge = {json.dumps(judge)}\n", encoding="utf-8")
    return file


def refused(workspace: Workspace, judge: str, *more: str) -> str:
    done = workspace.call("serve", "--port", "0", "--config", str(settings(workspace, judge)), *more)
    assert done.returncode == 2, done.stdout
    assert "serve.toml:4: quality.judge: " in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_who_may_not_judge_is_refused_with_the_reason_and_the_line(workspace: Workspace, stub: Stub) -> None:
    run = workspace.run_id()
    assert "you have labelled no pair that it judged" in refused(workspace, stub.reference("judge"))
    unknown = refused(workspace, "openai:nobody@http://127.0.0.1:9/v1")
    assert f"was never asked about run {run}" in unknown
    assert stub.reference("judge") in unknown  # the hint says who was
    assert "without a run" in refused(workspace, stub.reference("judge"), "--models", stub.reference("good"))
    spec = ModelSpec(reference="local", name="local", source="folder", location="/nowhere", digest="local")
    local = Candidate(id="local", model=spec, engine="transformers", sampling=Sampling())
    store = Store.open_folder(workspace.home)
    store.add_judge(run, "local", KnownJudge(judge=local, kinds=("grades",)).model_dump_json())
    store.close()
    assert "would be loaded here" in refused(workspace, "local")


class Served:
    """A gateway under way with a judge; `errors` once it has ended."""

    def __init__(self, workspace: Workspace, judge: str) -> None:
        self.process = workspace.start("serve", "--port", "0", "--json", "--config", str(settings(workspace, judge)))
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=20)[1]
        self.ready = json.loads(line)
        self.errors = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        _, self.errors = self.process.communicate(timeout=40)

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.ready["url"].removesuffix("/v1") + "/status", timeout=10) as response:
            return dict(json.loads(response.read()))

    def stream(self, candidate: str, content_type: str) -> dict[str, Any] | None:
        """What is known of the judge's grades of a candidate's answers."""
        wanted = (candidate, content_type, "judge")
        streams = self.status()["quality"]["streams"]
        return next(
            (each for each in streams if (each["candidate"], each["content_type"], each["measure"]) == wanted), None
        )

    def ask(self, candidate: str, times: int) -> None:
        messages = [{"role": "user", "content": "Write a tweet about our opening on 14 March."}]
        body = json.dumps({"model": candidate, "messages": messages, "metadata": {"content_type": "tweet"}}).encode()
        for _ in range(times):
            request = urllib.request.Request(
                f"{self.ready['url']}/chat/completions", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=20) as response:
                assert response.status == 200


def test_a_validated_judge_grades_answers_and_a_drop_is_told(workspace: Workspace, stub: Stub) -> None:
    label(workspace)
    assert "not shown to be better than both chance" in refused(workspace, stub.reference("blind"))
    asked_before = len(stub.questions)
    good = stub.reference("good")
    with Served(workspace, stub.reference("judge")) as served:
        assert "is sent to the judge at 127.0.0.1" in " ".join(served.ready["notes"])
        wait_until(lambda: served.stream(good, "tweet"), "the judge's references are there", 90)
        reference = served.stream(good, "tweet")
        assert reference is not None
        assert reference["reference"] == pytest.approx(1.0)
        assert reference["families"] == 10
        assert reference["alarm_at"] == 300.0  # three measures share the budget
        # By the request alone, without the facts: asked anew, all texts once.
        asked = stub.questions[asked_before:]
        assert len(asked) == 60
        assert not any("Facts that must be there" in each for each in asked)
        served.ask(good, 30)
        wait_until(lambda: (served.stream(good, "tweet") or {})["grades"] == 30, "answers are judged")
        assert not (served.stream(good, "tweet") or {})["dropped"]
        stub.good_writes_well = False
        served.ask(good, 40)
        wait_until(lambda: (served.stream(good, "tweet") or {})["dropped"], "the drop is told")
        stub.good_writes_well = True
        wait_until(lambda: served.status()["quality"]["judge"]["graded"] == 70, "all answers are judged")
        # Another judge while it runs: one that may not judge changes nothing, and clients read no address.
        settings(workspace, "openai:nobody@http://127.0.0.1:9/v1")
        served.process.send_signal(signal.SIGHUP)
        wait_until(lambda: served.status()["config"]["refused"], "the settings are refused", 60)
        assert "quality.judge: was never asked about run" in served.status()["config"]["refused"]
        assert "127.0.0.1" not in served.status()["config"]["refused"]
        assert (served.stream(good, "tweet") or {})["grades"] == 70
    assert "judge was 1.00" in served.errors
    # What was asked is stored: a second gateway asks nothing anew.
    document = workspace.call(
        *("serve", "--print-references", "--run", "latest", "--judge", stub.reference("judge")),
        *("--judged-candidate", good, "--judged-candidate", stub.reference("poor")),
    )
    assert document.returncode == 0, document.stderr
    assert json.loads(document.stdout)["validated"] is True
    assert len(stub.questions) == asked_before + 60 + 70


def test_a_judge_that_needs_the_facts_is_not_asked_about_answers(workspace: Workspace, stub: Stub) -> None:
    """Labels validated what it says of the run's briefs, and not what it says of a request alone."""
    label(workspace)
    with Served(workspace, stub.reference("factual")) as served:
        judge = lambda: served.status()["quality"]["judge"]  # noqa: E731
        wait_until(lambda: "by the requests alone" in judge()["note"], "the judge is not taken", 90)
        asked = len(stub.questions)
        served.ask(stub.reference("good"), 5)
        wait_until(lambda: served.status()["quality"]["graded"] == 5, "the rules grade")
        assert "not validated" in judge()["note"]
        assert "127.0.0.1" not in judge()["note"]
        assert served.stream(stub.reference("good"), "tweet") is None
        assert len(stub.questions) == asked


def test_a_judge_that_is_away_at_the_start_is_told_and_tried_again(
    workspace: Workspace, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(workspace)
    monkeypatch.setenv("BAKEOFF_HOME", str(workspace.home))
    monkeypatch.setenv("BAKEOFF_BACKOFF_S", "0.01")
    monkeypatch.setattr(serving_watch, "RETRY_S", 0.1)
    judge = stub.reference("judge")
    store = Store.open_folder(workspace.home)
    run = load_plan(store, "latest").run_id
    known = [KnownJudge.model_validate_json(record) for record in store.judges(run)]
    one = next(each.judge for each in known if each.judge.id == judge)
    late = socket.create_server(("127.0.0.1", 0))
    port = late.getsockname()[1]
    late.close()
    spec = one.model.model_copy(update={"location": f"http://127.0.0.1:{port}/v1", "digest": "late"})
    moved = KnownJudge(judge=one.model_copy(update={"id": "late", "model": spec}), kinds=("grades",))
    store.add_judge(run, "late", moved.model_dump_json())
    store.close()
    good, poor = (make_model(stub.reference(name), source="endpoint") for name in ("good", "poor"))

    async def go() -> list[dict[str, Any]]:
        quality = QualitySampling(QualitySettings(share=1.0))
        watching = asyncio.create_task(
            serving_watch.watch_quality(SimpleNamespace(quality=quality), make_plan(good, poor, run=run), "late")
        )
        await until(lambda: "could not be asked" in quality.judging.note, 60)
        assert {each["measure"] for each in quality.snapshot()["streams"]} == {"publishable", "score"}
        assert "127.0.0.1" not in quality.judging.note
        there = Stub(port)
        try:
            await asyncio.wait_for(watching, 60)
        finally:
            there.server.shutdown()
            there.server.server_close()
        streams = quality.snapshot()["streams"]
        await quality.close()
        return streams

    streams = asyncio.run(go())
    judged = [each for each in streams if each["measure"] == "judge"]
    assert {each["candidate"] for each in judged} == {good.id, poor.id}
    assert {each["alarm_at"] for each in streams} == {30_000.0}
