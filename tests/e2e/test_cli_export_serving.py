"""`bakeoff export RUN --to` other servers, from a real run: what is written, and what is refused in one line."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from bakeoff.cli.export import TARGETS
from bakeoff.store.db import Store
from bakeoff_command import write_suite
from inside import InsideWorkspace
from postgres_server import free_port
from serving_plans import bundled
from waiting import wait_until

SERVERS = ("llama-swap", "litellm", "ollama", "vllm-compose", "ray-serve", "kuberay", "semantic-router")
IMAGE = ("--image", "rayproject/ray-llm:2.50.1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one finished run: a folder of the user's own, a bundled model, and recorded texts."""
    folder = tmp_path_factory.mktemp("served")
    write_suite(folder / "mine.yaml", 8)
    (folder / "suites").mkdir()
    (folder / "mine.yaml").rename(folder / "suites" / "mine.yaml")
    shutil.copytree(bundled("social"), folder / "own model")
    texts = [
        {"brief_id": f"{kind}-{i}", "text": f"Our shop opens on 14 March, number {i}."}
        for i, kind in enumerate(["tweet", "business_email"] * 4)
    ]
    (folder / "old.jsonl").write_text("".join(json.dumps(each) + "\n" for each in texts))
    with pytest.MonkeyPatch.context() as patch:
        capture: pytest.CaptureFixture[str] = _NoCapture()  # type: ignore[assignment]
        space = InsideWorkspace(folder, patch, capture)
        ran = space.call(
            "run", "suites/mine.yaml", "--models", "own model,bundled:generalist,recorded:old.jsonl", "--fixed-n", "8"
        )
    assert ran.returncode == 0
    return folder


class _NoCapture:
    def readouterr(self) -> tuple[str, str]:
        return "", ""


@pytest.fixture
def space(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(made, monkeypatch, capsys)


def test_every_server_has_a_target() -> None:
    assert set(SERVERS) <= set(TARGETS)


@pytest.mark.parametrize("server", SERVERS)
def test_a_real_run_becomes_a_file_with_its_evidence(
    space: InsideWorkspace, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "LITELLM_MASTER_KEY"):
        monkeypatch.setenv(name, "sk-not-to-be-written")
    more = list(IMAGE) if server == "kuberay" else []
    if server == "semantic-router":
        more = [
            "--endpoint",
            "own model=http://127.0.0.1:1/v1",
            "--endpoint",
            "bundled:generalist=http://127.0.0.1:2/v1",
        ]
    if server == "ollama":
        more = ["--models", "own model"]
    done = space.call("export", "latest", "--to", server, *more)
    assert done.returncode == 0, done.stderr
    run = space.run_id()
    assert f"# Made by: bakeoff export {run} --to {server}" in done.stdout
    assert "of 10 on 8 briefs" in done.stdout
    assert "tokens/s" in done.stdout
    assert "sk-not-to-be-written" not in done.stdout
    assert "recorded:old.jsonl is left out: it is a file of recorded texts" in done.stderr
    if server != "ollama":
        assert yaml.safe_load(done.stdout)
    if server in {"vllm-compose", "ray-serve", "kuberay"}:
        assert "bakeoff run suites/mine.yaml --models 'vllm+own model,onnx+own model'" in done.stdout
    again = space.call("export", "latest", "--to", server, *more, "-o", f"out-{server}")
    assert again.returncode == 0
    refused = space.call("export", "latest", "--to", server, *more, "-o", f"out-{server}")
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    assert space.call("export", "latest", "--to", server, *more, "-o", f"out-{server}", "--replace").returncode == 0


def test_the_command_for_llama_swap_serves_what_was_measured(space: InsideWorkspace) -> None:
    done = space.call("export", "latest", "--to", "llama-swap", "--models", "own model")
    model = yaml.safe_load(done.stdout)["models"]["own model"]
    port = free_port()
    program, *arguments = shlex.split(model["cmd"].replace("${PORT}", str(port)))
    assert program == "bakeoff"
    base = model["proxy"].replace("${PORT}", str(port))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BAKEOFF_")}
    with (space.folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "bakeoff", *arguments], stdout=log, stderr=log, env=environment
        )

        def is_healthy() -> bool:
            assert worker.poll() is None, (space.folder / "worker.log").read_text()[-2000:]
            return _get(f"{base}/health") is not None

        try:
            wait_until(is_healthy, "the worker is healthy", 120)
            body = {"model": "own model", "messages": [{"role": "user", "content": "Write a tweet."}], "max_tokens": 8}
            answer = _get(f"{base}/v1/chat/completions", body)
            assert answer["choices"][0]["message"]["content"]
        finally:
            worker.terminate()
            worker.wait(timeout=20)


def _get(url: str, body: dict[str, object] | None = None) -> Any:
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass  # not there yet
    return None


def test_traffic_becomes_replicas(space: InsideWorkspace) -> None:
    names = ("--models", "own model")
    done = space.call(
        "export", "latest", "--to", "ray-serve", *names, "--traffic", "1/h", "--target-p95", "60", "--context", "512"
    )
    assert done.returncode == 0, done.stderr
    (config,) = yaml.safe_load(done.stdout)["applications"][0]["args"]["llm_configs"]
    assert config["deployment_config"]["num_replicas"] == 1
    assert config["engine_kwargs"]["max_model_len"] == 512
    planned = json.loads(
        space.call(
            *("plan", "--from", "latest", "--candidate", "own model", "--target-p95", "60", "--json"),
            *("--traffic", "1/h"),
        ).stdout
    )
    rate = planned["one_replica_per_s"] * 3
    more = ("--traffic", f"tweet={rate / 2:.3f}/s", "--traffic", f"general={rate / 2:.3f}/s", "--target-p95", "60")
    many = space.call("export", "latest", "--to", "ray-serve", *names, *more)
    (config,) = yaml.safe_load(many.stdout)["applications"][0]["args"]["llm_configs"]
    assert 3 <= config["deployment_config"]["num_replicas"] <= 5
    assert "requests/s with 95 % within" in many.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--to", "litellm"], "there is no run 'nowhere'"),
        (["latest", "--to", "lite-llm"], "Did you mean litellm?"),
        (["latest", "--to", "litellm", "--models", "nobody"], "'nobody' is not in the plan"),
        (["latest", "--to", "litellm", "--models", ","], "--models names nobody"),
        (["latest", "--to", "litellm", "--endpoint", "nobody=http://h/v1"], "not MODEL=VALUE of a model here"),
        (["latest", "--to", "litellm", "--endpoint", "own model="], "not MODEL=VALUE of a model here"),
        (["latest", "--to", "litellm", "--endpoint", "own model=h"], "the URL of own model is none"),
        (["latest", "--to", "litellm", "-o", "no/such/folder/x"], "cannot be written"),
        (["latest", "--to", "litellm", "--traffic", "1/s"], "No such option"),
        (["latest", "--to", "ollama", "-o", "suites/mine.yaml", "--replace"], "cannot be made"),
        (["latest", "--to", "kuberay"], "--image"),
        (["latest", "--to", "ray-serve", "--traffic", "1/s"], "--target-p95"),
        (["latest", "--to", "ray-serve", "--target-p95", "1"], "goes with --traffic"),
        (["latest", "--to", "ray-serve", "--traffic", "1/s", "--target-p95", "nan"], "--target-p95 nan: not a time"),
        (["latest", "--to", "ray-serve", "--traffic", "1/s", "--weights", "own model=hf:o/x"], "no run measured"),
        (["latest", "--to", "ray-serve", "--traffic", "much", "--target-p95", "1"], "not a load"),
        (["latest", "--to", "ray-serve", "--traffic", "sonnet=1/s", "--target-p95", "9"], "no route for 'sonnet'"),
        (["latest", "--to", "ray-serve", "--traffic", "tweet=1/s", "--target-p95", "1e-6"], "no number of replicas"),
        (["latest", "--to", "ray-serve", "--weights", "own model=x"], "--weights: there is no x here"),
        (["latest", "--to", "vllm-compose", "--context", "99999"], "--context 99999"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(space: InsideWorkspace, arguments: list[str], said: str) -> None:
    refused = space.call("export", *arguments)
    assert refused.returncode == 2, refused.stdout
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_weights_that_changed_are_left_out_and_gone_ones_are_not(space: InsideWorkspace) -> None:
    folder = space.folder / "own model"
    away = folder.rename(space.folder / "away")
    try:
        gone = space.call("export", "latest", "--to", "litellm")
        assert "model_name: own model" in gone.stdout
    finally:
        away.rename(folder)
    config = folder / "config.json"
    before = config.read_bytes()
    config.write_bytes(before + b"\n")
    try:
        changed = space.call("export", "latest", "--to", "litellm")
        assert "model_name: own model" not in changed.stdout
        assert "own model is left out: its files have changed since they were measured" in changed.stderr
    finally:
        config.write_bytes(before)


def test_a_newer_run_without_a_result_is_named_and_the_one_before_it_is_handed_over(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "home", tmp_path / "home")
    space = InsideWorkspace(tmp_path, monkeypatch, capsys)
    finished = space.run_id()
    with closing(Store.open_folder(space.home)) as store:
        store.add_run("29990101-000000-aaaa", "small", "2999-01-01T00:00:00+00:00", {})
        store.set_state("29990101-000000-aaaa", "interrupted")
    done = space.call("export", "latest", "--to", "litellm")
    assert done.returncode == 0, done.stderr
    assert f"bakeoff export {finished} --to litellm" in done.stdout
    assert "run 29990101-000000-aaaa is newer, but has no result (interrupted)" in done.stderr
    assert f"Taken is run {finished}" in done.stderr
    served = space.call("serve", "--print-plan", "--run", "latest")
    assert "run 29990101-000000-aaaa is newer" in json.loads(served.stdout)["notes"][0]
    assert max(len(line) for line in served.stdout.splitlines()) < 500  # people read it


@pytest.mark.parametrize(
    ("more", "source"), [((), "set by keeping.budget_bytes of the settings"), (("--budget", "2GB"), "set by --budget")]
)
def test_a_budget_is_said_to_come_from_where_it_was_written(
    space: InsideWorkspace, more: tuple[str, ...], source: str
) -> None:
    (space.folder / "serve.toml").write_text("[keeping]\nbudget_bytes = 2_000_000_000\n")
    done = space.call("serve", "--print-plan", "--config", "serve.toml", *more)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["budget"] == {"value": 2_000_000_000, "source": source}
    assert document["budgets"] == {"host": document["budget"]}


NVIDIA_SMI = """#!/bin/sh
echo "NVIDIA Made Up, 24576, 20480, 50.00"
echo "NVIDIA Made Up Too, 8192, 8000, 20.00"
"""


def test_a_card_has_a_budget_of_its_own_where_a_model_is_on_it(
    space: InsideWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's program is imitated: no card is here. What is on the CPU takes nothing of a card."""
    program = space.folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def planned(models: str, *more: str) -> dict[str, Any]:
        done = space.call("serve", "--print-plan", "--models", models, *more)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    on_cpu = planned("bundled:social")
    assert list(on_cpu["budgets"]) == ["host"]
    assert on_cpu["budget"] == on_cpu["budgets"]["host"]
    both = planned("bundled:social,transformers+bundled:social", "--budget", "host=8GiB,cuda:0=6GiB")
    assert both["budget"] is None
    assert both["budgets"] == {
        name: {"value": size << 30, "source": "set by --budget"} for name, size in (("host", 8), ("cuda:0", 6))
    }
    cpu, card = both["plan"]["models"]
    assert (cpu["memory"], cpu["host_high_bytes"]) == ("host", None)
    assert card["memory"] == "cuda:0"
    assert card["host_high_bytes"] > card["need_high_bytes"] // 10
    half_said = planned("transformers+bundled:social", "--budget", "host=8GiB")
    assert half_said["budgets"]["cuda:0"] == {"value": 20480 << 20, "source": "what nvidia-smi reports as free"}
    alike = planned("transformers+bundled:social", "--budget", "8GiB")
    assert {told["value"] for told in alike["budgets"].values()} == {8 << 30}
    refused = space.call(
        "serve", "--print-plan", "--models", "transformers+bundled:social", "--budget", "host=1GiB,cuda:0=1GiB"
    )
    assert refused.returncode == 2
    assert "GiB of host, and the budget is 1.0 GiB" in refused.stderr
    unknown = space.call("serve", "--print-plan", "--budget", "cuda:2=1GiB")
    assert (unknown.returncode, "this machine has no memory 'cuda:2'" in unknown.stderr) == (2, True)
    assert "it has: host, cuda:0, cuda:1" in unknown.stderr
