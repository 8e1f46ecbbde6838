"""The event loop that deals with one socket at a time."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Iterator

import pytest

from bakeoff.study.in_turn import InTurn, run_in_turn

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(5)]
    yield made
    for one, other in made:
        one.close()
        other.close()


def ready_selector(pairs: list[Pair]) -> InTurn:
    """Return a selector that waits for the first of each pair, to all of which something was sent."""
    selector = InTurn()
    for one, other in pairs:
        selector.register(one, selectors.EVENT_READ)
        other.send(b"x")
    return selector


def test_every_socket_has_its_turn_though_none_is_emptied(pairs: list[Pair]) -> None:
    with ready_selector(pairs) as selector:
        for _ in range(3):
            told = [selector.select(0) for _ in pairs]
            assert all(len(one) == 1 for one in told)
            assert {one[0][0].fileobj for one in told} == {one for one, _ in pairs}


def test_a_socket_that_is_not_waited_for_any_more_is_passed_over(pairs: list[Pair]) -> None:
    with ready_selector(pairs) as selector:
        first = selector.select(0)[0][0].fileobj
        others = [one for one, _ in pairs if one is not first]
        selector.unregister(others[0])
        selector.modify(others[1], selectors.EVENT_WRITE)
        left = {selector.select(0)[0][0].fileobj for _ in others[2:]}
        assert left == set(others[2:])


def test_nothing_ready_is_told_after_the_timeout(pairs: list[Pair]) -> None:
    with InTurn() as selector:
        selector.register(pairs[0][0], selectors.EVENT_READ)
        assert selector.select(0.01) == []


def test_answers_that_come_together_are_followed_one_by_one() -> None:
    """Each reader writes what it read before the next reads: on asyncio's own loop all read first, then all write."""
    order: list[str] = []

    async def answer(one: socket.socket, name: str, loop: asyncio.AbstractEventLoop) -> None:
        done = loop.create_future()

        def read() -> None:
            one.recv(1)
            order.append(f"read {name}")
            loop.call_soon(go_on)

        def go_on() -> None:
            order.append(f"next {name}")
            done.set_result(None)

        loop.add_reader(one, read)
        await done
        loop.remove_reader(one)

    async def main() -> str:
        loop = asyncio.get_running_loop()
        made = [socket.socketpair() for _ in range(3)]
        for one, other in made:
            one.settimeout(0)
            other.send(b"x")
        async with asyncio.TaskGroup() as group:
            for number, (one, _) in enumerate(made):
                group.create_task(answer(one, str(number), loop))
        for each in made:
            for end in each:
                end.close()
        return "done"

    assert run_in_turn(main()) == "done"
    names = [step.split()[1] for step in order if step.startswith("read")]
    assert order == [f"{step} {name}" for name in names for step in ("read", "next")]


def test_a_result_is_not_written_out() -> None:
    """asyncio's runner does so with the result of its task, and throws the text away: seconds for a large one."""

    class Large:
        def __repr__(self) -> str:
            raise AssertionError("written out")

    async def main() -> Large:
        return Large()

    assert isinstance(run_in_turn(main()), Large)
