"""Progress while a run writes: a line now and then in a pipe or a log; the bars of a terminal are in `bars`.

Both say how fast each candidate writes, how long what is left will take at most, and who is out of the race and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console

from bakeoff.cli.pace import Pace, roughly
from bakeoff.core.clock import Clock
from bakeoff.core.plain import printable
from bakeoff.core.records import Generation, RunEvent

_FIRST_EVERY_S, _LAST_EVERY_S, _SHARE = 5.0, 60.0, 0.05
"""A log gets a line every 5 s at first, and every minute in a run of hours."""


class Tally:
    """What has come of each candidate, and what is still to come."""

    def __init__(self, totals: Mapping[str, int], done: Mapping[str, int], clock: Clock) -> None:
        self.total, self.done = dict(totals), dict(done)
        self.out: dict[str, str] = {}
        self._failed = dict.fromkeys(totals, 0)
        self._retries = dict.fromkeys(totals, 0)
        self._clock = clock
        self._pace = Pace(totals)

    def turn(self) -> None:
        """Somebody begins to write."""
        self._pace.turn(self._clock.monotonic_s())

    def count(self, generation: Generation) -> None:
        """Count a text that came now."""
        self._pace.finished(generation.candidate, self._clock.monotonic_s())
        self.count_timeless(generation)

    def count_timeless(self, generation: Generation) -> None:
        """Count a text of which nobody knows when it came: one that was recorded."""
        name = generation.candidate
        self.done[name] += 1
        self.total[name] = max(self.total[name], self.done[name])
        self._failed[name] += generation.failed
        self._retries[name] += generation.attempts - 1

    def expect(self, left: Mapping[str, int]) -> None:
        """Take in how many texts are still to come."""
        for name, count in left.items():
            self.total[name] = self.done[name] + count

    def left(self, name: str) -> int:
        """Return how many texts of a candidate are still to come."""
        return self.total[name] - self.done[name]

    def rate(self, name: str) -> str:
        """Return `2.1/s`, or `8 s a text` where it is slow; nothing while it is not known."""
        pace_s = self._pace.seconds_a_text(name)
        if pace_s is None:
            return ""
        return f"{1 / pace_s:.1f}/s" if 0 < pace_s < 1 else f"{pace_s:.1f} s a text"

    def remaining(self, names: Sequence[str] | None = None) -> str:
        """Return `up to 6 min left`, for some candidates or all; nothing while it is not known.

        A race ends earlier than it may, and what confirms the best comes on top.
        """
        left_s = self._pace.left_s({name: self.left(name) for name in names or self.total if self.left(name) > 0})
        return "" if left_s is None else f"up to {roughly(left_s)} left"

    def trouble(self, names: Sequence[str]) -> list[str]:
        """Return how many texts failed and how many requests were made again, where there are any."""
        failed, retries = (sum(counts[name] for name in names) for counts in (self._failed, self._retries))
        return [text for count, text in ((failed, f"{failed} failed"), (retries, f"{retries} retries")) if count]


class LineProgress:
    """A line now and then, of everything and of who writes: for pipes and logs."""

    def __init__(self, console: Console, totals: Mapping[str, int], done: Mapping[str, int], clock: Clock) -> None:
        self._console = console
        self._tally = Tally(totals, done, clock)
        self._clock = clock
        self._begun = self._last = clock.monotonic_s()
        self._news = False
        self._candidate = ""
        self._last_lines: Sequence[str] = ()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say how far it got, if it got anywhere."""
        if self._news:
            self._line()

    def turn(self, candidate: str) -> None:
        """Note who writes."""
        self._tally.turn()
        self._candidate = candidate

    def finished(self, generation: Generation) -> None:
        """Count, and print when it is time."""
        self._tally.count(generation)
        self._candidate = generation.candidate
        self._news = True
        now_s = self._clock.monotonic_s()
        pause_s = min(max(_FIRST_EVERY_S, _SHARE * (now_s - self._begun)), _LAST_EVERY_S)
        if now_s - self._last >= pause_s:
            self._line()

    def told(self, event: RunEvent) -> None:
        """Print an event."""
        print_event(self._console, event)

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        """Print where the race stands: who is out is in the lines."""
        self._last_lines = print_new(self._console, lines, self._last_lines)
        self._tally.expect(left)
        self._tally.out.update(out)

    def _line(self) -> None:
        tally, name = self._tally, self._candidate
        self._last, self._news = self._clock.monotonic_s(), False
        done, total = sum(tally.done.values()), sum(tally.total.values())
        whole = [f"{done} of {total} texts", tally.remaining(), *tally.trouble(list(tally.total))]
        own = [f"{printable(name)} {tally.done[name]} of {tally.total[name]}", tally.rate(name)]
        parts = [", ".join(part for part in said if part) for said in (whole, own)]
        self._console.print("; ".join(parts if len(tally.total) > 1 else parts[:1]), markup=False, highlight=False)


def print_event(console: Console, event: RunEvent) -> None:
    """Print an event on a line of its own."""
    console.print(printable(f"{event.candidate or 'run'}: {event.message}"), markup=False, highlight=False)


def print_new(console: Console, lines: Sequence[str], last: Sequence[str]) -> Sequence[str]:
    """Print the lines that were not said last time; return what there is to compare with next time."""
    for line in lines:
        if line not in last:
            console.print(printable(line), markup=False, highlight=False)
    return lines
