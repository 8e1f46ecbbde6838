"""Energy of a run, candidate by candidate: counters are read where a stretch of one candidate's work begins and ends.

A meter that fails, or is not there, never harms a run: what is not measured is said to be assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from bakeoff.core.clock import Clock, SystemClock
from bakeoff.core.errors import BakeoffError
from bakeoff.measure.energy import (
    EnergySample,
    EnergySummary,
    EnergyWindow,
    Reading,
    energy_between,
    read_windows,
    summarise_energy,
    unread_window,
)
from bakeoff.measure.energy_counters import Meter
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan

IDLE_S = 10.0
"""How long the machine is watched before anything is loaded."""
_FIRST_READING_S, _AGAIN_S = 3.0, 0.1
"""How long a meter that was just opened may take to tell something, and how often it is asked: macmon tells after its first sample."""
_FAILURES = (OSError, ValueError, RuntimeError, AttributeError, BakeoffError)


def read_energy(plan: Plan, store: Store) -> dict[str, EnergySummary]:
    """Return what each candidate of a run drew, as far as it was measured where its worker said that it ran.

    Raises:
        StoreError: the store refuses.
    """
    windows = read_windows(store.energy(plan.run_id), store.loads(plan.run_id))
    return {
        candidate.id: summarise_energy([window for window in windows if window.candidate == candidate.id])
        for candidate in plan.candidates
    }


class EnergyWatch:
    """Watches one meter; `keep` is handed every window."""

    def __init__(self, meter: Meter | None, keep: Callable[[EnergyWindow], None], clock: Clock | None = None) -> None:
        self._meter = meter
        self._keep = keep
        self._clock = clock or SystemClock()
        self._begun_s = 0.0
        self._idle_w: float | None = None
        self._begun: Reading | None = None

    @property
    def watches(self) -> bool:
        """Whether there is a meter."""
        return self._meter is not None

    async def watch_idle(self, clock: Clock) -> None:
        """Measure what the machine draws while nothing runs; takes `IDLE_S` seconds where there is a meter, none else."""
        if self._meter is None:
            return
        before, opened_s = self._read(), clock.monotonic_s()
        while before is None and clock.monotonic_s() - opened_s < _FIRST_READING_S:
            await clock.sleep(_AGAIN_S)
            before = self._read()
        begun_s = clock.monotonic_s()
        if before is None:
            return
        await clock.sleep(IDLE_S)
        after = self._read()
        if after is not None:
            sample = energy_between(before, after, passed_s=clock.monotonic_s() - begun_s)
            self._idle_w = sample.gross_j / sample.seconds if sample.quality != "invalid" else None

    def begin(self) -> None:
        """A candidate begins to write."""
        self._begun, self._begun_s = self._read(), self._clock.monotonic_s()

    def end(self, candidate: str, texts: int, tokens: int | None) -> None:
        """It has written so many texts, of so many tokens together (None: not told)."""
        begun, self._begun = self._begun, None
        if self._meter is None or not texts:
            return
        after = self._read() if begun is not None else None
        passed_s = self._clock.monotonic_s() - self._begun_s
        sample: EnergySample = unread_window(self._meter.source, self._meter.scope, passed_s)
        if begun is not None and after is not None:
            sample = energy_between(begun, after, self._idle_w, passed_s)
        self._keep(EnergyWindow(candidate=candidate, texts=texts, tokens=tokens, sample=sample))

    def close(self) -> None:
        """Give the meter back."""
        if self._meter is not None:
            with suppress(*_FAILURES):
                self._meter.close()

    def _read(self) -> Reading | None:
        if self._meter is None:
            return None
        try:
            return self._meter.read()
        except _FAILURES:
            return None
