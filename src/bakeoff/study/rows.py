"""How many texts a worker of ours may compute at a time, and in how much cache. Pure.

A run's worker has a row for every text that may be in flight at it: a text that waits in the worker's own queue would be timed
as if it were computed. The cache bounds rows x the longest text that they are reserved for. It grows with the rows where memory
is known to hold that, and is what 16 texts of 2,048 tokens take elsewhere: then texts of more than an even share still wait.
"""

from __future__ import annotations

from typing import NamedTuple

TOKENS_A_ROW = 2048
"""What a text is expected to take at most, its brief included; texts of this kind stay far below."""


class Room(NamedTuple):
    """What a worker may hold: so many texts at a time, in so many tokens of cache for all of them, padding included."""

    rows: int
    kv_tokens: int

    def rows_of(self, tokens: int) -> int:
        """Return how many texts of so many tokens each there is room for, one at least."""
        return max(1, min(self.rows, self.kv_tokens // tokens))

    def shapes(self, concurrency: int) -> list[tuple[int, int]]:
        """Return (texts, tokens of each) that fill it: as many texts as may be in flight, and texts as long as expected.

        >>> USUAL_ROOM.shapes(8), Room(64, 32768).shapes(64)
        ([(8, 2048)], [(64, 512), (16, 2048)])
        """
        rows = min(concurrency, self.rows)
        most = [(rows, min(TOKENS_A_ROW, self.kv_tokens // rows))]
        return list(dict.fromkeys([*most, (min(rows, self.rows_of(TOKENS_A_ROW)), TOKENS_A_ROW)]))


USUAL_ROOM = Room(16, 16 * TOKENS_A_ROW)
"""What a worker takes unless it is told otherwise, `engines.batching.Limits`."""


def rooms_for(concurrency: int) -> tuple[Room, ...]:
    """Return the rooms that a worker for so many texts in flight may have, the largest first.

    >>> rooms_for(8), rooms_for(24)
    ((Room(rows=16, kv_tokens=32768),), (Room(rows=24, kv_tokens=49152), Room(rows=24, kv_tokens=32768)))
    """
    if concurrency <= USUAL_ROOM.rows:
        return (USUAL_ROOM,)
    return Room(concurrency, concurrency * TOKENS_A_ROW), Room(concurrency, USUAL_ROOM.kv_tokens)
