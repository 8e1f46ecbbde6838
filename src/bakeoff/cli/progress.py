"""Progress while a run writes: a bar a candidate on a terminal, a line now and then in a pipe or a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bakeoff.core.clock import Clock
from bakeoff.core.plain import printable
from bakeoff.core.records import Generation, RunEvent
from bakeoff.core.units import seconds_text


class BarProgress:
    """A bar a candidate, with rate and remaining time; on `console`, which should be a terminal on stderr."""

    def __init__(self, console: Console, totals: Mapping[str, int], done: Mapping[str, int]) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.fields[mark]} {task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._bars.add_task(name, total=total, completed=done[name], mark=" ", rate="", start=False)
            for name, total in totals.items()
        }
        self._tokens = dict.fromkeys(totals, 0)
        self._failed = dict.fromkeys(totals, 0)
        self._retries = dict.fromkeys(totals, 0)
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
        for name, task in self._tasks.items():
            self._bars.update(task, mark=">" if name == candidate else " ")
        self._bars.start_task(self._tasks[candidate])

    def finished(self, generation: Generation) -> None:
        """Advance one bar."""
        name = generation.candidate
        self._tokens[name] += generation.timings.completion_tokens or 0
        self._failed[name] += generation.failed
        self._retries[name] += generation.attempts - 1
        failed = f" {self._failed[name]} failed" if self._failed[name] else ""
        again = f" {self._retries[name]} retries" if self._retries[name] else ""
        self._bars.update(self._tasks[name], advance=1, rate=f"{self._tokens[name]:,} tokens{failed}{again}")

    def told(self, event: RunEvent) -> None:
        """Print an event above the bars."""
        self._console.print(printable(f"{event.candidate or 'run'}: {event.message}"), markup=False, highlight=False)

    def standing(self, lines: Sequence[str], left: Mapping[str, int]) -> None:
        """Print above the bars where the race stands; who has less to write has a shorter bar."""
        self._last_lines = _print_new(self._console, lines, self._last_lines)
        for name, count in left.items():
            task = self._tasks[name]
            self._bars.update(task, total=self._bars.tasks[task].completed + count)


class LineProgress:
    """A line at most every `every_s` seconds: for pipes and logs."""

    def __init__(
        self, console: Console, totals: Mapping[str, int], done: Mapping[str, int], clock: Clock, every_s: float = 5.0
    ) -> None:
        self._console = console
        self._total = sum(totals.values())
        self._done = sum(done.values())
        self._new = 0
        self._failed = 0
        self._retries = 0
        self._clock = clock
        self._every_s = every_s
        self._begun = self._last = clock.monotonic_s()
        self._candidate = ""
        self._last_lines: Sequence[str] = ()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say how far it got, if it got anywhere."""
        if self._new:
            self._line()

    def turn(self, candidate: str) -> None:
        """Note who writes."""
        self._candidate = candidate

    def finished(self, generation: Generation) -> None:
        """Count, and print when it is time."""
        self._done += 1
        self._new += 1
        self._failed += generation.failed
        self._retries += generation.attempts - 1
        if self._clock.monotonic_s() - self._last >= self._every_s:
            self._line()

    def told(self, event: RunEvent) -> None:
        """Print an event."""
        self._console.print(printable(f"{event.candidate or 'run'}: {event.message}"), markup=False, highlight=False)

    def standing(self, lines: Sequence[str], left: Mapping[str, int]) -> None:
        """Print where the race stands."""
        self._last_lines = _print_new(self._console, lines, self._last_lines)
        self._total = self._done + sum(left.values())

    def _line(self) -> None:
        now = self._clock.monotonic_s()
        self._last = now
        rate = self._new / (now - self._begun) if now > self._begun else 0.0
        left = f", {seconds_text((self._total - self._done) / rate)} left" if rate and self._done < self._total else ""
        failed = f", {self._failed} failed" if self._failed else ""
        again = f", {self._retries} retries" if self._retries else ""
        self._console.print(
            f"{self._done}/{self._total} texts, {rate:.1f}/s{left}{failed}{again} ({self._candidate})",
            markup=False,
            highlight=False,
        )


def _print_new(console: Console, lines: Sequence[str], last: Sequence[str]) -> Sequence[str]:
    """Print the lines that were not said last time; return what there is to compare with next time."""
    for line in lines:
        if line not in last:
            console.print(printable(line), markup=False, highlight=False)
    return lines
