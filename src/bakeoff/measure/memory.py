"""What did a candidate's worker take to start, and how much memory at its peak?

Read from worker loads: one per start of a worker process that does nothing else. Endpoints without a process of ours
have none, and nothing is known about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from bakeoff.core.records import WorkerLoad
from bakeoff.core.spec import Record

COLD, WARM = 0.05, 0.9
"""Shares of a model's files in the page cache up to which, or from which, a load counts as cold or warm."""


class LoadSummary(Record):
    """Over all starts of one candidate's worker; None where no start told.

    `process_peak_bytes` is the largest peak that was told, over `peaks_known` of `loads` starts: a lower bound where
    not all told. `device_peak_bytes` is that of an accelerator's own allocator. `load_s`, `first_token_s` and what comes before a load
    (see `WorkerLoad`) are medians, `ready_s` that of all before the first token;
    `load_cold_s` and `load_warm_s` are those of starts that found (next to) nothing, or (next to) all, of the model's files
    in the page cache. `device` and `dtype` are those of the last start, which
    differ from earlier ones only if `devices_differ`; so are `kernels` (the arithmetic, where the engine has a choice) and
    its reason. `fallbacks` are what any start computed elsewhere than on its device, and
    `unknown` is what a server that is not ours did not tell, with the reason.
    """

    loads: int = 0
    peaks_known: int = 0
    process_peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    weight_bytes: int | None = None
    load_s: float | None = None
    import_s: float | None = None
    calibration_s: float | None = None
    ready_s: float | None = None
    load_cold_s: float | None = None
    load_warm_s: float | None = None
    first_token_s: float | None = None
    device: str | None = None
    dtype: str | None = None
    devices_differ: bool = False
    kernels: str | None = None
    kernels_reason: str | None = None
    fallbacks: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def peak_memory_bytes(self) -> int | None:
        """The peak of whoever holds the weights: an accelerator's allocator, or else the process."""
        return self.process_peak_bytes if self.device_peak_bytes is None else self.device_peak_bytes


def summarise_loads(loads: Sequence[WorkerLoad]) -> LoadSummary:
    """Summarise the starts of one candidate's worker, in order of time.

    Raises:
        ValueError: loads of more than one candidate.
    """
    candidates = sorted({load.candidate for load in loads})
    if len(candidates) > 1:
        raise ValueError(f"loads of one candidate at a time: {', '.join(candidates)}")
    if not loads:
        return LoadSummary()
    # A start is told again when more is known of it; starts without a name are told once.
    loads = list({load.start or str(number): load for number, load in enumerate(loads)}.values())
    peaks = [load.peak_memory_bytes for load in loads if load.peak_memory_bytes is not None]
    on_device = [load.device_peak_bytes for load in loads if load.device_peak_bytes is not None]
    cached = [(load.cached_share, load.load_s) for load in loads if load.cached_share is not None]
    weights = [load.weight_bytes for load in loads if load.weight_bytes is not None]
    return LoadSummary(
        loads=len(loads),
        peaks_known=len(peaks),
        process_peak_bytes=max(peaks, default=None),
        device_peak_bytes=max(on_device, default=None),
        weight_bytes=max(weights, default=None),
        load_s=median(load.load_s for load in loads),
        import_s=_median([load.import_s for load in loads if load.import_s is not None]),
        calibration_s=_median([load.calibration_s for load in loads if load.calibration_s is not None]),
        ready_s=median(load.ready_s for load in loads),
        load_cold_s=_median([load_s for share, load_s in cached if share <= COLD]),
        load_warm_s=_median([load_s for share, load_s in cached if share >= WARM]),
        first_token_s=median(load.first_token_s for load in loads),
        device=loads[-1].device,
        dtype=loads[-1].dtype,
        devices_differ=len({(load.device, load.dtype) for load in loads}) > 1,
        kernels=loads[-1].kernels,
        kernels_reason=loads[-1].kernels_reason,
        fallbacks=moved_work(loads).get(loads[0].candidate, ()),
        unknown=loads[-1].unknown,
    )


def moved_work(loads: Iterable[WorkerLoad]) -> dict[str, tuple[str, ...]]:
    """Return what any start of each candidate's worker computed elsewhere than on its device; nobody without such is in it."""
    found: dict[str, dict[str, None]] = {}
    for load in loads:
        if load.fallbacks:
            found.setdefault(load.candidate, {}).update(dict.fromkeys(load.fallbacks))
    return {candidate: tuple(names) for candidate, names in found.items()}


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
