"""An event loop that deals with one socket at a time, so that requests spread over time and stay spread.

asyncio takes everything that is ready through each step together. Answers that come together are then asked on together,
and come together again: the endpoint is given all requests at once, then idles while all answers are read. Dealt with
one after the other, each is followed by the next request before the next one is looked at. At 32 requests in flight and
50 ms an answer that is 96 % of the ideal rate instead of 90 % (`benchmarks/harness.py`), and an answer's time does not
count the reading of 31 others.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run_in_turn(main: Coroutine[None, None, Result]) -> Result:
    """Run `main` as `asyncio.run` does, sockets one at a time."""
    results: list[Result] = []

    async def keep_result() -> None:
        results.append(await main)

    # A result of the task itself is written out as a text by the runner's end (`signal.getsignal`): megabytes, of a plan.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(InTurn())) as runner:
        runner.run(keep_result())
    return results[0]


class InTurn(selectors.DefaultSelector):
    """Tells of one socket a call, and of each that is ready once before it looks again."""

    def __init__(self) -> None:
        super().__init__()
        self._ready: deque[tuple[selectors.SelectorKey, int]] = deque()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the next socket that is ready, after at most `timeout` seconds, or nothing."""
        while True:
            while self._ready:
                key, events = self._ready.popleft()
                known = self.get_map().get(key.fd)  # it may have been closed, or be waited for otherwise by now
                if known is not None and known.events & events:
                    return [(known, known.events & events)]
            self._ready.extend(super().select(timeout))
            if not self._ready:
                return []
