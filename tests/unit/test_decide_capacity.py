"""Capacity by simulation: known answers of queueing theory, and what must hold of any plan."""

import numpy as np
import pytest

from bakeoff.core.errors import UsageError
from bakeoff.decide.capacity import Service, plan_capacity, simulate

RNG = np.random.default_rng(1)
EXPONENTIAL = tuple(int(value) + 1 for value in RNG.exponential(1000, 4000))
"""Lengths with which a text takes one second on average, exponentially spread."""


def exponential(slots, gain):
    return Service(0.0, 0.001, EXPONENTIAL, 1000.0 * gain, slots)


def test_one_at_a_time_is_m_m_1():
    met = simulate(exponential(1, 1), 0.6, 1)
    assert met.utilisation == pytest.approx(0.6, rel=0.05)
    assert met.latency_p50_s == pytest.approx(np.log(2) / 0.4, rel=0.15)
    assert met.latency_p95_s == pytest.approx(np.log(20) / 0.4, rel=0.2)


def test_texts_that_do_not_disturb_each_other_are_m_m_c():
    met = simulate(exponential(4, 4), 3.0, 1)
    # Erlang's C for four servers at a load of 3: 0.509 wait, and of those the wait is exponential at rate 4 - 3.
    assert met.wait_p95_s == pytest.approx(np.log(0.509 / 0.05), rel=0.25)
    assert simulate(exponential(1, 1), 3.0, 4).wait_p95_s == pytest.approx(met.wait_p95_s, rel=0.1)


def test_texts_that_take_turns_gain_nothing_from_company():
    # Full contention is processor sharing: latency is on average that of M/M/1.
    shared = Service(0.0, 0.001, EXPONENTIAL, 1000.0, 16)
    assert shared.contention == pytest.approx(1.0, rel=0.05)
    met = simulate(shared, 0.5, 1)
    assert met.latency_p50_s == pytest.approx(np.log(2) / 0.5, rel=0.35)


def test_contention_gives_back_the_measured_throughput():
    service = Service(0.05, 0.01, (100, 150, 200), 350.0, 8)
    alone = np.sum(service.tokens) / service.alone_s.sum()
    together = 8 / (1 + service.contention * 7) * alone
    assert together == pytest.approx(350.0)


def test_a_machine_that_is_unsteady_is_planned_for_as_one():
    """Equal lengths and equal means: one text in ten takes four times as long alone."""
    steady = Service(0.0, 0.001, (1000,), 1000.0, 1)
    unsteady = Service(0.0, 0.001 / 1.3, (1000,), 1000.0, 1, (1.0,) * 9 + (4.0,))
    assert unsteady.alone_s.mean() == pytest.approx(steady.alone_s.mean())
    assert unsteady.most_per_s == pytest.approx(steady.most_per_s)
    assert unsteady.alone_p95_s() == pytest.approx(4 / 1.3)
    assert simulate(steady, 0.01, 1).latency_p95_s == pytest.approx(1.0, rel=0.05)
    assert simulate(unsteady, 0.01, 1).latency_p95_s == pytest.approx(4 / 1.3, rel=0.05)
    # M/G/1 (Pollaczek-Khinchine): the mean wait grows with the second moment, 1.48 times that of the steady one here.
    assert simulate(unsteady, 0.6, 1).wait_p95_s > 1.3 * simulate(steady, 0.6, 1).wait_p95_s


def test_one_slow_text_in_thirty_rules_no_target_out():
    """It raises the mean above the target, and leaves the 95th percentile where it was."""
    service = Service(0.0, 0.001, (1000,), 1000.0, 1, (1.0,) * 29 + (20.0,))
    assert service.alone_s.mean() > 1.3
    plan = plan_capacity(service, 0.01, 1.3, None)
    assert plan.alone_p95_s == pytest.approx(1.0)
    assert plan.replicas == 1
    assert plan.outcomes[0].latency_p95_s == pytest.approx(1.0)
    assert plan.one_replica_per_s > 0
    often_slow = Service(0.0, 0.001, (1000,), 1000.0, 1, (1.0,) * 9 + (2.0,))
    assert often_slow.alone_s.mean() < 1.3
    assert plan_capacity(often_slow, 0.01, 1.3, None).replicas is None


def test_more_load_is_never_faster_and_more_replicas_never_slower():
    service = Service(0.05, 0.01, (50, 100, 150, 400), 300.0, 8)
    by_rate = [simulate(service, rate, 1).latency_p95_s for rate in (0.2, 0.6, 1.0, 1.4)]
    assert by_rate == sorted(by_rate)
    by_replicas = [simulate(service, 4.0, count).latency_p95_s for count in (3, 4, 6, 10)]
    assert by_replicas == sorted(by_replicas, reverse=True)


def test_overload_is_said_and_has_no_latency():
    met = simulate(exponential(1, 1), 2.0, 1)
    assert met.overloaded
    assert met.latency_p95_s is None
    assert met.utilisation == pytest.approx(2.0, rel=0.05)


def test_a_plan_names_the_fewest_that_hold_the_target():
    service = Service(0.05, 0.01, (50, 100, 150), 300.0, 8)
    plan = plan_capacity(service, 10.0, 4.0, (270.0, 330.0))
    assert plan.replicas is not None
    assert simulate(service, 10.0, plan.replicas).latency_p95_s <= 4.0
    fewer = simulate(service, 10.0, plan.replicas - 1)
    assert fewer.overloaded or fewer.latency_p95_s > 4.0
    assert plan.replicas_low <= plan.replicas <= plan.replicas_high
    assert plan.one_replica_low <= plan.one_replica_per_s <= plan.one_replica_high
    assert plan.one_replica_per_s < service.most_per_s
    assert {met.replicas for met in plan.outcomes} >= {1, plan.replicas}


def test_without_an_interval_of_the_throughput_the_plan_has_none():
    plan = plan_capacity(Service(0.05, 0.01, (50, 100), 300.0, 8), 1.0, 4.0, None)
    assert plan.replicas_low is None
    assert plan.one_replica_high is None


def test_a_target_below_one_text_alone_is_held_by_nobody():
    plan = plan_capacity(Service(0.05, 0.01, (100, 200), 300.0, 8), 1.0, 1.0, None)
    assert plan.replicas is None
    assert plan.one_replica_per_s == 0.0
    assert plan.alone_p95_s > 1.0


@pytest.mark.parametrize(
    ("rate", "target"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (float("nan"), 1.0), (1.0, float("inf"))]
)
def test_what_makes_no_sense_is_refused(rate, target):
    with pytest.raises(ValueError, match="above 0"):
        plan_capacity(Service(0.001, 0.001, (10,), 1000.0, 1), rate, target, None)


def test_equal_seeds_give_equal_answers():
    service = Service(0.05, 0.01, (50, 100), 300.0, 8)
    assert simulate(service, 1.0, 1, seed=3) == simulate(service, 1.0, 1, seed=3)


@pytest.mark.parametrize("rate", [100_000.0, 1_000_000.0])
def test_more_replicas_than_are_simulated_are_said_at_once(rate, monkeypatch):
    def simulated(*_):
        raise AssertionError("it was simulated all the same")

    monkeypatch.setattr("bakeoff.decide.capacity.pass_through", simulated)
    service = Service(0.05, 0.01, (50, 100, 150, 400), 300.0, 8)
    with pytest.raises(UsageError, match=f"{rate:,.0f} requests/s take more than 512 replicas"):
        plan_capacity(service, rate, 10.0, (280.0, 320.0))


def test_a_large_load_takes_few_simulated_steps(monkeypatch):
    steps = []
    monkeypatch.setattr(
        "bakeoff.decide.capacity.simulate", lambda *given: (steps.append(given[2]), simulate(*given))[1]
    )
    service = Service(0.05, 0.01, (50, 100, 150, 400), 300.0, 8)
    found = plan_capacity(service, service.most_per_s * 60, 10.0, None)
    assert 61 <= found.replicas <= 70
    asked = [replicas for replicas in steps if replicas > 1]
    assert min(asked) >= 60
    assert len(asked) <= 12


def test_a_large_pool_is_full_before_anything_is_counted(monkeypatch):
    """16 texts that slow each other to twice their time: a pool that is still filling up would look faster than it is."""
    service = Service(0.0, 0.001, (1000,), 8000.0, 16)
    asked = (service, 0.94 * service.most_per_s * 300, 300)
    met = simulate(*asked)
    monkeypatch.setattr("bakeoff.decide.capacity.FILLINGS", 10)
    longer = simulate(*asked)
    assert met.latency_p50_s == pytest.approx(longer.latency_p50_s, rel=0.03)
    monkeypatch.setattr("bakeoff.decide.capacity.FILLINGS", 0)
    assert simulate(*asked).latency_p50_s < 0.95 * met.latency_p50_s


def test_a_queue_that_takes_longer_to_show_than_is_simulated_is_told_as_overload():
    """One machine at 97 % of what it can do: 5,000 arrivals told two thirds of the latency that 200,000 told."""
    service = Service(0.0, 0.001, (1000,), 8000.0, 16)
    assert simulate(service, 0.96 * service.most_per_s, 1).overloaded
    assert not simulate(service, 0.94 * service.most_per_s, 1).overloaded
