"""What happens around a run's texts, told at once and stored with the run, which the preflight comes before."""

from __future__ import annotations

from bakeoff.core.clock import Clock
from bakeoff.core.plain import whole_characters
from bakeoff.core.records import RunEvent
from bakeoff.store.db import Store
from bakeoff.study.pool import JOINED
from bakeoff.study.progress import Progress


class News:
    """Events that are told as they happen, and stored once there is a run to store them with.

    Good news is told only: what is stored stands in reports among what went wrong.
    """

    def __init__(self, run_id: str, store: Store, progress: Progress, clock: Clock) -> None:
        self._run_id = run_id
        self._store = store
        self._progress = progress
        self._clock = clock
        self._early: list[RunEvent] | None = []

    def tell(self, candidate: str | None, kind: str, message: str) -> None:
        """Something happened, to a candidate or to the run (None).

        Raises:
            StoreError: the store refuses.
        """
        event = event_now(self._clock, candidate, kind, message)
        self._progress.told(event)
        if kind == JOINED:
            return
        if self._early is not None:
            self._early.append(event)
        else:
            self._store.add_event(self._run_id, event)

    def store_from_now_on(self) -> None:
        """The run is stored: so is what happened before, and what will.

        Raises:
            StoreError: the store refuses.
        """
        early, self._early = self._early or [], None
        for event in early:
            self._store.add_event(self._run_id, event)


def event_now(clock: Clock, candidate: str | None, kind: str, message: str) -> RunEvent:
    """Return what happens now, to a candidate, to a judge or to the run (None), as it can be stored."""
    return RunEvent(at=clock.now().isoformat(), kind=kind, candidate=candidate, message=whole_characters(message))
