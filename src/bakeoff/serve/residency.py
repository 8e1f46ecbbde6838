"""Which models are in memory: a state machine that touches no world. Events in, effects out, time is an argument.

| state    | what is so                                   | left by                                                       |
|----------|----------------------------------------------|---------------------------------------------------------------|
| absent   | nothing runs, nothing is counted             | somebody waits, or it is preloaded, and there is room ->      |
|          |                                              | loading (in the back-off of its breaker: not)                 |
| loading  | its need is counted, its waiters attach      | loaded -> ready; failed, overdue or abandoned -> stopping     |
| ready    | leases are given, `slots` at a time          | evicted or idle too long -> stopping; in the way of others    |
|          |                                              | who waited too long, or its breaker opened -> draining;       |
|          |                                              | it died, stalled or lost a connection -> stopping             |
| draining | no new leases, its leases end                | the last lease ends -> stopping; no longer in the way -> ready|
| stopping | counted until its process is gone and the    | gone -> absent                                                |
|          | memory was seen to be back                   |                                                               |

Every event returns the effects that follow from it, and `wake_at` says when `tick` is due should nothing happen before. A
lease belongs to one start of a model (its generation): whatever was told of an earlier one is stale and changes nothing.
How room is made is `room`'s, what fails too often `breaker`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from bakeoff.serve.breaker import Breaker, Permit
from bakeoff.serve.effects import FAULTS, NOTHING, Effect, Grant, Refusal, Refuse, Start, Stop, Why
from bakeoff.serve.held import COMMITTED, Held, Lent, ModelRules, Rules, State
from bakeoff.serve.lease import Ending
from bakeoff.serve.pools import PerPool, most, total
from bakeoff.serve.room import Room
from bakeoff.serve.waiting import Waiter


class Residency:
    """The machine. `chance` returns numbers in [0, 1), for the breakers' back-off.

    Times (`now`) are seconds of one monotonic clock, and never go back.
    """

    def __init__(self, models: Iterable[ModelRules], rules: Rules, chance: Callable[[], float]) -> None:
        self.rules = rules
        self._chance = chance
        self._models: dict[str, Held] = {}
        self._lent: dict[int, Lent] = {}
        self._waiting: dict[int, Held] = {}
        self._effects: list[Effect] = []
        self._closing_until: float | None = None
        self._settled_at = -math.inf
        self._evicted_credit = 0.0
        for model in models:
            self._add(model)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._models.values())

    def __getitem__(self, model: str) -> Held:
        return self._models[model]

    def __contains__(self, model: str) -> bool:
        return model in self._models

    @property
    def committed(self) -> PerPool:
        """What is spoken for of each memory: ready, draining, loading, and stopping until the memory was seen to be back."""
        return total((dict.fromkeys(self.rules.budgets, 0), *(held.held for held in self if held.state in COMMITTED)))

    @property
    def at_rest(self) -> bool:
        """Whether no worker runs, starts or ends."""
        return all(held.external or held.state == "absent" for held in self)

    @property
    def wake_at(self) -> float:
        """When `tick` is due should nothing happen before; infinity for never. What was due is due until it was looked at."""
        soonest, looked_at = math.inf, self._settled_at
        for held in self:
            # One that is in use may be idle right after it was looked at, and due so much later.
            idle_until = looked_at + held.idle_unload_s if held.leases else held.idle_until
            soonest = min(soonest, held.queue.next_until, held.load_due, idle_until)
            if held.state == "absent" and held.queue:
                patient_until = held.patient_until(self.rules.patience_s)
                soonest = min(soonest, patient_until if patient_until > looked_at else math.inf)
            if held.state == "absent" and held.preloads and held.breaker.state(looked_at) == "open":
                soonest = min(soonest, held.breaker.retry_at or math.inf)
        if self._closing_until is not None and self._closing_until > looked_at:
            soonest = min(soonest, self._closing_until)
        return soonest

    @property
    def next_need(self) -> PerPool | None:
        """The most of each memory that somebody who waits now is waiting for; None when nobody waits for a load, {} at the end."""
        if self._closing_until is not None:
            return {}
        waiting = [held.need for held in self if held.queue and held.state in {"absent", "stopping"}]
        return most(waiting) if waiting else None

    def arrive(self, now: float, number: int, model: str, until: float) -> Sequence[Effect]:
        """Somebody wants a lease, and waits `until` then. `number` is its own for ever.

        Raises:
            KeyError: there is no such model.
        """
        held = self._models[model]
        if self._closing_until is not None or held.leaving:
            text = "the gateway ends" if self._closing_until is not None else f"{model} is no longer served"
            return self._refused(held, number, "stopping", text, None)
        if held.full:
            return self._refused(held, number, "queue_full", *held.crowded())
        permit = held.breaker.admit(now)
        if permit is None:
            return self._refused(held, number, "breaker_open", *held.left_alone(now))
        if held.state == "ready" and not held.queue and len(held.leases) < held.rules.slots:
            return [self._lend(held, Waiter(number, now, until, permit), now)]
        held.queue.add(Waiter(number, now, until, permit))
        self._waiting[number] = held
        return self._settled(now)

    def withdraw(self, now: float, number: int) -> Sequence[Effect]:
        """Somebody does not want a lease any more, whether it waits for one or has it; of no effect when neither."""
        held = self._waiting.pop(number, None)
        if held is None:
            return self.release(now, number, "cancelled")
        waiter = held.queue.remove(number)
        if waiter is not None:
            held.gate.discard(number)
            held.breaker.withdrawn(waiter.permit)
        return self._settled(now)

    def fault(self, now: float, number: int, how: Ending) -> Sequence[Effect]:
        """A lease is still held, and its worker stalled or lost the connection: that start is never leased again."""
        lent = self._lent.get(number)
        if lent is None or lent.told or how not in FAULTS:
            return NOTHING
        lent.told = True
        self._count_end(lent, how, now)
        return self._settled(now)

    def release(self, now: float, number: int, how: Ending) -> Sequence[Effect]:
        """A lease comes back; `how` its request ended."""
        lent = self._lent.pop(number, None)
        if lent is None:
            return NOTHING
        held = lent.held
        if not lent.told:
            self._count_end(lent, how, now)
        if lent.generation == held.generation and number in held.leases:
            held.leases.remove(number)
            held.last_used = held.idle_since = now
            held.lease_s += 0.2 * (now - lent.since - held.lease_s)
        # Nobody waits, no memory comes free: the idle time begins, and `wake_at` has thought of that.
        quiet = held.state == "ready" and not self._waiting and not self._effects and not held.leaving
        return NOTHING if quiet else self._settled(now)

    def loaded(self, now: float, model: str, generation: int, peak: PerPool | None = None) -> Sequence[Effect]:
        """A worker is ready."""
        held = self._current(model, generation)
        if held is None or held.state != "loading":
            return NOTHING
        held.load_s = now - held.since
        held.enter("ready", now)
        held.idle_since = held.last_used = now
        held.gate = {waiter.number for waiter in held.queue}
        held.dismissed = False
        held.counts["loads"] += 1
        held.earn_credit(self._evicted_credit)
        held.learn_peak(peak or {}, self.rules.margin)
        return self._settled(now)

    def load_failed(self, now: float, model: str, generation: int, message: str) -> Sequence[Effect]:
        """A worker did not become ready. Who waited for it is refused: another model may serve them at once."""
        held = self._current(model, generation)
        if held is not None and held.state == "loading":
            self._fail_load(held, message, "load_failed", now)
        return self._settled(now)

    def died(self, now: float, model: str, generation: int, message: str) -> Sequence[Effect]:
        """A worker that was ready has ended by itself. Who waits goes on waiting, for its next start."""
        held = self._current(model, generation)
        if held is not None and held.state in {"ready", "draining"}:
            held.counts["deaths"] += 1
            held.last_error = message
            self._stop(held, now, "died")
            self._blame(held, now, None)
        return self._settled(now)

    def measured(self, now: float, model: str, generation: int, peak: PerPool) -> Sequence[Effect]:
        """So much of each memory has that start of the worker had at its peak, so far."""
        held = self._current(model, generation)
        if held is None or held.state == "absent":
            return NOTHING
        held.learn_peak(peak, self.rules.margin)
        return self._settled(now)

    def gone(self, now: float, model: str, generation: int) -> Sequence[Effect]:
        """A stopped worker's process is gone, and its memory was seen to be back."""
        held = self._current(model, generation)
        if held is not None and held.state == "stopping":
            held.end_start(self.rules.margin)
            held.enter("absent", now)
            if held.leaving:
                del self._models[model]
        return self._settled(now)

    def tick(self, now: float) -> Sequence[Effect]:
        """Time passed."""
        return self._settled(now)

    def configure(
        self, now: float, models: Iterable[ModelRules], rules: Rules, replaced: Iterable[str] = ()
    ) -> Sequence[Effect]:
        """Keep these models by these rules from now on. What is not named leaves, and `replaced` ones are started anew."""
        if self._closing_until is not None:
            return self._settled(now)
        self.rules = rules
        told = {model.name: model for model in models}
        for held in list(self):
            rules_of_it = told.pop(held.rules.name, None)
            held.leaving, held.dismissed, held.breaker.rules = rules_of_it is None, False, rules.breaker
            if rules_of_it is None:
                self._refuse_all(held, "stopping", f"{held.rules.name} is no longer served", None)
            elif rules_of_it != held.rules:
                if rules_of_it.need != held.rules.need:
                    need = rules_of_it.need or {}
                    held.need = most((need, {pool: size for pool, size in held.peak.items() if pool in need}))
                held.rules = rules_of_it
                if held.rules.pinned and held.drains_for == "evicted" and held.state == "draining":
                    self._let_go_on(held, now)
            if held.leaving or held.rules.name in replaced:
                self._drain(held, now, "removed")
        for added in told.values():
            self._add(added)
        return self._settled(now)

    def close(self, now: float, within_s: float) -> Sequence[Effect]:
        """Refuse whoever waits, let leases end for so many seconds, and then stop every worker."""
        self._closing_until = now + within_s
        for held in self:
            self._refuse_all(held, "stopping", "the gateway ends", None)
            self._drain(held, now, "closing")
        return self._settled(now)

    def _settled(self, now: float) -> Sequence[Effect]:
        """Do whatever may now be done, and return the effects since the last time."""
        for held in self:
            self._end_what_is_due(held, now)
        # First those for whom a model was loaded; the others only where nobody has waited too long for its memory.
        self._lend_all(now, gate_alone=True)
        if self._closing_until is None:
            self._deal_out(Room(tuple(self), self.rules, now), now)
        self._lend_all(now)
        for held in list(self):
            self._end_drained(held, now)
        self._settled_at = now
        effects, self._effects = self._effects, []
        return effects

    def _end_what_is_due(self, held: Held, now: float) -> None:
        for waiter in held.queue.take_overdue(now):
            held.breaker.withdrawn(waiter.permit)
            self._refuse(held, waiter, "load_too_long", *held.waited_in_vain(waiter.since, now))
        if held.load_due <= now:
            message = f"{held.rules.name} was not ready within {now - held.since:.0f} s"
            self._fail_load(held, message, "load_overdue", now)
        elif held.abandoned and (self.rules.abandoned_load == "stop" or held.leaving):
            self._stop(held, now, "abandoned")
        elif held.idle_until <= now:
            self._stop(held, now, "idle")

    def _end_drained(self, held: Held, now: float) -> None:
        overdue = self._closing_until is not None and self._closing_until <= now
        if held.state == "draining" and (overdue or not held.leases):
            self._stop(held, now, held.drains_for or "evicted")
        elif held.leaving and not held.leases and (held.external or held.state == "absent"):
            del self._models[held.rules.name]

    def _deal_out(self, room: Room, now: float) -> None:
        """Do what the distribution of memory asks for."""
        plan = room.plan()
        for name in plan.hopeless:
            held = self._models[name]
            held.dismissed, held.last_error = True, room.why_hopeless(held)
            self._refuse_all(held, "load_failed", held.last_error, None)
        for name in plan.stop:
            held = self._models[name]
            self._stop(held, now, "abandoned" if held.state == "loading" else "evicted")
        for name, for_whom in plan.drain.items():
            self._drain(self._models[name], now, "evicted" if for_whom else "budget")
            self._models[name].yields_to = for_whom
        for name in plan.start:
            self._start(self._models[name], now)
        for name in plan.resume:
            self._let_go_on(self._models[name], now)

    def _lend_all(self, now: float, *, gate_alone: bool = False) -> None:
        for held in self:
            while held.state == "ready" and held.queue and len(held.leases) < held.rules.slots:
                if gate_alone and not held.gate:
                    break
                waiter = held.queue.take_first()
                held.gate.discard(waiter.number)
                del self._waiting[waiter.number]
                self._effects.append(self._lend(held, waiter, now))

    def _lend(self, held: Held, waiter: Waiter, now: float) -> Grant:
        self._lent[waiter.number] = Lent(held, held.generation, waiter.permit, now)
        held.leases.add(waiter.number)
        held.most_leases = max(held.most_leases, len(held.leases))
        held.last_used = now
        held.counts["granted"] += 1
        if self.rules.eviction == "greedy_dual":
            held.earn_credit(self._evicted_credit)
        return Grant(waiter.number, held.rules.name, held.generation)

    def _start(self, held: Held, now: float) -> None:
        held.generation += 1
        held.held = held.admitted = held.need
        held.peak = {}
        held.enter("loading", now)
        held.counts["starts"] += 1
        self._effects.append(Start(held.rules.name, held.generation, held.load_deadline_s))

    def _stop(self, held: Held, now: float, why: Why) -> None:
        """End the present start. Leases on it are dead: their holders find out by themselves."""
        kill = why in {"died", "stalled", "connection_lost", "load_failed", "load_overdue"}
        held.dismissed = why in {"evicted", "idle", "budget", "abandoned"}
        held.leases.clear()
        held.gate.clear()
        held.enter("stopping", now)
        held.counts[why] += 1
        if why == "evicted":
            self._evicted_credit = max(self._evicted_credit, held.credit)
        self._effects.append(Stop(held.rules.name, held.generation, 0.0 if kill else self.rules.grace_s, why))

    def _drain(self, held: Held, now: float, why: Why) -> None:
        if held.state == "loading":
            self._stop(held, now, why)
        elif held.state in {"ready", "draining"} and not held.external:
            held.enter("draining", now)
            held.drains_for, held.yields_to = why, None

    def _let_go_on(self, held: Held, now: float) -> None:
        held.enter("ready", now)
        held.yields_to = held.drains_for = None

    def _fail_load(self, held: Held, message: str, why: Why, now: float) -> None:
        held.last_error = message
        held.counts["load_failures"] += 1
        self._stop(held, now, why)
        held.breaker.failed(now)
        retry_at = held.breaker.retry_at
        # What the worker said may hold paths: that is for the snapshot and the log, not for whoever asks.
        text = f"{held.rules.name} could not be loaded"
        self._refuse_all(held, "load_failed", text, None if retry_at is None else retry_at - now)

    def _count_end(self, lent: Lent, how: Ending, now: float) -> None:
        """Tell the breaker how a request ended. What befell a start of the past is counted already, once for all of it."""
        held = lent.held
        held.counts[f"ended_{how}"] += 1
        if lent.generation != held.generation or (held.state not in {"ready", "draining"}):
            held.breaker.withdrawn(lent.permit)
        elif how == "answered":
            held.breaker.answered(lent.permit)
        elif how in FAULTS or how == "server_error":
            if how in FAULTS and not held.external:
                self._stop(held, now, FAULTS[how])
            self._blame(held, now, lent.permit)
        else:
            held.breaker.withdrawn(lent.permit)

    def _blame(self, held: Held, now: float, permit: Permit | None) -> None:
        """A model failed. When that opens its breaker, who waits is refused, and the next start is a fresh one."""
        if held.breaker.failed(now, permit):
            self._refuse_all(held, "breaker_open", *held.left_alone(now))
            if held.state == "ready":
                self._drain(held, now, "breaker")

    def _refused(
        self, held: Held, number: int, kind: Refusal, message: str, retry_after_s: float | None
    ) -> Sequence[Effect]:
        held.counts[f"refused_{kind}"] += 1
        return [Refuse(number, held.rules.name, kind, message, retry_after_s)]

    def _refuse(self, held: Held, waiter: Waiter, kind: Refusal, message: str, retry_after_s: float | None) -> None:
        held.gate.discard(waiter.number)
        del self._waiting[waiter.number]
        self._effects += self._refused(held, waiter.number, kind, message, retry_after_s)

    def _refuse_all(self, held: Held, kind: Refusal, message: str, retry_after_s: float | None) -> None:
        for waiter in held.queue.take_all():
            held.breaker.withdrawn(waiter.permit)
            self._refuse(held, waiter, kind, message, retry_after_s)

    def _current(self, model: str, generation: int) -> Held | None:
        """Return the model if that is its present start."""
        held = self._models.get(model)
        return held if held is not None and held.generation == generation else None

    def _add(self, model: ModelRules) -> None:
        state: State = "ready" if model.need is None else "absent"
        self._models[model.name] = Held(model, Breaker(self.rules.breaker, self._chance), model.need or {}, state)
