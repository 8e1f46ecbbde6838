"""Scoring beside generating: a process of its own scores texts while endpoints write others.

A run that asks endpoints is one thread that waits for answers, and scoring would wait until the last one came. What the
process did not get to is scored here when nothing is left to write, and what goes wrong with it leaves its texts to the
end of the run: nothing depends on it. While a text is timed alone it has nothing to do.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, process_time
from typing import NamedTuple

from bakeoff.core.errors import StoreError
from bakeoff.core.programs import program_of
from bakeoff.core.records import Generation, Score
from bakeoff.machine.detect import allowed_cores
from bakeoff.score.brief import BriefChecks
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.scorers import scorers_for, scoring_version
from bakeoff.study.scoring_lines import Wanted

AT_LEAST = 500
"""Texts from which on a process costs less than it saves."""
_BATCH = 32
_UNDER_WAY = 2
"""Batches that it has at a time: one that it works on, and one that it finds when it is done."""
_HERE = 8
"""Texts that are scored here before what came from the process is looked at."""
_MOST_WAITING = 8 * 2**20
"""Characters of text: what a fast endpoint writes beyond them is scored at the end."""
_LONGEST_REST_S = 5.0
"""How long is waited for two batches, which take a tenth of a second where a core is free."""
_LONGEST_SCORE = 2**24
_LOOK_S = 0.25
"""How often is looked how busy this process is."""
_LITTLE, _WHOLLY = 0.25, 0.9
_PROGRAM = "bakeoff.study.scoring_program"


def is_worth_it(plan: Plan, unfinished: int) -> bool:
    """Whether a process saves time and disturbs nothing.

    Many texts are to be written, several at a time; a core is free; no model of ours is running; and the rules are the only scorer.
    """
    return (
        unfinished >= AT_LEAST
        and any(plan.concurrency_of(candidate.id) > 1 for candidate in plan.candidates)
        and allowed_cores() > 1
        and not any(candidate.model.is_ours_to_run for candidate in plan.candidates)
        and not scorers_for(plan)
    )


def leaves_room(busy: float) -> bool:
    """Whether another process may work, by the share of the time that this one has computed.

    Where it hardly does, the endpoint sets the pace, and where it always does, the pace is its own, and the endpoint is faster than
    can be asked. In between another process on the same core takes from the rate at which texts are asked for, which is told as
    the endpoint's: at 50 ms an answer and 32 in flight a tenth of it was lost (`benchmarks/harness.py`).
    """
    return busy < _LITTLE or busy > _WHOLLY


class _Text(NamedTuple):
    trial: str
    brief: str
    text: str
    finish_reason: str


class _Ended(Exception):
    """The process is gone, or says what no score is."""


class ScoringAhead:
    """The process, from outside. Made inside an event loop; the process starts when it may score for the first time.

    `logs` is the folder for what it complains of.
    """

    def __init__(self, plan: Plan, store: Store, logs: Path) -> None:
        self._plan = plan
        self._store = store
        self._logs = logs
        self._kept_as = scoring_version(plan)
        self._briefs = {brief.id: brief for brief in plan.suite.briefs}
        self._waiting: deque[_Text] = deque()
        self._waiting_size = 0
        self._under_way: deque[list[_Text]] = deque()
        self._held = True
        self._writing_is_over = False
        self._looked_s = (monotonic(), process_time())
        self._has_room = False
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._process: Process | None = None
        self._feeding: asyncio.Task[None] | None = None

    def take(self, generations: Iterable[Generation]) -> None:
        """Have these scored, which are stored. To the end are left failures, which cost nothing, and texts when too many wait."""
        if self._feeding is not None and self._feeding.done():
            return
        for made in generations:
            if made.text is not None and self._waiting_size < _MOST_WAITING:
                self._waiting.append(_Text(made.trial, made.brief, made.text, made.finish_reason))
                self._waiting_size += len(made.text)
        self._wanted.set()

    def go_on(self) -> None:
        """Let it score."""
        if self._held:
            self._looked_s, self._has_room = (monotonic(), process_time()), False
        self._held = False
        self._wanted.set()
        if self._feeding is None:
            self._idle.clear()  # it is not while it starts
            self._feeding = asyncio.create_task(self._feed())

    async def hold(self) -> None:
        """Let it score no more until it may go on; return when it does not. One that takes long for that is ended."""
        self._held = True
        await self._rest()

    async def finish(self) -> None:
        """Return when all that was taken is scored, here as well as there, or the process is gone.

        Raises:
            StoreError: the store refuses.
        """
        if self._feeding is None:
            return
        from bakeoff.score.composite import score_written  # loads what scores, when no request waits for that

        self.go_on()
        self._writing_is_over = True
        while self._waiting and not self._feeding.done():
            found = {}
            for _ in range(min(_HERE, len(self._waiting))):
                text = self._next(self._waiting.pop)
                score = score_written(
                    text.trial, text.text, text.finish_reason, self._checks(text), self._plan.suite.weights
                )
                found[text.trial] = score.model_dump_json()
            self._keep(found)
            await asyncio.sleep(0)
        await self._rest()
        self._writing_is_over = False

    async def close(self) -> None:
        """End the process, whatever it does."""
        if self._feeding is not None:
            self._feeding.cancel()
            (wrong,) = await asyncio.gather(self._feeding, return_exceptions=True)
            if isinstance(wrong, Exception):
                self._note(f"{type(wrong).__name__}: {wrong}")
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_LONGEST_REST_S):
                await self._idle.wait()
        except TimeoutError:
            self._note(f"ended: it was not done with what it had within {_LONGEST_REST_S:g} s")
            await self.close()

    def _note(self, what: str) -> None:
        with suppress(OSError), (self._logs / "scoring.log").open("a") as log:
            log.write(f"{what}\n")

    async def _feed(self) -> None:
        # A store that refuses tells so when the texts are scored at the end.
        with suppress(OSError, _Ended, StoreError):
            try:
                texts, scores = await self._start()
                texts.write(json.dumps(self._plan.suite.weights).encode() + b"\n")
                if await scores.readline() != b"\n":
                    raise _Ended
                while True:
                    while self._waiting and self._may_send() and len(self._under_way) < _UNDER_WAY:
                        await self._send(texts)
                    if self._under_way:
                        await self._receive(scores)
                    else:
                        self._idle.set()
                        self._wanted.clear()
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_LOOK_S if self._waiting else None):
                                await self._wanted.wait()
            finally:
                self._waiting.clear()
                self._idle.set()

    def _may_send(self) -> bool:
        passed_s = monotonic() - self._looked_s[0]
        if passed_s >= _LOOK_S:
            self._has_room = leaves_room((process_time() - self._looked_s[1]) / passed_s)
            self._looked_s = (monotonic(), process_time())
        return not self._held and (self._has_room or self._writing_is_over)

    async def _start(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        self._logs.mkdir(exist_ok=True)
        with (self._logs / "scoring.log").open("ab") as errors:
            # A session of its own: Ctrl-C is the run's to answer, and the end of its input is the program's.
            self._process = process = await asyncio.create_subprocess_exec(
                *program_of(_PROGRAM),
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                limit=_LONGEST_SCORE,
                start_new_session=True,
            )
        if process.stdin is None or process.stdout is None:
            raise _Ended
        return process.stdin, process.stdout

    async def _send(self, texts: asyncio.StreamWriter) -> None:
        batch = [self._next(self._waiting.popleft) for _ in range(min(_BATCH, len(self._waiting)))]
        self._under_way.append(batch)
        self._idle.clear()
        for text in batch:
            wanted = Wanted.model_construct(
                trial=text.trial, text=text.text, finish_reason=text.finish_reason, checks=self._checks(text)
            )
            texts.write(wanted.model_dump_json().encode() + b"\n")
        await texts.drain()

    async def _receive(self, scores: asyncio.StreamReader) -> None:
        found = {}
        for text in self._under_way[0]:
            line = await scores.readline()
            if not line.endswith(b"\n") or Score.model_validate_json(line).trial != text.trial:
                raise _Ended
            found[text.trial] = line.decode().rstrip()
        self._keep(found)
        self._under_way.popleft()

    def _next(self, pop: Callable[[], _Text]) -> _Text:
        text = pop()
        self._waiting_size -= len(text.text)
        return text

    def _checks(self, text: _Text) -> BriefChecks:
        return self._plan.suite.checks(self._briefs[text.brief])

    def _keep(self, scores: Mapping[str, str]) -> None:
        self._store.add_score_records(self._plan.run_id, self._kept_as, scores)
