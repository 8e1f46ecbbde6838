"""The gate that texts of a candidate pass, and how it closes and widens as the server says that it is busy, or answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from bakeoff.core.clock import HandClock, SystemClock
from bakeoff.core.errors import EndpointBusy
from bakeoff.study.retries import Patience
from bakeoff.study.throttle import Throttle

PATIENCE = Patience(backoff_s=1.0, longest_wait_s=100.0, give_up_s=60.0)


def made(in_flight: int = 0) -> tuple[Throttle, HandClock]:
    clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
    throttle = Throttle(PATIENCE, clock)
    for _ in range(in_flight):
        asyncio.run(throttle.enter())
    return throttle, clock


def refuse(throttle: Throttle, clock: HandClock, retry_after_s: float | None = None) -> None:
    """One text is sent through the gate, and refused."""
    asyncio.run(throttle.enter())
    throttle.busy(EndpointBusy("429", retry_after_s=retry_after_s), clock.monotonic_s())
    throttle.leave()


def test_nothing_bounds_what_nobody_refuses() -> None:
    throttle, clock = made(64)
    for _ in range(64):
        throttle.answered(0.0)
        throttle.leave()
    assert (throttle.most, throttle.waited_s, clock.monotonic_s()) == (None, 0.0, 0.0)


def test_what_was_sent_together_is_refused_together_and_halves_them_once() -> None:
    throttle, clock = made(8)
    clock.advance(1.0)
    for seconds in (3.0, 5.0, 4.0):
        throttle.busy(EndpointBusy("429", retry_after_s=seconds), 0.0)
        throttle.leave()
    assert throttle.most == 4
    assert throttle.waited_s == 5.0
    for _ in range(5):
        throttle.leave()
    asyncio.run(throttle.enter())
    assert clock.monotonic_s() == 6.0


def test_it_widens_by_one_each_time_that_twice_as_many_were_answered_till_as_many_as_before_pass() -> None:
    throttle, clock = made(4)
    throttle.busy(EndpointBusy("429", retry_after_s=1.0), 0.0)
    throttle.busy(EndpointBusy("429", retry_after_s=1.0), 0.0)
    for _ in range(4):
        throttle.answered(0.0)  # sent before it was refused: no sign of anything
        throttle.leave()
    widths = []
    while throttle.most is not None:
        together = throttle.most
        for _ in range(together):
            asyncio.run(throttle.enter())
        for _ in range(together):
            throttle.answered(clock.monotonic_s())
        for _ in range(together):
            throttle.leave()
        widths.append(together)
    assert widths == sorted(widths)
    assert widths[0] == 2
    assert 3 in widths
    assert 4 <= len(widths) <= 6


def test_fewer_than_may_be_are_no_sign_that_more_would_be_taken() -> None:
    throttle, clock = made(8)
    throttle.busy(EndpointBusy("429", retry_after_s=1.0), 0.0)
    for _ in range(8):
        throttle.leave()
    for _ in range(50):
        asyncio.run(throttle.enter())
        throttle.answered(clock.monotonic_s())
        throttle.leave()
    assert throttle.most == 4


def test_a_wait_that_was_too_short_is_made_longer_each_time_and_an_answer_ends_that() -> None:
    throttle, clock = made()
    begun = []
    for _ in range(5):
        refuse(throttle, clock, retry_after_s=0.5)
        begun.append(throttle.waited_s)
    assert begun == [0.5, 2.5, 6.5, 14.5, 30.5]
    asyncio.run(throttle.enter())
    throttle.answered(clock.monotonic_s())
    throttle.leave()
    refuse(throttle, clock, retry_after_s=0.5)
    assert throttle.waited_s == 31.0


@pytest.mark.parametrize(("asked_s", "waited_s"), [(None, 1.0), (0.0, 0.0), (-1.0, 0.0), (100.0, 100.0), (100.1, 0.0)])
def test_the_gate_is_closed_as_long_as_the_server_asks_where_that_is_waited_for(
    asked_s: float | None, waited_s: float
) -> None:
    throttle, clock = made()
    refuse(throttle, clock, asked_s)
    assert throttle.waited_s == waited_s
    assert (throttle.most is None) == (asked_s == 100.1)


def test_an_answer_to_what_was_sent_after_the_refused_opens_the_gate() -> None:
    """Not everybody is refused: who waits goes on at once, fewer at a time."""

    async def live() -> None:
        clock = SystemClock()
        throttle = Throttle(PATIENCE, clock)
        for _ in range(4):
            await throttle.enter()
        throttle.busy(EndpointBusy("429", retry_after_s=60.0), 1.0)
        throttle.leave()
        waiting = asyncio.create_task(throttle.enter())
        throttle.answered(0.5)
        throttle.leave()
        throttle.leave()
        await asyncio.sleep(0)
        assert not waiting.done()
        throttle.answered(2.0)
        throttle.leave()
        await asyncio.wait_for(waiting, 10.0)
        assert throttle.most == 2
        assert throttle.waited_s < 10.0

    asyncio.run(live())
