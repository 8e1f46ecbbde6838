"""Scoring beside generating: a process of its own scores texts while endpoints write others.

A run that asks endpoints is one thread that waits for answers, and scoring would wait until the last one came. What the
process did not get to is scored here when nothing is left to write, and what goes wrong with it leaves its texts to the
end of the run: nothing depends on it. While a text is timed alone it has nothing to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bakeoff.core.errors import StoreError
from bakeoff.core.records import Generation
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.scorers import scorers_for, scoring_version

AT_LEAST = 500
"""Texts from which on a process costs less than it saves."""
_BATCH = 32
_UNDER_WAY = 2
"""Batches that it has at a time: one that it works on, and one that it finds when it is done."""
_HERE = 8
"""Texts that are scored here before what came from the process is looked at."""
_LONGEST_SCORE = 2**24
_PROGRAM = "bakeoff.study.scoring_program"


def is_worth_it(plan: Plan, unfinished: int) -> bool:
    """Whether a process saves time and disturbs nothing: no model of ours is running, and the rules are the only scorer."""
    return (
        unfinished >= AT_LEAST
        and (os.cpu_count() or 1) > 1
        and not any(candidate.model.is_ours_to_run for candidate in plan.candidates)
        and not scorers_for(plan)
    )


class _Text(NamedTuple):
    trial: str
    line: str


class _Ended(Exception):
    """The process is gone."""


class ScoringAhead:
    """The process, from outside. Made inside an event loop; the process starts with the first texts that it may score.

    `logs` is the folder for what the process complains of.
    """

    def __init__(self, plan: Plan, store: Store, logs: Path) -> None:
        self._plan = plan
        self._store = store
        self._logs = logs
        self._kept_as = scoring_version(plan)
        self._briefs = {brief.id: brief for brief in plan.suite.briefs}
        self._waiting: deque[_Text] = deque()
        self._under_way: deque[list[_Text]] = deque()
        self._held = True
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._process: Process | None = None
        self._feeding: asyncio.Task[None] | None = None

    def take(self, generations: Iterable[Generation]) -> None:
        """Have these scored, which are stored. Failures are left to the end: they cost nothing."""
        if self._feeding is not None and self._feeding.done():
            return
        from bakeoff.study.scoring_program import Wanted  # loads what scores: not before the first request

        for made in generations:
            if made.text is not None:
                checks = self._plan.suite.checks(self._briefs[made.brief])
                wanted = Wanted.model_construct(
                    trial=made.trial, text=made.text, finish_reason=made.finish_reason, checks=checks
                )
                self._waiting.append(_Text(made.trial, wanted.model_dump_json()))
        self._wanted.set()

    def go_on(self) -> None:
        """Let it score."""
        self._held = False
        self._wanted.set()
        if self._feeding is None:
            self._feeding = asyncio.create_task(self._feed())

    async def hold(self) -> None:
        """Let it score no more until it may go on; return when it does not."""
        self._held = True
        await self._idle.wait()

    async def finish(self) -> None:
        """Return when all that was taken is scored, here as well as there, or the process is gone."""
        if self._feeding is None:
            return
        from bakeoff.study.scoring_program import scored

        self.go_on()
        while self._waiting and not self._feeding.done():
            some = [self._waiting.pop() for _ in range(min(_HERE, len(self._waiting)))]
            self._keep({text.trial: scored(text.line, self._plan.suite.weights) for text in some})
            await asyncio.sleep(0)
        await self._idle.wait()

    async def close(self) -> None:
        """End the process, whatever it does."""
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait([self._feeding])
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _feed(self) -> None:
        with suppress(
            OSError, _Ended, StoreError
        ):  # a store that refuses tells so when the texts are scored at the end
            try:
                texts, scores = await self._start()
                texts.write(json.dumps(self._plan.suite.weights).encode() + b"\n")
                while True:
                    while self._waiting and not self._held and len(self._under_way) < _UNDER_WAY:
                        await self._send(texts)
                    if self._under_way:
                        await self._receive(scores)
                    else:
                        self._idle.set()
                        self._wanted.clear()
                        await self._wanted.wait()
            finally:
                self._waiting.clear()
                self._idle.set()

    async def _start(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        self._logs.mkdir(exist_ok=True)
        with (self._logs / "scoring.log").open("ab") as errors:
            program = (sys.executable, "-m", _PROGRAM)
            self._process = process = await asyncio.create_subprocess_exec(
                *program, stdin=PIPE, stdout=PIPE, stderr=errors, limit=_LONGEST_SCORE
            )
        if process.stdin is None or process.stdout is None:
            raise _Ended
        return process.stdin, process.stdout

    async def _send(self, texts: asyncio.StreamWriter) -> None:
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        self._under_way.append(batch)
        self._idle.clear()
        texts.write("".join(f"{text.line}\n" for text in batch).encode())
        await texts.drain()

    async def _receive(self, scores: asyncio.StreamReader) -> None:
        found = {}
        for text in self._under_way[0]:
            line = await scores.readline()
            if not line:
                raise _Ended
            found[text.trial] = line.decode().rstrip()
        self._keep(found)
        self._under_way.popleft()

    def _keep(self, scores: Mapping[str, str]) -> None:
        self._store.add_score_records(self._plan.run_id, self._kept_as, scores)
