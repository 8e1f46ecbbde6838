"""One model as the residency machine knows it: the rules it is kept by, its state, who uses it and who waits for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bakeoff.machine.budget import HOST
from bakeoff.serve.breaker import Breaker, BreakerRules, Permit
from bakeoff.serve.effects import Why
from bakeoff.serve.eviction import Eviction
from bakeoff.serve.pools import PerPool, most, with_margin
from bakeoff.serve.waiting import Queue

State = Literal["absent", "loading", "ready", "draining", "stopping"]
COMMITTED: tuple[State, ...] = ("loading", "ready", "draining", "stopping")
"""States in which a model's memory is spoken for: until its process is gone and the memory was seen to be back."""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """How one model is kept. Bytes are bytes, times are seconds.

    `need` is the upper bound that it is admitted on, of each memory that it takes something of; None for endpoints of others,
    which have no lifecycle and are always there. At most `slots` requests use it at a time, and `queue` more wait. `idle_unload_s` is None for never.
    `load_s` is what a load is expected to take (None: unknown), `load_deadline_s` when it has failed.
    """

    name: str
    need: PerPool | None
    slots: int = 16
    queue: int = 64
    pinned: bool = False
    preload: bool = False
    idle_unload_s: float | None = None
    load_s: float | None = None
    load_deadline_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all models.

    `budgets` are bytes of each memory of the machine, None for no bound. A request that has waited `patience_s` for another model makes those in its way
    take no further requests. `abandoned_load` says what becomes of a load that nobody waits for any more. A measured peak
    is trusted with `margin` (a share) on top. `grace_s` is how long a worker may take to end by itself.
    """

    budgets: Mapping[str, int | None] = field(default_factory=lambda: {HOST: None})
    eviction: Eviction = "lru"
    patience_s: float = 10.0
    abandoned_load: Literal["finish", "stop"] = "finish"
    margin: float = 0.15
    grace_s: float = 2.0
    breaker: BreakerRules = field(default_factory=BreakerRules)


@dataclass(slots=True)
class Held:
    """A model's state. `generation` numbers its starts; the present one, or the last.

    Of each memory, `need` is what the next start is admitted on, `held` what the present one is counted with, `admitted` what that
    was admitted on, and `peak` the most that was seen of it; nothing is in `peak` of a memory that nobody measured. `gate` are those who
    waited when it became ready: it does not go before they were served. `drains_for` is why it drains, and `yields_to` the
    model that is to have its memory. `dismissed` is a preloaded model that went for another, and is not loaded unasked again.
    """

    rules: ModelRules
    breaker: Breaker
    need: PerPool
    state: State = "absent"
    generation: int = 0
    held: PerPool = field(default_factory=dict)
    admitted: PerPool = field(default_factory=dict)
    peak: PerPool = field(default_factory=dict)
    leases: set[int] = field(default_factory=set)
    most_leases: int = 0
    queue: Queue = field(default_factory=Queue)
    gate: set[int] = field(default_factory=set)
    since: float = 0.0
    idle_since: float = 0.0
    last_used: float = 0.0
    credit: float = 0.0
    load_s: float | None = None
    lease_s: float = 1.0
    drains_for: Why | None = None
    yields_to: str | None = None
    dismissed: bool = False
    leaving: bool = False
    last_error: str = ""
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def external(self) -> bool:
        """Whether it is an endpoint of others."""
        return self.rules.need is None

    @property
    def idle(self) -> bool:
        """Whether it is ready, and nobody uses it or waits for it."""
        return self.state == "ready" and not self.leases and not self.queue

    @property
    def full(self) -> bool:
        """Whether as many requests use it, or wait, as may."""
        return len(self.leases) + len(self.queue) >= self.rules.slots + self.rules.queue

    @property
    def preloads(self) -> bool:
        """Whether it is to be loaded though nobody asks."""
        return self.rules.preload and not self.dismissed and not self.leaving

    @property
    def abandoned(self) -> bool:
        """Whether it loads for nobody."""
        return self.state == "loading" and not self.queue and not self.preloads

    @property
    def going(self) -> bool:
        """Whether its memory comes back by itself."""
        return self.state in {"draining", "stopping"}

    @property
    def expected_load_s(self) -> float | None:
        """What a load is expected to take: as long as the last, or as told; None where nobody knows."""
        return self.rules.load_s if self.load_s is None else self.load_s

    @property
    def idle_unload_s(self) -> float:
        """After how many idle seconds it is unloaded; infinity for never."""
        kept = self.external or self.rules.pinned or self.rules.idle_unload_s is None
        return math.inf if kept else self.rules.idle_unload_s or math.inf

    @property
    def idle_until(self) -> float:
        """When it is unloaded for want of use; infinity where that is never, or it is not idle."""
        return self.idle_since + self.idle_unload_s if self.idle else math.inf

    @property
    def load_due(self) -> float:
        """When a load has taken too long; infinity when none runs."""
        return self.since + self.load_deadline_s if self.state == "loading" else math.inf

    @property
    def load_deadline_s(self) -> float:
        """How long a load may take: as the rules say, or five times what one was seen to take."""
        return max(self.rules.load_deadline_s, 5 * (self.load_s or 0))

    def patient_until(self, patience_s: float) -> float:
        """When its oldest waiter loses patience. Asked wherever that matters: rounding must not make one instant two."""
        return self.queue.oldest_since + patience_s

    def enter(self, state: State, now: float) -> None:
        """Change the state."""
        self.state, self.since = state, now

    def earn_credit(self, base: float) -> None:
        """It was used: GreedyDual-Size's credit; see `eviction`."""
        self.credit = base + (self.expected_load_s or 1.0) / max(1, sum(self.need.values()))

    def learn_peak(self, peak: PerPool, margin: float) -> None:
        """Correct the need by a peak of the present start, memory by memory: upwards at once, with the margin where it outgrew
        what it was admitted on, however far it has grown when it is looked at.
        """
        self.peak = most((self.peak, peak))
        if self.state != "absent":
            self.held = most((self.held, peak))
        outgrown = {pool: size for pool, size in self.peak.items() if size > self.admitted.get(pool, 0)}
        self.need = most((self.need, with_margin(outgrown, margin)))

    def end_start(self, margin: float) -> None:
        """Its process is gone: where it had as many requests at a time as it may, its peak replaces what was predicted."""
        if self.most_leases >= self.rules.slots:
            self.need = {**self.need, **with_margin(self.peak, margin)}
        self.held, self.most_leases = {}, 0
        self.gate.clear()
        self.yields_to = self.drains_for = None

    def crowded(self) -> tuple[str, float]:
        """Return what is said where no more may wait, and in how many seconds to come again."""
        text = f"{len(self.queue)} requests wait for {self.rules.name} already, and no more may"
        return text, max(1.0, len(self.queue) * self.lease_s / self.rules.slots)

    def waited_in_vain(self, since: float, now: float) -> tuple[str, float | None]:
        """Return what is said to somebody who has waited since then, and in how many seconds to come again, if known."""
        text = f"waited {now - since:.0f} s for {self.rules.name}, which is {self.state}"
        known = self.state == "loading" and self.expected_load_s is not None
        return text, max(1.0, self.since + (self.expected_load_s or 0) - now) if known else None

    def left_alone(self, now: float) -> tuple[str, float]:
        """Return what is said while the breaker lets nobody through, and in how many seconds to come again."""
        told = f"{self.rules.name} failed {self.breaker.failures} times in a row"
        if self.breaker.state(now) == "half_open":
            return f"{told} and is being tried again", 1.0
        retry_s = max(0.0, (self.breaker.retry_at or now) - now)
        return f"{told} and is left alone for {retry_s:.0f} s", retry_s


class Lent:
    """A lease that was given: on which start, by which permit, since when. `told` is whether its end counted already."""

    __slots__ = ("generation", "held", "permit", "since", "told")

    def __init__(self, held: Held, generation: int, permit: Permit, since: float) -> None:
        self.held = held
        self.generation = generation
        self.permit = permit
        self.since = since
        self.told = False
