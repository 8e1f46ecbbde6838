"""Scoring beside generating: a process of its own scores texts while others are still being written.

    python -m bakeoff.study.score_ahead        (started by a run; on stdin the store's URL, the run, then trial keys)

Scoring takes half a millisecond a text and one core, which a run that asks endpoints for thousands of texts has no use
for meanwhile. What the process did not get to, for whatever reason, is scored at the end of the run as ever: nothing
depends on it. It stores its scores when its input ends, so that it never makes a text wait for the database.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from bakeoff.core.records import Generation, Score
from bakeoff.score.composite import score_generation
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.scorers import scorers_for, scoring_version

AT_LEAST = 500
"""Texts from which on the start of a process costs less than it saves."""
_BATCH = 50
_NICENESS = 10


def is_worth_it(plan: Plan, unfinished: int) -> bool:
    """Whether scoring beside generating saves time and disturbs nothing: no model of ours runs, no scorer but the rules."""
    return (
        unfinished >= AT_LEAST
        and all(candidate.model.source == "endpoint" for candidate in plan.candidates)
        and not scorers_for(plan.suite)
    )


class ScoringAhead:
    """The process, from the outside."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, logs: Path) -> ScoringAhead:
        """Start the process; it gets ready while the run does. `logs` is the folder for what it may complain of."""
        program = (sys.executable, "-m", __name__)
        with _open_log(logs) as errors:
            # A session of its own: Ctrl-C is the run's to answer, and the end of its input is the process's.
            made = asyncio.create_subprocess_exec(
                *program, stdin=PIPE, stdout=DEVNULL, stderr=errors, start_new_session=True
            )
            return cls(await made)

    def begin(self, store: Store, run_id: str) -> None:
        """Say where the texts are."""
        self._tell(f"{store.url}\n{run_id}\n")

    def score(self, generations: Iterable[Generation]) -> None:
        """Have these, which are stored, scored."""
        self._tell("".join(f"{generation.trial}\n" for generation in generations))

    async def finish(self) -> None:
        """Wait until what was told is scored."""
        pipe = self._process.stdin
        if pipe is not None:
            pipe.close()
        await self._process.wait()

    async def stop(self) -> None:
        """End it, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        await self.finish()

    def _tell(self, lines: str) -> None:
        pipe = self._process.stdin
        if self._process.returncode is None and pipe is not None:
            pipe.write(lines.encode())


def _open_log(folder: Path) -> IO[bytes]:
    folder.mkdir(exist_ok=True)
    return (folder / "scoring.log").open("ab")


def main(lines: Iterator[str]) -> None:
    """Score what `lines` name: the store's URL, the run's id, then a trial key a line."""
    url, run_id = (next(lines, "").strip() for _ in range(2))
    if not run_id:
        return  # the run ended before its first text
    store = Store(url)
    try:
        row = store.run(run_id)
        if row is None:
            return
        plan = Plan.model_validate(row.plan)
        store.add_scores(run_id, scoring_version(plan.suite), list(_scores(store, plan, map(str.strip, lines))))
    finally:
        store.close()


def _scores(store: Store, plan: Plan, keys: Iterator[str]) -> Iterator[Score]:
    briefs = {brief.id: brief for brief in plan.briefs()}
    while batch := tuple(islice(keys, _BATCH)):
        for generation in store.generations(plan.run_id, trials=batch):
            yield score_generation(generation, plan.suite.checks(briefs[generation.brief]), plan.suite.weights)


if __name__ == "__main__":
    os.nice(_NICENESS)
    main(iter(sys.stdin.readline, ""))
