"""`bakeoff convert --to mlx`: a folder that is smaller, that the catalogue knows, and that the mlx engine runs."""

import json
import sys

import numpy as np
import pytest

from bakeoff.catalog.references import resolve
from bakeoff.core.errors import InvalidFile, UnsupportedModel, UsageError
from bakeoff.core.installing import install_command
from bakeoff.engines.conversion import FORMATS, convert
from bakeoff.engines.local import choose_engine, find_engine, inspect_engine
from bakeoff_command import Workspace, write_suite
from contracts import one_document
from tiny_model import make_tiny_model

MLX = FORMATS["mlx"]
needs_mlx = pytest.mark.skipif(
    not inspect_engine(find_engine("mlx")).available, reason="the extra [mlx] is not installed"
)


@pytest.fixture
def folder(tmp_path):
    return make_tiny_model(tmp_path / "tiny")


def refusal(folder, out, kind):
    with pytest.raises(UsageError) as refused:
        convert(resolve(str(folder)), MLX, kind, out, replace=False)
    assert not out.exists()
    return f"{refused.value.message}\n{refused.value.hint}"


@needs_mlx
@pytest.mark.parametrize("bits", [4, 8])
def test_a_folder_in_few_bits_is_known_for_what_it_is(folder, tmp_path, bits):
    (folder / "LICENSE").write_text("free")
    (folder / "helper.py").write_text("raise SystemExit")
    out = tmp_path / "small"
    assert convert(resolve(str(folder)), MLX, f"{bits}bit", out, replace=False) == ()
    before, after = resolve(str(folder)), resolve(str(out))
    assert after.quantisation == f"MLX {bits}-bit"
    assert after.parameters == before.parameters
    assert after.made_from == before.digest
    assert bits / 32 < after.weight_bytes / before.weight_bytes < (bits + 2.5) / 32
    assert (after.architecture, after.context_length) == (before.architecture, before.context_length)
    assert {file.name for file in out.iterdir()} >= {"tokenizer.json", "tokenizer_config.json", "LICENSE"}
    assert not (out / "helper.py").exists()
    assert (out / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


@needs_mlx
def test_the_small_one_competes_with_the_one_it_was_made_of(tmp_path):
    workspace = Workspace(tmp_path)
    made = workspace.call("convert", "bundled:generalist", "--to", "mlx", "--bits", "8", "--out", "small")
    assert made.returncode == 0, made.stderr
    assert "bakeoff run --models bundled:generalist,small" in made.stdout
    suite = str(write_suite(tmp_path / "suite.yaml", 6))
    done = workspace.call("run", suite, "--models", "bundled:generalist,small", "--json")
    assert done.returncode in {0, 3}, done.stderr
    found = {each["id"]: each for each in one_document(done.stdout)["candidates"]}
    assert found["small"]["engine"] == "mlx"
    assert found["small"]["dtype"].endswith("(8-bit weights)")
    assert found["small"]["errors"] == {}


@needs_mlx
@pytest.mark.skipif(sys.platform == "darwin", reason="float16 on a Mac's GPU: other bounds")
def test_matrices_that_do_not_fit_are_told_and_stay(tmp_path):
    from bakeoff.engines import mlx_model

    # A width of 96 is no multiple of 64; that of the layer that reads the 192 inner ones is.
    folder, out = make_tiny_model(tmp_path / "odd", hidden=96), tmp_path / "small"
    (note,) = convert(resolve(str(folder)), MLX, "8bit", out, replace=False)
    assert note == "13 of 15 matrices stay as they are: their width is no multiple of 64"
    assert resolve(str(out)).parameters == resolve(str(folder)).parameters
    ours, theirs = mlx_model.load(out, None, 1), mlx_model.load(folder, None, 1)
    near, exact = ours.prefill([[5, 6, 7]])[0], theirs.prefill([[5, 6, 7]])[0]
    assert 0.99 < np.corrcoef(near, exact)[0, 1] < 1


@needs_mlx
def test_what_cannot_be_made_is_said_and_leaves_nothing(folder, tmp_path):
    out = tmp_path / "out"
    assert "reads the folder as it is\nsay how small: --quantise 4bit" in refusal(folder, out, None)
    assert "q8_0 is not how MLX stores weights\none of: 8bit" in refusal(folder, out, "q8_0")
    small = tmp_path / "small"
    convert(resolve(str(folder)), MLX, "4bit", small, replace=False)
    assert "quantised already" in refusal(small, out, "4bit")
    narrow = make_tiny_model(tmp_path / "narrow", hidden=48)
    assert "no matrix has a width that is a multiple of 64" in refusal(narrow, out, "4bit")
    (folder / "config.json").write_text(json.dumps({"model_type": "unheard_of"}))
    assert "unheard_of" in refusal(folder, out, "4bit")


@needs_mlx
def test_a_folder_is_replaced_only_where_it_was_made_by_converting(folder, tmp_path):
    out, own = tmp_path / "small", tmp_path / "own"
    convert(resolve(str(folder)), MLX, "8bit", out, replace=False)
    convert(resolve(str(folder)), MLX, "4bit", out, replace=True)
    assert resolve(str(out)).quantisation == "MLX 4-bit"
    make_tiny_model(own)
    (out / "notes").mkdir()
    for place in (own, out):
        with pytest.raises(UsageError, match="does not replace"):
            convert(resolve(str(folder)), MLX, "8bit", place, replace=True)
    assert resolve(str(own)).quantisation is None
    assert (out / "notes").is_dir()


def test_bits_are_said_once_and_without_mlx_the_command_is_told(folder, tmp_path):
    workspace = Workspace(tmp_path)
    both = workspace.call("convert", str(folder), "--to", "mlx", "--bits", "4", "--quantise", "8bit", "--out", "x")
    assert (both.returncode, "not both" in both.stderr) == (2, True)
    if not inspect_engine(find_engine("mlx")).available:
        done = workspace.call("convert", str(folder), "--to", "mlx", "--bits", "4", "--out", "x")
        assert (done.returncode, install_command("mlx") in done.stderr) == (2, True)


def test_engines_that_cannot_read_mlx_weights_are_refused_before_a_run(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization": {"group_size": 64, "bits": 4}}))
    spec = resolve(str(folder))
    assert choose_engine(spec, None) == choose_engine(spec, "mlx") == "mlx"
    for engine in ("onnx", "transformers", "vllm"):
        with pytest.raises(UnsupportedModel, match="quantised by MLX"):
            choose_engine(spec, engine)
    (folder / "config.json").write_text(json.dumps(config | {"quantization": {"bits": "many"}}))
    with pytest.raises(InvalidFile, match="many"):
        resolve(str(folder))
