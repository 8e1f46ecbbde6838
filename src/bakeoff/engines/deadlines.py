"""How long an endpoint is waited for, and the watch that keeps the time of one call."""

from __future__ import annotations

import asyncio
import math
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


class Line:
    """The calls that one server has under way, first to last. Times are those of the event loop, in seconds.

    A server may serve them one after the other. So a call is not overdue while one that came before it may still wait for
    its first token; and what it may wait itself begins anew at `moved_at`, when a call had a token, or the first one hung up.
    """

    def __init__(self) -> None:
        self.moved_at = -math.inf
        self._without_token: dict[Watch, None] = {}

    def join(self, call: Watch) -> None:
        """A call begins."""
        self._without_token[call] = None

    def move(self, call: Watch, now: float) -> None:
        """A call had a token."""
        self.moved_at = now
        self._without_token.pop(call, None)

    def leave(self, call: Watch, now: float, *, overdue: bool) -> None:
        """A call is over. The first one may have been worked on; one behind others says nothing."""
        if call in self._without_token:
            if not overdue and next(iter(self._without_token)) is call:
                self.moved_at = now
            del self._without_token[call]

    def ahead_until(self, call: Watch) -> float:
        """Return until when calls before this one may wait for their first token."""
        latest = -math.inf
        for before in self._without_token:
            if before is call:
                break
            latest = max(latest, before.alone_due_at)
        return latest


class Watch:
    """The deadlines of one call, started when it is made. Times are seconds since then.

    `line` holds what else the server does: its owner calls `end` when the call is over. Between `pause` and `resume` nobody
    reads what the server sends, so that it cannot stall.
    """

    def __init__(self, where: str, deadlines: Deadlines, line: Line | None = None) -> None:
        self._where = where
        self._deadlines = deadlines
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._token_s: float | None = None
        self._paused_s: float | None = None
        self._whole = self._late = False
        self._line = line or Line()
        self._line.join(self)

    def note_token(self) -> None:
        """A piece of the answer came: from now on a stall is what is waited for."""
        now = self._loop.time()
        self._token_s = now - self._begun
        self._line.move(self, now)

    def pause(self) -> None:
        """Nobody reads from now on."""
        self._paused_s = self._loop.time() - self._begun

    def resume(self) -> None:
        """Somebody reads again."""
        if self._paused_s is not None and self._token_s is not None:
            self._token_s += self._loop.time() - self._begun - self._paused_s
        self._paused_s = None

    def end(self) -> None:
        """The call is over, however it ended."""
        self._line.leave(self, self._loop.time(), overdue=self._late)

    @property
    def heard(self) -> bool:
        """Whether the server was seen to work since the call began, if for others."""
        return self._line.moved_at >= self._begun

    @property
    def due_at(self) -> float:
        """When the next token is overdue, in the event loop's time; the end of the call where an answer comes whole.

        While nobody reads that is not known: then it is when to look again.
        """
        due_s = self._due_s if self._paused_s is None else self._loop.time() - self._begun + _LOOK_AGAIN_S
        return self._begun + min(due_s, self._deadlines.total_s)

    @property
    def soonest_at(self) -> float:
        """Before when nothing is overdue, whatever comes: when to look first."""
        deadlines = self._deadlines
        return self._begun + min(deadlines.first_token_s, deadlines.stall_s, deadlines.total_s)

    @property
    def alone_due_at(self) -> float:
        """When the first token, or an answer that comes whole, is overdue if no call is before this one."""
        if self._whole:
            return self._begun + self._deadlines.total_s
        return max(self._begun, self._line.moved_at) + self._deadlines.first_token_s

    def expect_whole(self) -> None:
        """The answer comes in one piece: only its end is waited for."""
        self._whole = True

    def overdue(self) -> EndpointTimeout:
        """Return the error that says what is overdue at `due_at`."""
        if self._paused_s is not None or self._due_s >= self._deadlines.total_s:
            return self._error("complete answer", None)
        return self._error("first token" if self._token_s is None else "further token", None)

    @property
    def _due_s(self) -> float:
        if self._whole:
            return self._deadlines.total_s
        if self._token_s is not None:
            return self._token_s + self._deadlines.stall_s
        return max(self.alone_due_at, self._line.ahead_until(self)) - self._begun

    async def for_token(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Wait for bytes that may bring the next token, at most until that is overdue, whatever came meanwhile.

        Raises:
            EndpointTimeout: it did not come.
        """
        if self._whole:
            return await self.to_the_end(read)
        if self._token_s is None:
            return await self._for_first(read)
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

    async def _for_first(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Wait as `for_token` does: for how long shows only as the line moves."""
        loop = self._loop
        if loop.time() >= self.due_at:
            raise self.overdue()

        looking: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal looking
            if looking is not None and loop.time() >= self.due_at:
                timer.reschedule(loop.time())
            else:
                looking = loop.call_at(self.due_at, look)

        look()
        try:
            async with asyncio.timeout(None) as timer:
                return await read()
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise self.overdue() from error
        finally:
            if looking is not None:
                looking.cancel()

    async def _until(
        self, read: Callable[[], Awaitable[Result]], due_s: float, what: str, shown_s: float | None = None
    ) -> Result:
        if due_s >= self._deadlines.total_s:
            due_s, what, shown_s = self._deadlines.total_s, "complete answer", None
        if self._loop.time() >= self._begun + due_s:  # what waits already must not keep a deadline away
            raise self._error(what, shown_s)
        try:
            async with asyncio.timeout_at(self._begun + due_s) as timer:
                return await read()
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise self._error(what, shown_s) from error

    def _error(self, what: str, shown_s: float | None) -> EndpointTimeout:
        self._late, deadlines = True, self._deadlines
        usual_s, hint = {
            "first token": (deadlines.first_token_s, _FIRST),
            "further token": (deadlines.stall_s, f"to wait longer, set {STALL_VARIABLE}"),
            "complete answer": (deadlines.total_s, f"ask for fewer tokens, or set {TOTAL_VARIABLE}"),
        }.get(what, (0.0, ""))
        seconds = usual_s if shown_s is None else shown_s
        message = f"{self._where} sent no {what} within {seconds:g} s"
        return EndpointTimeout(message, hint, final=what == "complete answer")


_FIRST = f"if it queues requests or loads its model first: lower --concurrency, or set {FIRST_TOKEN_VARIABLE}"
_LOOK_AGAIN_S = 1.0
