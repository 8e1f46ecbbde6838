"""Thousands of schedules of the residency machine in simulated time; see `simulated_serving`, which holds the promises."""

import math
import random

import pytest

from bakeoff.serve.breaker import BreakerRules
from bakeoff.serve.effects import Grant, Refuse, Start, Stop
from bakeoff.serve.held import ModelRules, Rules
from bakeoff.serve.residency import Residency
from simulated_serving import Life, World, host, on_host, random_world

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
            too_large = [
                any(size > world.budgets.get(pool, math.inf) for pool, size in held.need.items())
                for held in world.machine
            ]
            assert any(too_large) or any(held.rules.pinned for held in world.machine)


def test_no_wait_is_longer_than_patience_and_what_is_under_way():
    """Each model before one in the line costs its patience, those it was loaded for, its last leases, an end and a load."""
    longest = 0.0
    for seed in range(80):
        chance = random.Random(seed)
        slots, queue, patience_s = chance.randint(1, 4), 4, chance.choice([1.0, 5.0])
        models = [on_host(name, 600, slots=slots, queue=queue, load_deadline_s=99.0) for name in "abc"]
        life = Life(**{**vars(CALM), "arrivals": 200, "over_s": 100.0, "wait_s": None, "cancels": 0.1})
        world = World(seed, models, host(1000, patience_s=patience_s), life)
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
        machine = Residency([on_host("a", 10, idle_unload_s=5.0)], host(10), chance.random)
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
    machine = Residency([on_host("a", 10)], host(10, breaker=BreakerRules(failures=2)), lambda: 0.0)
    for number in range(5):
        machine.arrive(0.0, number, "a", 100.0)
    machine.loaded(1.0, "a", 1)
    for number in range(5):
        machine.fault(2.0, number, "connection_lost")
        machine.release(2.0, number, "connection_lost")
    machine.died(2.0, "a", 1, "killed")
    assert machine["a"].breaker.failures == 1


def test_a_lost_connection_ends_that_start_before_it_is_told():
    machine = Residency([on_host("a", 10)], host(10), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1)
    assert machine.fault(2.0, 1, "connection_lost") == [Stop("a", 1, 0.0, "connection_lost")]
    assert machine.arrive(2.0, 2, "a", 100.0) == []  # it waits for the next start
    assert machine.gone(3.0, "a", 1) == [Start("a", 2, 300.0)]
    assert machine.loaded(4.0, "a", 2) == [Grant(2, "a", 2)]


def test_many_requests_for_an_absent_model_start_it_once():
    machine = Residency([on_host("a", 10, slots=2, queue=3)], host(10), lambda: 0.0)
    effects = [effect for number in range(7) for effect in machine.arrive(0.0, number, "a", 100.0)]
    assert [effect for effect in effects if isinstance(effect, Start)] == [Start("a", 1, 300.0)]
    full = [effect for effect in effects if isinstance(effect, Refuse)]
    assert [(effect.waiter, effect.kind) for effect in full] == [(5, "queue_full"), (6, "queue_full")]
    assert all(effect.retry_after_s >= 1 for effect in full)
    assert [effect.waiter for effect in machine.loaded(1.0, "a", 1)] == [0, 1]


def test_what_can_never_fit_is_refused_with_numbers():
    machine = Residency([on_host("big", 3 << 30), on_host("pin", 1 << 30, pinned=True)], host(2 << 30), lambda: 0.0)
    assert machine.arrive(0.0, 1, "big", 100.0)[0].message == "big may need 3.0 GiB, and the budget is 2.0 GiB"
    machine.arrive(0.0, 2, "pin", 100.0)
    machine.loaded(1.0, "pin", 1)
    said = machine.arrive(2.0, 3, "big", 100.0)[0].message
    assert said == "big may need 3.0 GiB, and the budget is 2.0 GiB, of which 1.0 GiB are pinned (pin)"


def test_a_measured_peak_raises_the_need_at_once_and_lowers_it_after_a_life_with_full_slots():
    machine = Residency([on_host("a", 100, slots=2)], host(1000, margin=0.5), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1, {"host": 150})
    assert (machine["a"].need, machine.committed) == ({"host": 225}, {"host": 150})
    machine["a"].need = {"host": 500}
    machine.release(2.0, 1, "answered")
    machine.configure(3.0, [on_host("a", 100, slots=2, idle_unload_s=1.0)], host(1000, margin=0.5))
    machine.gone(4.0, "a", 1)
    assert machine["a"].need == {"host": 500}  # one request at a time tells little of two
    for number in (2, 3):
        machine.arrive(5.0, number, "a", 100.0)
    machine.loaded(6.0, "a", 2, {"host": 180})
    for number in (2, 3):
        machine.release(7.0, number, "answered")
    assert machine.tick(8.0) == [Stop("a", 2, 2.0, "idle")]
    machine.gone(9.0, "a", 2)
    assert machine["a"].need == {"host": 270}


def test_greedy_dual_keeps_what_loads_slowly():
    for eviction, goes in (("lru", "slow"), ("greedy_dual", "quick")):
        rules = host(200, eviction=eviction)
        models = [on_host("slow", 100, load_s=60.0), on_host("quick", 100, load_s=1.0), on_host("c", 100)]
        machine = Residency(models, rules, lambda: 0.0)
        for number, name, load_s in ((1, "slow", 60.0), (2, "quick", 1.0)):
            machine.arrive(number * 100.0, number, name, 1000.0)
            machine.loaded(number * 100.0 + load_s, name, 1)
            machine.release(number * 100.0 + load_s + 1, number, "answered")
        assert machine.arrive(400.0, 3, "c", 1000.0) == [Stop(goes, 1, 2.0, "evicted")]


def test_a_preloaded_model_is_loaded_unasked_again_after_a_crash_and_not_after_an_eviction():
    rules = host(100, breaker=BreakerRules(failures=1, first_s=4.0))
    machine = Residency([on_host("a", 100, preload=True), on_host("b", 100)], rules, lambda: 0.0)
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
    machine = Residency([on_host("a", 100), on_host("b", 100)], host(100), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    assert machine.withdraw(1.0, 1) == []  # the load goes on: somebody may come back
    assert machine.arrive(2.0, 2, "b", 100.0) == [Stop("a", 1, 2.0, "abandoned")]
    machine = Residency([on_host("a", 100)], host(100, abandoned_load="stop"), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    assert machine.withdraw(1.0, 1) == [Stop("a", 1, 2.0, "abandoned")]


def test_an_endpoint_of_others_has_slots_and_a_breaker_and_no_life():
    machine = Residency([on_host("x", None, slots=1)], host(0, breaker=BreakerRules(failures=2)), lambda: 0.0)
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
    machine = Residency([on_host("a", 10, slots=1, queue=0), on_host("b", 10)], host(10, patience_s=2.0), lambda: 0.0)
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
    machine = Residency([on_host("a", 10), on_host("b", 10)], host(10, patience_s=2.0), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1)
    machine.arrive(since, 2, "b", 100.0)
    machine.tick(machine.wake_at)
    assert machine["a"].state == "draining"


CARD = "cuda:0"
TWO = Rules({"host": 1000, CARD: 1000})


def ready(machine, model, now, number, *, used=True):
    """Load a model, and give its lease back."""
    machine.arrive(now, number, model, now + 1000)
    machine.loaded(now, model, 1)
    if used:
        machine.release(now, number, "answered")


def test_a_model_of_another_memory_neither_waits_nor_goes():
    """The least recently used one holds none of the card, and one on the CPU does not care that the card is full."""
    models = [
        on_host("cpu", 500),
        ModelRules("card", {"host": 100, CARD: 900}),
        ModelRules("other", {"host": 100, CARD: 800}),
        on_host("late", 200),
    ]
    machine = Residency(models, TWO, lambda: 0.0)
    ready(machine, "cpu", 0.0, 1)
    ready(machine, "card", 1.0, 2)
    assert machine.committed == {"host": 600, CARD: 900}
    assert machine.arrive(2.0, 3, "other", 100.0) == [Stop("card", 1, 2.0, "evicted")]
    assert machine.arrive(3.0, 4, "late", 100.0) == [Start("late", 1, 300.0)]
    assert machine.next_need == {"host": 100, CARD: 800}
    assert machine.gone(4.0, "card", 1) == [Start("other", 1, 300.0)]
    assert machine["cpu"].state == "ready"


def test_what_came_free_for_somebody_is_kept_in_every_memory_until_the_last_is_free():
    models = [
        on_host("a", 700),
        ModelRules("b", {"host": 100, CARD: 900}),
        ModelRules("both", {"host": 800, CARD: 800}),
        on_host("small", 300),
    ]
    machine = Residency(models, TWO, lambda: 0.0)
    ready(machine, "a", 0.0, 1)
    ready(machine, "b", 0.0, 2)
    stopped = machine.arrive(1.0, 3, "both", 100.0)
    assert {effect.model for effect in stopped} == {"a", "b"}
    assert machine.gone(2.0, "a", 1) == []
    assert machine.arrive(2.5, 4, "small", 100.0) == []  # there is room for it, and it is kept for the one before
    assert machine.gone(3.0, "b", 1) == [Start("both", 1, 300.0)]


def test_who_can_never_fit_hears_which_memory_is_short():
    models = [
        ModelRules("big", {"host": 1 << 30, CARD: 9 << 30}),
        ModelRules("huge", {"host": 30 << 30, CARD: 9 << 30}),
        ModelRules("pin", {"host": 1 << 30, CARD: 2 << 30}, pinned=True),
        ModelRules("beside", {"host": 1 << 30, CARD: 7 << 30}),
    ]
    machine = Residency(models, Rules({"host": 16 << 30, CARD: 8 << 30}), lambda: 0.0)
    said = machine.arrive(0.0, 1, "big", 100.0)[0]
    assert said.message == f"big may need 9.0 GiB of {CARD}, and the budget is 8.0 GiB"
    said = machine.arrive(0.0, 2, "huge", 100.0)[0].message
    assert said == (
        f"huge may need 30.0 GiB of host, and the budget is 16.0 GiB; 9.0 GiB of {CARD}, and the budget is 8.0 GiB"
    )
    ready(machine, "pin", 1.0, 3)
    said = machine.arrive(2.0, 4, "beside", 100.0)[0].message
    assert said == f"beside may need 7.0 GiB of {CARD}, and the budget is 8.0 GiB, of which 2.0 GiB are pinned (pin)"


def test_a_peak_of_one_memory_corrects_that_memory_alone():
    model = ModelRules("a", {"host": 100, CARD: 500}, slots=1, idle_unload_s=1.0)
    machine = Residency([model], Rules({"host": 1000, CARD: 1000}, margin=0.5), lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1, {"host": 200})
    assert machine["a"].need == {"host": 300, CARD: 500}
    assert machine.committed == {"host": 200, CARD: 500}
    machine.measured(2.0, "a", 1, {CARD: 400})
    machine.release(3.0, 1, "answered")
    machine.tick(4.0)
    machine.gone(5.0, "a", 1)
    assert machine["a"].need == {"host": 300, CARD: 600}
    assert machine.committed == {"host": 0, CARD: 0}


def test_a_model_that_turns_out_to_run_on_the_cpu_is_not_held_up_by_a_card_that_is_full():
    models = [
        ModelRules("a", {"host": 100, CARD: 500}, slots=1, idle_unload_s=1.0),
        ModelRules("full", {"host": 100, CARD: 1000}),
    ]
    machine = Residency(models, TWO, lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1, {"host": 300, CARD: 0})
    machine.release(2.0, 1, "answered")
    machine.tick(3.0)
    machine.gone(3.0, "a", 1)
    ready(machine, "full", 4.0, 2)
    assert machine.measured(5.0, "full", 1, {CARD: 1100}) == [Stop("full", 1, 2.0, "evicted")]
    assert machine.arrive(6.0, 3, "a", 100.0) == [Start("a", 2, 300.0)]


def test_a_model_that_moves_to_another_card_needs_nothing_of_the_first_any_more():
    rules = Rules({"host": 1000, CARD: 1000, "cuda:1": 1000})
    machine = Residency([ModelRules("a", {"host": 100, CARD: 500})], rules, lambda: 0.0)
    machine.arrive(0.0, 1, "a", 100.0)
    machine.loaded(1.0, "a", 1, {"host": 150, CARD: 400})
    machine.configure(2.0, [ModelRules("a", {"host": 100, "cuda:1": 500})], rules, ["a"])
    assert machine["a"].need == {"host": 150, "cuda:1": 500}


def test_where_one_memory_is_over_its_budget_those_go_that_hold_some_of_it():
    models = [
        on_host("cpu", 500),
        ModelRules("pin", {"host": 100, CARD: 700}, pinned=True),
        ModelRules("card", {"host": 100, CARD: 200}),
    ]
    machine = Residency(models, TWO, lambda: 0.0)
    for number, model in enumerate(("cpu", "pin", "card")):
        ready(machine, model, float(number), number)
    lowered = Rules({"host": 1000, CARD: 600})
    assert machine.configure(5.0, models, lowered) == [Stop("card", 1, 2.0, "evicted")]
    assert machine["cpu"].state == "ready"
