"""When requests are worked on and done by a pool of replicas that share one queue. Pure.

A replica works on up to `slots` requests at a time, and each of n runs at 1 / (1 + contention (n - 1)) of the speed that it has alone.
A request goes to the least busy replica, and waits, first come first served, where all are full. Exact: from event to event, no steps.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Times:
    """When each request began to be worked on, and when it was done, in s; shape (requests,)."""

    started: NDArray[np.float64]
    ended: NDArray[np.float64]


def pass_through(
    arrivals: NDArray[np.float64], work: NDArray[np.float64], replicas: int, slots: int, contention: float
) -> Times:
    """Return the times of requests that come at `arrivals`, in order, and take `work` alone; seconds, shape (requests,)."""
    pool = _Pool(work, replicas, slots, contention)
    for request, at_s in enumerate(arrivals):
        pool.end_until(float(at_s))
        pool.take(request, float(at_s))
    pool.end_until(float("inf"))
    return pool.times


@dataclass(slots=True)
class _Replica:
    """Texts in flight share its speed: `done` counts the seconds of work that each of them has had since the start."""

    at_s: float = 0.0
    done: float = 0.0
    ends: list[tuple[float, int]] = field(default_factory=list)

    def speed(self, contention: float) -> float:
        return 1.0 / (1.0 + contention * (len(self.ends) - 1))

    def pass_to(self, at_s: float, contention: float) -> None:
        if self.ends:
            self.done += (at_s - self.at_s) * self.speed(contention)
        self.at_s = at_s

    def next_end_s(self, contention: float) -> float:
        if not self.ends:
            return float("inf")
        return self.at_s + (self.ends[0][0] - self.done) / self.speed(contention)


class _Pool:
    """The replicas, the queue before them, and heaps by which the next of them is found.

    Entries of the heaps that are no longer true are dropped when they come up.
    """

    def __init__(self, work: NDArray[np.float64], replicas: int, slots: int, contention: float) -> None:
        self.times = Times(np.zeros(len(work)), np.zeros(len(work)))
        self._work = work
        self._slots = slots
        self._contention = contention
        self._replicas = [_Replica() for _ in range(replicas)]
        self._waiting: deque[int] = deque()
        self._next_end = [float("inf")] * replicas
        self._soonest: list[tuple[float, int]] = []
        self._least_busy = [(0, number) for number in range(replicas)]

    def take(self, request: int, at_s: float) -> None:
        """Give a request to the least busy replica, or let it wait where all are full."""
        while self._least_busy[0][0] != len(self._replicas[self._least_busy[0][1]].ends):
            heapq.heappop(self._least_busy)
        in_flight, number = self._least_busy[0]
        if in_flight < self._slots:
            self._begin(request, number, at_s)
        else:
            self._waiting.append(request)

    def end_until(self, at_s: float) -> None:
        """End all that is done by then, and begin what waited for it."""
        while self._soonest and self._soonest[0][0] <= at_s:
            end_s, number = heapq.heappop(self._soonest)
            if end_s == self._next_end[number] < float("inf"):
                self._end(end_s, number)

    def _begin(self, request: int, number: int, at_s: float) -> None:
        replica = self._replicas[number]
        replica.pass_to(at_s, self._contention)
        heapq.heappush(replica.ends, (replica.done + float(self._work[request]), request))
        self.times.started[request] = at_s
        self._changed(number)

    def _end(self, at_s: float, number: int) -> None:
        replica = self._replicas[number]
        replica.pass_to(at_s, self._contention)
        _, request = heapq.heappop(replica.ends)
        self.times.ended[request] = at_s
        self._changed(number)
        if self._waiting:
            self._begin(self._waiting.popleft(), number, at_s)

    def _changed(self, number: int) -> None:
        replica = self._replicas[number]
        self._next_end[number] = replica.next_end_s(self._contention)
        heapq.heappush(self._soonest, (self._next_end[number], number))
        heapq.heappush(self._least_busy, (len(replica.ends), number))
