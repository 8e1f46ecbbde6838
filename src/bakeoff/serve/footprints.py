"""What models took while they were served, told to the workspace, so that later predictions of memory rest on it.

A peak says something only beside what caused it: how many requests there were at a time, and how long the longest was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from bakeoff.core.spec import Candidate
from bakeoff.store.served_loads import ServedLoad, add_served_load

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one start of a candidate's worker took: bytes at its peak and those that it was admitted on, the most requests that
    it had at a time, and the device where it found itself to compute (None: it did not say).
    """

    candidate: Candidate
    admitted_bytes: int
    peak_bytes: int
    most_at_once: int
    device: str | None


class Footprints:
    """Those of one gateway, on their way to the workspace in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._longest: dict[str, int] = {}

    def note_tokens(self, model: str, read: int | None, written: int | None) -> None:
        """An answer was given; None where its server did not say how many tokens it took."""
        if read is not None and written is not None and read + written > self._longest.get(model, 0):
            self._longest[model] = read + written

    def add(self, footprint: Footprint) -> None:
        """A worker has ended. One that answered nobody is not told of: its peak is that of its start alone."""
        tokens = self._longest.pop(footprint.candidate.id, 0)
        if not tokens or not footprint.most_at_once or footprint.device in {None, "none"}:
            return
        load = ServedLoad(
            candidate=footprint.candidate,
            device=str(footprint.device),
            rows=footprint.most_at_once,
            tokens=tokens,
            peak_bytes=footprint.peak_bytes,
        )
        try:
            add_served_load(self._folder, load)
        except OSError as error:
            log.warning("what %s took is not kept: %s", footprint.candidate.id, error)
