"""MLX's devices and limits, against what stands for `mlx.core`: there was no Mac where this was written.

Names and behaviour are those of MLX's own docstrings (0.32): `device_info` has `max_recommended_working_set_size` with
Metal and lacks it on a CPU (the latter was seen), arrays belong to no device, `default_device` has a type. Nothing here
shows that a Mac behaves so. It shows what we do if it does. What Macs said is in `test_apple_recordings.py`.
"""

from types import SimpleNamespace

import pytest

from bakeoff.core.errors import DoesNotFit, UnsupportedModel
from bakeoff.engines.mlx_devices import MemoryLimit, available_devices, choose_device, confirm_device, look_again

GIB = 1 << 30
CPU, GPU = "DeviceType.cpu", "DeviceType.gpu"


class Mlx:
    """The few functions of `mlx.core` that are looked at, and what they were told."""

    cpu, gpu = CPU, GPU

    def __init__(self, *, metal=False, cuda=False, active=0, info=None):
        self.metal = SimpleNamespace(is_available=lambda: metal)
        self.cuda = SimpleNamespace(is_available=lambda: cuda)
        self.active = active
        self.info = info or {}
        self.default = GPU if metal or cuda else CPU
        self.limits = {}

    def set_default_device(self, device):
        self.default = device

    def default_device(self):
        return SimpleNamespace(type=self.default)

    def get_active_memory(self):
        return self.active

    def device_info(self):
        return self.info

    def set_memory_limit(self, limit):
        self.limits["memory"] = limit

    def set_wired_limit(self, limit):
        self.limits["wired"] = limit


def test_the_gpu_is_taken_where_there_is_one():
    assert available_devices(Mlx(metal=True)) == ["metal", "cpu"]
    assert available_devices(Mlx(cuda=True)) == ["cuda", "cpu"]
    assert available_devices(Mlx()) == ["cpu"]
    assert choose_device(None, Mlx(metal=True), "Darwin") == "metal"
    assert choose_device(None, Mlx(), "Linux") == "cpu"


def test_torchs_name_for_metal_is_understood_and_the_choice_is_made_known_to_mlx():
    mlx = Mlx(metal=True)
    assert choose_device("mps", mlx, "Darwin") == "metal"
    assert choose_device("cpu", mlx, "Darwin") == "cpu"
    assert mlx.default == CPU
    assert choose_device("gpu", mlx, "Darwin") == "metal"
    assert mlx.default == GPU


def test_nothing_takes_the_place_of_what_was_asked_for():
    for asked, mlx in (("mps", Mlx()), ("cuda", Mlx(metal=True)), ("tpu", Mlx(metal=True)), ("", Mlx())):
        with pytest.raises(UnsupportedModel, match="is not here for MLX"):
            choose_device(asked, mlx, "Linux")


def test_a_mac_without_metal_does_not_fall_back_in_silence():
    with pytest.raises(UnsupportedModel, match="would compute on the CPU instead") as caught:
        choose_device(None, Mlx(), "Darwin")
    assert "--device cpu" in caught.value.hint
    assert choose_device("cpu", Mlx(), "Darwin") == "cpu"


def test_another_device_than_the_chosen_is_found_out():
    assert confirm_device("metal", GIB, Mlx(metal=True, active=GIB)) == "metal"
    moved = Mlx(metal=True, active=GIB)
    moved.set_default_device(CPU)
    with pytest.raises(UnsupportedModel, match="was to compute on metal, and computes on"):
        confirm_device("metal", GIB, moved)
    with pytest.raises(UnsupportedModel, match="its allocator holds 5 bytes and the weights have 9"):
        confirm_device("metal", 9, Mlx(metal=True, active=5))


def test_metals_recommendation_is_the_limit():
    mlx = Mlx(metal=True, info={"max_recommended_working_set_size": 11 * GIB})
    limit = MemoryLimit("metal", mlx)
    assert mlx.limits == {"memory": 11 * GIB, "wired": 11 * GIB}
    limit.check_weights(11 * GIB)
    with pytest.raises(DoesNotFit, match=r"14\.0 GiB.*at most 11\.0 GiB: the Mac would swap"):
        limit.check_weights(14 * GIB)
    limit.check_held()
    mlx.active = 12 * GIB
    with pytest.raises(MemoryError, match=r"holds 12\.00 GiB"):
        limit.check_held()


def test_where_nothing_is_recommended_nothing_is_limited():
    for device, info in (("metal", {}), ("cpu", {"max_recommended_working_set_size": 1})):
        mlx = Mlx(metal=True, info=info, active=GIB)
        limit = MemoryLimit(device, mlx)
        limit.check_weights(99 * GIB)
        limit.check_held()
        assert (limit.limit, mlx.limits) == (None, {})


def test_a_look_after_a_text_sees_another_device_and_weights_that_left():
    mlx = Mlx(metal=True, active=9)
    assert look_again("metal", 9, mlx) == ("metal", ())
    mlx.active = 5
    assert look_again("metal", 9, mlx) == ("metal", ("MLX holds 5 bytes, and the weights have 9",))
    mlx.set_default_device(CPU)
    assert look_again("metal", 5, mlx)[0] != "metal"
