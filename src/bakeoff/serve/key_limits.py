"""What each key has used of its limits. Pure: times come in, seconds of a monotonic clock.

| limit                 | what counts                                              | a client is told to come again           |
|-----------------------|----------------------------------------------------------|------------------------------------------|
| `requests_per_minute` | requests let in within the last 60 s, exactly            | when the oldest of them is 60 s ago      |
| `tokens_per_minute`   | tokens of answers that ended within the last 60 s        | when as many of them are 60 s ago        |
| `concurrent_requests` | requests let in that have not ended: body, queue, answer | after a second: nobody knows how long    |

What was refused does not count. How many tokens an answer has is known at its end, so that the limit is passed by those that are under
way then; the next requests wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from bakeoff.serve.api_keys import ApiKey, KeyLimits

MINUTE_S = 60.0
Limit = Literal["requests_per_minute", "tokens_per_minute", "concurrent_requests"]
KEY_USE = "bakeoff.key_use"
"""The extension of an ASGI scope that holds the `KeyUse` of its request, where a key was shown."""


class OverLimit(NamedTuple):
    """Why a request is not let in, how much may be, and in how many seconds to come again."""

    limit: Limit
    most: int
    retry_after_s: float


class KeyUse:
    """What one key uses. `enter` lets a request in or says why not; `spend` counts the tokens of its answer, and `leave` ends it."""

    __slots__ = ("_begun", "_recent_tokens", "_spent", "admitted", "key", "limits", "refused", "tokens", "under_way")

    def __init__(self, key: ApiKey) -> None:
        self.key = key.name
        self.limits: KeyLimits = key.limits
        self.under_way = 0
        self.admitted = 0
        self.tokens = 0
        self.refused: dict[Limit, int] = dict.fromkeys(get_args(Limit), 0)
        self._begun: deque[float] = deque()
        self._spent: deque[tuple[float, int]] = deque()
        self._recent_tokens = 0

    def enter(self, now_s: float) -> OverLimit | None:
        """Let a request in; or return what forbids it."""
        over = self._over(now_s)
        if over is not None:
            self.refused[over.limit] += 1
            return over
        self.under_way += 1
        self.admitted += 1
        if self.limits.requests_per_minute is not None:
            self._begun.append(now_s)
        return None

    def spend(self, now_s: float, tokens: int) -> None:
        """An answer of so many tokens, read and written, has ended."""
        self.tokens += tokens
        if tokens and self.limits.tokens_per_minute is not None:
            self._spent.append((now_s, tokens))
            self._recent_tokens += tokens
            self._forget_tokens(now_s)

    def leave(self) -> None:
        """A request that was let in has ended."""
        self.under_way -= 1

    def _over(self, now_s: float) -> OverLimit | None:
        most = self.limits.concurrent_requests
        if most is not None and self.under_way >= most:
            return OverLimit("concurrent_requests", most, 1.0)
        return self._over_tokens(now_s) or self._over_requests(now_s)

    def _over_requests(self, now_s: float) -> OverLimit | None:
        most = self.limits.requests_per_minute
        if most is None:
            return None
        while self._begun and self._begun[0] <= now_s - MINUTE_S:
            self._begun.popleft()
        if len(self._begun) < most:
            return None
        # A limit that was lowered meanwhile: as many must be a minute old as are too many.
        return OverLimit("requests_per_minute", most, self._begun[len(self._begun) - most] + MINUTE_S - now_s)

    def _over_tokens(self, now_s: float) -> OverLimit | None:
        most = self.limits.tokens_per_minute
        if most is None:
            return None
        self._forget_tokens(now_s)
        left = self._recent_tokens
        for ended_s, tokens in self._spent:
            if left < most:
                break
            left -= tokens
            free_s = ended_s + MINUTE_S
        return None if left == self._recent_tokens else OverLimit("tokens_per_minute", most, free_s - now_s)

    def _forget_tokens(self, now_s: float) -> None:
        while self._spent and self._spent[0][0] <= now_s - MINUTE_S:
            self._recent_tokens -= self._spent.popleft()[1]


class KeyUses:
    """The uses of all keys, by name. What a key has used stays when the keys are read anew."""

    def __init__(self) -> None:
        self._uses: dict[str, KeyUse] = {}

    def of(self, key: ApiKey) -> KeyUse:
        """Return what a key uses."""
        found = self._uses.get(key.name)
        if found is None:
            found = self._uses[key.name] = KeyUse(key)
        return found

    def take(self, keys: Sequence[ApiKey]) -> None:
        """Have these keys, with their limits, from now on. Requests under way of others end as they would have."""
        for key in keys:
            self.of(key).limits = key.limits
        names = {key.name for key in keys}
        self._uses = {name: use for name, use in self._uses.items() if name in names}

    def __iter__(self) -> Iterator[KeyUse]:
        return iter(self._uses.values())
