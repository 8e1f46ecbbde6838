"""From two readings of energy counters to joules, and what is wrong with them where something is; pure.

Reported are gross joules, what idling for as long would have taken (measured before, same counters), and their difference,
with the scope that the counters cover. A window whose counters stood still under load, went backwards for no known reason
or rose implausibly fast is invalid, and says nothing. Sources of the rules: MLPerf Power and ML.ENERGY (whole windows of
real counters, never rated power); Intel's powercap interface for wrapping (`max_energy_range_uj`).

Counters are chosen by where workers are expected. Where one said at its start that it computes elsewhere, windows of what does
not cover that are invalid too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from bakeoff.core.records import WorkerLoad
from bakeoff.core.spec import Record

Scope = Literal["cpu_pkg", "gpu", "soc", "system", "wall"]
Quality = Literal["measured", "estimated", "invalid"]

MIN_WINDOW_S = 1.0
"""Counters move about ten times a second: ten steps at least."""
_STEP_S: dict[Scope, float] = {"soc": 1.0}
"""Where they move less often: an Apple chip's counters of processor and memory, up to a second apart (M1 Ultra, all-smi's pull
request 424, 2026).
"""
_MOST_WATTS: dict[Scope, float] = {
    "cpu_pkg": 1_000.0,
    "gpu": 2_500.0,
    "soc": 1_000.0,
    "system": 10_000.0,
    "wall": 10_000.0,
}
"""More than any draws: a processor package, a board, a chip, a machine with eight accelerators. What a counter that was set
back to 0 seems to have counted, if it is taken to have wrapped, lies above.
"""
_ALWAYS_DRAWN = ("cpu", "package")
"""Channels that no work leaves still; a chip's GPU, a neural engine or a memory channel may do nothing."""
_EACH_DRAWS: tuple[Scope, ...] = ("gpu",)
"""Where every channel is a whole device, which draws power while it is idle."""
_NOT_NVIDIAS = ("cpu", "rocm", "hip")
"""Kinds of device whose work an NVIDIA board's counter does not see; Vulkan and SYCL may compute on it."""


class Reading(Record):
    """Counters at a moment: joules since some beginning by channel; `wraps_at` is where a channel starts over, in joules.

    `unseen_s` is for how long, since that beginning, nobody saw what was drawn: what it adds up lacks that. `quality` is "estimated" where the counters come from a model of the chip, not from a sensor.
    """

    at_s: float
    joules: dict[str, float]
    wraps_at: dict[str, float] | None = None
    unseen_s: float = 0.0
    source: str
    scope: Scope
    quality: Literal["measured", "estimated"] = "measured"


class EnergySample(Record):
    """One window. `net_j` is None where idling was not measured; `problem` says why an invalid window is none."""

    gross_j: float
    idle_w: float | None
    net_j: float | None
    seconds: float
    source: str
    scope: Scope
    quality: Quality
    channels: dict[str, float]
    problem: str = ""


class EnergyWindow(Record):
    """A window of one candidate's work, as it is stored; `texts` were finished in it."""

    candidate: str
    texts: int
    tokens: int | None
    sample: EnergySample


class EnergySummary(Record):
    """One candidate's energy over its valid windows; None where there was none long enough, and `problem` says why."""

    gross_j: float | None = None
    net_j: float | None = None
    watts: float | None = None
    idle_w: float | None = None
    seconds: float = 0.0
    texts: int = 0
    j_per_text: float | None = None
    j_per_token: float | None = None
    source: str | None = None
    scope: Scope | None = None
    quality: Quality | None = None
    problem: str = ""


def energy_between(
    before: Reading, after: Reading, idle_w: float | None = None, passed_s: float | None = None
) -> EnergySample:
    """Return the energy of the work between two readings of the same counters.

    `passed_s` is how long the work took by another clock. A meter that told much less saw a part of it, and says nothing; one
    that tells every second or so ends a little before or after, and its mean power is taken for the whole time.

    >>> low, high = (Reading(at_s=at, joules={"package": joules}, wraps_at={"package": 4096.0}, source="rapl", scope="cpu_pkg")
    ...              for at, joules in ((0.0, 4090.0), (1.0, 90.0)))
    >>> energy_between(low, high).gross_j
    96.0
    """
    seconds = after.at_s - before.at_s
    channels, problem = {}, ""
    for name, begun in before.joules.items():
        if name not in after.joules:
            problem = f"the counter {name} is gone"
            continue
        change = after.joules[name] - begun
        wraps_at = (before.wraps_at or {}).get(name)
        if change < 0 and wraps_at is not None:
            change += wraps_at
        if change < 0:
            problem = f"the counter {name} went backwards"
        channels[name] = change
    gross = sum(channels.values())
    problem = problem or _unseen(before, after, passed_s) or _problem(channels, gross, seconds, before.scope)
    if passed_s is not None and not problem:
        gross, seconds = gross * passed_s / seconds, passed_s
    return EnergySample(
        gross_j=gross,
        idle_w=idle_w,
        net_j=None if idle_w is None else gross - idle_w * seconds,
        seconds=seconds,
        source=before.source,
        scope=before.scope,
        quality="invalid" if problem else before.quality,
        channels=channels,
        problem=problem,
    )


def unread_window(source: str, scope: Scope, seconds: float) -> EnergySample:
    """Return a window that was not measured, since its counters could not be read."""
    return EnergySample(
        gross_j=0.0,
        idle_w=None,
        net_j=None,
        seconds=seconds,
        source=source,
        scope=scope,
        quality="invalid",
        channels={},
        problem="the counters could not be read",
    )


def _unseen(before: Reading, after: Reading, passed_s: float | None) -> str:
    seconds = after.at_s - before.at_s
    if after.unseen_s > before.unseen_s:
        return f"the meter told nothing for {after.unseen_s - before.unseen_s:.0f} s"
    if passed_s is not None and abs(passed_s - seconds) > max(_SLACK_S, _SLACK_SHARE * passed_s):
        return f"the meter told {seconds:.0f} of {passed_s:.0f} s"
    return ""


_SLACK_S, _SLACK_SHARE = 2.5, 0.05
"""A log with a line every second or two ends as much before the work does."""


def _problem(channels: Mapping[str, float], gross: float, seconds: float, scope: Scope) -> str:
    """Say what is wrong with a window of work, "" for nothing. One shorter than the counters' steps may show nothing."""
    if seconds <= 0:
        return "no time passed"
    if seconds >= max(MIN_WINDOW_S, 2 * _STEP_S.get(scope, 0.0)):
        every = len(channels) == 1 or scope in _EACH_DRAWS
        still = [name for name in channels if every or name.partition("-")[0] in _ALWAYS_DRAWN]
        if stalled := [name for name in still if channels[name] == 0]:
            return f"the counter {stalled[0]} stood still under load"
    parts = sum(name.partition("-")[0] in {"package", "gpu"} for name in channels) or 1
    if gross / max(seconds, MIN_WINDOW_S) > parts * _MOST_WATTS[scope]:
        return f"{gross / seconds:.0f} W cannot be"
    return ""


def read_windows(records: Iterable[str], loads: Iterable[WorkerLoad]) -> list[EnergyWindow]:
    """Read a run's windows as they were stored, in order; `loads` are the starts of its workers.

    A window says nothing where any start of its candidate computed on a device that the counters do not cover.
    """
    devices: dict[str, list[str]] = defaultdict(list)
    for load in loads:
        if load.device is not None:
            devices[load.candidate].append(load.device)
    windows = map(EnergyWindow.model_validate_json, records)
    return [_covered(window, devices[window.candidate]) for window in windows]


def _covered(window: EnergyWindow, devices: Sequence[str]) -> EnergyWindow:
    """Return a window, invalid where its counters do not cover all of the devices."""
    sample = window.sample
    apart = [device for device in devices if _is_apart(sample.scope, device.partition(":")[0])]
    if not apart or sample.quality == "invalid":
        return window
    problem = f"it ran on {apart[0]}, and the counters of {sample.source} do not cover that"
    return window.model_copy(update={"sample": sample.model_copy(update={"quality": "invalid", "problem": problem})})


def _is_apart(scope: Scope, kind: str) -> bool:
    """Whether counters of a scope do not see what a kind of device draws: a processor's see the processor alone."""
    return kind != "cpu" if scope == "cpu_pkg" else scope == "gpu" and kind in _NOT_NVIDIAS


def summarise_energy(windows: Sequence[EnergyWindow]) -> EnergySummary:
    """Add up one candidate's valid windows.

    Raises:
        ValueError: windows of more than one candidate.
    """
    if len({window.candidate for window in windows}) > 1:
        raise ValueError("windows of one candidate at a time")
    valid = [window for window in windows if window.sample.quality != "invalid"]
    problems = [window.sample.problem for window in windows if window.sample.problem]
    seconds = sum(window.sample.seconds for window in valid)
    texts = sum(window.texts for window in valid)
    shortest_s = max((10 * _STEP_S.get(window.sample.scope, 0.0) for window in valid), default=0.0)
    if seconds < max(MIN_WINDOW_S, shortest_s) or not texts:
        why = problems[0] if problems else "nothing was written for long enough" if windows else ""
        return EnergySummary(seconds=seconds, texts=texts, problem=why)
    gross = sum(window.sample.gross_j for window in valid)
    idle = [window.sample.idle_w for window in valid]
    idle_w = idle[0] if idle and None not in idle else None
    tokens = None if any(window.tokens is None for window in valid) else sum(window.tokens or 0 for window in valid)
    last = valid[-1].sample
    return EnergySummary(
        gross_j=gross,
        net_j=None if idle_w is None else gross - idle_w * seconds,
        watts=gross / seconds,
        idle_w=idle_w,
        seconds=seconds,
        texts=texts,
        j_per_text=gross / texts,
        j_per_token=gross / tokens if tokens else None,
        source=last.source,
        scope=last.scope,
        quality=last.quality,
        problem=f"{len(windows) - len(valid)} windows left out: {problems[0]}" if problems else "",
    )
