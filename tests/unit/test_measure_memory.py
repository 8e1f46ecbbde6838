"""What worker starts tell: peaks, medians, and that a device changed."""

import pytest

from bakeoff.core.records import WorkerLoad
from bakeoff.measure.memory import LoadSummary, summarise_loads


def load(candidate="a", peak=100, seconds=1.0, device="cpu", **further):
    return WorkerLoad(
        candidate=candidate,
        load_s=seconds,
        first_token_s=seconds / 2,
        device=device,
        dtype="float32",
        engine_version="1",
        peak_memory_bytes=peak,
        weight_bytes=40,
        **further,
    )


def test_the_peak_is_the_largest_of_all_starts():
    found = summarise_loads([load(peak=100, seconds=1), load(peak=300, seconds=3), load(peak=None, seconds=9)])
    assert (found.peak_memory_bytes, found.peaks_known, found.loads) == (300, 2, 3)
    assert (found.load_s, found.first_token_s, found.weight_bytes) == (3.0, 1.5, 40)
    assert (found.device, found.devices_differ) == ("cpu", False)


def test_a_start_told_twice_counts_once_as_told_last():
    early, late = (load(peak=peak).model_copy(update={"start": "s1"}) for peak in (100, 200))
    found = summarise_loads([early, late, load(peak=50).model_copy(update={"start": "s2"})])
    assert (found.loads, found.peaks_known, found.peak_memory_bytes) == (2, 2, 200)


def test_nothing_told_is_nothing_known():
    assert summarise_loads([]) == LoadSummary()
    assert summarise_loads([load(peak=None)]).peak_memory_bytes is None


def test_a_changed_device_is_seen():
    found = summarise_loads([load(device="mps"), load(device="cpu")])
    assert (found.device, found.devices_differ) == ("cpu", True)


def test_candidates_do_not_mix():
    with pytest.raises(ValueError, match="one candidate at a time: a, b"):
        summarise_loads([load("a"), load("b")])


def test_cold_and_warm_loads_are_told_apart_by_what_was_cached():
    shares = {0.0: 9.0, 0.04: 7.0, 0.5: 5.0, 1.0: 2.0, None: 1.0}
    found = summarise_loads([load(seconds=seconds, cached_share=share) for share, seconds in shares.items()])
    assert (found.load_cold_s, found.load_warm_s, found.load_s) == (8.0, 2.0, 5.0)
    unknown = summarise_loads([load(cached_share=0.5)])
    assert unknown.load_cold_s is unknown.load_warm_s is None


def test_where_an_accelerator_holds_the_weights_its_peak_is_the_peak():
    found = summarise_loads([load(peak=900, device="cuda", device_peak_bytes=peak) for peak in (50, 70, None)])
    assert (found.peak_memory_bytes, found.process_peak_bytes, found.device_peak_bytes) == (70, 900, 70)


def test_what_comes_before_a_load_is_apart_where_it_was_timed_and_in_it_where_it_was_not() -> None:
    old = load(seconds=5.0)
    new = [load(seconds=1.0, import_s=2.0, calibration_s=0.5), load(seconds=3.0, import_s=4.0, calibration_s=0.5)]
    found = summarise_loads([old, *new])
    assert (found.load_s, found.import_s, found.calibration_s) == (3.0, 3.0, 0.5)
    assert found.ready_s == 5.0  # 5, 3.5 and 7.5
    assert (old.ready_s, new[0].ready_s) == (5.0, 3.5)
    assert summarise_loads([old]).import_s is None
