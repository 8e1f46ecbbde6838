"""Asks a judge about answers that were sent and graded, one question at a time: no client waits for it, nor do the other grades.

A judge that does not answer is told, and nothing more: an answer without a grade says nothing of who wrote it. It is asked again
after a while, which grows. Answers beyond the backlog are left out, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bakeoff.core.errors import BakeoffError, EndpointError

log = logging.getLogger(__name__)

NO_JUDGE = "no judge is asked"
MOST_CHARACTERS = 40_000
"""Of request and answer together: longer ones are none that a run's briefs are like."""
_LONGEST_PAUSE_S = 60.0


class Judge(Protocol):
    """Who is asked for a grade."""

    async def open(self) -> None:
        """Make ready; does nothing when ready already.

        Raises:
            BakeoffError: it cannot be.
        """
        ...

    async def grade(self, request: str, content_type: str, text: str) -> float | None:
        """Return a grade in [0, 1]; None where the answer was none.

        Raises:
            BakeoffError: it does not answer.
        """
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class ToJudge(NamedTuple):
    """One answer."""

    model: str
    content_type: str
    request: str
    text: str


class QualityJudging:
    """Takes answers in, asks the judge, hands its grades on to `take` (model, content type, grade)."""

    def __init__(self, backlog: int, take: Callable[[str, str, float], None]) -> None:
        self._backlog = backlog
        self._take = take
        self._waiting: asyncio.Queue[ToJudge] = asyncio.Queue(backlog)
        self._tasks: set[asyncio.Task[None]] = set()
        self._graded: Counter[tuple[str, str]] = Counter()
        self._left_out: Counter[str] = Counter(backlog=0, failed=0, no_grade=0, too_long=0)
        self._streams: Sequence[tuple[str, str]] = ()
        self._in_vain = 0
        self.note = NO_JUDGE

    def begin(self, judge: Judge, streams: Sequence[tuple[str, str]]) -> None:
        """Ask this judge from now on, in the running event loop; `streams` are the models and content types that it grades."""
        self.end()
        self._streams = tuple(streams)
        self._waiting = asyncio.Queue(self._backlog)
        self.note = "the judge grades answers"
        task = asyncio.create_task(self._judge_for_ever(judge, self._waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """Ask nobody any more; what waits is dropped."""
        for task in self._tasks:
            task.cancel()
        self._streams, self._in_vain, self.note = (), 0, NO_JUDGE

    async def close(self) -> None:
        """As `end`; return once everything is given back."""
        tasks = list(self._tasks)
        self.end()
        await asyncio.gather(*tasks, return_exceptions=True)

    def offer(self, answer: ToJudge) -> None:
        """Take an answer; never waits."""
        if len(answer.request) + len(answer.text) > MOST_CHARACTERS:
            self._left_out["too_long"] += 1
            return
        try:
            self._waiting.put_nowait(answer)
        except asyncio.QueueFull:
            self._left_out["backlog"] += 1

    async def _judge_for_ever(self, judge: Judge, waiting: asyncio.Queue[ToJudge]) -> None:
        try:
            while True:
                answer = await waiting.get()
                try:
                    await judge.open()
                    grade = await judge.grade(answer.request, answer.content_type, answer.text)
                except BakeoffError as error:
                    self._failed(error.kind if isinstance(error, EndpointError) else "not ready", error.message)
                    await asyncio.sleep(min(_LONGEST_PAUSE_S, 2.0 ** min(self._in_vain - 1, 10)))
                    continue
                except Exception:  # no narrower: an odd text may break the rules that make the question, not the watch
                    log.exception("the judge could not be asked about an answer of %s", answer.model)
                    self._left_out["failed"] += 1
                    continue
                if self._in_vain:
                    log.warning("the judge answers again")
                self._in_vain, self.note = 0, "the judge grades answers"
                if grade is None:
                    self._left_out["no_grade"] += 1
                    continue
                self._graded[answer.model, answer.content_type] += 1
                self._take(answer.model, answer.content_type, grade)
        finally:
            await judge.close()

    def _failed(self, kind: str, why: str) -> None:
        self._in_vain += 1
        self._left_out["failed"] += 1
        self.note = f"the judge does not answer ({kind}); the last {self._in_vain} questions came to nothing"
        if self._in_vain == 1:
            log.warning("the judge of answers does not answer: %s", why)

    def snapshot(self) -> dict[str, Any]:
        """Return what is so, as plain JSON values. It names no address: clients may see it."""
        return {
            "note": self.note,
            "failing": self._in_vain > 0,
            "graded": self._graded.total(),
            "left_out": dict(self._left_out),
        }

    def collect(self) -> Iterator[Metric]:
        """Yield what is so at this moment."""
        judged = CounterMetricFamily(
            "bakeoff_quality_judged", "Answers that the judge graded.", labels=("model", "content_type")
        )
        for stream in dict.fromkeys((*self._streams, *self._graded)):
            judged.add_metric(stream, self._graded[stream])
        yield judged
        left_out = CounterMetricFamily(
            "bakeoff_quality_judge_left_out", "Graded answers that the judge gave no grade.", labels=("reason",)
        )
        for reason, count in self._left_out.items():
            left_out.add_metric((reason,), count)
        yield left_out
        yield GaugeMetricFamily(
            "bakeoff_quality_judge_failing", "1 while the judge does not answer.", float(self._in_vain > 0)
        )
