"""Who may load now, who goes for it, and who must stop taking requests: memory is dealt out, nothing is done.

In order of whoever has waited longest. A model is loaded when all that is committed, and what those before it are waiting
for, leaves room. Idle models go at once for somebody who waits. Busy ones go on, until that somebody has waited
`patience_s`: then they drain, once all those are served for whom they were loaded. Pinned models never go.

Each memory of the machine is dealt out apart, and a model needs room in each that it takes something of. Whoever waits keeps its
need in all of them, also where only one is short: what came free there would be of no use to it without the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bakeoff.core.units import bytes_text
from bakeoff.serve.eviction import Candidate, choose_victims
from bakeoff.serve.held import COMMITTED, Held, Rules
from bakeoff.serve.pools import PerPool, pool_text, short, total


@dataclass(slots=True)
class Plan:
    """Names of models: to start, to stop, to drain (for whom; None: the budget), to let go on, and that never fit."""

    start: list[str] = field(default_factory=list)
    stop: list[str] = field(default_factory=list)
    drain: dict[str, str | None] = field(default_factory=dict)
    resume: list[str] = field(default_factory=list)
    hopeless: list[str] = field(default_factory=list)


class Room:
    """The memory of one moment."""

    def __init__(self, models: Sequence[Held], rules: Rules, now: float) -> None:
        self._models = models
        self._rules = rules
        self._now = now
        self._budgets = {pool: budget for pool, budget in rules.budgets.items() if budget is not None}
        self._plan = Plan()
        self._free = dict(self._budgets)
        self._coming = dict.fromkeys(self._budgets, 0)
        for held in models:
            for pool, size in held.held.items() if held.state in COMMITTED else ():
                if pool in self._free:
                    self._free[pool] -= size
                    self._coming[pool] += size if held.going else 0

    def plan(self) -> Plan:
        """Deal the memory out."""
        for pool in self._free:
            self._shrink(pool)
        served = {held.yields_to for held in self._models if held.state == "draining" and held.yields_to}
        for held in self._wanting():
            name = held.rules.name
            if self._never(held):
                self._plan.hopeless.append(name)
            elif not short(held.need, self._free):
                self._plan.start.append(name)
                self._keep(held.need)
            elif held.queue:
                served.discard(name)
                self._make_room(held)
                self._keep(held.need)  # nobody behind it gets in its way
        for held in self._models:
            if held.yields_to in served and held.state == "draining":
                self._plan.resume.append(held.rules.name)
        return self._plan

    def why_hopeless(self, held: Held) -> str:
        """Say, with numbers, why a model can never be loaded: which memory is short."""
        said = []
        for pool in self._never(held):
            pinned = {each.rules.name: each.held[pool] for each in self._pinned(held) if each.held.get(pool)}
            need = pool_text(held.need, pool, self._rules.budgets)
            beside = f", of which {bytes_text(sum(pinned.values()))} are pinned ({', '.join(pinned)})" if pinned else ""
            said.append(f"{need}, and the budget is {bytes_text(self._budgets[pool])}{beside}")
        return f"{held.rules.name} may need {'; '.join(said)}"

    def _never(self, held: Held) -> PerPool:
        """Return the memories that are too small for it, alone or beside what is pinned, and by how much."""
        pinned = total(each.held for each in self._pinned(held))
        return short(held.need, {pool: budget - pinned.get(pool, 0) for pool, budget in self._budgets.items()})

    def _keep(self, need: PerPool) -> None:
        for pool in self._free:
            self._free[pool] -= need.get(pool, 0)

    def _wanting(self) -> Iterator[Held]:
        """Yield who could be loaded now: first who has waited longest, last those that nobody waits for."""
        wanting = [
            held
            for held in self._models
            if held.state == "absent" and (held.queue or held.preloads) and held.breaker.state(self._now) != "open"
        ]
        yield from sorted(wanting, key=lambda held: held.queue.oldest_since)

    def _pinned(self, but: Held) -> Iterator[Held]:
        for held in self._models:
            if held is not but and held.rules.pinned and held.state in {"loading", "ready"}:
                yield held

    def _make_room(self, wanting: Held) -> None:
        soon = {pool: free + self._coming[pool] for pool, free in self._free.items()}
        missing = short(wanting.need, soon)
        if not missing:  # it comes by itself
            return
        victims = choose_victims(self._idle(), missing, self._rules.eviction)
        if victims is None and self._now >= wanting.patient_until(self._rules.patience_s):
            victims = choose_victims((*self._idle(), *self._busy()), missing, self._rules.eviction)
        self._send_away(victims or (), wanting.rules.name)

    def _shrink(self, pool: str) -> None:
        """Where more is committed than the budget: it was lowered, or a worker outgrew what was expected."""
        over = -(self._free[pool] + self._coming[pool])
        if over <= 0:
            return
        everybody = [each for each in (*self._idle(), *self._busy()) if each.held.get(pool)]
        victims = choose_victims(everybody, {pool: over}, self._rules.eviction)
        self._send_away([each.name for each in everybody] if victims is None else victims, None)

    def _send_away(self, victims: Iterable[str], for_whom: str | None) -> None:
        for held in self._models:
            if held.rules.name in victims:
                if held.idle or held.abandoned:
                    self._plan.stop.append(held.rules.name)
                else:
                    self._plan.drain[held.rules.name] = for_whom
                for pool in self._coming:
                    self._coming[pool] += held.held.get(pool, 0)

    def _idle(self) -> Iterator[Candidate]:
        for held in self._models:
            pinned = held.rules.pinned and not held.abandoned
            if (held.idle or held.abandoned) and not held.external and not pinned and not self._sent(held):
                yield Candidate(held.rules.name, held.held, held.last_used, held.credit, busy=False)

    def _busy(self) -> Iterator[Candidate]:
        for held in self._models:
            busy = held.state == "ready" and not held.idle and not held.gate
            if busy and not held.external and not held.rules.pinned and not self._sent(held):
                yield Candidate(held.rules.name, held.held, held.last_used, held.credit, busy=True)

    def _sent(self, held: Held) -> bool:
        return held.rules.name in self._plan.stop or held.rules.name in self._plan.drain
