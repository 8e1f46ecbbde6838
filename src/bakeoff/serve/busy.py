"""For how long models have worked: seconds with at least one request, shared out among those that work on one device. Pure.

A device draws what it draws, however many models it runs at a moment: so each moment's time is divided among the models that
are busy in it, and the times of all models of a device add up to the time that the device was busy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class BusyTime:
    """Adds up. `devices` names each model's device; models without one are not counted.

    >>> busy = BusyTime({"a": "cpu", "b": "cpu"})
    >>> busy.enter("a", 0.0); busy.enter("b", 2.0); busy.leave("a", 6.0); busy.leave("b", 7.0)
    >>> busy.seconds(9.0)
    {'a': 4.0, 'b': 3.0}
    """

    def __init__(self, devices: Mapping[str, str]) -> None:
        self._devices: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._busy: dict[str, Counter[str]] = {}
        self._since: dict[str, float] = {}
        self.know(devices)

    def know(self, devices: Mapping[str, str]) -> None:
        """Count these models, too. One that is known stays on its device: requests of it may be under way there."""
        for model, device in devices.items():
            self._busy.setdefault(self._devices.setdefault(model, device), Counter())
            self._seconds.setdefault(model, 0.0)

    def enter(self, model: str, now: float) -> None:
        """A request begins to use a model; `now` is in seconds of a clock that only goes forward."""
        device = self._devices.get(model)
        if device is not None:
            self._settle(device, now)
            self._busy[device][model] += 1

    def leave(self, model: str, now: float) -> None:
        """A request that entered is over."""
        device = self._devices.get(model)
        if device is not None:
            self._settle(device, now)
            busy = self._busy[device]
            busy[model] -= 1
            if not busy[model]:
                del busy[model]

    def seconds(self, now: float) -> dict[str, float]:
        """Return each model's seconds so far."""
        for device in self._busy:
            self._settle(device, now)
        return dict(self._seconds)

    def _settle(self, device: str, now: float) -> None:
        busy = self._busy[device]
        if busy:
            each = (now - self._since[device]) / len(busy)
            for model in busy:
                self._seconds[model] += each
        self._since[device] = now
