"""The measured choice of arithmetic: obeyed when forced, recorded, refused when wrong, and the logits stay."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra [transformers] is not installed")
pytest.importorskip("transformers", reason="the extra [transformers] is not installed")

import torch

from bakeoff.core.errors import UsageError
from bakeoff.engines import torch_kernels, transformers_model
from tiny_model import make_tiny_model

needs_packing = pytest.mark.skipif(
    not torch_kernels.can_pack(torch.float32), reason="this torch or this CPU has no packed oneDNN product"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), seed=3)


def stack(width, layers, dtype=torch.float32):
    torch.manual_seed(0)
    return torch.nn.Sequential(*(torch.nn.Linear(width, width, bias=index == 0) for index in range(layers))).to(dtype)


@needs_packing
def test_packed_logits_are_the_plain_ones(folder, monkeypatch):
    prompts = [[10, 11, 12], [20] * 17, [30, 31]]
    found = {}
    for kernels in (torch_kernels.PLAIN, torch_kernels.PACKED):
        monkeypatch.setenv(torch_kernels.KERNELS_VARIABLE, kernels)
        model = transformers_model.load(folder, "cpu", 1)
        assert (model.facts().kernels, model.facts().kernels_reason) == (kernels, "forced by the environment")
        found[kernels] = [model.prefill(prompts), model.decode([1, 2, 3])]
        assert model.facts().weight_bytes == 4 * model.facts().parameters
    for plain, packed in zip(*found.values(), strict=True):
        assert np.abs(plain - packed).max() < 1e-4 * np.abs(plain).max()


def test_a_small_model_is_not_measured_and_says_so(folder):
    facts = transformers_model.load(folder, None, 1).facts()
    assert facts.kernels == torch_kernels.PLAIN
    assert facts.kernels_reason == "not measured: the model is so small that it makes no difference"


def test_float32_weights_stay_float32_and_half_ones_are_never_float16(monkeypatch):
    model = stack(512, 5)
    choice = torch_kernels.choose(model, torch.float32)
    assert choice.dtype == torch.float32
    assert choice.reason.startswith("measured, ms for the linear layers at 1 / 16 rows: float32 plain ")
    assert "bfloat16" not in choice.reason
    half = torch_kernels.choose(model, torch.float16)
    assert half.dtype in {torch.float32, torch.bfloat16}
    assert ("bfloat16 plain" in half.reason) == torch_kernels.native_bfloat16()
    monkeypatch.setenv(torch_kernels.DTYPE_VARIABLE, "float32")
    assert "bfloat16" not in torch_kernels.choose(model, torch.bfloat16).reason


@pytest.mark.parametrize(
    ("plain", "packed", "half", "expected"),
    [
        ((10, 40), (5, 20), (8, 30), (torch.float32, torch_kernels.PACKED)),
        ((10, 40), (9.9, 39.5), (9, 36), (torch.float32, torch_kernels.PLAIN)),  # within noise
        ((10, 40), (12, 50), (4, 16), (torch.bfloat16, torch_kernels.PLAIN)),
        ((10, 40), (5, 20), (4, 17), (torch.float32, torch_kernels.PACKED)),  # 1.21 times is too little to change dtype
    ],
)
def test_the_choice_follows_the_times(plain, packed, half, expected):
    times = {
        (torch.float32, torch_kernels.PLAIN): list(plain),
        (torch.float32, torch_kernels.PACKED): list(packed),
        (torch.bfloat16, torch_kernels.PLAIN): list(half),
    }
    choice = torch_kernels.pick(times)
    assert (choice.dtype, choice.kernels) == expected


def test_what_cannot_be_forced_is_refused(monkeypatch):
    monkeypatch.setenv(torch_kernels.DTYPE_VARIABLE, "float16")
    with pytest.raises(UsageError, match=r"BAKEOFF_TORCH_DTYPE=float16 is not known for the CPU"):
        torch_kernels.choose(stack(8, 1), torch.float16)
    monkeypatch.setenv(torch_kernels.DTYPE_VARIABLE, "auto")
    monkeypatch.setenv(torch_kernels.KERNELS_VARIABLE, "magic")
    with pytest.raises(UsageError, match="BAKEOFF_TORCH_KERNELS=magic") as caught:
        torch_kernels.choose(stack(8, 1), torch.float32)
    assert caught.value.hint == "write auto, plain, onednn-packed"


@needs_packing
def test_packing_leaves_no_dense_layer_and_keeps_the_bias():
    model = stack(64, 3)
    x = torch.randn(2, 5, 64)
    with torch.inference_mode():
        before = model(x)
        torch_kernels.pack(model)
        assert not torch_kernels.differs(model(x), before, torch.float32)
    assert not any(type(module) is torch.nn.Linear for module in model.modules())


def test_wrong_logits_are_told_from_another_order_of_summation():
    reference = torch.linspace(-5, 5, 100)
    assert not torch_kernels.differs(reference + 1e-5, reference, torch.float32)
    assert torch_kernels.differs(reference.flip(0), reference, torch.float32)
    assert torch_kernels.differs(torch.full_like(reference, float("nan")), reference, torch.float32)
