"""`bakeoff run --device` and `--allow-fallback`: what is asked for is what runs, or the run does not begin."""

import json
import os
import sys

import pytest

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Sampling
from bakeoff.study.candidates import make_candidates, read_devices
from bakeoff_command import Workspace, write_suite

MODEL = "bundled:generalist"


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def suite(tmp_path):
    return str(write_suite(tmp_path / "suite.yaml", 6))


def test_a_device_that_is_not_here_stops_the_run_before_anything_is_generated(workspace, suite):
    done = workspace.call("run", suite, "--models", MODEL, "--device", "cuda")
    assert done.returncode == 2
    assert "cuda" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(workspace.call("runs", "--json").stdout)["runs"] == []


@pytest.mark.parametrize(("given", "said"), [("cpu,cpu", "named twice: cpu"), ("cpu,", "a device has no name")])
def test_a_list_of_devices_that_says_nothing_is_refused(workspace, suite, given, said):
    done = workspace.call("run", suite, "--models", MODEL, "--device", given)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_what_was_asked_for_is_in_the_plan_and_what_was_found_in_the_result(workspace, suite):
    arguments = ("run", suite, "--models", MODEL, "--device", "cpu", "--allow-fallback", "--json")
    done = workspace.call(*arguments)
    (candidate,) = json.loads(done.stdout)["candidates"]
    assert (candidate["id"], candidate["device"], candidate["dtype"]) == (MODEL, "cpu", "float32")
    assert candidate["fallbacks"] == []
    refused = workspace.call("run", "--resume", "latest", "--device", "cpu")
    assert refused.returncode == 2
    assert "device" in refused.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has no such driver")
def test_an_engine_built_without_the_card_computes_in_the_machines_memory(workspace, suite, tmp_path, monkeypatch):
    """A card with 1 MiB free, and a torch that was built for the CPU alone, as the tests install it."""
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 'GPU-1, Made Up, 24576, 1, [N/A]'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(driver.parent), prepend=os.pathsep)
    done = workspace.call("run", suite, "--models", f"transformers+{MODEL}", "--json")
    assert done.returncode == 0, done.stderr
    (candidate,) = json.loads(done.stdout)["candidates"]
    assert (candidate["device"], candidate["failures"]) == ("cpu", 0)


def test_each_local_candidate_competes_once_on_each_device():
    recorded = "openai:m@http://127.0.0.1:1/v1"
    candidates = make_candidates([MODEL, recorded], Sampling(), read_devices("mps, cpu"), allow_fallback=True)
    assert [(each.id, each.device, each.allow_fallback) for each in candidates] == [
        (f"{MODEL}@mps", "mps", True),
        (f"{MODEL}@cpu", "cpu", True),
        (recorded, None, False),
    ]
    # Onnx knows the CPU alone: the same model on both is compared on an engine that knows both.
    assert [each.engine for each in candidates] == ["transformers", "transformers", "endpoint"]
    assert len({each.digest for each in candidates}) == 3
    (alone,) = make_candidates([MODEL], Sampling(), read_devices("cpu"))
    (free,) = make_candidates([MODEL], Sampling(), read_devices(None))
    assert (alone.id, free.device) == (MODEL, None)
    assert alone.engine == free.engine == "onnx"
    assert alone.digest != free.digest
    with pytest.raises(UsageError):
        read_devices("")
