"""Who is told what happens in a run while it happens."""

from __future__ import annotations

from typing import Protocol

from bakeoff.core.records import Generation, RunEvent


class Progress(Protocol):
    """Told what happens while it happens; prints, or not."""

    def turn(self, candidate: str) -> None:
        """`candidate` writes next."""
        ...

    def finished(self, generation: Generation) -> None:
        """A generation was stored."""
        ...

    def told(self, event: RunEvent) -> None:
        """Something worth telling happened."""
        ...
