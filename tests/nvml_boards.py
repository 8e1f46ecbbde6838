"""NVIDIA boards that are not there: what pynvml answers of them."""

from __future__ import annotations

from bakeoff.measure.energy import EnergySample, energy_between
from bakeoff.measure.energy_counters import NvmlMeter


class NVMLError(Exception):
    """As pynvml's: nobody's subclass, with the driver's number."""

    def __init__(self, value: int, message: str) -> None:
        super().__init__(message)
        self.value = value


class Boards:
    """What pynvml answers where each board has counted so many joules; None for one that does not count."""

    def __init__(self, *joules: float | None, kept_away: tuple[int, ...] = ()) -> None:
        self.joules = list(joules)
        self._kept_away = kept_away

    def nvmlInit(self) -> None: ...  # noqa: N802 - pynvml's name

    def nvmlShutdown(self) -> None: ...  # noqa: N802 - pynvml's name

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - pynvml's name
        return len(self.joules)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 - pynvml's name
        if index in self._kept_away:
            raise NVMLError(4, "Insufficient Permissions")
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802 - pynvml's name
        counted = self.joules[handle]
        if counted is None:
            raise NVMLError(3, "Not Supported")
        return round(counted * 1e3)


def drawn_by(boards: Boards, *joules: float, idle_w: float | None = None) -> EnergySample:
    """What a meter of these boards tells of 2 s in which each draws so much."""
    meter = NvmlMeter(boards)
    before = meter.read()
    boards.joules = [None if held is None else held + more for held, more in zip(boards.joules, joules, strict=True)]
    after = meter.read().model_copy(update={"at_s": before.at_s + 2})
    meter.close()
    return energy_between(before, after, idle_w)
