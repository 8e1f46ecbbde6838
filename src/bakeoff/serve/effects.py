"""What the residency machine asks its supervisor to do: four effects, in the order in which they are returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bakeoff.serve.lease import Ending

Refusal = Literal["queue_full", "load_too_long", "breaker_open", "load_failed", "stopping"]
"""Kinds of `lease.Refused`."""

Why = Literal[
    "evicted", "idle", "abandoned", "load_failed", "load_overdue", "died", "stalled", "connection_lost",
    "breaker", "budget", "removed", "closing",
]  # fmt: skip
"""What a worker is stopped for."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker; answered by `loaded` or `load_failed`, unless `Stop` comes first. `deadline_s` is told for messages."""

    model: str
    generation: int
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """End that start of the worker, whatever it is doing; answered by one `gone`. `grace_s` of 0 kills it."""

    model: str
    generation: int
    grace_s: float
    why: Why


@dataclass(frozen=True, slots=True)
class Grant:
    """A waiter has its lease, on that start of the worker (0 for endpoints of others)."""

    waiter: int
    model: str
    generation: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """A waiter gets no lease. `retry_after_s` is None where nobody knows."""

    waiter: int
    model: str
    kind: Refusal
    message: str
    retry_after_s: float | None


Effect = Start | Stop | Grant | Refuse

NOTHING: Sequence[Effect] = ()
"""Returned where an event led to nothing: not even `wake_at` is another."""

FAULTS: Mapping[Ending, Why] = {"stalled": "stalled", "connection_lost": "connection_lost"}
"""Ends of a request after which its worker is not used again."""
