"""How many replicas hold a stated load at a stated latency, by simulation from measured service times. Pure.

The model: requests arrive at random (Poisson) at a steady rate; each goes to the least busy replica, and waits in one queue
where all are full. A replica writes up to `slots` texts at a time, and n of them slow each other down: each runs at
1 / (1 + s (n - 1)) of the speed that it has alone (contention, Gunther's universal scalability law without coherency). A
text's work is what it took alone: its time to the first token, and its tokens at the time per token that was measured; times
how far texts written alone were off that, drawn from those that were: medians alone make a machine steadier than it is.

What it does not know: bursts beyond a Poisson's, prompts longer than those of the run, loading and eviction, heat. A replica
is a machine like the one that was measured: a second worker on the same machine shares its memory bandwidth and is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Record
from bakeoff.decide.replica_queue import pass_through

ARRIVALS = 5_000
WARM_UP = 1_000
"""Arrivals that are simulated, and how many of the first are not counted, at the least: a queue needs time to be what it will be."""
FILLINGS = 3
"""So many times the places of all replicas must have been taken before anything is counted: a large pool fills slowly."""
DRAWS = 3
"""Simulations with different arrivals; percentiles are medians over them."""
MOST_REPLICAS = 512
"""Beyond these nothing is simulated: one balancer that knows how busy each of them is, is no longer what would be there."""
OVERLOAD = 0.95
"""Share of its capacity from which on a system counts as overloaded: its queue takes longer to show its length than is simulated
(at 0.97, 5,000 arrivals told a p95 of 5.8 s where 200,000 told 8.1), and no day's load is as steady as that."""


@dataclass(frozen=True, slots=True)
class Service:
    """What was measured of one worker.

    `first_token_s` and `per_token_s` are those of a text written alone, `tokens` are the lengths of the run's texts,
    `tokens_per_s` is the throughput with `slots` texts in flight. `alone_over` are the latencies of texts written alone, each
    over what `first_token_s` and `per_token_s` make of its length: how unsteady the machine is.
    """

    first_token_s: float
    per_token_s: float
    tokens: tuple[int, ...]
    tokens_per_s: float
    slots: int
    alone_over: tuple[float, ...] = (1.0,)

    @property
    def steady_s(self) -> NDArray[np.float64]:
        """Seconds that each text would take alone on a steady machine, shape (texts,)."""
        return self.first_token_s + self.per_token_s * np.asarray(self.tokens, dtype=np.float64)

    @property
    def alone_s(self) -> NDArray[np.float64]:
        """Seconds that each text takes alone on average, shape (texts,)."""
        return self.steady_s * float(np.mean(self.alone_over))

    def alone_p95_s(self) -> float:
        """Return the 95th percentile of what a text takes alone."""
        lengths = np.quantile(self.steady_s, np.linspace(0.0005, 0.9995, 1000))
        return float(np.percentile(np.outer(lengths, self.alone_over), 95))

    @property
    def contention(self) -> float:
        """How much each text beside one slows it down: 0 not at all, 1 as if they took turns.

        From the gain G = throughput together over throughput alone: slots / (1 + s (slots - 1)) = G.
        """
        if self.slots == 1:
            return 0.0
        alone = float(np.sum(self.tokens) / self.alone_s.sum())
        gain = min(self.tokens_per_s / alone, float(self.slots))
        return max(0.0, (self.slots / gain - 1.0) / (self.slots - 1.0))

    @property
    def most_per_s(self) -> float:
        """Texts a second that one replica writes at most, always full."""
        return self.slots / (1.0 + self.contention * (self.slots - 1.0)) / float(self.alone_s.mean())


class Outcome(Record):
    """What a load meets. Seconds; `utilisation` is the share of the capacity that is used, latencies include waiting."""

    replicas: int
    rate_per_s: float
    utilisation: float
    overloaded: bool
    latency_p50_s: float | None
    latency_p95_s: float | None
    wait_p95_s: float | None


class CapacityPlan(Record):
    """The answer. `replicas` is None where no number of them holds the target, since one text alone takes longer.

    `replicas_low` and `replicas_high` come from the interval of the measured throughput, and are None where it has none, or
    where that end of it takes more than are simulated; `one_replica_low` and `one_replica_high` come from the same interval. `one_replica_per_s` is the highest rate that one replica holds at the target.
    """

    rate_per_s: float
    target_p95_s: float
    alone_p95_s: float
    replicas: int | None
    replicas_low: int | None
    replicas_high: int | None
    one_replica_per_s: float
    one_replica_low: float | None
    one_replica_high: float | None
    outcomes: tuple[Outcome, ...]


def simulate(service: Service, rate_per_s: float, replicas: int, seed: int = 0) -> Outcome:
    """Return what a steady load meets; medians over a few simulations.

    Raises:
        ValueError: a rate or a number of replicas that is not above 0.
    """
    if not rate_per_s > 0 or replicas < 1:
        raise ValueError(f"need a rate above 0 and at least one replica: {rate_per_s}, {replicas}")
    utilisation = rate_per_s / (service.most_per_s * replicas)
    if utilisation >= OVERLOAD:
        return Outcome(
            replicas=replicas,
            rate_per_s=rate_per_s,
            utilisation=utilisation,
            overloaded=True,
            latency_p50_s=None,
            latency_p95_s=None,
            wait_p95_s=None,
        )
    found = np.median([_percentiles(service, rate_per_s, replicas, seed + draw) for draw in range(DRAWS)], axis=0)
    return Outcome(
        replicas=replicas,
        rate_per_s=rate_per_s,
        utilisation=utilisation,
        overloaded=False,
        latency_p50_s=float(found[0]),
        latency_p95_s=float(found[1]),
        wait_p95_s=float(found[2]),
    )


def plan_capacity(
    service: Service, rate_per_s: float, target_p95_s: float, throughput: tuple[float, float] | None, seed: int = 0
) -> CapacityPlan:
    """Return how many replicas hold a rate at a target of the 95th percentile of latency, and what one of them holds.

    `throughput` is the interval of `service.tokens_per_s`, None where nobody knows one.

    Raises:
        ValueError: a rate or a target that is not above 0.
        UsageError: it takes more replicas than are simulated.
    """
    if not (0 < target_p95_s < float("inf") and 0 < rate_per_s < float("inf")):
        raise ValueError(f"the load and the latency target must be numbers above 0: {rate_per_s}, {target_p95_s}")
    slow, fast = (None, None) if throughput is None else (_with_throughput(service, limit) for limit in throughput)
    replicas = _fewest(service, rate_per_s, target_p95_s, seed)
    around = [] if replicas is None else sorted({1, max(1, replicas - 1), replicas, replicas + 1})
    return CapacityPlan(
        rate_per_s=rate_per_s,
        target_p95_s=target_p95_s,
        alone_p95_s=service.alone_p95_s(),
        replicas=replicas,
        replicas_low=None if fast is None else _fewest_if_any(fast, rate_per_s, target_p95_s, seed),
        replicas_high=None if slow is None else _fewest_if_any(slow, rate_per_s, target_p95_s, seed),
        one_replica_per_s=_highest_rate(service, target_p95_s, seed),
        one_replica_low=None if slow is None else _highest_rate(slow, target_p95_s, seed),
        one_replica_high=None if fast is None else _highest_rate(fast, target_p95_s, seed),
        outcomes=tuple(simulate(service, rate_per_s, count, seed) for count in around),
    )


def _with_throughput(service: Service, tokens_per_s: float) -> Service:
    return replace(service, tokens_per_s=tokens_per_s)


def _holds(service: Service, rate_per_s: float, replicas: int, target_p95_s: float, seed: int) -> bool:
    met = simulate(service, rate_per_s, replicas, seed)
    return met.latency_p95_s is not None and met.latency_p95_s <= target_p95_s


def _fewest(service: Service, rate_per_s: float, target_p95_s: float, seed: int) -> int | None:
    """Return the fewest replicas that hold the target; more never hold less, so that halving finds it.

    The first number that is tried is what the throughput alone asks for, so that few are simulated.

    Raises:
        UsageError: it takes more than are simulated.
    """
    if service.alone_p95_s() > target_p95_s:
        return None
    least = rate_per_s / (service.most_per_s * OVERLOAD)
    if least > MOST_REPLICAS:
        raise _too_many(rate_per_s, f"at the very least {least:,.0f}, by their measured throughput")
    low = high = max(1, int(np.ceil(least)))
    while not _holds(service, rate_per_s, high, target_p95_s, seed):
        if high >= MOST_REPLICAS:
            raise _too_many(rate_per_s, f"{MOST_REPLICAS} of them do not hold the target")
        low, high = high + 1, min(MOST_REPLICAS, 2 * high)
    while low < high:
        middle = (low + high) // 2
        if _holds(service, rate_per_s, middle, target_p95_s, seed):
            high = middle
        else:
            low = middle + 1
    return high


def _fewest_if_any(service: Service, rate_per_s: float, target_p95_s: float, seed: int) -> int | None:
    try:
        return _fewest(service, rate_per_s, target_p95_s, seed)
    except UsageError:
        return None


def _too_many(rate_per_s: float, why: str) -> UsageError:
    return UsageError(
        f"{rate_per_s:,.10g} requests/s take more than {MOST_REPLICAS} replicas ({why}), and no more are simulated",
        "plan for the share of the traffic that one group of machines gets, or name a faster model",
    )


def _highest_rate(service: Service, target_p95_s: float, seed: int) -> float:
    """Return the highest rate that one replica holds at the target, to 2 %; 0 where it holds none."""
    low, high = 0.0, service.most_per_s
    if service.alone_p95_s() > target_p95_s:
        return 0.0
    while high - low > 0.02 * service.most_per_s:
        middle = (low + high) / 2.0
        if _holds(service, middle, 1, target_p95_s, seed):
            low = middle
        else:
            high = middle
    return low


def _percentiles(service: Service, rate_per_s: float, replicas: int, seed: int) -> tuple[float, float, float]:
    """Return latency p50 and p95, and the wait's p95, of one simulation."""
    rng = np.random.default_rng([seed, 20261127])
    warm_up = max(WARM_UP, FILLINGS * replicas * service.slots)
    count = warm_up + ARRIVALS - WARM_UP
    arrivals = np.cumsum(rng.exponential(1.0 / rate_per_s, count))
    work = rng.choice(service.steady_s, count) * rng.choice(service.alone_over, count)
    times = pass_through(arrivals, work, replicas, service.slots, service.contention)
    latency, wait = (times.ended - arrivals)[warm_up:], (times.started - arrivals)[warm_up:]
    return float(np.percentile(latency, 50)), float(np.percentile(latency, 95)), float(np.percentile(wait, 95))
