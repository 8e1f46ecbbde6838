"""Adds up the seconds that parts of some work take."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Self


class Stopwatch:
    """Runs inside its `with` blocks; `seconds` is what they took together."""

    def __init__(self) -> None:
        self._made = self._begun = perf_counter()
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._begun = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += perf_counter() - self._begun

    def take_all(self) -> None:
        """Count everything since the watch was made, inside of blocks or not."""
        self.seconds = perf_counter() - self._made
