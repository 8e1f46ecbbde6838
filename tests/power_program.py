"""A program that prints its power, as macmon does, line by line as a test says: nothing waits for a time to pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bakeoff.measure.energy_counters import PowerPipe
from waiting import wait_until


class PowerProgram:
    """`meter` reads what `tell` has the program print."""

    def __init__(self, pipe: Path) -> None:
        os.mkfifo(pipe)
        self.meter = PowerPipe(("cat", str(pipe)))
        self._lines = pipe.open("w", encoding="utf-8")

    def tell(self, *lines: str) -> None:
        """Print the lines, the last of which is a sample, and return once a sample was read."""
        before_s = self._read_at_s()
        for line in lines:
            print(line, file=self._lines, flush=True)
        wait_until(lambda: self._read_at_s() > before_s, "a sample is read")

    def _read_at_s(self) -> float:
        try:
            return self.meter.read().at_s
        except OSError:
            return float("-inf")

    def close(self) -> None:
        self.meter.close()
        self._lines.close()


@contextmanager
def power_program(folder: Path) -> Iterator[PowerProgram]:
    """Start one; its pipe is made in `folder`."""
    program = PowerProgram(folder / "power")
    try:
        yield program
    finally:
        program.close()
