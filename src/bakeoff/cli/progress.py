"""Progress while a run writes: a bar a candidate on a terminal, a line now and then in a pipe or a log.

Both say how fast each candidate writes, how long what is left will take at most, and who is out of the race and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bakeoff.cli.pace import Pace, roughly
from bakeoff.core.clock import Clock
from bakeoff.core.plain import printable
from bakeoff.core.records import Generation, RunEvent

_LABEL = 24
_ALL = "all"
_ECHO = 5
"""Columns left free beside the bars, for the ^C that a terminal writes where somebody presses Ctrl-C, twice."""
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


class _Narrower:
    """Something that does not reach the right edge of the screen."""

    def __init__(self, whole: RenderableType) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield it, narrower."""
        yield from console.render(self._whole, options.update_width(max(1, options.max_width - _ECHO)))


class _Bars(Progress):
    """Bars that do not reach the right edge.

    The cursor waits at the end of the last one. A terminal that echoes ^C there would go on in a new line, everything would be
    drawn again a line too low, and the first bar stay above it for ever.
    """

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bars."""
        for each in super().get_renderables():
            yield _Narrower(each)


class BarProgress:
    """A bar a candidate, with rate and remaining time, and one for all; on `console`, a terminal on stderr."""

    def __init__(self, console: Console, totals: Mapping[str, int], done: Mapping[str, int], clock: Clock) -> None:
        self._console = console
        self._tally = Tally(totals, done, clock)
        self._bars = _Bars(
            TextColumn("{task.fields[mark]} {task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            console=console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._bars.add_task(_label(name), total=total, completed=done[name], mark=" ", status="")
            for name, total in totals.items()
        }
        texts, written = sum(totals.values()), sum(done.values())
        several = len(totals) > 1
        self._all = self._bars.add_task(_ALL, total=texts, completed=written, mark=" ", status="") if several else None
        self._last_lines: Sequence[str] = ()

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave them as they are."""
        self._bars.stop()

    def turn(self, candidate: str) -> None:
        """Mark who writes."""
        self._tally.turn()
        for name, task in self._tasks.items():
            self._bars.update(task, mark=">" if name == candidate else " ")

    def finished(self, generation: Generation) -> None:
        """Advance one bar."""
        self._tally.count(generation)
        self._show(generation.candidate)

    def told(self, event: RunEvent) -> None:
        """Print an event above the bars."""
        self._console.print(printable(f"{event.candidate or 'run'}: {event.message}"), markup=False, highlight=False)

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        """Print above the bars where the race stands; who has less to write has a shorter bar, who is out says so."""
        self._last_lines = _print_new(self._console, lines, self._last_lines)
        self._tally.expect(left)
        self._tally.out.update(out)
        for name in self._tasks:
            self._show(name)

    def _show(self, name: str) -> None:
        tally = self._tally
        self._bars.update(
            self._tasks[name], completed=tally.done[name], total=tally.total[name], status=_status(tally, name)
        )
        if self._all is not None:
            done, total = sum(tally.done.values()), sum(tally.total.values())
            self._bars.update(self._all, completed=done, total=total, status=tally.remaining())


def _label(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LABEL else f"…{name[-_LABEL + 1 :]}"


def _status(tally: Tally, name: str) -> str:
    """Return what stands beside a bar."""
    if tally.left(name) <= 0:
        done = printable(tally.out[name]) if name in tally.out else "written"
        return ", ".join([done, *tally.trouble([name])])
    remaining = tally.remaining([name]).removesuffix(" left")
    return ", ".join(part for part in (tally.rate(name), remaining, *tally.trouble([name])) if part)


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
        self._console.print(printable(f"{event.candidate or 'run'}: {event.message}"), markup=False, highlight=False)

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        """Print where the race stands: who is out is in the lines."""
        self._last_lines = _print_new(self._console, lines, self._last_lines)
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


def _print_new(console: Console, lines: Sequence[str], last: Sequence[str]) -> Sequence[str]:
    """Print the lines that were not said last time; return what there is to compare with next time."""
    for line in lines:
        if line not in last:
            console.print(printable(line), markup=False, highlight=False)
    return lines
