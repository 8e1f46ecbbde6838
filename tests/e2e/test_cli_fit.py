"""`bakeoff fit` as a user runs it: models that are here, models that are only described, and what is wrong with either."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from bakeoff.catalog.references import bundled_folder
from contracts import check_fit_document, one_document
from inside import InsideWorkspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    return InsideWorkspace(tmp_path, monkeypatch, capsys)


LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "param_count": 8030261248,
}


def test_models_that_are_here(workspace: InsideWorkspace) -> None:
    shown = workspace.call("fit", "bundled:generalist", "bundled:baseline", "--json", "--budget", "1GiB")
    document = one_document(shown.stdout)
    check_fit_document(document)
    assert document["budget_bytes"] == {"value": 1 << 30, "source": "set by --budget"}
    larger, smaller = document["models"]
    for model in (larger, smaller):
        parts, need = model["breakdown"], model["need_bytes"]
        four = sum(parts[f"{part}_bytes"] for part in ("weights", "kv", "graph", "runtime"))
        assert need["estimate"] == max(four, parts["load_peak_bytes"])
        assert need["low"] < need["estimate"] < need["high"] < 1 << 30
        assert (model["verdict"], model["max_context"]) == ("fits", model["context"])
        assert model["provenance"]["weights_bytes"].startswith("exact")
    assert larger["breakdown"]["weights_bytes"] > smaller["breakdown"]["weights_bytes"]
    assert not (workspace.home / "bakeoff.db").exists()  # looking makes nothing


def test_models_that_are_only_described(workspace: InsideWorkspace) -> None:
    Path(workspace.folder / "facts.json").write_text(json.dumps({"models": {"an/llama": LLAMA}}))
    shown = workspace.call(
        "fit", "an/llama", "--facts", "facts.json", "--context", "4096", "--quantisation", "q8_0", "--json"
    )
    (model,) = json.loads(shown.stdout)["models"]
    assert model["breakdown"]["kv_bytes"] == 512 << 20
    assert model["breakdown"]["weights_bytes"] == pytest.approx(8030261248 * 8.5 / 8, abs=1)
    assert model["provenance"]["weights_bytes"].startswith("approximate")
    workspace.environment["COLUMNS"] = "80"
    whole = workspace.call("fit", "--facts", "facts.json")
    assert "an/llama" in whole.stdout
    assert max(len(line) for line in whole.stdout.splitlines()) <= 80
    Path(workspace.folder / "one.json").write_text(json.dumps(LLAMA))
    assert (
        json.loads(workspace.call("fit", "mine", "--facts", "one.json", "--json").stdout)["models"][0]["model"]
        == "mine"
    )


@pytest.mark.parametrize(
    ("arguments", "facts", "said"),
    [
        (["an/lama"], {"an/llama": LLAMA}, "did you mean an/llama?"),
        (["an/llama", "--context", "131073"], {"an/llama": LLAMA}, "exceeds the model's 131072"),
        (["an/llama", "--context", "-1"], {"an/llama": LLAMA}, "a context of -1 tokens"),
        (["an/llama", "--context", "nan"], {"an/llama": LLAMA}, "'nan'"),
        (["an/llama", "--context", "9" * 400], {"an/llama": LLAMA}, "a context of 999999999999... (400 digits)"),
        (
            ["an/llama", "--context", "9" * 40],
            {"an/llama": {name: size for name, size in LLAMA.items() if name != "max_position_embeddings"}},
            "a context of 999999999999... (40 digits)",
        ),
        (["an/llama", "--batch", "0"], {"an/llama": LLAMA}, "a batch of 0"),
        (["an/llama", "--batch", "9" * 400], {"an/llama": LLAMA}, "a batch of 999999999999... (400 digits)"),
        (["an/llama", "--budget", "nan"], {"an/llama": LLAMA}, "--budget nan"),
        (["an/llama", "--device", "accelerator"], {"an/llama": LLAMA}, "--device accelerator: none was found"),
        (["an/llama"], {"an/llama": LLAMA | {"num_hidden_layers": 10**15}}, "at most 10000 layers"),
        (
            ["an/llama"],
            '{"an/llama": {"model_type": "llama", "hidden_size": 1e400, "param_count": 5}}',
            "hidden_size: is inf",
        ),
        (["an/llama", "--budget", "-5"], {"an/llama": LLAMA}, "--budget -5"),
        (["an/llama", "--quantisation", "q9"], {"an/llama": LLAMA}, "'q9'"),
        (["an/llama"], {"an/llama": LLAMA | {"head_dim": -128}}, "an/llama.head_dim: is -128"),
        (["an/llama"], {"an/llama": {"name": "nothing"}}, "holds no facts"),
        ([], {}, "holds no facts"),
        (["an/llama"], "{", "facts.json:1: is not JSON"),
        (
            ["openai:m@http://127.0.0.1:9/v1"],
            {"an/llama": LLAMA | {"num_hidden_layers": 1}, "b": LLAMA},
            "somebody else's",
        ),
    ],
)
def test_what_cannot_be_asked(workspace: InsideWorkspace, arguments: list[str], facts: object, said: str) -> None:
    Path(workspace.folder / "facts.json").write_text(facts if isinstance(facts, str) else json.dumps(facts))
    shown = workspace.call("fit", *arguments, "--facts", "facts.json")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr


def test_models_of_the_catalogue(workspace: InsideWorkspace) -> None:
    shown = workspace.call("fit", "qwen3-8b", "hf:openai/gpt-oss-20b", "--quantise", "q4_k_m", "--json")
    first, second = json.loads(shown.stdout)["models"]
    assert (first["model"], second["model"]) == ("Qwen/Qwen3-8B", "openai/gpt-oss-20b")
    assert first["breakdown"]["kv_bytes"] == 576 << 20
    assert second["breakdown"]["kv_bytes"] == (96 + 18) << 20
    wrong = workspace.call("fit", "Qwen3-88")
    assert wrong.returncode == 2
    assert "did you mean Qwen/Qwen3-8B" in wrong.stderr


def test_without_a_model(workspace: InsideWorkspace) -> None:
    shown = workspace.call("fit")
    assert shown.returncode == 2
    assert "no model is named" in shown.stderr


def test_a_run_is_learnt_from(workspace: InsideWorkspace) -> None:
    ran = workspace.call("run", "--models", "bundled:baseline,bundled:social", "--fixed-n", "2", "--json")
    assert ran.returncode in {0, 3}
    from bakeoff.store.db import Store
    from bakeoff.study.admission import read_observations

    store = Store.open_folder(workspace.home)
    seen = read_observations(store, workspace.home)
    store.close()
    assert {(one.engine, one.where) for one in seen} == {("onnx", "cpu")}
    assert len({one.model for one in seen}) == 2
    for one in seen:
        # What a worker really took lies within the margin that is assumed before anything was measured.
        assert one.measured_bytes > 50 << 20
        assert abs(one.residual) < 1.5


def test_every_model_of_the_catalogue_at_once(workspace: InsideWorkspace) -> None:
    from bakeoff.catalog.registry import load_catalogue

    models = {name: entry.facts for name, entry in load_catalogue().items()}
    Path(workspace.folder / "facts.json").write_text(json.dumps({"schema": "facts", "models": models}))
    for more in ([], ["--engine", "transformers", "--batch", "8"], ["--quantisation", "q4_k_m", "--kv-type", "q8_0"]):
        document = one_document(
            workspace.call("fit", "--facts", "facts.json", "--budget", "12GiB", *more, "--json").stdout
        )
        check_fit_document(document)
        assert [each["model"] for each in document["models"]] == list(models)
        assert {each["verdict"] for each in document["models"]} >= {"fits", "no"}


def test_what_is_not_told_stays_unknown(workspace: InsideWorkspace) -> None:
    sizeless = {name: size for name, size in LLAMA.items() if name != "param_count"}
    Path(workspace.folder / "facts.json").write_text(json.dumps({"a": sizeless, "b": LLAMA | {"model_type": "new"}}))
    document = one_document(workspace.call("fit", "--facts", "facts.json", "--json").stdout)
    check_fit_document(document)
    first, second = document["models"]
    assert (first["need_bytes"]["estimate"], first["verdict"]) == (None, "unknown")
    assert (second["verdict"], second["max_context"]) == ("unknown", None)
    assert "'new' is not known here" in second["notes"][0]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_path_is_broken_at_its_signs(workspace: InsideWorkspace, width: int) -> None:
    folder = workspace.folder / "a-shelf" / "of_models" / "for-every-kind-of-text"
    shutil.copytree(bundled_folder() / "baseline", folder / "a-small-one.of-two")
    workspace.environment["COLUMNS"] = str(width)
    shown = workspace.call("fit", str(folder / "a-small-one.of-two")).stdout
    table, below = shown.split("\n\n")[:2]
    assert max(len(line) for line in shown.splitlines()) <= width
    for text in (table, below):
        pieces = [line.split("  ")[0].strip() for line in text.splitlines()]
        joined = "".join(pieces)
        assert "/a-shelf/of_models/for-every-kind-of-text/a-small-one.of-two" in joined
        words = re.split("[^a-z]+", "of_models/for-every-kind-of-text/a-small-one.of-two")
        assert set(words) <= set(re.split("[^a-z]+", " ".join(pieces)))  # none is in two pieces


@pytest.mark.parametrize("width", [48, 60, 72])
def test_a_version_is_broken_nowhere(workspace: InsideWorkspace, width: int) -> None:
    folder = workspace.folder / "Small-Language-Model-1.1B-Chat-v1.0"
    shutil.copytree(bundled_folder() / "baseline", folder)
    workspace.environment["COLUMNS"] = str(width)
    shown = workspace.call("fit", str(folder)).stdout
    table = shown.split("\n\n")[0]
    assert "Small-Language-Model-1.1B-Chat-v1.0" not in table  # too long for one line
    assert "v1.0" in table
    assert "1.1B" in table
