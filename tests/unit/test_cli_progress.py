"""What a run says of its pace: nothing that it cannot know, who is out and why, and lines that fit."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console

from bakeoff.cli.bars import BarProgress
from bakeoff.cli.pace import Pace, roughly
from bakeoff.cli.progress import LineProgress
from bakeoff.core.clock import HandClock
from made_runs import generation

START = datetime(2026, 1, 1, tzinfo=UTC)
TOTALS = {"ann": 100, "bob": 100}
NONE = dict.fromkeys(TOTALS, 0)


def write(progress: BarProgress | LineProgress, clock: HandClock, name: str, texts: int, each_s: float) -> None:
    progress.turn(name)
    for i in range(texts):
        clock.advance(each_s)
        progress.finished(generation(name, f"b{i}"))


def lines(out: io.StringIO) -> list[str]:
    return [line for line in out.getvalue().splitlines() if line.strip()]


def test_nothing_is_said_of_the_time_left_before_it_is_known() -> None:
    pace = Pace(["ann", "bob"])
    pace.turn(1_000.0)  # an hour of preparation is no pace
    for i in range(11):
        pace.finished("ann", 1_000.0 + i + 1)
    assert pace.seconds_a_text("ann") is None
    pace.finished("ann", 1_012.0)
    assert pace.seconds_a_text("ann") == 1.0
    assert pace.left_s({"ann": 10, "bob": 10}) == 20.0  # bob counts as the slowest that is known
    assert pace.left_s({"ann": 10, "bob": 11}) is None
    assert pace.left_s({}) is None


def test_a_pace_is_that_of_the_last_texts_and_of_own_turns_alone() -> None:
    pace = Pace(["ann", "bob"])
    now = 0.0
    for name, texts, each_s in (("ann", 10, 9.0), ("bob", 20, 2.0), ("ann", 20, 0.5)):
        pace.turn(now)
        for _ in range(texts):
            now += each_s
            pace.finished(name, now)
    assert pace.seconds_a_text("ann") == pytest.approx(0.5)
    assert pace.seconds_a_text("bob") == pytest.approx(2.0)
    assert pace.left_s({"ann": 10, "bob": 1}) == pytest.approx(7.0)


def test_a_log_gets_lines_that_fit_and_grow_rarer() -> None:
    clock, out = HandClock(START), io.StringIO()
    console = Console(file=out, width=80)
    with LineProgress(console, TOTALS, NONE, clock) as progress:
        write(progress, clock, "ann", 5, 2.0)
        assert not any("left" in line for line in lines(out))
        write(progress, clock, "ann", 20, 2.0)
        assert lines(out)[-1] == "24 of 200 texts; ann 24 of 100, 2.0 s a text"  # of bob nothing is known yet
        write(progress, clock, "bob", 14, 1.0)
        assert lines(out)[-1] == "38 of 200 texts, up to 4 min left; bob 13 of 100, 1.0 s a text"
        seen = len(lines(out))
        clock.advance(3_600)
        write(progress, clock, "bob", 60, 2.0)
        assert len(lines(out)) - seen <= 4
    assert all(len(line) <= 80 for line in lines(out))
    assert lines(out)[-1].startswith("99 of 200 texts")


def test_failures_and_retries_are_in_the_line() -> None:
    clock, out = HandClock(START), io.StringIO()
    with LineProgress(Console(file=out, width=120), {"ann": 3}, {"ann": 0}, clock) as progress:
        progress.turn("ann")
        progress.finished(generation("ann", "b", failed=True).model_copy(update={"attempts": 3}))
    assert lines(out) == ["1 of 3 texts, 1 failed, 2 retries"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_bars_say_rate_and_time_for_each_and_who_is_out_and_why(width: int) -> None:
    clock, out = HandClock(START), io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, no_color=True, legacy_windows=False)
    with BarProgress(console, TOTALS, NONE, clock) as progress:
        write(progress, clock, "ann", 30, 0.25)
        write(progress, clock, "bob", 30, 1.0)
        progress.standing(["ann is far ahead"], {"ann": 70, "bob": 0}, {"bob": "out after 18: ann is better"})
    drawn = out.getvalue()
    assert "ann is far ahead" in drawn
    last = [line for line in drawn.split("\x1b[2K")[-3:] if line.strip()]
    text = "".join(last)
    assert "out after 18: ann is better" in text
    assert "4.0/s, up to 20 s" in text
    assert "up to 20 s left" in text


@pytest.mark.parametrize("width", [60, 80])
def test_a_terminal_that_echoes_ctrl_c_does_not_move_the_bars(width: int) -> None:
    """The echo is written where the cursor is: at the end of the last bar, which must leave room for it in its line."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, no_color=True, legacy_windows=False)
    clock = HandClock(START)
    with BarProgress(console, TOTALS, NONE, clock) as progress:
        write(progress, clock, "ann", 30, 0.25)
        progress.standing([], {"ann": 70, "bob": 0}, {"bob": "out after 18: ann is better"})
    drawn = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", out.getvalue()).replace("\r", "\n").splitlines()
    widths = [cell_len(line) for line in drawn if "━" in line]
    assert widths
    assert max(widths) <= width - len("^C^C")


def test_a_rough_time_is_no_finer_than_it_is_known() -> None:
    assert [roughly(s) for s in (0.2, 59, 61, 3_599, 3_700)] == ["5 s", "60 s", "1 min", "60 min", "1 h 0 min"]
