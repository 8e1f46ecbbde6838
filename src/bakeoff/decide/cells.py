"""A candidate's texts for one brief as one number: what races and paired comparisons are fed with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.generations import Generations
from bakeoff.decide.contest import Cell, Cells
from bakeoff.decide.table import FLOOR
from bakeoff.measure.selecting import failed, scored


def cells_of(generations: Mapping[str, Generations], replicates: int) -> Cells:
    """Return the whole cells of what is stored: all replicates there, and scored where there is a text."""
    return _WholeCells(generations, replicates)


class _WholeCells(Mapping[tuple[str, str], Cell]):
    """Cells by candidate and brief, made when they are looked at: a run has as many as texts."""

    def __init__(self, generations: Mapping[str, Generations], replicates: int) -> None:
        self._columns = {name: _Columns(made, replicates) for name, made in generations.items()}

    def __getitem__(self, key: tuple[str, str]) -> Cell:
        candidate, brief = key
        return self._columns[candidate].cell(brief)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, brief) for name, columns in self._columns.items() for brief in columns.whole_briefs())

    def __len__(self) -> int:
        return sum(int(columns.whole.sum()) for columns in self._columns.values())


class _Columns:
    """One candidate's cells; shapes (n_briefs,), by the briefs' numbers."""

    def __init__(self, made: Generations, replicates: int) -> None:
        self._briefs = made.briefs
        never_came = failed(made)
        counts = never_came | scored(made)
        brief = np.asarray(made.brief)[counts]
        values = np.where(never_came, FLOOR, np.asarray(made.score))[counts]
        self.whole: NDArray[np.bool_] = np.bincount(brief, minlength=len(made.briefs)) == replicates
        self._quality = np.bincount(brief, values, len(made.briefs)) / replicates
        self._failed = np.bincount(brief[never_came[counts]], minlength=len(made.briefs)) > 0

    def whole_briefs(self) -> Iterator[str]:
        """Yield the briefs of whole cells."""
        return (brief for brief, number in self._briefs.items() if number < self.whole.size and self.whole[number])

    def cell(self, brief: str) -> Cell:
        """Return one cell.

        Raises:
            KeyError: it is not whole.
        """
        number = self._briefs.get(brief, self.whole.size)
        if number >= self.whole.size or not self.whole[number]:
            raise KeyError(brief)
        return Cell(float(self._quality[number]), bool(self._failed[number]))
