"""Thousands of schedules of the residency machine in simulated time; see `simulated_serving`, which holds the promises."""

import math
import random

import pytest

from bakeoff.serve.breaker import BreakerRules
from bakeoff.serve.effects import Grant, Refuse, Start, Stop
from bakeoff.serve.held import ModelRules, Rules
from bakeoff.serve.residency import Residency
from simulated_serving import Life, World, random_world

CALM = Life(load_fails=0, load_hangs=0, dies=0, outgrows=0, budget_changes=0, reconfigures=0, endings={"answered": 1.0})


@pytest.mark.parametrize("block", range(4))
def test_no_schedule_breaks_a_promise(block):
    served = 0
    for seed in range(block * 300, block * 300 + 300):
        world = random_world(seed)
        world.run()
        served += world.ended["answered"]
    assert served > 3000


def test_who_waits_for_ever_is_served_when_workers_are_well():
    """No waiter gives up and no worker fails: then every one that could be served is, however long it takes."""
    for seed in range(300):
        world = random_world(
            seed, wait_s=None, load_s=(0.5, 4.0), load_fails=0.0, load_hangs=0.0, dies=0.0, outgrows=0.0, budget_changes=0, reconfigures=0,
            closes=False, endings={"answered": 1.0},
        )  # fmt: skip
        world.run()
        assert set(world.ended) <= {"answered", "withdrawn", "queue_full", "load_failed"}
        if world.ended["load_failed"]:  # it can never fit, alone or beside what is pinned
            assert any((held.need_bytes > (world.budget or math.inf)) or held.rules.pinned for held in world.machine)


def test_no_wait_is_longer_than_patience_and_what_is_under_way():
    """Each model before one in the line costs its patience, those it was loaded for, its last leases, an end and a load."""
    longest = 0.0
    for seed in range(80):
        chance = random.Random(seed)
        slots, queue, patience_s = chance.randint(1, 4), 4, chance.choice([1.0, 5.0])
        models = [ModelRules(name, 600, slots=slots, queue=queue, load_deadline_s=99.0) for name in "abc"]
        life = Life(**{**vars(CALM), "arrivals": 200, "over_s": 100.0, "wait_s": None, "cancels": 0.1})
        world = World(seed, models, Rules(1000, patience_s=patience_s), life)
        world.run()
        lease_s, load_s, stop_s = (bounds[1] + 1 for bounds in (life.lease_s, life.load_s, life.stop_s))  # rounded up
        gate_s = math.ceil((slots + queue) / slots) * lease_s
        assert world.longest_wait <= len(models) * (patience_s + gate_s + lease_s + stop_s + load_s)
        longest = max(longest, world.longest_wait)
        assert world.ended["answered"] > 30
    assert longest > 10  # they do wait


def test_a_request_at_the_instant_of_the_idle_unload_is_served():
    """llama-swap#946: the unload raced a request, and the group hung for ever. 10,000 schedules."""
    both = 0
    for seed in range(10_000):
        chance = random.Random(seed)
        machine = Residency([ModelRules("a", 10, idle_unload_s=5.0)], Rules(10), chance.random)
        machine.arrive(0.0, 1, "a", 100.0)
        machine.loaded(1.0, "a", 1)
        machine.release(2.0, 1, "answered")
        due = machine.wake_at
        assert due == 7.0
        came = due + chance.choice([-1e-9, 0.0, 0.0, 1e-9, 0.5])
        happens = [("tick", due), ("arrive", came), ("gone", due + chance.choice([0.0, 0.2, 1.0]))]
        chance.shuffle(happens)
        happens.sort(key=lambda each: each[1])
        effects, stopped = [], False
        for what, when in happens:
            if what == "tick":
                effects += machine.tick(when)
            elif what == "arrive":
                effects += machine.arrive(when, 2, "a", when + 60)
            stopped = stopped or any(isinstance(effect, Stop) for effect in effects)
            if what == "gone" and stopped:
                effects += machine.gone(when, "a", 1)
        if stopped and machine["a"].state == "stopping":
            effects += machine.gone(due + 2, "a", 1)
        restarted = any(isinstance(effect, Start) for effect in effects)
        if restarted:
            effects += machine.loaded(due + 4, "a", 2)
        granted = [effect for effect in effects if isinstance(effect, Grant)]
        assert [grant.waiter for grant in granted] == [2]
        assert granted[0].generation == (2 if restarted else 1)
        both |= 1 << restarted
    assert both == 3  # either order was seen


def test_one_crash_under_many_leases_is_one_failure():
    machine = Residency([ModelRules("a", 10)], Rules(10, breaker=BreakerRules(failures=2)), lambda: 0.0)
    for number in range(5):
        machine.arrive(0.0, number, "a", 100.0)
    machine.loaded(1.0, "a", 1)
    for number in range(5):
        machine.fault(2.0, number, "connection_lost")
        machine.release(2.0, number, "connection_lost")
    machine.died(2.0, "a", 1, "killed")
    assert machine["a"].breaker.failures == 1


def test_a_lost_connection_ends_that_start_before_it_is_told():
    machine = Residency([ModelRules("a", 10)], Rules(10), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1)
    assert machine.fault(2.0, 1, "connection_lost") == [Stop("a", 1, 0.0, "connection_lost")]
    assert machine.arrive(2.0, 2, "a", 100.0) == []  # it waits for the next start
    assert machine.gone(3.0, "a", 1) == [Start("a", 2, 300.0)]
    assert machine.loaded(4.0, "a", 2) == [Grant(2, "a", 2)]


def test_many_requests_for_an_absent_model_start_it_once():
    machine = Residency([ModelRules("a", 10, slots=2, queue=3)], Rules(10), lambda: 0.0)
    effects = [effect for number in range(7) for effect in machine.arrive(0.0, number, "a", 100.0)]
    assert [effect for effect in effects if isinstance(effect, Start)] == [Start("a", 1, 300.0)]
    full = [effect for effect in effects if isinstance(effect, Refuse)]
    assert [(effect.waiter, effect.kind) for effect in full] == [(5, "queue_full"), (6, "queue_full")]
    assert all(effect.retry_after_s >= 1 for effect in full)
    assert [effect.waiter for effect in machine.loaded(1.0, "a", 1)] == [0, 1]


def test_what_can_never_fit_is_refused_with_numbers():
    machine = Residency(
        [ModelRules("big", 3 << 30), ModelRules("pin", 1 << 30, pinned=True)], Rules(2 << 30), lambda: 0.0
    )
    assert machine.arrive(0.0, 1, "big", 100.0)[0].message == "big may need 3.0 GiB, and the budget is 2.0 GiB"
    machine.arrive(0.0, 2, "pin", 100.0)
    machine.loaded(1.0, "pin", 1)
    said = machine.arrive(2.0, 3, "big", 100.0)[0].message
    assert said == "big may need 3.0 GiB, and the budget is 2.0 GiB, of which 1.0 GiB are pinned (pin)"


def test_a_measured_peak_raises_the_need_at_once_and_lowers_it_after_a_life_with_full_slots():
    machine = Residency([ModelRules("a", 100, slots=2)], Rules(1000, margin=0.5), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1, 150)
    assert (machine["a"].need_bytes, machine.committed_bytes) == (225, 150)
    machine["a"].need_bytes = 500
    machine.release(2.0, 1, "answered")
    machine.configure(3.0, [ModelRules("a", 100, slots=2, idle_unload_s=1.0)], Rules(1000, margin=0.5))
    machine.gone(4.0, "a", 1)
    assert machine["a"].need_bytes == 500  # one request at a time tells little of two
    for number in (2, 3):
        machine.arrive(5.0, number, "a", 100.0)
    machine.loaded(6.0, "a", 2, 180)
    for number in (2, 3):
        machine.release(7.0, number, "answered")
    assert machine.tick(8.0) == [Stop("a", 2, 2.0, "idle")]
    machine.gone(9.0, "a", 2)
    assert machine["a"].need_bytes == 270


def test_greedy_dual_keeps_what_loads_slowly():
    for eviction, goes in (("lru", "slow"), ("greedy_dual", "quick")):
        rules = Rules(200, eviction=eviction)
        models = [ModelRules("slow", 100, load_s=60.0), ModelRules("quick", 100, load_s=1.0), ModelRules("c", 100)]
        machine = Residency(models, rules, lambda: 0.0)
        for number, name, load_s in ((1, "slow", 60.0), (2, "quick", 1.0)):
            machine.arrive(number * 100.0, number, name, 1000.0)
            machine.loaded(number * 100.0 + load_s, name, 1)
            machine.release(number * 100.0 + load_s + 1, number, "answered")
        assert machine.arrive(400.0, 3, "c", 1000.0) == [Stop(goes, 1, 2.0, "evicted")]


def test_a_preloaded_model_is_loaded_unasked_again_after_a_crash_and_not_after_an_eviction():
    rules = Rules(100, breaker=BreakerRules(failures=1, first_s=4.0))
    machine = Residency([ModelRules("a", 100, preload=True), ModelRules("b", 100)], rules, lambda: 0.0)
    assert machine.tick(0.0) == [Start("a", 1, 300.0)]
    machine.loaded(1.0, "a", 1)
    assert machine.died(2.0, "a", 1, "killed") == [Stop("a", 1, 0.0, "died")]
    assert machine.gone(3.0, "a", 1) == []  # its breaker is open
    assert machine.wake_at == 6.0
    assert machine.tick(6.0) == [Start("a", 2, 300.0)]
    machine.loaded(7.0, "a", 2)
    assert machine.arrive(8.0, 1, "b", 100.0) == [Stop("a", 2, 2.0, "evicted")]
    assert machine.gone(9.0, "a", 2) == [Start("b", 1, 300.0)]
    machine.loaded(10.0, "b", 1)
    machine.release(11.0, 1, "answered")
    assert machine.wake_at == math.inf


def test_a_load_that_nobody_waits_for_goes_for_somebody_who_waits():
    machine = Residency([ModelRules("a", 100), ModelRules("b", 100)], Rules(100), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    assert machine.withdraw(1.0, 1) == []  # the load goes on: somebody may come back
    assert machine.arrive(2.0, 2, "b", 100.0) == [Stop("a", 1, 2.0, "abandoned")]
    machine = Residency([ModelRules("a", 100)], Rules(100, abandoned_load="stop"), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    assert machine.withdraw(1.0, 1) == [Stop("a", 1, 2.0, "abandoned")]


def test_an_endpoint_of_others_has_slots_and_a_breaker_and_no_life():
    machine = Residency([ModelRules("x", None, slots=1)], Rules(0, breaker=BreakerRules(failures=2)), lambda: 0.0)
    assert machine.arrive(0.0, 1, "x", 100.0) == [Grant(1, "x", 0)]
    assert machine.arrive(0.0, 2, "x", 100.0) == []
    assert not machine.fault(1.0, 1, "connection_lost")
    assert machine.release(1.0, 1, "connection_lost") == [Grant(2, "x", 0)]
    assert not machine.release(2.0, 2, "server_error")
    assert [effect.kind for effect in machine.arrive(2.1, 3, "x", 100.0)] == ["breaker_open"]
    assert machine.arrive(4.0, 4, "x", 100.0) == [Grant(4, "x", 0)]
    assert [effect.kind for effect in machine.arrive(4.0, 5, "x", 100.0)] == ["breaker_open"]
    machine.release(5.0, 4, "answered")
    assert machine.arrive(5.0, 6, "x", 100.0) == [Grant(6, "x", 0)]


def test_an_event_at_the_very_instant_that_changes_nothing_does_not_swallow_the_wake_up():
    """Found by the simulation: a refusal at the instant at which patience ends looked as if that had been dealt with."""
    machine = Residency(
        [ModelRules("a", 10, slots=1, queue=0), ModelRules("b", 10)], Rules(10, patience_s=2.0), lambda: 0.0
    )
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1)
    machine.arrive(1.0, 2, "b", 100.0)
    assert machine.wake_at == 3.0
    assert [effect.kind for effect in machine.arrive(3.0, 3, "a", 100.0)] == ["queue_full"]
    assert machine.wake_at == 3.0
    machine.tick(3.0)
    assert machine["a"].state == "draining"


def test_patience_ends_at_the_instant_of_its_wake_up_however_it_is_rounded():
    """Found by the simulation, once in 11,000 worlds: now - since < patience although now = since + patience."""
    since = 3.469541509932992
    assert (since + 2.0) - since < 2.0
    machine = Residency([ModelRules("a", 10), ModelRules("b", 10)], Rules(10, patience_s=2.0), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1)
    machine.arrive(since, 2, "b", 100.0)
    machine.tick(machine.wake_at)
    assert machine["a"].state == "draining"
