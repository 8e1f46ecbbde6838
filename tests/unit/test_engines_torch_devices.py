"""Device truth, against what stands for torch: there was no Metal and no CUDA where this was written.

The messages are torch's own, copied from aten/src/ATen/mps/MPSFallback.mm (torch 2.13); the byte counts are made up,
in the proportions that `driver_allocated_memory` has by its documentation (tensors, cached pools and MPSGraph together).
Nothing here shows that a Mac behaves so. It shows what we do if it does. What Macs were seen to say, warnings and byte counts
too, is in `test_apple_recordings.py`.
"""

import warnings
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from bakeoff.catalog.fit import Load, predict
from bakeoff.catalog.fit_subject import subject_of_facts
from bakeoff.core.errors import UnsupportedModel
from bakeoff.engines.base import ModelFacts
from bakeoff.engines.torch_devices import (
    DeviceWitness,
    FallbackWatch,
    choose_device,
    explain_missing_operator,
    read_fallbacks,
)
from bakeoff.engines.worker import refuse_fallbacks
from bakeoff.machine.accelerators import CUDA_CONTEXT_BYTES

FELL_BACK = (
    "The operator 'aten::linalg_svd' is not currently supported on the MPS backend and will fall back to run on the "
    "CPU. This may have performance implications. (Triggered internally at MPSFallback.mm:15.)"
)
MISSING = (
    "The operator 'aten::_foo' is not currently implemented for the MPS device. If you want this op to be considered "
    "for addition please comment on https://github.com/pytorch/pytorch/issues/141287 and mention use-case, that "
    "resulted in missing op as well as commit hash. As a temporary fix, you can set the environment variable "
    "`PYTORCH_ENABLE_MPS_FALLBACK=1` to use the CPU as a fallback for this op."
)
GB = 10**9


@dataclass
class Torch:
    """The few functions of torch that are looked at, and what they were told."""

    driver: list[int] = field(default_factory=lambda: [0])
    devices: tuple[str, ...] = ("mps",)
    said: list[object] = field(default_factory=list)
    always: bool = False

    def __post_init__(self):
        counter = iter(self.driver)
        self.mps = SimpleNamespace(
            driver_allocated_memory=lambda: next(counter),
            synchronize=lambda: self.said.append("synchronize"),
            set_per_process_memory_fraction=lambda share: self.said.append(("fraction", share)),
        )
        self.cuda = SimpleNamespace(
            is_available=lambda: "cuda" in self.devices,
            device_count=lambda: 1,
            memory_allocated=lambda _device: next(counter),
            memory_reserved=lambda _device: 3 * GB,
            max_memory_reserved=lambda _device: 4 * GB,
            max_memory_allocated=lambda _device: 2 * GB,
            synchronize=lambda device: self.said.append(("synchronize", device)),
        )
        self.backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: "mps" in self.devices))

    def is_warn_always_enabled(self):
        return self.always

    def set_warn_always(self, value):
        self.always = value
        self.said.append(("warn always", value))


def tensor(device):
    return SimpleNamespace(device=SimpleNamespace(type=device))


def test_the_best_device_is_chosen_and_nothing_takes_the_place_of_another():
    assert choose_device(None, Torch(devices=("mps", "cuda"))) == "cuda"
    assert choose_device("auto", Torch()) == "mps"
    assert choose_device("cpu", Torch()) == "cpu"
    assert choose_device("cuda:0", Torch(devices=("cuda",))) == "cuda:0"
    for wrong in ("cuda", "mps:1", "cpu:1", "tpu", "cuda:3", ""):
        with pytest.raises(UnsupportedModel, match="is not here for torch"):
            choose_device(wrong, Torch())
    with pytest.raises(UnsupportedModel):
        choose_device("cuda:1", Torch(devices=("cuda",)))


def test_a_mac_is_held_to_what_metal_recommends():
    torch = Torch(driver=[GB])
    DeviceWitness("mps", torch)
    assert ("fraction", 1.0) in torch.said


def test_a_device_whose_memory_grew_by_the_weights_is_believed():
    witness = DeviceWitness("mps", Torch(driver=[GB, 4 * GB]))
    assert witness.confirm([("weight", tensor("mps")), ("the KV cache", tensor("mps"))], 2 * GB) == "mps"


def test_a_device_whose_memory_did_not_grow_did_not_do_the_work():
    witness = DeviceWitness("cuda", Torch(driver=[GB, GB + 1000], devices=("cuda",)))
    with pytest.raises(UnsupportedModel, match=r"grew by 1000 bytes and the weights have 2000000000"):
        witness.confirm([("weight", tensor("cuda"))], 2 * GB)


def test_the_peak_counts_what_is_held_now_and_what_a_prediction_counts():
    """A gateway admits on the peak: what is cached for reuse, and CUDA's own context, are nobody else's either."""
    card = DeviceWitness("cuda", Torch(devices=("cuda",)))
    assert (card.held(), card.peak()) == (3 * GB + CUDA_CONTEXT_BYTES, 4 * GB + CUDA_CONTEXT_BYTES)
    subject = subject_of_facts("m", {"param_count": GB})
    for engine in ("transformers", "llamacpp"):
        assert predict(subject, Load(engine, "accelerator"), None).need.runtime_bytes == CUDA_CONTEXT_BYTES
    assert (DeviceWitness("cpu", Torch()).held(), DeviceWitness("cpu", Torch()).peak()) == (None, None)
    assert DeviceWitness("mps", Torch(driver=[0, GB])).peak() is None  # the batcher keeps the most that was seen


def test_what_lies_elsewhere_is_named():
    witness = DeviceWitness("mps", Torch(driver=[0, 4 * GB]))
    with pytest.raises(UnsupportedModel, match="the KV cache on cpu"):
        witness.confirm([("weight", tensor("mps")), ("the KV cache", tensor("cpu"))], GB)
    with pytest.raises(UnsupportedModel, match="weight on mps"):
        DeviceWitness("cpu", Torch()).confirm([("weight", tensor("mps"))], GB)


def test_the_clock_waits_for_the_device():
    torch = Torch(driver=[0])
    DeviceWitness("mps", torch).wait()
    DeviceWitness("cpu", torch).wait()
    assert torch.said.count("synchronize") == 1


def test_fallbacks_are_listed_once_each_from_then_on_and_other_warnings_still_shown():
    torch = Torch()
    watch = FallbackWatch()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("ignore")  # whatever somebody else asked for
        watch.listen(torch)
        assert torch.always
        warnings.simplefilter("default", UserWarning, append=True)
        for message in (FELL_BACK, FELL_BACK, FELL_BACK.replace("linalg_svd", "_foo")):
            warnings.warn(message, stacklevel=1)
        warnings.warn_explicit("something else", UserWarning, "x.py", 1, registry=None)
        warnings.resetwarnings()
        warnings.warn("something else", stacklevel=1)
    assert [str(each.message) for each in shown] == ["something else"]
    assert watch.operators == ("aten::linalg_svd", "aten::_foo")


def test_a_look_after_a_text_asks_the_allocator_whether_anything_was_done():
    counts = iter([5, 9, 9])
    torch = Torch(devices=("cuda",))
    torch.cuda.memory_stats = lambda _device: {"allocation.all.allocated": next(counts)}
    witness = DeviceWitness("cuda", torch)
    assert (witness.idle(GB), witness.idle(GB)) == ("", "")
    assert witness.idle(GB) == "cuda gave out no memory for it"
    metal = DeviceWitness("mps", Torch(driver=[0, 2 * GB, GB // 2]))
    assert metal.idle(GB) == ""
    assert metal.idle(GB) == "mps holds 500000000 bytes, and the weights have 1000000000"
    assert DeviceWitness("cpu", Torch()).idle(GB) == ""


def test_a_missing_operator_is_the_users_own_error_with_the_way_out():
    def fail():
        raise NotImplementedError(MISSING)

    with pytest.raises(UnsupportedModel, match=r"aten::_foo on mps") as caught:
        explain_missing_operator(fail, "mps")
    assert "--allow-fallback" in caught.value.hint
    assert read_fallbacks([MISSING]) == ((), [MISSING])


def test_a_fallback_that_nobody_allowed_stops_the_candidate():
    facts = ModelFacts("transformers", "5", "mps", "float16", 8, 8, 8, 8)
    refuse_fallbacks(facts)
    with pytest.raises(UnsupportedModel, match="computed aten::linalg_svd elsewhere than on mps") as caught:
        refuse_fallbacks(replace(facts, fallbacks=("aten::linalg_svd",)))
    assert "--allow-fallback" in caught.value.hint
