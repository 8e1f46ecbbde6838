"""The same weights on two engines, at the command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bakeoff.engines.local import find_engine, inspect_engine
from bakeoff_command import Workspace, write_suite
from contracts import one_document
from stand_in_vllm import LINE, write_vllm

MODEL = "bundled:generalist"


@pytest.mark.parametrize(
    ("engine", "forced"),
    [("mlx", {"BAKEOFF_MLX_DTYPE": "float32"}), ("transformers", {"BAKEOFF_TORCH_DTYPE": "float32"})],
)
def test_one_arithmetic_writes_one_text_whatever_the_engine(
    tmp_path: Path, engine: str, forced: dict[str, str]
) -> None:
    state = inspect_engine(find_engine(engine))
    if not state.available:
        pytest.skip(f"{state.reason} ({state.install})")
    workspace = Workspace(tmp_path)
    workspace.environment |= forced
    other = f"{engine}+{MODEL}"
    suite = str(write_suite(tmp_path / "suite.yaml", 6))
    done = workspace.call("run", suite, "--models", f"{MODEL},{other}", "--device", "cpu", "--json")
    assert done.returncode in {0, 3}, done.stderr  # six briefs decide nothing
    found = {each["id"]: each for each in one_document(done.stdout)["candidates"]}
    assert found[MODEL]["engine"] == "onnx"
    assert (found[other]["engine"], found[other]["device"], found[other]["dtype"]) == (engine, "cpu", "float32")
    texts: dict[str, dict[str, str]] = {MODEL: {}, other: {}}
    for candidate, brief, record in workspace.rows("select candidate, brief, record from generations"):
        texts[str(candidate)][str(brief)] = json.loads(str(record))["text"]
    assert len(texts[MODEL]) == 6
    assert texts[MODEL] == texts[other]


@pytest.mark.parametrize(
    ("line", "device", "dtype", "unknown"),
    [(LINE, "cpu", "float32", ["memory"]), ("says nothing", None, None, ["device", "dtype", "memory"])],
)
def test_a_server_that_is_started_for_the_run_competes(
    tmp_path: Path, line: str, device: str | None, dtype: str | None, unknown: list[str]
) -> None:
    """A stand-in for vLLM, which serves by the onnx engine: the texts are that engine's, and it is gone afterwards."""
    workspace = Workspace(tmp_path)
    write_vllm(tmp_path / "bin", line=line)
    workspace.environment["PATH"] = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    other = f"vllm+{MODEL}"
    suite = str(write_suite(tmp_path / "suite.yaml", 6))
    done = workspace.call("run", suite, "--models", f"{MODEL},{other}", "--json")
    assert done.returncode in {0, 3}, done.stderr
    found = {each["id"]: each for each in one_document(done.stdout)["candidates"]}
    assert (found[other]["engine"], found[other]["device"], found[other]["dtype"]) == ("vllm", device, dtype)
    assert [each.partition(":")[0] for each in found[other]["unknown"]] == unknown
    assert found[MODEL]["unknown"] == []
    texts: dict[str, list[str]] = {MODEL: [], other: []}
    query = "select candidate, record from generations order by brief"
    for candidate, record in workspace.rows(query):
        texts[str(candidate)].append(json.loads(str(record))["text"])
    assert len(texts[MODEL]) == 6
    assert texts[MODEL] == texts[other]
    screen = workspace.call("show", "latest")
    assert screen.returncode == 0
    assert "None" not in screen.stdout
