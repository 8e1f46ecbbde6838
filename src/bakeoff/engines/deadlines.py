"""How long an endpoint is waited for, and the watch that keeps the time of one call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from bakeoff.core.errors import EndpointTimeout
from bakeoff.core.settings import seconds_setting

Result = TypeVar("Result")

CONNECT_VARIABLE = "BAKEOFF_CONNECT_S"
FIRST_TOKEN_VARIABLE = "BAKEOFF_FIRST_TOKEN_S"  # noqa: S105 - a token of text
STALL_VARIABLE = "BAKEOFF_STALL_S"
TOTAL_VARIABLE = "BAKEOFF_TOTAL_S"
LONGEST_QUEUE_S = 3600.0
"""Nothing is waited for longer because of a server's queue: one that hangs is to be seen on the same day."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: for a connection, from request to first token, between two tokens, for the whole answer.

    A token is a piece of text or of a model's thoughts, whatever else a stream may carry meanwhile: some servers send
    comments while they read a long prompt, and some for ever. An answer that is not streamed comes whole, so only
    `total_s` bounds it. `total_is_set` says that a person chose that.
    """

    connect_s: float = 5.0
    first_token_s: float = 180.0
    stall_s: float = 60.0
    total_s: float = 600.0
    total_is_set: bool = False

    @classmethod
    def from_environment(cls) -> Deadlines:
        """Return the defaults, or what the environment variables `BAKEOFF_..._S` say instead.

        Raises:
            UsageError: one of them is not a number of seconds.
        """
        usual = cls()
        return cls(
            connect_s=seconds_setting(CONNECT_VARIABLE, usual.connect_s),
            first_token_s=seconds_setting(FIRST_TOKEN_VARIABLE, usual.first_token_s),
            stall_s=seconds_setting(STALL_VARIABLE, usual.stall_s),
            total_s=seconds_setting(TOTAL_VARIABLE, usual.total_s),
            total_is_set=_is_set(TOTAL_VARIABLE),
        )

    def with_first_token(self, first_token_s: float) -> Deadlines:
        """Return these with another one for the first token; what that may take longer, the whole answer may too."""
        longer_s = 0.0 if self.total_is_set else max(0.0, first_token_s - self.first_token_s)
        return replace(self, first_token_s=first_token_s, total_s=self.total_s + longer_s)


def queue_deadline_s(in_flight: int, text_s: float) -> float | None:
    """Return how many seconds a first token may take at a server that may write one text at a time; None: as usual.

    Twice as long as all of so many in flight take one after the other, `text_s` seconds each; a deadline that a person chose
    stays what it is.
    """
    wait_s = min(LONGEST_QUEUE_S, 2.0 * in_flight * text_s)
    return None if _is_set(FIRST_TOKEN_VARIABLE) or wait_s <= Deadlines().first_token_s else wait_s


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(variable, "").strip())


class Watch:
    """The deadlines of one call, started when it is made. Times are seconds since then."""

    def __init__(self, where: str, deadlines: Deadlines) -> None:
        self._where = where
        self._deadlines = deadlines
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._token_s: float | None = None
        self._whole = False

    def note_token(self) -> None:
        """A piece of the answer came: from now on a stall is what is waited for."""
        self._token_s = self._loop.time() - self._begun

    @property
    def due_at(self) -> float:
        """When the next token is overdue, in the event loop's time; the end of the call where an answer comes whole."""
        return self._begun + min(self._due_s, self._deadlines.total_s)

    @property
    def soonest_at(self) -> float:
        """Before when nothing is overdue, whatever comes: when to look first."""
        deadlines = self._deadlines
        return self._begun + min(deadlines.first_token_s, deadlines.stall_s, deadlines.total_s)

    def expect_whole(self) -> None:
        """The answer comes in one piece: only its end is waited for."""
        self._whole = True

    def overdue(self) -> EndpointTimeout:
        """Return the error that says what is overdue at `due_at`."""
        if self._due_s >= self._deadlines.total_s:
            return self._late("complete answer", None)
        return self._late("first token" if self._token_s is None else "further token", None)

    @property
    def _due_s(self) -> float:
        deadlines = self._deadlines
        if self._whole:
            return deadlines.total_s
        return deadlines.first_token_s if self._token_s is None else self._token_s + deadlines.stall_s

    async def for_token(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Wait for bytes that may bring the next token, at most until that is overdue, whatever came meanwhile.

        Raises:
            EndpointTimeout: it did not come.
        """
        if self._whole:
            return await self.to_the_end(read)
        if self._token_s is None:
            return await self._until(read, self._deadlines.first_token_s, "first token")
        return await self._until(read, self._token_s + self._deadlines.stall_s, "further token")

    async def within(self, seconds: float, read: Callable[[], Awaitable[Result]], what: str = "answer") -> Result:
        """Wait for something for at most `seconds` from now, and never past the end of the call.

        Raises:
            EndpointTimeout: it did not come; `what` says what.
        """
        return await self._until(read, self._loop.time() - self._begun + seconds, what, seconds)

    async def to_the_end(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Wait for something at most until the end of the call.

        Raises:
            EndpointTimeout: it did not come.
        """
        return await self._until(read, self._deadlines.total_s, "complete answer")

    async def _until(
        self, read: Callable[[], Awaitable[Result]], due_s: float, what: str, shown_s: float | None = None
    ) -> Result:
        if due_s >= self._deadlines.total_s:
            due_s, what, shown_s = self._deadlines.total_s, "complete answer", None
        if self._loop.time() >= self._begun + due_s:  # what waits already must not keep a deadline away
            raise self._late(what, shown_s)
        try:
            async with asyncio.timeout_at(self._begun + due_s) as timer:
                return await read()
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise self._late(what, shown_s) from error

    def _late(self, what: str, shown_s: float | None) -> EndpointTimeout:
        deadlines = self._deadlines
        usual_s, hint = {
            "first token": (deadlines.first_token_s, _FIRST),
            "further token": (deadlines.stall_s, f"to wait longer, set {STALL_VARIABLE}"),
            "complete answer": (deadlines.total_s, f"ask for fewer tokens, or set {TOTAL_VARIABLE}"),
        }.get(what, (0.0, ""))
        seconds = usual_s if shown_s is None else shown_s
        message = f"{self._where} sent no {what} within {seconds:g} s"
        return EndpointTimeout(message, hint, final=what == "complete answer")


_FIRST = f"if it queues requests or loads its model first: lower --concurrency, or set {FIRST_TOKEN_VARIABLE}"
