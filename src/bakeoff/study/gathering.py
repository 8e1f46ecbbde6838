"""What passes between a race and the runner that writes for it: the texts that came, the news that goes out, and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bakeoff.core.records import Generation, RunEvent
from bakeoff.study.progress import Progress


class RaceProgress(Progress, Protocol):
    """Told of a race, too."""

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        """Where it stands, how many texts each candidate may still have to write, and who is out since then, and why."""
        ...


class Gathering:
    """Passes on what happens, and keeps the texts until they are taken."""

    def __init__(self, progress: RaceProgress) -> None:
        self._progress = progress
        self._kept: list[Generation] = []

    def turn(self, candidate: str) -> None:
        """Pass it on."""
        self._progress.turn(candidate)

    def finished(self, generation: Generation) -> None:
        """Keep it, and pass it on."""
        self._kept.append(generation)
        self._progress.finished(generation)

    def told(self, event: RunEvent) -> None:
        """Pass it on."""
        self._progress.told(event)

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        """Pass it on."""
        self._progress.standing(lines, left, out)

    def take(self) -> list[Generation]:
        """Return what came since the last call."""
        kept, self._kept = self._kept, []
        return kept


class Reloading(NamedTuple):
    """What a lap costs: loading all models until they can write, and their writing of one text each, in seconds."""

    load_s: float
    text_s: float
