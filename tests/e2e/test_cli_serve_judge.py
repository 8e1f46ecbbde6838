"""`quality.judge` from settings to an alarm: a run, its labels, a judge behind a URL, a gateway that asks it."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bakeoff.core.clock import SystemClock
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.store.db import Store
from bakeoff.study.judging import KnownJudge
from bakeoff.study.labelling import Labelling
from bakeoff.study.stored_plan import load_plan
from bakeoff_command import Workspace
from sample_runs import suite_text
from waiting import wait_until

MARK = "warmly"
GOOD = f"We {MARK} invite you to the opening on 14 March."
LONG_POOR = "There is an opening on 14 March, and it is an opening, and there are things in it that people may see."


class Stub:
    """One server: the models `good` and `poor` write, `judge` grades by whether it finds a word, `blind` always says 3."""

    def __init__(self) -> None:
        self.good_writes_well = True
        self.questions: list[str] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.reply({"data": [{"id": name} for name in ("good", "poor", "judge", "blind")]})

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

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reference(self, model: str) -> str:
        return f"openai:{model}@http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, model: str, asked: str) -> dict[str, object]:
        choice: dict[str, object] = {"index": 0, "finish_reason": "stop"}
        if model in {"judge", "blind"}:
            self.questions.append(asked)
            said = "3" if model == "blind" else "5" if MARK in asked else "2"
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
    judges = f"{stub.reference('judge')},{stub.reference('blind')}"
    done = made.call("judge", "latest", "--judge", judges, "--ask", "grades", "--briefs", "30")
    assert done.returncode == 0, done.stderr
    return made


def label(workspace: Workspace) -> None:
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


def test_a_validated_judge_grades_answers_and_a_drop_is_told(workspace: Workspace, stub: Stub) -> None:
    label(workspace)
    assert "not shown to be better than both chance" in refused(workspace, stub.reference("blind"))
    process = workspace.start(
        "serve", "--port", "0", "--json", "--config", str(settings(workspace, stub.reference("judge")))
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=20)[1]
        ready = json.loads(line)
        base = ready["url"].removesuffix("/v1")

        def quality() -> dict[str, object]:
            with urllib.request.urlopen(f"{base}/status", timeout=10) as response:
                return dict(json.loads(response.read())["quality"])

        def judged() -> dict[str, object] | None:
            found = [
                each
                for each in quality()["streams"]  # type: ignore[attr-defined]
                if (each["candidate"], each["content_type"], each["measure"])
                == (stub.reference("good"), "tweet", "judge")
            ]
            return found[0] if found else None

        def ask(times: int) -> None:
            messages = [{"role": "user", "content": "Write a tweet about our opening on 14 March."}]
            body = json.dumps(
                {"model": stub.reference("good"), "messages": messages, "metadata": {"content_type": "tweet"}}
            )
            for _ in range(times):
                request = urllib.request.Request(
                    f"{base}/v1/chat/completions", body.encode(), {"Content-Type": "application/json"}
                )
                with urllib.request.urlopen(request, timeout=20) as response:
                    assert response.status == 200

        assert "is sent to the judge at 127.0.0.1" in " ".join(ready["notes"])
        asked_before = len(stub.questions)
        wait_until(judged, "the judge's references are there", 90)
        reference = judged()
        assert reference is not None
        assert reference["reference"] == pytest.approx(1.0)
        assert reference["families"] == 10
        assert reference["alarm_at"] == 300.0  # three measures share the budget
        # By the request alone, without the facts: asked anew, all texts once.
        asked = stub.questions[asked_before:]
        assert len(asked) == 60
        assert not any("Facts that must be there" in each for each in asked)
        ask(30)
        wait_until(lambda: (judged() or {})["grades"] == 30, "answers are judged")
        assert not (judged() or {})["dropped"]
        stub.good_writes_well = False
        ask(40)
        wait_until(lambda: (judged() or {})["dropped"], "the drop is told")
    finally:
        stub.good_writes_well = True
        process.terminate()
        _, errors = process.communicate(timeout=40)
    assert "judge was 1.00" in errors
    # What was asked is stored: a second gateway asks nothing anew.
    document = workspace.call(
        *("serve", "--print-references", "--run", "latest", "--judge", stub.reference("judge")),
        *("--judged-candidate", stub.reference("good"), "--judged-candidate", stub.reference("poor")),
    )
    assert document.returncode == 0, document.stderr
    assert json.loads(document.stdout)["validated"] is True
    assert len(stub.questions) == asked_before + 60 + 70
