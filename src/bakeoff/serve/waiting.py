"""Who waits for a model: first come, first served, each with the time until which it waits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bakeoff.serve.breaker import Permit


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request for a lease: its number, when it came, until when it waits, and the breaker's permit."""

    number: int
    since: float
    until: float
    permit: Permit


class Queue:
    """Waiters in order of arrival. Whoever fills it keeps its bound."""

    def __init__(self) -> None:
        self._waiters: dict[int, Waiter] = {}
        self._soonest = math.inf

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(self._waiters.values())

    @property
    def oldest_since(self) -> float:
        """When the first of them came; infinity when nobody waits."""
        return next(iter(self)).since if self._waiters else math.inf

    @property
    def next_until(self) -> float:
        """When to look for overdue ones: never later than the first of them gives up; infinity when nobody waits."""
        return self._soonest if self._waiters else math.inf

    def add(self, waiter: Waiter) -> None:
        """Put a waiter at the end."""
        self._soonest = min(self._soonest, waiter.until) if self._waiters else waiter.until
        self._waiters[waiter.number] = waiter

    def take_first(self) -> Waiter:
        """Take the one that waits longest."""
        return self._waiters.pop(next(iter(self._waiters)))

    def remove(self, number: int) -> Waiter | None:
        """Take a certain one; None when it does not wait here."""
        return self._waiters.pop(number, None)

    def take_overdue(self, now: float) -> list[Waiter]:
        """Take those whose time is over."""
        if not self._waiters or now < self._soonest:
            return []
        overdue = [waiter for waiter in self if waiter.until <= now]
        for waiter in overdue:
            del self._waiters[waiter.number]
        self._soonest = min((waiter.until for waiter in self), default=math.inf)
        return overdue

    def take_all(self) -> list[Waiter]:
        """Take all of them."""
        everybody = list(self)
        self._waiters.clear()
        return everybody
