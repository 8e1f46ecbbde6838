"""The residency machine in simulated time, against a world of its own: clients that come, wait, leave and make mistakes,
workers that load, fail, die, stall and end, all at random and often at the same instant.

The world keeps its own books, from the effects alone, and holds the machine to them after every event. Nothing ticks the
machine but its own `wake_at`: a wake-up that is lost leaves somebody waiting, and is seen.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bakeoff.machine.budget import HOST
from bakeoff.serve.breaker import BreakerRules
from bakeoff.serve.effects import Effect, Grant, Refuse, Start, Stop
from bakeoff.serve.held import ModelRules, Rules
from bakeoff.serve.pools import most, total
from bakeoff.serve.residency import Residency


@dataclass
class Life:
    """How a world is: rates and bounds, in seconds and shares."""

    arrivals: int = 60
    over_s: float = 60.0
    load_s: tuple[float, float] = (0.5, 8.0)
    lease_s: tuple[float, float] = (0.1, 5.0)
    stop_s: tuple[float, float] = (0.0, 2.0)
    wait_s: tuple[float, float] | None = (1.0, 60.0)
    load_fails: float = 0.1
    load_hangs: float = 0.02
    dies: float = 0.1
    cancels: float = 0.15
    endings: dict[str, float] = field(
        default_factory=lambda: {
            "answered": 8,
            "client_error": 1,
            "server_error": 1,
            "stalled": 0.3,
            "connection_lost": 0.3,
            "cancelled": 1,
        }
    )
    outgrows: float = 0.1
    budget_changes: int = 1
    reconfigures: int = 1
    closes: bool = False
    grid_s: float | None = 0.5
    """Times are rounded to this, so that much happens at the same instant; None for not."""


@dataclass
class Process:
    """A worker, as the world knows it."""

    model: str
    generation: int
    claimed: dict[str, int]
    state: str = "loading"
    ready_for: set[int] = field(default_factory=set)
    peak: dict[str, int] = field(default_factory=dict)
    idle_since: float = 0.0

    @property
    def held(self) -> dict[str, int]:
        return most((self.claimed, self.peak))


class World:
    """One schedule. `run` plays it to its end, and raises AssertionError where the machine breaks a promise."""

    def __init__(self, seed: int, models: list[ModelRules], rules: Rules, life: Life) -> None:
        self.random = random.Random(seed)
        self.rules, self.life = rules, life
        self.models = {model.name: model for model in models}
        self.machine = Residency(models, rules, self.random.random)
        self.now = 0.0
        self.budgets = bounded(rules)
        self.events: list[tuple[float, float, int, Callable[[], Sequence[Effect]]]] = []
        self.count = 0
        self.processes: dict[str, Process] = {}
        self.waiting: dict[int, tuple[str, float, float]] = {}  # model, since, until
        self.leased: dict[int, tuple[str, int]] = {}
        self.ended: Counter[str] = Counter()
        self.longest_wait = 0.0
        self.numbers = 0
        self.starts: Counter[str] = Counter()
        self.opened: dict[str, float | None] = dict.fromkeys(self.models)
        self.most_slots = {model.name: model.slots for model in models}
        self.seen_before: dict[str, set[int]] = {}
        self.closed_at = math.inf
        self.steps = 0

    # The schedule.

    def at(self, when: float, do: Callable[[], Sequence[Effect]]) -> None:
        if self.life.grid_s:
            when = math.ceil(when / self.life.grid_s) * self.life.grid_s
        self.count += 1  # among what happens at the same instant, chance decides
        heapq.heappush(self.events, (max(when, self.now), self.random.random(), self.count, do))

    def between(self, bounds: tuple[float, float]) -> float:
        return self.random.uniform(*bounds)

    def run(self) -> None:
        life = self.life
        for _ in range(life.arrivals):
            self.at(self.random.uniform(0, life.over_s), self.arrive)
        for _ in range(life.budget_changes if self.budgets else 0):
            self.at(self.random.uniform(0, life.over_s), self.change_budget)
        for _ in range(life.reconfigures):
            self.at(self.random.uniform(0, life.over_s), self.reconfigure)
        if life.closes:
            self.at(self.random.uniform(0, life.over_s), self.close)
        self.carry_out(self.machine.tick(self.now))
        while True:
            wake = self.machine.wake_at
            due = self.events[0][0] if self.events else math.inf
            if min(wake, due) == math.inf:
                break
            self.steps += 1
            self.check_drains_in_time(min(wake, due))
            assert self.steps < 50_000, "it never comes to rest"
            # At the same instant the timer may come first or last.
            if wake < due or (wake == due and self.random.random() < 0.5):
                self.now = max(self.now, wake)
                self.carry_out(self.machine.tick(self.now))
            else:
                self.now, _, _, do = heapq.heappop(self.events)
                self.carry_out(do())
        self.check_rest()

    def arrive(self) -> Sequence[Effect]:
        self.numbers += 1
        number, model = self.numbers, self.random.choice(list(self.models))
        until = math.inf if self.life.wait_s is None else self.now + self.between(self.life.wait_s)
        self.waiting[number] = (model, self.now, until)
        if self.random.random() < self.life.cancels:
            self.at(self.now + self.random.uniform(0, 10), lambda: self.cancel(number))
        return self.machine.arrive(self.now, number, model, until)

    def cancel(self, number: int) -> Sequence[Effect]:
        if self.waiting.pop(number, None) is not None:
            self.ended["withdrawn"] += 1
        if number in self.leased:
            self.give_back(number)
        return self.machine.withdraw(self.now, number)

    def give_back(self, number: int) -> None:
        model, generation = self.leased.pop(number)
        process = self.processes.get(model)
        if process is not None and process.generation == generation:
            process.idle_since = self.now

    def end_lease(self, number: int, how: str) -> Sequence[Effect]:
        if number not in self.leased:
            return ()
        model, generation = self.leased[number]
        effects = []
        if how in {"stalled", "connection_lost"}:
            process = self.processes.get(model)
            if process is not None and process.generation == generation and process.state == "ready":
                process.state = "dead"
            effects = self.machine.fault(self.now, number, how)
            self.carry_out(effects)
        self.give_back(number)
        self.ended[how] += 1
        return self.machine.release(self.now, number, how)

    def change_budget(self) -> Sequence[Effect]:
        pool = self.random.choice(sorted(self.budgets))
        return self.set_budget(pool, max(1, int(self.budgets[pool] * self.random.uniform(0.6, 1.4))))

    def set_budget(self, pool: str, size: int) -> Sequence[Effect]:
        self.rules = Rules(**{**_fields(self.rules), "budgets": {**self.rules.budgets, pool: size}})
        self.budgets = bounded(self.rules)
        return self.machine.configure(self.now, self.models.values(), self.rules)

    def reconfigure(self) -> Sequence[Effect]:
        """Change one model's settings, and sometimes what it is started with."""
        name = self.random.choice(list(self.models))
        old = self.models[name]
        if old.need is None:
            return ()
        changed = {"pinned": self.random.random() < 0.2, "slots": self.random.randint(1, 4)}
        self.models[name] = ModelRules(**{**_fields(old), **changed})
        self.most_slots[name] = max(self.most_slots[name], self.models[name].slots)
        replaced = [name] if self.random.random() < 0.5 else []
        return self.machine.configure(self.now, self.models.values(), self.rules, replaced)

    def close(self) -> Sequence[Effect]:
        grace_s = self.random.choice([0.0, 3.0, 20.0])
        self.closed_at = self.now + grace_s
        return self.machine.close(self.now, grace_s)

    # What the machine asks for, and the books.

    def carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Start():
                    self.start(effect)
                case Stop():
                    self.stop(effect)
                case Grant():
                    self.grant(effect)
                case Refuse():
                    self.refuse(effect)
        for effect in effects:
            if isinstance(effect, Stop) and effect.why in {"load_failed", "load_overdue"}:
                assert all(waits[0] != effect.model for waits in self.waiting.values()), "not told that the load failed"
        self.check()

    def start(self, effect: Start) -> None:
        model = effect.model
        assert model not in self.processes, f"{model} is started while its last start is not gone"
        assert self.now < self.closed_at, "something is started after the end"
        self.starts[model] += 1
        assert effect.generation == self.starts[model]
        process = Process(model, effect.generation, dict(self.machine[model].admitted))
        self.processes[model] = process
        held, kept = self.held(), self.wanted(before=self.oldest_since(model))
        for pool, budget in self.budgets.items():
            if process.claimed.get(pool):
                assert held.get(pool, 0) <= budget, f"{held} committed of {self.budgets}"
                both = held.get(pool, 0) + kept.get(pool, 0)
                assert both <= budget, f"{model} takes {pool} from one who waits longer: {both} of {budget}"
        fate = self.random.random()
        if fate < self.life.load_fails:
            self.at(self.now + self.between(self.life.load_s), lambda: self.load_fails(process))
        elif fate >= self.life.load_fails + self.life.load_hangs:
            self.at(self.now + self.between(self.life.load_s), lambda: self.load_ends(process))

    def load_fails(self, process: Process) -> Sequence[Effect]:
        if process.state != "loading":  # it came too late: what is told of the past changes nothing
            return self.machine.load_failed(self.now, process.model, process.generation, "too late")
        process.state = "dead"
        return self.machine.load_failed(self.now, process.model, process.generation, "it failed")

    def load_ends(self, process: Process) -> Sequence[Effect]:
        if process.state != "loading":
            return self.machine.loaded(self.now, process.model, process.generation)
        process.state, process.idle_since = "ready", self.now
        process.ready_for = {number for number, (model, *_) in self.waiting.items() if model == process.model}
        for pool, size in process.claimed.items():
            if pool == HOST or self.random.random() < 0.8:  # a device does not always tell
                outgrows = self.random.random() < self.life.outgrows
                process.peak[pool] = int(
                    size * (self.random.uniform(1, 1.3) if outgrows else self.random.uniform(0.5, 1))
                )
        if self.random.random() < self.life.dies:
            self.at(self.now + self.random.uniform(0, 20), lambda: self.die(process))
        return self.machine.loaded(self.now, process.model, process.generation, dict(process.peak))

    def die(self, process: Process) -> Sequence[Effect]:
        if process.state == "ready":
            process.state = "dead"
        return self.machine.died(self.now, process.model, process.generation, "it died")

    def stop(self, effect: Stop) -> None:
        process = self.processes[effect.model]
        assert process.generation == effect.generation, "a stop of another start"
        assert process.state != "stopped", "it was stopped already"
        on_it = [number for number, lease in self.leased.items() if lease == (effect.model, effect.generation)]
        forced = {"died", "stalled", "connection_lost"} | ({"closing"} if self.now >= self.closed_at else set())
        assert not on_it or effect.why in forced, f"{effect.model} is stopped ({effect.why}) under leases {on_it}"
        if effect.why in {"evicted", "idle"}:
            assert not process.ready_for & set(self.waiting), "evicted before those were served whom it was loaded for"
            assert not self.models[effect.model].pinned or process.state == "dead", "a pinned model went"
        if effect.why == "evicted":
            self.check_evicted(process)
        process.state = "stopped"
        self.at(self.now + self.between(self.life.stop_s), lambda: self.end(process))

    def end(self, process: Process) -> Sequence[Effect]:
        del self.processes[process.model]
        return self.machine.gone(self.now, process.model, process.generation)

    def grant(self, effect: Grant) -> None:
        model, since, _ = self.waiting.pop(effect.waiter)
        assert model == effect.model
        self.longest_wait = max(self.longest_wait, self.now - since)
        process = self.processes.get(model)
        if self.models[model].need is not None:
            assert process is not None, f"a lease on {model}, which does not run"
            assert process.state == "ready", f"a lease on {model}, which is {process.state}"
            assert process.generation == effect.generation, "a lease on another start"
        self.leased[effect.waiter] = (model, effect.generation)
        assert self.using(model) <= self.models[model].slots, "more leases than slots"
        if process is None or effect.waiter not in process.ready_for:
            self.check_patience(model, since)
        kinds = list(self.life.endings)
        how = self.random.choices(kinds, [self.life.endings[kind] for kind in kinds])[0]
        self.at(self.now + self.between(self.life.lease_s), lambda: self.end_lease(effect.waiter, how))

    def check_patience(self, model: str, since: float) -> None:
        """Where two models cannot be there together: who came after the other's waiter lost patience is not served first."""
        assert since <= self.patient_until(model), "served before one whose patience is over"

    def check_drains_in_time(self, next_event: float) -> None:
        """Before time goes on: a model in the way of one whose patience is over takes no more requests."""
        for model, process in self.processes.items():
            if process.state == "ready" and not process.ready_for & set(self.waiting):
                late = self.patient_until(model) < min(next_event, self.closed_at)
                assert not late or self.machine[model].state != "ready", "in the way, and takes requests"

    def patient_until(self, model: str) -> float:
        """When the only other model's waiters lose patience with this one; infinity where it is not in their way."""
        others = [self.machine[other] for other in self.models if other != model]
        rules = self.models[model]
        if len(others) != 1 or rules.need is None or rules.pinned:
            return math.inf
        name, need, claimed = others[0].rules.name, others[0].need, self.processes[model].claimed
        waits = [waited[1] for waited in self.waiting.values() if waited[0] == name]
        fits = all(need.get(pool, 0) <= budget for pool, budget in self.budgets.items())
        in_the_way = fits and any(
            need.get(pool) and claimed.get(pool) and budget < need[pool] + claimed[pool]
            for pool, budget in self.budgets.items()
        )
        if name in self.processes or not waits or not in_the_way:
            return math.inf
        return min(waits) + self.rules.patience_s

    def refuse(self, effect: Refuse) -> None:
        model, _, until = self.waiting.pop(effect.waiter)
        self.ended[effect.kind] += 1
        rules = self.models[model]
        beside = sum(waits[0] == model for waits in self.waiting.values())
        if effect.kind == "queue_full":
            assert self.using(model) + beside >= rules.slots + rules.queue, "refused though there was room to wait"
        if effect.kind == "load_too_long":
            assert self.now >= until, "given up too early"
        assert effect.retry_after_s is None or effect.retry_after_s >= 0

    def using(self, model: str) -> int:
        process = self.processes.get(model)
        generation = process.generation if process is not None else 0
        return sum(lease == (model, generation) for lease in self.leased.values())

    def check(self) -> None:
        """What must be so after every event."""
        waits: Counter[str] = Counter()
        for number, (model, _, until) in self.waiting.items():
            waits[model] += 1
            assert until >= self.now, f"waiter {number} for {model} was forgotten"
        for model, rules in self.models.items():
            assert waits[model] <= self.most_slots[model] + rules.queue, "more wait than may"
            self.check_breaker(model)
            process = self.processes.get(model)
            if process is not None and process.state == "ready" and rules.idle_unload_s and not rules.pinned:
                idle = not waits[model] and not self.using(model)
                assert not idle or self.now <= process.idle_since + rules.idle_unload_s, (
                    "idle, and not unloaded in time"
                )
        for pool, running in total(process.claimed for process in self.processes.values()).items():
            assert self.machine.committed.get(pool, 0) >= running, "memory of a process that is not gone is not counted"
        if self.now < self.closed_at:
            self.check_room()

    def held(self) -> dict[str, int]:
        """What all processes take that are not gone."""
        return total(process.held for process in self.processes.values())

    def oldest_since(self, model: str) -> float:
        return min((since for name, since, _ in self.waiting.values() if name == model), default=math.inf)

    def wanted(self, before: float = math.inf) -> dict[str, int]:
        """What models need that do not run, may be tried, and that somebody waits for since an earlier time."""
        waiting = (held for held in self.machine if held.rules.name not in self.processes and not held.external)
        return total(
            held.need
            for held in waiting
            if self.oldest_since(held.rules.name) < before and held.breaker.state(self.now) != "open"
        )

    def check_evicted(self, process: Process) -> None:
        """It takes something of a memory that is short: of another memory it would have gone for nothing."""
        held, wanted = self.held(), self.wanted()
        missing = [pool for pool, size in self.budgets.items() if held.get(pool, 0) + wanted.get(pool, 0) > size]
        assert any(process.held.get(pool) for pool in missing), (
            f"{process.model} was evicted, and frees nothing that is short"
        )

    def check_room(self) -> None:
        """Whoever fits, beside all others who wait, is not kept waiting; and who is idle goes where a memory is over its budget."""
        held, wanted = self.held(), self.wanted()
        for each in self.machine:
            if each.rules.name in self.processes or each.external or each.breaker.state(self.now) == "open":
                continue
            waits = self.oldest_since(each.rules.name) < math.inf
            fits = all(
                held.get(pool, 0) + wanted.get(pool, 0) <= size
                for pool, size in self.budgets.items()
                if each.need.get(pool)
            )
            assert not (waits and fits), f"{each.rules.name} waits although there is room for everybody who waits"
        self.check_memory_is_freed()

    def check_memory_is_freed(self) -> None:
        """Idle models go at once for whoever waits longest, and where a memory is over its budget."""
        staying = [
            process
            for process in self.processes.values()
            if process.state in {"loading", "ready"} and self.machine[process.model].state in {"loading", "ready"}
        ]
        idle = [
            process for process in staying if self.machine[process.model].idle and not self.models[process.model].pinned
        ]
        taken, freed = total(process.held for process in staying), total(process.held for process in idle)
        for pool, budget in self.budgets.items():
            assert taken.get(pool, 0) <= budget or not freed.get(pool), (
                f"{pool} is over its budget, and models stay idle in it"
            )
        waiting = [
            held
            for held in self.machine
            if held.queue and held.state == "absent" and held.breaker.state(self.now) != "open"
        ]
        if waiting:
            need = min(waiting, key=lambda held: held.queue.oldest_since).need
            missing = {
                pool: need[pool] + taken.get(pool, 0) - budget
                for pool, budget in self.budgets.items()
                if need.get(pool)
            }
            missing = {pool: size for pool, size in missing.items() if size > 0}
            assert not missing or any(freed.get(pool, 0) < size for pool, size in missing.items()), (
                "idle ones do not go"
            )

    def check_breaker(self, model: str) -> None:
        """In half open, one request at most was let through since the breaker opened."""
        breaker = self.machine[model].breaker
        if breaker.retry_at != self.opened[model]:
            self.opened[model] = breaker.retry_at
            self.seen_before[model] = set(self.waiting) | set(self.leased)
        if breaker.retry_at is not None:
            through = {number for number, (name, *_) in self.waiting.items() if name == model}
            through |= {number for number, (name, _) in self.leased.items() if name == model}
            probes = through - self.seen_before[model]
            assert len(probes) <= 1, f"{len(probes)} probes at a time"
            assert not probes or self.now >= breaker.retry_at, "a probe in the back-off"
            waits = [waited for waited in self.waiting.values() if waited[0] == model]
            assert not waits or self.now >= breaker.retry_at, "somebody waits in the back-off"

    def check_rest(self) -> None:
        """What must be so when nothing is to come any more."""
        assert not self.waiting, f"left waiting for ever: {self.waiting}"
        assert not self.leased
        assert all(process.state == "ready" for process in self.processes.values()), self.processes
        for model in self.machine:
            assert not model.leases
            assert not model.queue
            assert not model.gate
            assert model.state in {"absent", "ready"}, (model.rules.name, model.state)
        if self.life.closes:
            assert not self.processes, "a worker outlives the end"
            assert self.machine.at_rest


def _fields(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__slots__}


def bounded(rules: Rules) -> dict[str, int]:
    return {pool: budget for pool, budget in rules.budgets.items() if budget is not None}


def on_host(name: str, size: int | None, **rules: object) -> ModelRules:
    """A model that takes so much of the machine's memory, and of no other."""
    return ModelRules(name, None if size is None else {HOST: size}, **rules)


def host(size: int | None, **rules: object) -> Rules:
    """Rules of a machine with one memory."""
    return Rules({HOST: size}, **rules)


def random_need(chance: random.Random, cards: list[str]) -> dict[str, int]:
    """What a model takes: of the machine's memory alone, or mostly of a card's."""
    size = chance.randint(1, 6) * 100
    if not cards or chance.random() < 0.3:
        return {HOST: size, **{card: 0 for card in cards if chance.random() < 0.3}}
    return {HOST: chance.choice([50, 50, 300]), chance.choice(cards): size}


def random_world(seed: int, **life: object) -> World:
    """A world of 1 to 5 models that do not all fit at once, and settings at random."""
    chance = random.Random(seed)
    names = "abcde"[: chance.randint(1, 5)]
    cards = [[], ["cuda:0"], ["cuda:0", "cuda:1"]][chance.choice([0, 0, 1, 1, 2])]
    models = []
    for name in names:
        external = chance.random() < 0.1
        models.append(
            ModelRules(
                name,
                need=None if external else random_need(chance, cards),
                slots=chance.randint(1, 4),
                queue=chance.choice([0, 2, 8, 64]),
                pinned=chance.random() < 0.1,
                preload=chance.random() < 0.15,
                idle_unload_s=chance.choice([None, 0.5, 2.0, 5.0]),
                load_s=chance.choice([None, 3.0]),
                load_deadline_s=chance.choice([6.0, 20.0]),
            )
        )
    rules = Rules(
        budgets={pool: chance.choice([None, 400, 700, 1000]) for pool in (HOST, *cards)},
        eviction=chance.choice(["lru", "greedy_dual"]),
        patience_s=chance.choice([0.0, 2.0, 5.0]),
        abandoned_load=chance.choice(["finish", "stop"]),
        breaker=BreakerRules(chance.randint(1, 3), first_s=chance.choice([1.0, 4.0]), longest_s=20.0),
    )
    settings = Life(closes=chance.random() < 0.3, grid_s=chance.choice([None, 0.5, 1.0]))
    for name, value in life.items():
        setattr(settings, name, value)
    return World(seed, models, rules, settings)
