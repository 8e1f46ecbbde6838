"""A run as somebody sees it who looks on from another process: read from the store, which nothing of it is written to.

Progress is cheap: which trials are new, and their records. The standing is not: it scores what is new, and analyses and decides
over all that is there, so that who asks for it decides how often. Memory holds columns of numbers, and the newest texts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bakeoff.cli.progress import Tally
from bakeoff.core.plain import printable, printable_values
from bakeoff.core.records import Generation, Score
from bakeoff.decide.conclusion import Conclusion
from bakeoff.library.run_state import state_of
from bakeoff.measure.memory import moved_work
from bakeoff.report.moved import MEANING, marked, moved_lines
from bakeoff.report.names import short_names
from bakeoff.report.page.story import type_name
from bakeoff.report.page.visible import pieces_of
from bakeoff.store.db import Store
from bakeoff.study.conclude import conclude_scored
from bakeoff.study.plan import Plan, count_unfinished
from bakeoff.study.pulse import GONE
from bakeoff.study.racing import left_in_race
from bakeoff.study.scoring import Scored

NEWEST = 8
_AT_ONCE = 400
_EVENTS = 6
_LONGEST_NAME = 40


class _AtFinish:
    """The clock of a tally that is told of texts later than they came."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        """Return when the text came that is counted now."""
        return self.now_s

    def now(self) -> datetime:
        """Return the same as a date."""
        return datetime.fromtimestamp(self.now_s, UTC)

    async def sleep(self, seconds: float) -> None:
        """Refuse: nobody waits by this clock."""
        raise NotImplementedError(f"{seconds} s of no time")


class Watched:
    """One run, looked at again and again."""

    def __init__(self, plan: Plan, store: Store) -> None:
        """Begin to look at a stored run.

        Raises:
            StoreError: the store refuses.
            BakeoffError: a scorer that cannot be loaded.
        """
        self.plan = plan
        self._store = store
        self._clock = _AtFinish()
        self._tally = Tally(
            count_unfinished(plan, ()), dict.fromkeys((one.id for one in plan.candidates), 0), self._clock
        )
        self._short = short_names([one.id for one in plan.candidates], _LONGEST_NAME)
        self._names = self._short
        self._types = {brief.id: brief.content_type for brief in plan.suite.briefs}
        self._seen: set[str] = set()
        self._unscored: deque[str] = deque()
        self._newest: deque[Generation] = deque(maxlen=NEWEST)
        self._writer: str | None = None
        self._scored = Scored(plan, store, keep=False)
        self._grades: dict[str, Score] = {}

    def progress(self) -> dict[str, Any]:
        """Look for new texts; return how far every candidate is, and the newest texts.

        Raises:
            StoreError: the store refuses.
        """
        new = sorted(self._store.finished_trials(self.plan.run_id) - self._seen)
        for low in range(0, len(new), _AT_ONCE):
            self._count(self._store.generations_of(self.plan.run_id, new[low : low + _AT_ONCE]))
        self._seen.update(new)
        self._unscored.extend(new)
        self._know(self._scored.stored([generation.trial for generation in self._newest]))
        tally = self._tally
        moved = moved_work(self._store.loads(self.plan.run_id))
        self._names = {name: marked(name, moved, label) for name, label in self._short.items()}
        return {
            "state": state_of(self._store, self.plan.run_id),
            "suite": printable(self.plan.suite.name),
            "mode": self.plan.mode,
            "texts": sum(tally.done.values()),
            "total": sum(tally.total.values()),
            "left": tally.remaining(),
            "elapsed_s": self._store.elapsed_s(self.plan.run_id),
            "candidates": [
                {
                    "id": one.id,
                    "name": self._names[one.id],
                    "done": tally.done[one.id],
                    "total": tally.total[one.id],
                    "rate": tally.rate(one.id),
                    "left": tally.remaining([one.id]),
                    "trouble": tally.trouble([one.id]),
                    "out": None if one.id not in tally.out else printable(tally.out[one.id]),
                    "writes": one.id == self._writer and tally.left(one.id) > 0,
                }
                for one in self.plan.candidates
            ],
            "newest": [self._text(generation) for generation in reversed(self._newest)],
            "events": [
                *({"candidate": "", "message": f"{MEANING}: {line}"} for line in moved_lines(moved, self._names)),
                *(
                    {"candidate": self._names.get(event.candidate or "", ""), "message": printable(event.message)}
                    for event in self._store.events(self.plan.run_id)[-_EVENTS:]
                ),
            ],
        }

    def standing(self) -> dict[str, Any]:
        """Score some of what is new, and return what all of it says so far, as nobody should quote it.

        Raises:
            StoreError: the store refuses.
            BakeoffError: a scorer that fails.
        """
        some = [self._unscored.popleft() for _ in range(min(_AT_ONCE, len(self._unscored)))]
        self._know(self._scored.add(self._store.generations_of(self.plan.run_id, some)))
        if not len(self._scored):
            return {"scored": 0, "quality": [], "race": [], "says": ""}
        if self.plan.mode == "race":
            gone = {event.candidate for event in self._store.events(self.plan.run_id) if event.kind == GONE}
            race = left_in_race(self.plan, self._scored, {name for name in gone if name is not None})
            lines = race.lines
            self._tally.out.update(race.out)
            if not self._unscored:
                self._tally.expect(race.left)
        else:
            lines = []
        found = conclude_scored(self.plan, self._store, self._scored, complete=False)
        return {
            "scored": len(self._scored),
            "quality": self._quality(found),
            "race": printable_values(lines),
            "says": printable(found.decision.reasons[0]) if found.decision.reasons else "",
        }

    def _know(self, scores: Sequence[Score]) -> None:
        """Keep the scores of the newest texts."""
        newest = {generation.trial for generation in self._newest}
        found = {score.trial: score for score in scores}
        self._grades = {trial: score for trial, score in (self._grades | found).items() if trial in newest}

    def _count(self, generations: Sequence[Generation]) -> None:
        for generation in sorted(generations, key=lambda one: one.finished_unix_s or 0.0):
            if generation.candidate != self._writer:
                self._clock.now_s = self._clock.now_s or generation.finished_unix_s or 0.0
                self._tally.turn()
                self._writer = generation.candidate
            self._clock.now_s = max(self._clock.now_s, generation.finished_unix_s or 0.0)
            if generation.finished_unix_s is None:
                self._tally.count_timeless(generation)
            else:
                self._tally.count(generation)
            self._newest.append(generation)

    def _text(self, generation: Generation) -> dict[str, Any]:
        score = self._grades.get(generation.trial)
        error = None if generation.error is None else f"{generation.error_kind or 'failed'}: {generation.error}"
        return {
            "trial": generation.trial,
            "name": self._names.get(generation.candidate, generation.candidate),
            "brief": generation.brief,
            "type": type_name(self._types.get(generation.brief, "")),
            "score": None if score is None or generation.failed else round(score.value, 1),
            "gates": []
            if score is None or generation.failed
            else sorted({hit.gate.replace("_", " ") for hit in score.gates}),
            "failed": generation.failed,
            "text": pieces_of(generation.text if generation.text is not None else error or "no text"),
        }

    def _quality(self, found: Conclusion) -> list[dict[str, Any]]:
        results = [(one.id, found.analysis.overall.result(one.id)) for one in self.plan.candidates]
        return [
            {
                "name": self._names[name],
                "estimate": result.quality.estimate,
                "low": result.quality.low,
                "high": result.quality.high,
                "texts": result.generations,
            }
            for name, result in sorted(results, key=lambda one: -(one[1].quality.estimate or 0.0))
        ]
