"""The breaker's table, on a clock turned by hand."""

import pytest

from bakeoff.serve.breaker import Breaker, BreakerRules

RULES = BreakerRules(failures=3, first_s=2.0, longest_s=10.0)


def fail_until_open(breaker, now=0.0):
    for _ in range(RULES.failures):
        opened = breaker.failed(now, breaker.admit(now))
    assert opened


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not_let_them_add_up():
    breaker = Breaker(RULES, lambda: 0.0)
    for _ in range(5):
        assert not breaker.failed(0.0, breaker.admit(0.0))
        assert not breaker.failed(0.0, breaker.admit(0.0))
        breaker.answered(breaker.admit(0.0))
    assert breaker.state(0.0) == "closed"
    fail_until_open(breaker)
    assert (breaker.state(0.0), breaker.retry_at) == ("open", 2.0)


def test_cancellations_and_clients_mistakes_never_count():
    breaker = Breaker(RULES, lambda: 0.0)
    for _ in range(50):
        breaker.withdrawn(breaker.admit(0.0))
    assert breaker.failures == 0


def test_half_open_lets_exactly_one_through():
    breaker = Breaker(RULES, lambda: 0.0)
    fail_until_open(breaker)
    assert breaker.admit(1.999) is None
    permits = [breaker.admit(2.0) for _ in range(100)]
    assert sum(permit is not None for permit in permits) == 1
    assert permits[0].probe
    breaker.answered(permits[0])
    assert breaker.state(2.0) == "closed"
    assert breaker.admit(2.0) is not None


def test_a_probe_that_tells_nothing_makes_the_next_request_the_probe():
    breaker = Breaker(RULES, lambda: 0.0)
    fail_until_open(breaker)
    breaker.withdrawn(breaker.admit(2.0))
    assert breaker.state(2.0) == "half_open"
    assert breaker.admit(2.0).probe
    assert breaker.admit(2.0) is None


def test_back_off_doubles_to_a_bound_and_begins_anew_after_an_answer():
    breaker = Breaker(RULES, lambda: 0.0)
    fail_until_open(breaker)
    now, waits = 0.0, []
    for _ in range(5):
        waits.append(breaker.retry_at - now)
        now = breaker.retry_at
        assert breaker.failed(now, breaker.admit(now))
    assert waits == [2.0, 4.0, 8.0, 10.0, 10.0]
    now = breaker.retry_at
    breaker.answered(breaker.admit(now))
    fail_until_open(breaker, now)
    assert breaker.retry_at - now == 2.0


@pytest.mark.parametrize(("chance", "wait_s"), [(0.0, 2.0), (0.5, 1.5), (0.999, 1.001)])
def test_chance_shortens_the_back_off_by_up_to_half(chance, wait_s):
    breaker = Breaker(RULES, lambda: chance)
    fail_until_open(breaker)
    assert breaker.retry_at == pytest.approx(wait_s)


def test_requests_from_before_it_opened_change_nothing():
    breaker = Breaker(RULES, lambda: 0.0)
    late = [breaker.admit(0.0) for _ in range(3)]
    fail_until_open(breaker)
    breaker.answered(late[0])
    assert not breaker.failed(1.0, late[1])
    probe = breaker.admit(2.0)
    breaker.answered(late[2])
    assert breaker.state(2.0) == "half_open"
    assert breaker.admit(2.0) is None
    breaker.answered(probe)
    assert breaker.state(2.0) == "closed"


def test_failures_without_a_request_count_too():
    breaker = Breaker(RULES, lambda: 0.0)
    assert [breaker.failed(0.0) for _ in range(3)] == [False, False, True]
    assert not breaker.failed(1.0)  # open: nothing is learned
    assert breaker.failed(2.0)  # half open: once more is enough
    assert breaker.retry_at == 6.0
