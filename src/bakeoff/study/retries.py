"""What follows from an error: ask again, after how long, or not. Pure.

| error                                   | tries | wait before the next                                             |
|-----------------------------------------|-------|------------------------------------------------------------------|
| busy (429, 503)                         | 6     | what `Retry-After` asks for, else the back-off; in a run see below |
| failed (another 5xx, a broken stream)   | 4     | likewise                                                         |
| unreachable                             | 4     | the back-off                                                     |
| malformed (HTML, broken JSON, ...)      | 3     | the back-off: a proxy's page is no answer by the model           |
| timeout (connection, token, stall)      | 2     | the back-off; one of the whole answer is never tried again       |
| worker died                             | 3     | none: it is started again                                        |
| worker lost with its node               | 8     | none: another worker takes it, or it is placed anew              |
| worker did not start                    | -     | none: no worker had the text; `study.runner` counts the start    |
| rejected (another 4xx), text missing    | 1     |                                                                  |
| denied (401), on another device         | 1     | and the candidate is given up                                    |
| empty, null, refused                    | 1     | never: to ask again would be to choose among a model's answers   |

The back-off is 0.5 s, doubled with each try up to 30 s, and stretched by up to as much again, differently for each text,
so that texts which failed together do not come back together. A server that asks for a longer wait than 2 minutes is
not waited for, and not asked before: the text fails. What a whole endpoint's silence leads to is in `study.pulse`.

In a run, where many texts are asked for beside each other, being busy is the server's state and no fault of a text: all of
them wait (`study.throttle`), and such tries do not count among those of other kinds. A text that is refused as busy for 5
minutes, and 6 times at least, while others are answered, is refused for itself, and fails (some servers say 429 to what is
too long for a minute's tokens); from the sixth time on it comes back more and more rarely, so that it keeps nobody waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bakeoff.core.errors import (
    BakeoffError,
    EndpointBusy,
    EndpointError,
    EndpointFailed,
    EndpointGarbage,
    EndpointTimeout,
    EndpointUnreachable,
    WorkerDied,
    WorkerLost,
)
from bakeoff.core.settings import seconds_setting

TRIES: Mapping[type[BakeoffError], int] = {
    WorkerDied: 3,
    WorkerLost: 8,
    EndpointBusy: 6,
    EndpointFailed: 4,
    EndpointUnreachable: 4,
    EndpointGarbage: 3,
    EndpointTimeout: 2,
}
_LONGEST_BACKOFF_S = 30.0
_BUSY_FACTOR = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: the first back-off, the longest wait that a server may ask for, and without an answer until given up."""

    backoff_s: float = 0.5
    longest_wait_s: float = 120.0
    give_up_s: float = 60.0

    @property
    def busy_s(self) -> float:
        """Without an answer until given up where a server says that it is busy: a limit passes, a crash rarely."""
        return self.give_up_s * _BUSY_FACTOR

    @classmethod
    def from_environment(cls) -> Patience:
        """Return the defaults, or what `BAKEOFF_BACKOFF_S`, `BAKEOFF_LONGEST_WAIT_S`, `BAKEOFF_GIVE_UP_S` say instead.

        Raises:
            UsageError: one of them is not a number of seconds.
        """
        usual = cls()
        return cls(
            backoff_s=seconds_setting("BAKEOFF_BACKOFF_S", usual.backoff_s),
            longest_wait_s=seconds_setting("BAKEOFF_LONGEST_WAIT_S", usual.longest_wait_s),
            give_up_s=seconds_setting("BAKEOFF_GIVE_UP_S", usual.give_up_s),
        )


class Retry(NamedTuple):
    """What the policy says of one error: try again after `wait_s`, or give up."""

    again: bool
    wait_s: float = 0.0


def retry_policy(error: BakeoffError, attempts: int, patience: Patience, spread: float = 0.0) -> Retry:
    """Say what follows from `error` after `attempts` tries (the failed one included).

    `spread`, from 0 to 1, is this text's place among those that wait.
    """
    limit = next((limit for kind, limit in TRIES.items() if isinstance(error, kind)), 1)
    if attempts >= limit or (isinstance(error, EndpointTimeout) and error.final):
        return Retry(again=False)
    if not isinstance(error, EndpointError):
        return Retry(again=True)
    if error.retry_after_s is None:
        return Retry(again=True, wait_s=backoff_s(attempts, patience) * (1.0 + spread))
    if error.retry_after_s > patience.longest_wait_s:
        return Retry(again=False)
    return Retry(again=True, wait_s=max(0.0, error.retry_after_s) + patience.backoff_s * spread)


class Tries:
    """The tries of one text of a run so far. `failed` has the kind of each that brought no answer, in order."""

    def __init__(self, patience: Patience, spread: float) -> None:
        self._patience = patience
        self._spread = spread
        self._counted = 0
        self._busy = 0
        self._busy_since_s = 0.0
        self.failed: list[str] = []

    def after(self, error: BakeoffError, kind: str, now_s: float) -> Retry:
        """Say what follows from one more error, of a kind, at `now_s`; the wait is beside that at the candidate's gate."""
        if isinstance(error, EndpointBusy) and (error.retry_after_s or 0.0) <= self._patience.longest_wait_s:
            retry = self._after_busy(max(0.0, error.retry_after_s or 0.0), now_s)
        else:
            self._counted += 1
            retry = retry_policy(error, self._counted, self._patience, self._spread)
        if retry.again:
            self.failed.append(kind)
        return retry

    def _after_busy(self, asked_s: float, now_s: float) -> Retry:
        if self._busy == 0:
            self._busy_since_s = now_s
        self._busy += 1
        beyond = self._busy - TRIES[EndpointBusy]
        if beyond < 0:
            return Retry(again=True, wait_s=asked_s)
        if now_s - self._busy_since_s >= self._patience.busy_s:
            return Retry(again=False)
        rarely_s = backoff_s(beyond + 1, self._patience) * (1.0 + self._spread)
        return Retry(again=True, wait_s=max(asked_s, rarely_s))


def backoff_s(attempts: int, patience: Patience) -> float:
    """Return the seconds to wait after so many tries without an answer, at least one."""
    return float(min(_LONGEST_BACKOFF_S, patience.backoff_s * 2.0 ** min(attempts - 1, 30)))
