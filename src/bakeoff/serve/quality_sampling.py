"""Grades a share of the answers after they were sent, one at a time, in a thread: no client waits for it.

Graded is what is like the run's own texts: the answer to a single user message, of a content type that is known, which ended by
itself or at the model's limit. What the client's own `max_tokens` cut off says nothing of the model. Where answers come faster
than they are graded, those beyond the backlog are left out, and counted. Where there is a judge, it is asked about the same
answers afterwards (`quality_judging`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bakeoff.decide.live_reference import LiveReference
from bakeoff.score.live import Graded, Measure, grade_answer
from bakeoff.score.norms import canonical_content_type
from bakeoff.serve.assembly import assemble
from bakeoff.serve.quality_judging import Judge, QualityJudging, ToJudge
from bakeoff.serve.quality_watch import QualityWatch, Stream
from bakeoff.serve.router import GENERAL, NAMED, Chosen, last_request
from bakeoff.serve.settings import QualitySettings
from bakeoff.serve.upstream import Asked, Exchange

log = logging.getLogger(__name__)

NO_RUN = "not watched: there is no run to hold answers against"
_WATCHED = ("model", "content_type", "measure")


class _Sample(NamedTuple):
    model: str
    content_type: str
    asked: Asked
    whole: bytes | None
    kept: list[bytes]


class _Answer(NamedTuple):
    request: str
    text: str
    graded: Graded


class QualitySampling(Collector):
    """Takes answers in, grades them, and has the watch hold them against the run's. Nothing is graded before `refer_to`."""

    def __init__(self, settings: QualitySettings) -> None:
        self._settings = settings
        self._watch = self._make_watch(())
        self._waiting: asyncio.Queue[_Sample] = asyncio.Queue(settings.backlog)
        self._task: asyncio.Task[None] | None = None
        self._graded: Counter[tuple[str, str]] = Counter()
        self._gates: tuple[str, ...] = ()
        self.note = NO_RUN
        self._left_out: Counter[str] = Counter(backlog=0, unlike=0, failed=0)
        self.judging = QualityJudging(settings.backlog, self._take_judged)

    def refer_to(self, references: Iterable[LiveReference], gates: Iterable[str] = ()) -> None:
        """Hold answers against these from now on; `gates` are all that there are, counted from 0. No judge is asked any more."""
        self.judging.end()
        self._watch = self._make_watch(references)
        self._gates = tuple(gates)
        if not self._watch.snapshot():
            self.note = "not watched: the run has too few briefs of each content type (5 families of them at least)"
        else:
            self.note = self._watching()

    def judge_by(self, judge: Judge, references: Sequence[LiveReference]) -> None:
        """Have a judge grade answers as well from now on, in the running event loop, held against these."""
        self._watch.also(references)
        streams = [(each.candidate, each.content_type) for each in references]
        self.judging.begin(judge, streams)

    def change(self, settings: QualitySettings) -> None:
        """Grade such a share from now on. Other alarm limits hold from the next `refer_to` on, and the backlog stays as long."""
        self._settings = settings
        self._watch.share = settings.share
        if self._watch.snapshot():
            self.note = self._watching()

    def _watching(self) -> str:
        share = self._settings.share
        return f"{share:.0%} of the answers are graded" if share else "not watched: quality.share is 0"

    def begin(self) -> None:
        """Grade from now on, in the running event loop."""
        self._task = asyncio.create_task(self._grade_for_ever())

    async def close(self) -> None:
        """Grade no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.judging.close()

    def wants(self, model: str, content_type: str | None) -> bool:
        """Decide by lot whether an answer is to be offered."""
        return content_type is not None and self._watch.wants(model, content_type)

    def offer(self, model: str, content_type: str | None, asked: Asked, answer: Exchange) -> None:
        """Take an answer that was sent; never waits."""
        if content_type is None:
            return
        try:
            self._waiting.put_nowait(_Sample(model, content_type, asked, answer.whole, answer.relay.kept))
        except asyncio.QueueFull:
            self._left_out["backlog"] += 1

    def acknowledge(self) -> list[dict[str, str]]:
        """Hold grades anew against the run where they have dropped; return where that was."""
        found = self._watch.acknowledge()
        for stream in found:
            log.warning("the drop of %s in %s (%s) was acknowledged, and is watched for anew", *stream)
        return [
            {"candidate": each.candidate, "content_type": each.content_type, "measure": each.measure} for each in found
        ]

    def snapshot(self) -> dict[str, Any]:
        """Return what is watched, as plain JSON values."""
        return {
            "note": self.note,
            "share": self._settings.share,
            "graded": self._graded.total(),
            "left_out": dict(self._left_out),
            "judge": self.judging.snapshot(),
            "streams": self._watch.snapshot(),
        }

    def _make_watch(self, references: Iterable[LiveReference]) -> QualityWatch:
        draw = random.Random().random  # noqa: S311 - no secret
        return QualityWatch(references, self._settings.share, draw, self._settings.expected_grades)

    async def _grade_for_ever(self) -> None:
        while True:
            sample = await self._waiting.get()
            try:
                answer = await asyncio.to_thread(_grade, sample, self._watch.languages(sample.content_type))
            except Exception:  # no narrower: no text, from wherever, may end all grading
                log.exception("an answer of %s could not be graded", sample.model)
                self._left_out["failed"] += 1
                continue
            if answer is None:
                self._left_out["unlike"] += 1
                continue
            self._graded[sample.model, sample.content_type] += 1
            self._take(sample.model, sample.content_type, answer.graded.grades, answer.graded.gates)
            if answer.text.strip() and self._watch.watches(Stream(sample.model, sample.content_type, "judge")):
                self.judging.offer(ToJudge(sample.model, sample.content_type, answer.request, answer.text))

    def _take_judged(self, model: str, content_type: str, grade: float) -> None:
        self._take(model, content_type, {"judge": grade})

    def _take(self, model: str, content_type: str, grades: Mapping[Measure, float], gates: Iterable[str] = ()) -> None:
        for drop in self._watch.take(model, content_type, grades, gates):
            log.warning(
                "%s writes worse %s texts than in the run: %s was %.2f, and is %.2f",
                drop.stream.candidate, drop.stream.content_type, drop.stream.measure, drop.reference.mean, drop.recent,
            )  # fmt: skip

    def describe(self) -> list[Metric]:
        """Name nothing before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is so at this moment."""
        streams = self._watch.snapshot()
        graded = CounterMetricFamily(
            "bakeoff_quality_graded", "Answers that were graded.", labels=("model", "content_type")
        )
        watched = dict.fromkeys((each["candidate"], each["content_type"]) for each in streams)
        for model, content_type in watched:
            graded.add_metric((model, content_type), self._graded[model, content_type])
        yield graded
        gated = CounterMetricFamily(
            "bakeoff_quality_gated", "Graded answers that a gate held back.", labels=("model", "content_type", "gate")
        )
        zeros = {(*of, gate): 0 for of in watched for gate in self._gates}
        for key, count in (zeros | self._watch.gates).items():
            gated.add_metric(key, count)
        yield gated
        left_out = CounterMetricFamily("bakeoff_quality_left_out", "Drawn answers not graded.", labels=("reason",))
        for reason, count in self._left_out.items():
            left_out.add_metric((reason,), count)
        yield left_out
        yield from self.judging.collect()
        for metric, text, field in (
            ("bakeoff_quality_dropped", "1 where grades have dropped below the run's.", "dropped"),
            ("bakeoff_quality_recent_mean", "Mean of the last 100 grades, 0 to 1.", "recent"),
            ("bakeoff_quality_reference_mean", "The run's mean of the same grade.", "reference"),
            ("bakeoff_quality_reference_low", "Its lower bound, which grades are held against.", "reference_low"),
        ):
            gauge = GaugeMetricFamily(metric, text, labels=_WATCHED)
            for each in streams:
                if each[field] is not None:
                    gauge.add_metric((each["candidate"], each["content_type"], each["measure"]), float(each[field]))
            yield gauge


def content_type_of(chosen: Chosen, body: Mapping[str, Any]) -> str | None:
    """Return the content type that a request is of: its route's, or what it says of itself; None where nobody knows."""
    if chosen.route not in {GENERAL, NAMED}:
        return chosen.route
    metadata = body.get("metadata")
    said = metadata.get("content_type") if isinstance(metadata, dict) else None
    return canonical_content_type(said) if isinstance(said, str) and said.strip() else None


def _grade(sample: _Sample, languages: Sequence[str]) -> _Answer | None:
    """Return an answer with its request and its grades; None for one that is not like the run's texts."""
    body = sample.asked.body
    messages = body.get("messages") or ()
    if sum(message.get("role") == "user" for message in messages) > 1 or body.get("tools"):
        return None
    whole = assemble(sample.kept, chat=sample.asked.chat) if sample.whole is None else json.loads(sample.whole)
    choice = whole["choices"][0]
    text = choice["message"].get("content") if sample.asked.chat else choice.get("text")
    reason = choice.get("finish_reason")
    own_limit = any(body.get(name) is not None for name in ("max_tokens", "max_completion_tokens"))
    if not isinstance(text, str) or reason not in {"stop", "length"} or (reason == "length" and own_limit):
        return None
    request = last_request(body)
    return _Answer(request, text, grade_answer(request, sample.content_type, text, reason, languages))
