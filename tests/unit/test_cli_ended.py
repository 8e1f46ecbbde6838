"""Signals that end a command as Ctrl-C does, and those that it was started to outlive."""

import asyncio
import signal

import pytest

from bakeoff.cli.ended import end_on_signals


@pytest.fixture(autouse=True)
def _as_before():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def hears(number):
    """Whether the signal ends the task that hears it."""
    end_on_signals()
    try:
        signal.raise_signal(number)
        for _ in range(3):  # the loop reads its wake-up socket, calls the handler, and ends the task
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        return True
    finally:
        for each in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(each)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_the_task(number):
    signal.signal(number, signal.SIG_DFL)
    assert asyncio.run(hears(number))


def test_what_was_ignored_stays_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert not asyncio.run(hears(signal.SIGHUP))
