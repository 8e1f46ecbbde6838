"""Progress on a terminal: a bar a candidate, and one for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bakeoff.cli.progress import Tally, print_event, print_new
from bakeoff.core.clock import Clock
from bakeoff.core.plain import printable
from bakeoff.core.records import Generation, RunEvent

_LABEL = 24
_ALL = "all"
_ECHO = 5
"""Columns left free beside the bars, for the ^C that a terminal writes where somebody presses Ctrl-C, twice."""


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
        print_event(self._console, event)

    def standing(self, lines: Sequence[str], left: Mapping[str, int], out: Mapping[str, str]) -> None:
        """Print above the bars where the race stands; who has less to write has a shorter bar, who is out says so."""
        self._last_lines = print_new(self._console, lines, self._last_lines)
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
