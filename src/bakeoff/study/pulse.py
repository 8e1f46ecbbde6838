"""Whether a candidate still answers, judged by its requests, whatever texts they were for.

| requests in a row without an answer | then                                                                            |
|-------------------------------------|---------------------------------------------------------------------------------|
| fewer than 3                        | nothing: each text is tried again as `study.retries` says                       |
| 3 and more: in doubt                | all texts wait, and its first text, which the preflight had from it, is asked   |
|                                     | for again, after a pause: the back-off, or what it asks for                     |
| that fails twice, and nothing was   | given up: its texts are not asked for any more                                  |
| answered for 60 s since the first   |                                                                                 |
| of them all was sent                |                                                                                 |
| the same where it says 429 or 503   | its first text is asked for only after its gate (`study.throttle`) was opened   |
|                                     | 6 times in vain; it is given up after 5 minutes, since a limit passes           |
| that is refused (a 4xx but 429)     | given up at once: no waiting changes it                                         |
| in doubt, and it asks for a longer  | given up at once: a day's quota that is used up is neither waited for nor asked |
| wait than anybody waits             | about before its time                                                           |
| one that is denied (401), or was    | given up at once: every other would be as well                                  |
| computed on another device          |                                                                                 |
| its worker died too often, which    | given up at once, whatever is in doubt                                          |
| `study.runner` counts               |                                                                                 |

Any answer to a request that was sent since the first of them ends the doubt, one without text too. One that was under way
before shows only that there was no silence yet: a server that takes nothing more still finishes what it began. So a server
that restarts costs no text, one that is gone costs a minute, and texts that are its undoing, each for itself, are no reason
to give it up: it still writes another. Errors of one text alone (`missing_text`, a worker's death) are no sign of either.

What failed since the last answer is held back: the next answer shows that these texts really failed, and being given up
shows that they were never really asked. Only the former are failures to store; the latter can be asked again. Two kinds are
no such failures, and stored like a text: a model's own answer without text, since to ask again would be to choose; and a text
each of whose tries was the end of a worker, since it would be so again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from bakeoff.core.clock import Clock
from bakeoff.core.errors import (
    AnswerEmpty,
    AnswerNull,
    AnswerRefused,
    AnswerWithoutText,
    DeviceChanged,
    EndpointBusy,
    EndpointDenied,
    EndpointError,
    EndpointGone,
    EndpointRefused,
    TextMissing,
    WorkerError,
)
from bakeoff.core.records import Generation
from bakeoff.core.units import seconds_text
from bakeoff.study.retries import Patience, backoff_s
from bakeoff.study.throttle import Throttle

IN_DOUBT_AFTER = 3
GIVEN_UP_AFTER = 2
_LIMITED_ROUNDS = 6
"""So often in a row texts are let through its gate in vain before it is in doubt whether it is the texts that are refused."""
_TOLD_AFTER_BACKOFFS = 20
"""So many first back-offs (10 s) are waited for a busy server in all before that is told."""

BUSY = "endpoint_busy"
IN_DOUBT = "endpoint_in_doubt"
BACK = "endpoint_back"
GONE = "endpoint_gone"
"""Kinds of run events."""

WORKER_DIED = "worker_died"
"""Kind of failure of a text whose last try ended with its worker."""

_ANSWERED = frozenset(answer.kind for answer in (AnswerEmpty, AnswerNull, AnswerRefused))


class Pulse:
    """The pulse of one candidate during one run.

    `ask_again` asks for a text that the candidate has written before, and stores nothing; it raises what a writer raises.
    `tell` is called with a kind of event and what happened.
    """

    def __init__(
        self,
        patience: Patience,
        clock: Clock,
        ask_again: Callable[[], Awaitable[object]],
        tell: Callable[[str, str], None],
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._ask_again = ask_again
        self._tell = tell
        self._asking = asyncio.Lock()
        self._failed = 0
        self._asked_again = 0
        self._throttle = Throttle(patience, clock)
        self._told_busy = False
        self._since_s = 0.0
        self._doubt_s = 0.0
        self._heard_s = 0.0
        self._last: EndpointError | None = None
        self._held: list[Generation] = []
        self._told = False
        self.gone = False

    @property
    def in_doubt(self) -> bool:
        """Whether so many requests in a row went unanswered that no text is asked for till one is answered."""
        return self._failed >= IN_DOUBT_AFTER

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Surround one request: waits for the gate and the end of a doubt, and learns from how it ends.

        Raises:
            EndpointGone: the candidate was given up, before or by this request.
        """
        await self._throttle.enter()
        try:
            if self.in_doubt and not self._may_be_a_limit(_LIMITED_ROUNDS):
                await self.resolve_doubt()
            if self.gone:
                raise EndpointGone("the candidate was given up in this run")
            sent_s = self._clock.monotonic_s()
            try:
                yield
            except AnswerWithoutText:
                self._answered(sent_s)
                raise
            except TextMissing:
                raise
            except (EndpointDenied, DeviceChanged) as error:
                self.give_up(error.message, error.hint)
                raise
            except EndpointError as error:
                self._unanswered(error, sent_s)
                raise
            self._answered(sent_s)
        finally:
            self._throttle.leave()

    def settle(self, generation: Generation) -> Sequence[Generation]:
        """Take a finished text or failure; return what is now sure to have happened, in order."""
        if not generation.failed or _is_its_own(generation):
            return (generation,) if self._failed else (*self.release(), generation)
        if self.gone:
            return ()
        self._held.append(generation)
        return () if self._failed else self.release()

    def release(self) -> Sequence[Generation]:
        """Return what was held back."""
        held, self._held = self._held, []
        return held

    async def resolve_doubt(self) -> None:
        """Wait until the candidate answers or is given up; at once where it is not in doubt."""
        async with self._asking:
            while self._must_ask():
                await self._clock.sleep(self._pause_s())
                if not self._must_ask():  # a text that was in flight came meanwhile, or was the end of too many workers
                    return
                sent_s = self._clock.monotonic_s()
                try:
                    await self._ask_again()
                except AnswerWithoutText:
                    self._answered(sent_s)
                except (EndpointRefused, DeviceChanged) as error:
                    self.give_up(f"its first text, which it wrote before, is refused: {error.message}", error.hint)
                except EndpointError as error:
                    self._asked_again += not isinstance(error, EndpointBusy)
                    self._unanswered(error, sent_s)
                except WorkerError:  # not a silence, and counted by who asked
                    self._end_doubt()
                else:
                    self._answered(sent_s)

    def give_up(self, why: str, hint: str = "") -> None:
        """Ask for none of its texts any more, and tell why; what is held back can be asked again."""
        if not self.gone:
            self.gone = True
            self._held.clear()
            self._tell(GONE, f"given up: {why.rstrip()}{f' ({hint})' if hint else ''}")

    def _may_be_a_limit(self, rounds: int) -> bool:
        """Whether its texts are soon to pass by themselves: what is asked only to see would use up what the limit leaves."""
        return isinstance(self._last, EndpointBusy) and self._throttle.rounds < rounds

    def _must_ask(self) -> bool:
        return self.in_doubt and not self.gone

    def _answered(self, sent_s: float) -> None:
        self._throttle.answered(sent_s)
        if self._failed and sent_s < self._since_s:
            self._heard_s = self._clock.monotonic_s()
            return
        if self._told and not self.gone:
            self._tell(BACK, f"answers again, after {self._failed} requests without an answer")
        self._end_doubt()

    def _end_doubt(self) -> None:
        self._failed = self._asked_again = 0
        self._told = False
        self._last = None

    def _unanswered(self, error: EndpointError, sent_s: float) -> None:
        if self.gone:
            return
        if self._failed == 0:
            self._since_s = self._heard_s = sent_s
        if isinstance(error, EndpointBusy):
            self._note_busy(error, sent_s)
        self._failed += 1
        self._last = error
        if self._failed == IN_DOUBT_AFTER:
            self._doubt_s = self._clock.monotonic_s()
        if self.in_doubt and error.retry_after_s is not None and error.retry_after_s > self._patience.longest_wait_s:
            later = seconds_text(error.retry_after_s)
            self.give_up(f"it asks not to be asked again for {later}, which is not waited for: {error.message}")
            return
        silent_s = self._clock.monotonic_s() - self._heard_s
        limit_s = self._patience.busy_s if isinstance(error, EndpointBusy) else self._patience.give_up_s
        if self._asked_again >= GIVEN_UP_AFTER and silent_s >= limit_s:
            asked = f"{self._failed} requests in a row, over {seconds_text(silent_s)}, brought no answer"
            self.give_up(f"{asked}; the last: {error.message}")
        elif self._asked_again and not self._told and not self._may_be_a_limit(_LIMITED_ROUNDS + 1):
            self._told = True
            asked = f"{self._failed} requests in a row brought no answer; its texts wait till it answers"
            self._tell(IN_DOUBT, f"{asked}, or {seconds_text(limit_s)} are over; the last: {error.message}")

    def _note_busy(self, error: EndpointBusy, sent_s: float) -> None:
        self._throttle.busy(error, sent_s)
        if self.in_doubt and sent_s >= self._doubt_s:
            self._asked_again += 1  # a text of the run counts like its first one
        if (
            not (self._told_busy or self._told)
            and self._throttle.waited_s >= self._patience.backoff_s * _TOLD_AFTER_BACKOFFS
        ):
            self._told_busy = True
            waited = f"its texts wait as long as it asks, {seconds_text(self._throttle.waited_s)} so far"
            fewer = f"at most {self._throttle.most} at a time are asked for now"
            self._tell(BUSY, f"limits how much it is asked: {waited}, and {fewer}; it said: {error.message}")

    def _pause_s(self) -> float:
        if isinstance(self._last, EndpointRefused):  # it answers, and no waiting changes what
            return 0.0
        pause_s = backoff_s(self._asked_again + 1, self._patience)
        asked_s = self._last.retry_after_s if self._last is not None else None
        return pause_s if asked_s is None else max(pause_s, min(asked_s, self._patience.longest_wait_s))


def _is_its_own(failure: Generation) -> bool:
    """Whether a text failed by itself, whatever becomes of its candidate: by the model's answer, or with a worker each time."""
    return failure.error_kind in _ANSWERED or {failure.error_kind, *failure.retried} == {WORKER_DIED}
