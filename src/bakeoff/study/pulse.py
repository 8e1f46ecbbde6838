"""Whether a candidate still answers, judged by its requests, whatever texts they were for.

| requests in a row without an answer | then                                                                            |
|-------------------------------------|---------------------------------------------------------------------------------|
| fewer than 3                        | nothing: each text is tried again as `study.retries` says                       |
| 3 and more: in doubt                | one request at a time, a pause before each: the back-off, or what it asks for   |
| two of those single ones failed     | given up, once nothing was answered for 60 s since the first of them was sent   |
| too                                 | (5 minutes where it says 429 or 503: a limit passes, a crash does not)          |

Any answer ends the doubt, one without text too. So a server that restarts costs no text, one that is gone costs a
minute, and a text that waits uses up none of its tries. Errors of one text alone (`missing_text`, a worker's death,
which `study.runner` counts) are no sign of either.

What failed since the last answer is held back: the next answer shows that these texts really failed, and being given up
shows that they were never really asked. Only the former are failures to store; the latter can be asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from bakeoff.core.clock import Clock
from bakeoff.core.errors import AnswerWithoutText, EndpointBusy, EndpointError, EndpointGone, TextMissing
from bakeoff.core.records import Generation
from bakeoff.core.units import seconds_text
from bakeoff.study.retries import Patience, backoff_s

IN_DOUBT_AFTER = 3
SINGLE_REQUESTS = 2
BUSY_FACTOR = 5.0

IN_DOUBT = "endpoint_in_doubt"
BACK = "endpoint_back"
GONE = "endpoint_gone"
"""Kinds of run events."""


class Pulse:
    """The pulse of one candidate during one run. `tell` is called with a kind of event and what happened."""

    def __init__(self, patience: Patience, clock: Clock, tell: Callable[[str, str], None]) -> None:
        self._patience = patience
        self._clock = clock
        self._tell = tell
        self._alone = asyncio.Lock()
        self._failed = 0
        self._singles = 0
        self._since_s = 0.0
        self._last: EndpointError | None = None
        self._held: list[Generation] = []
        self._told = False
        self.gone = False

    @property
    def in_doubt(self) -> bool:
        """Whether so many requests in a row went unanswered that only one at a time is sent."""
        return self._failed >= IN_DOUBT_AFTER

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Surround one request: waits for its turn, and learns from how it ends.

        Raises:
            EndpointGone: the candidate was given up, before or by this request.
        """
        single = self.in_doubt and await self._take_turn()
        try:
            async with self._watched(single=single):
                yield
        finally:
            if single:
                self._alone.release()

    def settle(self, generation: Generation) -> Sequence[Generation]:
        """Take a finished text or failure; return what is now sure to have happened, in order."""
        if self.gone:
            return () if generation.failed else (generation,)
        self._held.append(generation)
        return () if self._failed and generation.failed else self.release()

    def release(self) -> Sequence[Generation]:
        """Return what was held back."""
        held, self._held = self._held, []
        return held

    async def _take_turn(self) -> bool:
        """Wait to be the only one; return whether it is, and holds the lock. The doubt may end meanwhile."""
        await self._alone.acquire()
        try:
            if self.in_doubt and not self.gone:
                await self._clock.sleep(self._pause_s())
                return True
        except BaseException:
            self._alone.release()
            raise
        self._alone.release()
        return False

    @asynccontextmanager
    async def _watched(self, *, single: bool) -> AsyncIterator[None]:
        self._refuse_if_gone()
        sent_s = self._clock.monotonic_s()
        try:
            yield
        except AnswerWithoutText:
            self._answered()
            raise
        except TextMissing:
            raise
        except EndpointError as error:
            self._unanswered(error, sent_s, single=single)
            self._refuse_if_gone()
            raise
        self._answered()

    def _answered(self) -> None:
        if self._told and not self.gone:
            self._tell(BACK, f"answers again, after {self._failed} requests without an answer")
        self._failed = self._singles = 0
        self._told = False
        self._last = None

    def _unanswered(self, error: EndpointError, sent_s: float, *, single: bool) -> None:
        if self._failed == 0:
            self._since_s = sent_s
        self._failed += 1
        self._singles += single
        self._last = error
        silent_s = self._clock.monotonic_s() - self._since_s
        limit_s = self._patience.give_up_s * (BUSY_FACTOR if isinstance(error, EndpointBusy) else 1.0)
        if self._singles >= SINGLE_REQUESTS and silent_s >= limit_s and not self.gone:
            self.gone = True
            self._held.clear()
            asked = f"{self._failed} requests in a row, over {seconds_text(silent_s)}, brought no answer"
            self._tell(GONE, f"given up: {asked}; the last: {error.message}")
        elif self._singles and not self._told:
            self._told = True
            asked = f"{self._failed} requests in a row brought no answer; asked one at a time, till it answers"
            self._tell(IN_DOUBT, f"{asked} or {seconds_text(limit_s)} are over; the last: {error.message}")

    def _refuse_if_gone(self) -> None:
        if self.gone:
            raise EndpointGone("the endpoint was given up in this run")

    def _pause_s(self) -> float:
        pause_s = backoff_s(self._singles + 1, self._patience)
        asked_s = self._last.retry_after_s if self._last is not None else None
        return pause_s if asked_s is None else max(pause_s, min(asked_s, self._patience.longest_wait_s))
