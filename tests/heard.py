"""A progress of a run that remembers what it was told."""

from __future__ import annotations

from bakeoff.core.records import Generation, RunEvent


class Heard:
    """Everything, in the order in which it came."""

    def __init__(self) -> None:
        self.texts: list[Generation] = []
        self.events: list[RunEvent] = []

    def turn(self, candidate: str) -> None:
        """Nothing to remember."""

    def finished(self, generation: Generation) -> None:
        """Remember it."""
        self.texts.append(generation)

    def told(self, event: RunEvent) -> None:
        """Remember it."""
        self.events.append(event)

    def of(self, candidate: str) -> list[Generation]:
        """A candidate's texts."""
        return [generation for generation in self.texts if generation.candidate == candidate]
