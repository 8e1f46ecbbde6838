"""The worked example of `docs/engines.md`, installed as its author would: by its own pyproject.toml, and run."""

from __future__ import annotations

import importlib.util
import json
import os
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bakeoff.engines import onnx_model
from bakeoff.engines.conformance import check_engine
from bakeoff_command import Workspace, write_suite
from contracts import one_document
from tiny_model import make_tiny_model

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "engine"
MODEL = "bundled:generalist"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bakeoff_numpy", EXAMPLE / "bakeoff_numpy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """With the example on the path, and the metadata that an installer makes of its pyproject.toml beside it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    workspace = Workspace(tmp_path)
    workspace.environment["PYTHONPATH"] = os.pathsep.join(
        [str(EXAMPLE), str(tmp_path / "site"), *filter(None, [workspace.environment.get("PYTHONPATH")])]
    )
    workspace.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return workspace


def test_the_example_keeps_the_protocol_and_has_the_onnx_engines_logits(example: ModuleType, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model", seed=3)
    facts = check_engine(example.load, folder)
    assert (facts.engine, facts.device, facts.dtype) == ("numpy", "cpu", "float32")
    prompts = [[5, 9, 17, 3], list(range(40, 90)), [7]]
    ours, theirs = example.load(folder, None, 1), onnx_model.load(folder, None, 1)
    assert np.abs(ours.prefill(prompts) - theirs.prefill(prompts)).max() < 1e-3
    assert np.abs(ours.decode([1, 2, 3]) - theirs.decode([1, 2, 3])).max() < 1e-3


def test_the_example_is_shown_by_doctor(workspace: Workspace) -> None:
    engines = {each["name"]: each for each in one_document(workspace.call("doctor", "--json").stdout)["engines"]}
    assert engines["numpy"] == {
        "name": "numpy",
        "available": True,
        "version": "0.1.0",
        "device": "cpu",
        "reason": "",
        "install": None,
    }


def test_the_example_competes_and_writes_what_onnx_writes(workspace: Workspace) -> None:
    suite = str(write_suite(workspace.folder / "suite.yaml", 6))
    done = workspace.call("run", suite, "--models", f"{MODEL},numpy+{MODEL}", "--json")
    assert done.returncode in {0, 3}, done.stderr  # six briefs decide nothing
    found = {each["id"]: each for each in one_document(done.stdout)["candidates"]}
    ran_on = tuple(found[f"numpy+{MODEL}"][fact] for fact in ("engine", "device", "dtype"))
    assert ran_on == ("numpy", "cpu", "float32")
    texts: dict[str, str] = {}
    for candidate, brief, record in workspace.rows("select candidate, brief, record from generations"):
        texts[f"{candidate} {brief}"] = json.loads(str(record))["text"]
    same = [texts[f"{MODEL} tweet-{number}"] == texts[f"numpy+{MODEL} tweet-{number}"] for number in (0, 2, 4)]
    # Sums in another order: a token that is level with another to the last bit may fall either way.
    assert sum(same) >= 2


def test_a_device_that_the_example_lacks_stops_the_run_with_its_own_words(workspace: Workspace) -> None:
    suite = str(write_suite(workspace.folder / "suite.yaml", 6))
    done = workspace.call("run", suite, "--models", f"numpy+{MODEL}", "--device", "cuda")
    assert done.returncode == 2
    assert "the numpy engine runs on the cpu, not on cuda" in done.stderr
