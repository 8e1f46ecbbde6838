"""The residency machine driven by hypothesis: any event at any time, shrunk to the shortest story that breaks a promise."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bakeoff.serve.breaker import BreakerRules
from bakeoff.serve.held import ModelRules, Rules
from simulated_serving import Life, World

BUDGETS = {"host": 1000, "cuda:0": 1000}
MODELS = st.builds(
    ModelRules,
    name=st.just(""),
    need=st.sampled_from(
        [{"host": 300}, {"host": 500}, {"host": 800}, {"host": 100, "cuda:0": 500}, {"host": 400, "cuda:0": 800}]
    ),
    slots=st.integers(1, 2),
    queue=st.integers(0, 3),
    pinned=st.sampled_from([False, False, True]),
    preload=st.sampled_from([False, False, True]),
    idle_unload_s=st.sampled_from([None, 1.0, 3.0]),
    load_deadline_s=st.just(9.0),
)
RULES = st.builds(
    Rules,
    budgets=st.just(BUDGETS),
    eviction=st.sampled_from(["lru", "greedy_dual"]),
    patience_s=st.sampled_from([0.0, 2.0]),
    abandoned_load=st.sampled_from(["finish", "stop"]),
    breaker=st.builds(BreakerRules, failures=st.integers(1, 2), first_s=st.just(2.0)),
)
PICK = st.integers(0, 10)


class ByHand(World):
    """A world in which nothing happens by itself but the machine's own wake-ups."""

    def at(self, when, do):
        pass

    def pass_time(self, until):
        while self.machine.wake_at <= until:
            self.steps += 1
            assert self.steps < 20_000, "it never comes to rest"
            self.check_drains_in_time(self.machine.wake_at)
            self.now = max(self.now, self.machine.wake_at)
            self.carry_out(self.machine.tick(self.now))
        self.now = max(self.now, until)


class Driven(RuleBasedStateMachine):
    @initialize(models=st.lists(MODELS, min_size=2, max_size=3), rules=RULES)
    def begin(self, models, rules):
        named = [ModelRules(**{name: getattr(model, name) for name in model.__slots__} | {"name": letter})
                 for letter, model in zip("abc", models, strict=False)]  # fmt: skip
        self.world = ByHand(
            0, named, rules, Life(cancels=0, grid_s=None, load_fails=0, load_hangs=0, dies=0, outgrows=0)
        )
        self.world.carry_out(self.world.machine.tick(0.0))

    def one(self, pick, found):
        found = list(found)
        return found[pick % len(found)] if found else None

    def processes(self, state):
        return [process for process in self.world.processes.values() if process.state == state]

    @rule(pick=PICK, wait_s=st.sampled_from([0.0, 1.0, 5.0, math.inf]))
    def arrive(self, pick, wait_s):
        world = self.world
        world.numbers += 1
        model, until = self.one(pick, world.models), world.now + wait_s
        world.waiting[world.numbers] = (model, world.now, until)
        world.carry_out(world.machine.arrive(world.now, world.numbers, model, until))

    @precondition(lambda self: self.world.waiting or self.world.leased)
    @rule(pick=PICK)
    def leave(self, pick):
        self.world.carry_out(self.world.cancel(self.one(pick, [*self.world.waiting, *self.world.leased])))

    @precondition(lambda self: self.world.leased)
    @rule(pick=PICK, how=st.sampled_from(["answered", "client_error", "server_error", "stalled", "connection_lost"]))
    def end(self, pick, how):
        self.world.carry_out(self.world.end_lease(self.one(pick, self.world.leased), how))

    @precondition(lambda self: self.processes("loading"))
    @rule(pick=PICK, well=st.booleans())
    def load(self, pick, well):
        process = self.one(pick, self.processes("loading"))
        self.world.carry_out(self.world.load_ends(process) if well else self.world.load_fails(process))

    @precondition(lambda self: self.processes("ready"))
    @rule(pick=PICK)
    def die(self, pick):
        self.world.carry_out(self.world.die(self.one(pick, self.processes("ready"))))

    @precondition(lambda self: self.processes("ready"))
    @rule(pick=PICK, share=st.sampled_from([0.5, 1.5]), pool=PICK)
    def grow(self, pick, share, pool):
        world, process = self.world, self.one(pick, self.processes("ready"))
        pool = self.one(pool, process.claimed)
        process.peak[pool] = max(process.peak.get(pool, 0), int(process.claimed[pool] * share))
        world.carry_out(world.machine.measured(world.now, process.model, process.generation, dict(process.peak)))

    @precondition(lambda self: self.processes("stopped"))
    @rule(pick=PICK)
    def be_gone(self, pick):
        self.world.carry_out(self.world.end(self.one(pick, self.processes("stopped"))))

    @rule(pool=st.sampled_from(sorted(BUDGETS)), budget=st.sampled_from([400, 1000, 2000]))
    def change_budget(self, pool, budget):
        self.world.carry_out(self.world.set_budget(pool, budget))

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def pass_time(self, seconds):
        self.world.pass_time(self.world.now + seconds)

    @precondition(lambda self: self.world.machine.wake_at < math.inf)
    @rule()
    def go_to_the_very_instant_of_the_next_wake_up(self):
        """And let something else happen first."""
        self.world.now = max(self.world.now, self.world.machine.wake_at)

    @invariant()
    def keeps_its_promises(self):
        self.world.check()

    def teardown(self):
        """Let everything come to its end: nobody may be left."""
        world = self.world
        for _ in range(400):
            if not (world.waiting or world.leased or self.processes("loading") or self.processes("stopped")):
                break
            for process in self.processes("stopped"):
                world.carry_out(world.end(process))
            for process in self.processes("loading"):
                world.carry_out(world.load_ends(process))
            for number in list(world.leased):
                world.carry_out(world.end_lease(number, "answered"))
            world.pass_time(world.now + 1.0)
        assert not world.waiting, world.waiting
        assert not world.leased


Driven.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestDriven = Driven.TestCase
