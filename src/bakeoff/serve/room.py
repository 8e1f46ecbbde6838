"""Who may load now, who goes for it, and who must stop taking requests: memory is dealt out, nothing is done.

In order of whoever has waited longest. A model is loaded when all that is committed, and what those before it are waiting
for, leaves room. Idle models go at once for somebody who waits. Busy ones go on, until that somebody has waited
`patience_s`: then they drain, once all those are served for whom they were loaded. Pinned models never go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bakeoff.core.units import bytes_text
from bakeoff.serve.eviction import Candidate, choose_victims
from bakeoff.serve.held import COMMITTED, Held, Rules


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
        self._budget = rules.budget_bytes
        self._plan = Plan()
        self._free = 0
        if self._budget is not None:
            self._free = self._budget - sum(held.held_bytes for held in models if held.state in COMMITTED)
        self._coming = sum(held.held_bytes for held in models if held.going)

    def plan(self) -> Plan:
        """Deal the memory out."""
        if self._free + self._coming < 0:
            self._shrink()
        served = {held.yields_to for held in self._models if held.state == "draining" and held.yields_to}
        for held in self._wanting():
            name = held.rules.name
            if self._budget is None:
                self._plan.start.append(name)
            elif held.need_bytes > self._budget - self._pinned_bytes(held):
                self._plan.hopeless.append(name)
            elif held.need_bytes <= self._free:
                self._plan.start.append(name)
                self._free -= held.need_bytes
            elif held.queue:
                served.discard(name)
                self._make_room(held)
                self._free -= held.need_bytes  # kept for it: nobody behind it gets in its way
        for held in self._models:
            if held.yields_to in served and held.state == "draining":
                self._plan.resume.append(held.rules.name)
        return self._plan

    def why_hopeless(self, held: Held) -> str:
        """Say, with numbers, why a model can never be loaded."""
        pinned = [each.rules.name for each in self._pinned(held)]
        beside = f", of which {bytes_text(self._pinned_bytes(held))} are pinned ({', '.join(pinned)})" if pinned else ""
        budget = bytes_text(self._budget or 0)
        return f"{held.rules.name} may need {bytes_text(held.need_bytes)}, and the budget is {budget}{beside}"

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

    def _pinned_bytes(self, but: Held) -> int:
        return sum(held.held_bytes for held in self._pinned(but))

    def _make_room(self, wanting: Held) -> None:
        short = wanting.need_bytes - self._free - self._coming
        if short <= 0:  # it comes by itself
            return
        victims = choose_victims(self._idle(), short, self._rules.eviction)
        if victims is None and self._now >= wanting.patient_until(self._rules.patience_s):
            victims = choose_victims((*self._idle(), *self._busy()), short, self._rules.eviction)
        self._send_away(victims or (), wanting.rules.name)

    def _shrink(self) -> None:
        """More is committed than the budget: it was lowered, or a worker outgrew what was expected."""
        over = -(self._free + self._coming)
        everybody = (*self._idle(), *self._busy())
        victims = choose_victims(everybody, over, self._rules.eviction)
        self._send_away([each.name for each in everybody] if victims is None else victims, None)

    def _send_away(self, victims: Iterable[str], for_whom: str | None) -> None:
        for held in self._models:
            if held.rules.name in victims:
                if held.idle or held.abandoned:
                    self._plan.stop.append(held.rules.name)
                else:
                    self._plan.drain[held.rules.name] = for_whom
                self._coming += held.held_bytes

    def _idle(self) -> Iterator[Candidate]:
        for held in self._models:
            pinned = held.rules.pinned and not held.abandoned
            if (held.idle or held.abandoned) and not held.external and not pinned and not self._sent(held):
                yield Candidate(held.rules.name, held.held_bytes, held.last_used, held.credit, busy=False)

    def _busy(self) -> Iterator[Candidate]:
        for held in self._models:
            busy = held.state == "ready" and not held.idle and not held.gate
            if busy and not held.external and not held.rules.pinned and not self._sent(held):
                yield Candidate(held.rules.name, held.held_bytes, held.last_used, held.credit, busy=True)

    def _sent(self, held: Held) -> bool:
        return held.rules.name in self._plan.stop or held.rules.name in self._plan.drain
