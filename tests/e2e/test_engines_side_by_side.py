"""The same weights on two engines, at the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakeoff.engines.local import find_engine, inspect_engine
from bakeoff_command import Workspace, write_suite
from contracts import one_document

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
