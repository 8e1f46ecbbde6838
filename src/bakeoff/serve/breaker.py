"""A breaker: leaves alone what fails again and again, and tries it again with exactly one request.

| state     | what is so                                        | left by                                              |
|-----------|---------------------------------------------------|------------------------------------------------------|
| closed    | everybody is let through; failures in a row count | `failures` of them in a row -> open                  |
| open      | nobody is, until `retry_at`                       | time -> half open                                    |
| half open | one request is, the probe; nobody beside it       | it is answered -> closed; it fails -> open, for      |
|           |                                                   | longer; neither (cancelled, the client's own         |
|           |                                                   | mistake) -> the next request is the probe            |

Failures are the server's: it could not be started, died, stalled, lost the connection, or answered 5xx. How long it stays
open doubles each time up to a bound, and is shortened by up to half at random, so that many do not come back at once.
What was let through before the breaker changed its state says nothing about the present one and does not count.

It touches no world: time and chance are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """`failures` in a row open it, for `first_s` seconds at first and `longest_s` at most."""

    failures: int = 3
    first_s: float = 2.0
    longest_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Permit:
    """Given to a request that was let through, and shown when its end is told."""

    epoch: int
    probe: bool


class Breaker:
    """The breaker of one model on one engine. `chance` returns numbers in [0, 1). `rules` that change hold from the next failure on."""

    def __init__(self, rules: BreakerRules, chance: Callable[[], float]) -> None:
        self.rules = rules
        self._chance = chance
        self._epoch = 0
        self._is_open = False
        self._probing = False
        self._opened_in_a_row = 0
        self._retry_at = 0.0
        self._pass = Permit(0, probe=False)
        self.failures = 0

    @property
    def retry_at(self) -> float | None:
        """When a probe is let through; None while closed."""
        return self._retry_at if self._is_open else None

    @property
    def probing(self) -> bool:
        """Whether a probe is under way."""
        return self._probing

    def state(self, now: float) -> State:
        """Return the state at a time, in seconds of the same clock as everywhere."""
        if not self._is_open:
            return "closed"
        return "open" if now < self._retry_at else "half_open"

    def admit(self, now: float) -> Permit | None:
        """Let a request through, or not. Every permit must come back by `answered`, `failed` or `withdrawn`."""
        if not self._is_open:
            return self._pass
        if now < self._retry_at or self._probing:
            return None
        self._probing = True
        return Permit(self._epoch, probe=True)

    def answered(self, permit: Permit) -> None:
        """A request was answered to its end: what failed before is over."""
        if permit.epoch != self._epoch:
            return
        self.failures = 0
        if permit.probe:
            self._is_open = self._probing = False
            self._opened_in_a_row = 0
            self._epoch += 1
            self._pass = Permit(self._epoch, probe=False)

    def withdrawn(self, permit: Permit) -> None:
        """A request ended without telling anything about the server."""
        if permit.probe and permit.epoch == self._epoch:
            self._probing = False

    def failed(self, now: float, permit: Permit | None = None) -> bool:
        """The server failed, for a request or (without a permit) on its own; tell whether that opened the breaker."""
        if permit is not None and permit.epoch != self._epoch:
            return False
        if self.state(now) == "open":
            return False
        self.failures += 1
        if not self._is_open and self.failures < self.rules.failures:
            return False
        self._open(now)
        return True

    def _open(self, now: float) -> None:
        longest = min(self.rules.longest_s, self.rules.first_s * 2.0 ** min(self._opened_in_a_row, 32))
        self._retry_at = now + longest * (1 - self._chance() / 2)
        self._opened_in_a_row += 1
        self._is_open, self._probing = True, False
        self._epoch += 1
