"""The type that an accelerator computes in, and models whose numbers it cannot hold.

There was no Metal and no CUDA where this was written: what is read for an accelerator is read onto the CPU here, and what those
devices say of themselves is put in their place.
"""

import contextlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra [transformers] is not installed")
pytest.importorskip("transformers", reason="the extra [transformers] is not installed")

import torch
from safetensors.torch import load_file, save_file

from bakeoff.core.errors import UnsupportedModel, UsageError
from bakeoff.engines import torch_dtypes, transformers_model
from bakeoff.engines.torch_kernels import DTYPE_VARIABLE
from bakeoff.engines.transformers_causal import CausalRows
from bakeoff.engines.transformers_checkpoint import open_checkpoint
from tiny_model import make_tiny_model

F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16


@pytest.fixture
def large(tmp_path):
    """Make a bfloat16 model whose activations go beyond 65,504, as Gemma 3's do."""
    folder = make_tiny_model(tmp_path / "large", seed=3)
    weights = load_file(folder / "model.safetensors")
    weights = {name: weight * (1000.0 if "mlp" in name else 1.0) for name, weight in weights.items()}
    save_file({name: weight.bfloat16() for name, weight in weights.items()}, folder / "model.safetensors")
    return folder


def damage(folder):
    """Put NaN into a weight of every layer."""
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if "norm" in name:
            weight[:] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def logits_of(folder):
    model, build = transformers_model._read_for_accelerator(open_checkpoint(folder), "cpu")
    return CausalRows(model, "cpu").prefill([(5, 9, 17, 3)]), build


@pytest.mark.parametrize(
    ("kind", "stored", "works", "expected"),
    [
        ("mps", BF16, True, BF16),
        ("mps", BF16, False, F16),
        ("mps", F16, True, F16),
        ("mps", F32, True, F16),
        ("cuda", F32, True, BF16),
        ("cuda", BF16, True, BF16),
        ("cuda", BF16, False, F16),
        ("cuda", F32, False, F16),
    ],
)
def test_the_type_follows_the_device_and_the_checkpoint(kind, stored, works, expected):
    found = torch_dtypes.choose_dtype(kind, stored, bfloat16=works)
    assert found.dtype == expected
    assert ("multiplies no bfloat16" in found.reason) == (not works)
    assert torch_dtypes.choose_dtype(kind, stored, bfloat16=works, forced=F32) == (F32, "forced by the environment")


def test_bfloat16_weights_stay_so_and_their_logits_are_finite_where_those_of_float16_are_not(large, monkeypatch):
    logits, build = logits_of(large)
    assert build.dtype == BF16
    assert build.reason.endswith("bfloat16: as stored")
    assert np.isfinite(logits).all()
    monkeypatch.setenv(DTYPE_VARIABLE, "float16")
    logits, build = logits_of(large)
    assert build.dtype == F16
    with pytest.raises(UnsupportedModel, match=r"in float16 on mps, .* not finite \(1 of 1 rows") as refused:
        torch_dtypes.require_finite(logits, build.dtype, "mps")
    assert refused.value.hint.endswith("set BAKEOFF_TORCH_DTYPE to bfloat16 or float32")


@pytest.mark.parametrize(
    ("forced", "hint"), [("float32", "damaged"), ("bfloat16", "set BAKEOFF_TORCH_DTYPE to float32")]
)
def test_a_model_that_computes_no_numbers_never_becomes_ready(tmp_path, monkeypatch, forced, hint):
    folder = make_tiny_model(tmp_path / "model", seed=3)
    damage(folder)
    monkeypatch.setenv(DTYPE_VARIABLE, forced)
    with pytest.raises(UnsupportedModel, match=rf"in {forced} on cpu, the model's logits are not finite") as refused:
        transformers_model.load(folder, "cpu", 1)
    assert hint in refused.value.hint


def test_what_the_environment_forces_is_obeyed_on_every_device(monkeypatch):
    works = {"mps": False, "cuda:1": False}
    monkeypatch.setattr(torch_dtypes, "multiplies_bfloat16", works.__getitem__)
    for name, dtype in (("float32", F32), ("float16", F16)):
        monkeypatch.setenv(DTYPE_VARIABLE, name)
        assert {torch_dtypes.find_dtype(device, BF16).dtype for device in works} == {dtype}
    monkeypatch.setenv(DTYPE_VARIABLE, "bfloat16")
    assert torch_dtypes.find_dtype("cuda:1", F16).dtype == BF16  # emulated
    with pytest.raises(UsageError, match="mps has no bfloat16 here"):
        torch_dtypes.find_dtype("mps", BF16)
    monkeypatch.setenv(DTYPE_VARIABLE, "float8")
    with pytest.raises(UsageError, match="BAKEOFF_TORCH_DTYPE=float8 is not known for mps"):
        torch_dtypes.find_dtype("mps", BF16)
    monkeypatch.setenv(DTYPE_VARIABLE, "auto")
    assert torch_dtypes.find_dtype("mps", BF16).dtype == F16


def test_emulated_bfloat16_is_none_and_a_product_that_fails_neither(monkeypatch):
    assert torch_dtypes.multiplies_bfloat16("cpu")
    asked = []

    def is_bf16_supported(*, including_emulation):
        asked.append(including_emulation)
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext(asked.append(device)))
    assert not torch_dtypes.multiplies_bfloat16("cuda:1")
    assert asked == ["cuda:1", False]

    def refuse(*_shape, **_options):
        raise TypeError("MPS BFloat16 is only supported on MacOS 14 or newer")

    monkeypatch.setattr(torch, "ones", refuse)
    assert not torch_dtypes.multiplies_bfloat16("mps")
