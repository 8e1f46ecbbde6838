"""Can the simulation fail? Each promise is broken in the machine's source, one at a time, and the simulation must see it."""

import inspect
import sys
import textwrap

import pytest

from bakeoff.serve import room
from bakeoff.serve.breaker import Breaker
from bakeoff.serve.held import Held
from bakeoff.serve.residency import Residency
from bakeoff.serve.room import Room
from simulated_serving import random_world

SCHEDULES = 400

MUTATIONS = {
    "only what is ready is counted, when room is sought": (Room, "__init__", "held.state in COMMITTED", "held.state == 'ready'"),
    "what is stopping is counted no more": (Residency, "_stop", "held.leases.clear()", "held.leases.clear(); held.held = {}"),
    "what outgrew its estimate is counted as before": (Held, "learn_peak", "most((self.held, peak))", "self.held"),
    "one memory alone is looked at, when room is sought": (
        Room, "plan", "short(held.need, self._free)", "short({'host': held.need.get('host', 0)}, self._free)",
    ),
    "a memory stands in the way of a model that takes nothing of it": (room, "short", "and size and size >", "and size >"),
    "who waits keeps its need of the memory alone that is short": (
        Room, "plan", "self._keep(held.need)  #", "self._keep({p: held.need[p] for p in short(held.need, self._free)})  #",
    ),
    "models go that free nothing that is short": (room, "choose_victims", "if _suffices(others, missing)", "if False"),
    "what comes back of one memory counts for another": (
        Room, "_make_room", "self._coming[pool]", "sum(self._coming.values())",
    ),
    "nobody goes where a memory is over its budget": (Room, "plan", "self._shrink(pool)", "pass"),
    "the wake-up of the idle unload is lost": (Residency, "wake_at", "held.idle_until", "math.inf"),
    "the wake-up of the load's deadline is lost": (Residency, "wake_at", "held.load_due", "math.inf"),
    "the wake-up of the waiters' deadlines is lost": (Residency, "wake_at", "held.queue.next_until", "math.inf"),
    "the wake-up of patience is lost": (Residency, "wake_at", "held.state == 'absent' and held.queue", "False"),
    "models go under leases": (Held, "idle", "not self.leases and", ""),
    "busy models in the way never drain": (Room, "_make_room", "if victims is None and", "if False and"),
    "a model drains before those were served whom it was loaded for": (Room, "_busy", "and not held.gate", ""),
    "a model is started again before its last start is gone": (
        Room, "_wanting", "held.state == 'absent'", "held.state in ('absent', 'stopping')",
    ),
    "a start that lost a connection is leased again": (Residency, "_count_end", "if how in FAULTS and not held.external", "if False"),
    "a death is not noticed": (Residency, "died", "held is not None and", "False and"),
    "what is told of an earlier start is believed": (
        Residency, "_current", "held is not None and held.generation == generation", "held is not None",
    ),
    "half open lets everybody through": (Breaker, "admit", "or self._probing", ""),
    "open lets somebody through": (Breaker, "admit", "now < self._retry_at or", ""),
    "queues have no bound": (Residency, "arrive", "if held.full", "if False"),
    "pinned models go": (Room, "_idle", "held.rules.pinned and", "False and"),
    "who waits is forgotten when the breaker opens": (Residency, "_blame", "self._refuse_all", "(lambda *args: None)"),
    "who left still keeps the model from going": (Residency, "withdraw", "held.gate.discard(number)", "pass"),
    "a lease that comes back is not taken off": (Residency, "release", "held.leases.remove(number)", "pass"),
    "who waits at a load's failure is forgotten": (Residency, "_fail_load", "self._refuse_all", "(lambda *args: None)"),
    "more leases than slots": (Residency, "_lend_all", "and len(held.leases) < held.rules.slots", ""),
    "at the end somebody is left waiting": (Residency, "close", "self._refuse_all", "(lambda *args: None)"),
}  # fmt: skip


def mutated(owner, name, old, new):
    """The function or property with one piece of its source replaced."""
    found = inspect.getattr_static(owner, name)
    source = textwrap.dedent(inspect.getsource(found.fget if isinstance(found, property) else found)).replace('"', "'")
    assert old in source, f"{owner.__name__}.{name} has no {old!r}"
    scope = {}
    module = (found.fget if isinstance(found, property) else found).__module__
    exec(source.replace(old, new), vars(sys.modules[module]), scope)
    return scope[name]


@pytest.mark.parametrize("what", MUTATIONS)
def test_the_simulation_sees_that(what, monkeypatch):
    owner, name, old, new = MUTATIONS[what]
    monkeypatch.setattr(owner, name, mutated(owner, name, old, new))
    with pytest.raises((AssertionError, KeyError)):
        run_all()


def test_the_simulation_is_content_with_the_machine_itself():
    run_all()


def run_all():
    """Every other world's waiters wait for ever, so that no deadline of theirs hides what is lost."""
    for seed in range(SCHEDULES):
        random_world(seed, **({"wait_s": None} if seed % 2 else {})).run()
