"""How many texts of a candidate are asked for at once, and from when on, where its server says that it is busy.

429 and 503 speak of the server, not of the text that met them: asked by several at once, a limit of rate would refuse one and
the same text again and again by mere luck. So one such answer closes the gate for all texts of the candidate until the time
that the server names, or for the back-off where it names none, or where what it named was too short. Of those that were in
flight half are let through then, and one more each time that twice as many were answered, until there are as many as before:
additive increase and multiplicative decrease, as TCP shares a line (RFC 5681). What was sent together is refused together,
and halves them once. Texts pass the gate in the order in which they came to it. An answer to what was sent after the last one
that was refused opens it: the server does not refuse everybody, as a proxy does not whose servers are not all busy.

Nothing of it is seen, and nothing is waited for, as long as nobody is refused.
"""

from __future__ import annotations

import asyncio
from math import inf

from bakeoff.core.clock import Clock
from bakeoff.core.errors import EndpointBusy
from bakeoff.study.retries import Patience, backoff_s


class Throttle:
    """The gate of one candidate during one run.

    `rounds` is how often in a row it was closed without an answer in between, `waited_s` for how many seconds in all.
    """

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self._patience = patience
        self._clock = clock
        self._in_flight = 0
        self._most = inf
        self._most_before = 1
        self._opens_s = -inf
        self._refused_s = -inf
        self.rounds = 0
        self._turnstile = asyncio.Lock()
        self._changed = asyncio.Event()
        self.waited_s = 0.0

    @property
    def most(self) -> int | None:
        """How many texts are let through at once; None where nothing bounds them."""
        return None if self._most == inf else int(self._most)

    async def enter(self) -> None:
        """Wait until one more text may be asked for, and count it as in flight."""
        if self._most < inf:
            async with self._turnstile:
                await self._wait()
                self._in_flight += 1
        else:
            self._in_flight += 1

    def leave(self) -> None:
        """It is in flight no more, whatever came of it."""
        self._in_flight -= 1
        self._changed.set()

    def busy(self, error: EndpointBusy, sent_s: float) -> None:
        """A text that is still in flight, and was sent at `sent_s`, was refused; a wait that nobody waits for changes nothing."""
        asked_s = error.retry_after_s
        if asked_s is not None and asked_s > self._patience.longest_wait_s:
            return
        if sent_s >= self._opens_s:
            self.rounds += 1
            self._most_before = max(self._most_before, self._in_flight)
            self._most = max(1, int(min(self._most, self._in_flight)) // 2)
        wait_s = max(0.0, asked_s or 0.0)
        if asked_s is None or self.rounds > 1:
            wait_s = max(wait_s, backoff_s(self.rounds, self._patience))
        self._refused_s = max(self._refused_s, sent_s)
        now_s = self._clock.monotonic_s()
        opens_s = max(self._opens_s, now_s + wait_s)
        self.waited_s += opens_s - max(self._opens_s, now_s)
        self._opens_s = opens_s

    def answered(self, sent_s: float) -> None:
        """A text that is still in flight, and was sent at `sent_s`, was answered; what was sent before others were refused shows nothing."""
        if self._most == inf or sent_s <= self._refused_s:
            return
        if (early_s := self._opens_s - self._clock.monotonic_s()) > 0:
            self._opens_s -= early_s
            self.waited_s -= early_s
            self._changed.set()
        self.rounds = 0
        if self._in_flight >= int(self._most):  # fewer are no sign that more would be taken
            self._most += 0.5 / self._most
        if self._most >= self._most_before:
            self._most = inf

    async def _wait(self) -> None:
        while True:
            self._changed.clear()
            if (closed_s := self._opens_s - self._clock.monotonic_s()) > 0:
                await self._until_changed(closed_s)
            elif self._most < inf and self._in_flight >= int(self._most):
                await self._changed.wait()
            else:
                return

    async def _until_changed(self, at_most_s: float) -> None:
        waits = [asyncio.ensure_future(wait) for wait in (self._clock.sleep(at_most_s), self._changed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
