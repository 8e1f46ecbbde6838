"""What is the mlx engine's own; the rest is in `test_engines_alike`. On Linux MLX computes on the CPU."""

import json
import sys

import numpy as np
import pytest

from tiny_model import make_tiny_model

pytest.importorskip("mlx.core", reason="the extra [mlx] is not installed")
pytest.importorskip("mlx_lm", reason="the extra [mlx] is not installed")

from mlx_lm.utils import load_config, load_model, quantize_model, save_config, save_model

from bakeoff.core.errors import UnsupportedModel, UsageError
from bakeoff.engines import mlx_model

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="the expected device and arithmetic are the CPU's")


@pytest.fixture
def folder(tmp_path):
    return make_tiny_model(tmp_path / "model", seed=3)


def quantised(folder, bits):
    """Write `folder` anew with quantised weights, as mlx-lm's own converter does."""
    target = folder.parent / f"quantised-{bits}"
    model, config = load_model(folder)
    model, config = quantize_model(model, config, 64, bits)
    save_model(target, model)
    save_config(config, target / "config.json")
    return target


def change(folder, **settings):
    config = load_config(folder) | settings
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_weights_are_read_as_they_are_and_said(folder, bits):
    dense = mlx_model.load(folder, None, 1)
    small = mlx_model.load(quantised(folder, bits), None, 1)
    facts = small.facts()
    assert (facts.device, facts.dtype) == ("cpu", f"float32 ({bits}-bit weights)")
    assert facts.parameters == dense.facts().parameters
    # Two float32 numbers go with every 64 weights: one bit and more a weight each.
    share = facts.weight_bytes / dense.facts().weight_bytes
    assert bits / 32 < share < (bits + 2.5) / 32
    prompt = [5, 9, 17, 3]
    near, exact = small.prefill([prompt])[0], dense.prefill([prompt])[0]
    assert np.abs(near - exact).max() > 0
    assert np.corrcoef(near, exact)[0, 1] > {4: 0.8, 8: 0.99}[bits]


def test_the_allocators_peak_stays_when_memory_is_given_back(folder):
    model = mlx_model.load(folder, None, 1)
    model.prefill([[5] * 400] * 4)
    held = model.memory_bytes()
    assert model.facts().weight_bytes < held <= model.peak_memory_bytes()
    model.keep([])
    assert model.memory_bytes() < held <= model.peak_memory_bytes()


def test_code_in_the_folder_is_never_run(folder, tmp_path):
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    change(folder, model_file="evil.py")
    with pytest.raises(UnsupportedModel, match="code of its own"):
        mlx_model.load(folder, None, 1)
    assert not (tmp_path / "ran").exists()


def test_an_arithmetic_can_be_forced(folder, monkeypatch):
    monkeypatch.setenv(mlx_model.DTYPE_VARIABLE, "bfloat16")
    facts = mlx_model.load(folder, None, 1).facts()
    assert (facts.dtype, facts.kernels_reason) == ("bfloat16", "forced by the environment")
    assert facts.weight_bytes == 2 * facts.parameters
    monkeypatch.setenv(mlx_model.DTYPE_VARIABLE, "float8")
    with pytest.raises(UsageError, match="there is no such type"):
        mlx_model.load(folder, None, 1)


def test_what_mlx_lm_never_converts_stays_as_it_is_stored(tmp_path):
    """As it is read for a Mac's GPU: MLX's Linux build computes experts in float32 alone."""
    from mlx.utils import tree_flatten
    from mlx_lm.models.glm4_moe import Model, ModelArgs

    config = {
        "model_type": "glm4_moe",
        "vocab_size": 200,
        "hidden_size": 32,
        "intermediate_size": 64,
        "moe_intermediate_size": 32,
        "max_position_embeddings": 512,
        "norm_topk_prob": True,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": 1,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "routed_scaling_factor": 1.0,
        "first_k_dense_replace": 1,
        "num_hidden_layers": 2,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "use_qk_norm": False,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "partial_rotary_factor": 0.5,
    }
    folder = tmp_path / "experts"
    save_model(folder, Model(ModelArgs.from_dict(config)))
    save_config(config, folder / "config.json")
    build = mlx_model._read_for_gpu(folder)
    kinds = {name: array.dtype for name, array in tree_flatten(build.model.parameters())}
    kept = {name for name, kind in kinds.items() if kind == mlx_model.DTYPES["float32"]}
    assert kept == {"model.layers.1.mlp.gate.e_score_correction_bias"}
    assert {kinds[name] for name in kinds.keys() - kept} == {build.dtype} == {mlx_model.DTYPES["float16"]}
    if sys.platform == "darwin":
        return
    # Stored in half, it is computed in what there is.
    save_model(tmp_path / "half", build.model)
    save_config(config, tmp_path / "half" / "config.json")
    on_cpu = mlx_model.load(tmp_path / "half", "cpu", 1)
    assert on_cpu.facts().dtype == "float32"
    assert "in float16 it cannot be computed here" in on_cpu.facts().kernels_reason
    assert np.isfinite(on_cpu.prefill([[3, 5, 7]])).all()


def test_half_precision_is_computed_by_what_was_measured_here(folder, monkeypatch):
    monkeypatch.setenv(mlx_model.DTYPE_VARIABLE, "bfloat16")
    model, config = load_model(folder)
    model.set_dtype(mlx_model.DTYPES["bfloat16"])
    half = folder.parent / "half"
    save_model(half, model)
    save_config(config, half / "config.json")
    monkeypatch.delenv(mlx_model.DTYPE_VARIABLE)
    facts = mlx_model.load(half, None, 1).facts()
    assert facts.dtype in {"float32", "bfloat16"}
    assert "ms in bfloat16" in facts.kernels_reason
    assert "ms in float32" in facts.kernels_reason


def test_a_sliding_window_shorter_than_the_text_is_kept_row_by_row(folder):
    """Layers that look back a few tokens only have another cache, which cannot be rewound once it is full."""
    change(folder, sliding_window=16, layer_types=["sliding_attention", "full_attention"])
    model, alone = mlx_model.load(folder, None, 1), mlx_model.load(folder, None, 1)
    texts = [list(range(20, 60)), [7, 8, 9], list(range(100, 111))]
    model.prefill(texts[:2])
    for token in range(30):
        model.decode([300 + token, 200 + token])
    model.prefill([texts[2], texts[0]])
    texts = [texts[0] + list(range(300, 330)), texts[1] + list(range(200, 230)), texts[2], texts[0]]
    model.keep([3, 0, 1, 2])
    logits = model.decode([11, 12, 13, 14])
    for row, (number, token) in enumerate(((3, 11), (0, 12), (1, 13), (2, 14))):
        expected = alone.prefill([[*texts[number], token]])[0]
        alone.keep([])
        assert np.abs(expected - logits[row]).max() < 2e-3


def test_a_state_that_holds_one_text_only_is_refused(folder, monkeypatch):
    class OneText:
        """A layer's cache as mlx-lm has some: without a way to put two texts together."""

    monkeypatch.setattr("bakeoff.engines.mlx_rows.make_prompt_cache", lambda model: [OneText()])
    with pytest.raises(UnsupportedModel, match="OneText holds one sequence only"):
        mlx_model.load(folder, None, 1)
