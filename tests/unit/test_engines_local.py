"""Which engines there are, and what is said of those that do not work."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys

import pytest

from bakeoff.catalog.references import resolve
from bakeoff.core.errors import MissingDependency, UnsupportedModel, UsageError
from bakeoff.engines import local
from bakeoff.engines.local import (
    BUILT_IN,
    DEFAULT_ENGINE,
    Engine,
    EngineState,
    choose_engine,
    find_engine,
    inspect_engine,
    inspect_engines,
)
from made_gguf import write_gguf
from tiny_model import make_tiny_model


def test_the_default_engine_works_wherever_bakeoff_does():
    states = {state.name: state for state in inspect_engines()}
    assert states[DEFAULT_ENGINE].available
    assert states[DEFAULT_ENGINE].version
    assert DEFAULT_ENGINE in BUILT_IN


def test_a_missing_package_is_named_with_the_command_that_adds_it():
    state = inspect_engine(Engine("x", "x:load", ("numpy", "no_such_module"), "no-such", "pip install no-such"))
    assert (state.available, state.version, state.reason) == (False, None, "not installed: no_such_module")
    assert state.install == "pip install no-such"


def test_listing_imports_no_runtime():
    """In a process of its own: other tests of this one may have imported a runtime."""
    script = (
        "import sys; from bakeoff.engines.local import inspect_engines; inspect_engines(); "
        "print(sorted({'torch', 'transformers', 'onnxruntime', 'mlx', 'llama_cpp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("system", "chip", "installed", "expected"),
    [
        ("darwin", "arm64", {"mlx", "transformers"}, "mlx"),
        ("darwin", "arm64", {"transformers"}, "transformers"),
        ("darwin", "arm64", set(), "onnx"),
        ("darwin", "x86_64", {"mlx", "transformers"}, "onnx"),
        ("linux", "nvidia", {"mlx", "transformers"}, "transformers"),
        ("linux", "nvidia", {"mlx", "transformers", "cpu"}, "onnx"),
        ("linux", "nvidia", {"mlx"}, "onnx"),
        ("linux", "x86_64", {"mlx", "transformers"}, "onnx"),
    ],
)
def test_a_folder_is_computed_on_the_gpu_by_what_is_installed_for_it(
    tmp_path, monkeypatch, system, chip, installed, expected
):
    def inspect(engine):
        return EngineState(engine.name, engine.name in installed, None, "", engine.install)

    driver = "/usr/bin/nvidia-smi" if chip == "nvidia" else None
    monkeypatch.setattr(local, "inspect_engine", inspect)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: chip)
    monkeypatch.setattr(shutil, "which", lambda name: driver)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.13.0+cpu" if "cpu" in installed else "2.13.0")
    make_tiny_model(tmp_path / "model")
    folder = resolve(str(tmp_path / "model"))
    assert choose_engine(folder, None) == expected
    # What is asked for, what runs on other machines, and the bundled models know no GPU.
    assert choose_engine(folder, None, ["cpu"]) == choose_engine(folder, None, elsewhere=True) == "onnx"
    assert choose_engine(folder, "onnx") == choose_engine(resolve("bundled:generalist"), None) == "onnx"


def test_an_unknown_engine_lists_the_known():
    with pytest.raises(UsageError) as caught:
        find_engine("transformer")
    assert not isinstance(caught.value, MissingDependency)
    assert caught.value.hint.startswith("did you mean transformers? engines: onnx, transformers")


def test_a_model_gets_an_engine_that_reads_it(tmp_path):
    folder = resolve("bundled:generalist")
    file = resolve(str(write_gguf(tmp_path / "m.gguf")))
    assert (choose_engine(folder, None), choose_engine(file, None)) == (DEFAULT_ENGINE, "llamacpp")
    assert choose_engine(folder, "transformers") == "transformers"
    with pytest.raises(UnsupportedModel, match="'onnx' reads model folders, and this is a GGUF file") as refused:
        choose_engine(file, "onnx")
    assert refused.value.hint.startswith(f"write llamacpp+{file.reference}")
    with pytest.raises(UnsupportedModel, match="reads GGUF files, and this is a model folder") as refused:
        choose_engine(folder, "llamacpp")
    assert "bakeoff convert bundled:generalist --to gguf --out generalist.gguf" in refused.value.hint
