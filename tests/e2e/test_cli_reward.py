"""Reward models as judges: one of ours in a process of its own, one behind vLLM's `/pooling`, and what is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from inside import InsideWorkspace
from recorded_texts import write_texts
from sample_runs import suite_text
from tiny_model import make_tiny_model


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    (tmp_path / "suite.yaml").write_text(suite_text(12), encoding="utf-8")
    from bakeoff.study.suite import load_suite

    kinds = {brief.id: brief.content_type for brief in load_suite(tmp_path / "suite.yaml").briefs}
    write_texts(tmp_path / "good.jsonl", kinds)
    write_texts(tmp_path / "poor.jsonl", kinds, good=False)
    done = made.call("run", "suite.yaml", "--models", "recorded:good.jsonl,recorded:poor.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    return made


def make_reward_model(folder: Path, labels: int = 1) -> Path:
    """A tiny random model for sequence classification, with the tokenizer of the tests' tiny model."""
    torch = pytest.importorskip("torch", reason="needs the extra transformers")
    transformers = pytest.importorskip("transformers")
    make_tiny_model(folder)
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.num_labels, config.pad_token_id, config.architectures = labels, 4, None
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_reward_model_of_ours_judges_by_its_numbers(space: InsideWorkspace) -> None:
    make_reward_model(space.folder / "rm")
    done = space.call("judge", "latest", "--judge", "reward:rm", "--briefs", "8", "--json")
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)["judges"]
    # One question a text, and an order for every pair of them.
    assert (one["judge"], one["asked"], one["without_answer"], one["failed"]) == ("reward:rm", 16, 0, 0)
    assert one["prompt_tokens"] > 16 * 10
    rates = [candidate["win_rate"]["estimate"] for candidate in one["candidates"]]
    assert sum(rates) == pytest.approx(1.0)
    assert [candidate["win_rate"]["briefs"] for candidate in one["candidates"]] == [8, 8]
    assert all(candidate["judge_quality"]["estimate"] is None for candidate in one["candidates"])  # it has no scale
    assert "not validated" in one["validity"]
    again = space.call("judge", "latest", "--judge", "reward:rm", "--briefs", "8", "--json")
    assert json.loads(again.stdout)["judges"] == json.loads(done.stdout)["judges"]


def test_what_is_no_reward_model_is_told(space: InsideWorkspace) -> None:
    make_reward_model(space.folder / "two", labels=2)
    make_tiny_model(space.folder / "plain")
    for folder, said in (("two", "with 2 labels is no reward model"), ("plain", "is no reward model")):
        done = space.call("judge", "latest", "--judge", f"reward:{folder}")
        assert done.returncode == 2
        assert said in done.stderr
        assert "sequence classification with one label" in done.stderr
    done = space.call("judge", "latest", "--judge", "reward:nowhere")
    assert done.returncode == 2
    assert "reward:nowhere: there is no such folder" in done.stderr


class Pooling:
    """What vLLM's /pooling answers: the longer text has the higher reward."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.broken = False
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/pooling"
                stub.asked.append(body)
                reward = [[-1.0], [len(body["messages"][-1]["content"]) / 100]]
                value: object = (
                    {"nothing": 1} if stub.broken else {"data": [{"data": reward}], "usage": {"prompt_tokens": 9}}
                )
                data = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def reference(self) -> str:
        return f"reward:rm@http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def pooling() -> Iterator[Pooling]:
    made = Pooling()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_reward_model_behind_a_server(space: InsideWorkspace, pooling: Pooling) -> None:
    done = space.call("judge", "latest", "--judge", pooling.reference, "--briefs", "6", "--json")
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)["judges"]
    assert (one["asked"], one["prompt_tokens"]) == (12, 12 * 9)
    assert one["cost"]["value"] is None  # it runs here
    assert one["candidates"][0]["win_rate"]["estimate"] > 0.5
    roles = [message["role"] for message in pooling.asked[0]["messages"]]  # type: ignore[attr-defined]
    assert roles == ["user", "assistant"]


def test_a_server_that_gives_no_reward(space: InsideWorkspace, pooling: Pooling) -> None:
    space.environment["BAKEOFF_BACKOFF_S"] = "0.01"
    pooling.broken = True
    done = space.call("judge", "latest", "--judge", pooling.reference, "--briefs", "10")
    assert done.returncode == 1
    assert "sent no reward" in done.stderr
