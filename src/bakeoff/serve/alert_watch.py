"""Looks at the gateway's own numbers every few seconds, by the same rules that Prometheus gets, and tells whom it should.

Who cannot be told harms nobody: notices wait in a line of their own, one message at a time, and the oldest go first when it is
full. What fires is shown at `/alerts` whether or not anybody is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from bakeoff.core.clock import Clock
from bakeoff.serve.alert_expressions import Labels, Scrape, metrics_in
from bakeoff.serve.alert_rules import RULES, AlertRule
from bakeoff.serve.alert_targets import Target, tell_all, write_message
from bakeoff.serve.alerting import AlertBook, Notice

log = logging.getLogger(__name__)

MOST_WAITING = 100
RECENT = 50
LAST_WORDS_S = 3.0
"""How long the end of the gateway waits for those who are being told."""


class AlertWatch:
    """The evaluator of one gateway."""

    def __init__(
        self,
        registry: CollectorRegistry,
        targets: Sequence[Target],
        every_s: float,
        clock: Clock,
        rules: Sequence[AlertRule] = RULES,
    ) -> None:
        self._registry = registry
        self._targets = targets
        self._every_s = every_s
        self._clock = clock
        self._rules = rules
        self._wanted = frozenset[str]().union(*(metrics_in(rule.expression) for rule in rules))
        self._book = AlertBook(rules)
        self._recent: deque[Notice] = deque(maxlen=RECENT)
        self._untold: deque[list[Notice]] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()
        self._told = asyncio.Event()
        self._told.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._labels: dict[Labels, Labels] = {}
        self._last: dict[str, Mapping[Labels, float]] = {}
        self._where = ""

    @property
    def firing(self) -> tuple[Notice, ...]:
        """What fires now."""
        return self._book.firing

    def change(self, targets: Sequence[Target], every_s: float) -> None:
        """Tell these from now on, and look so often from the next look on."""
        self._targets = targets
        self._every_s = every_s

    def begin(self, where: str) -> None:
        """Look from now on, in the running event loop; `where` is the gateway's URL."""
        self._where = where
        self._tasks = [asyncio.create_task(self._look_for_ever()), asyncio.create_task(self._tell_for_ever())]

    async def close(self) -> None:
        """Look no more; who is being told is waited for a little."""
        if not self._tasks:
            return
        looking, telling = self._tasks
        looking.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), LAST_WORDS_S)
        telling.cancel()
        await asyncio.gather(looking, telling, return_exceptions=True)

    def look(self) -> list[Notice]:
        """Evaluate every rule once; return what is new."""
        notices = self._book.take(self._scrape())
        for notice in notices:
            level = logging.WARNING if notice.status == "firing" else logging.INFO
            log.log(level, "%s %s: %s", notice.status, notice.rule, notice.summary)
        self._recent.extend(notices)
        if notices and self._targets:
            if len(self._untold) == MOST_WAITING:
                log.warning("more alerts than can be told: the oldest is dropped")
            self._untold.append(notices)
            self._told.clear()
            self._news.set()
        return notices

    def snapshot(self) -> dict[str, Any]:
        """Return what fires, what was told last, and by which rules, as plain JSON values."""
        return {
            "schema": "bakeoff.alerts/1",
            "every_s": self._every_s,
            "told_to": [str(target) for target in self._targets],
            "firing": [self._shown(notice) for notice in self.firing],
            "recent": [self._shown(notice) for notice in reversed(self._recent)],
            "rules": [
                {"alert": rule.name, "severity": rule.severity, "for_s": rule.for_s, "expr": rule.expression.promql()}
                for rule in self._rules
            ],
        }

    async def _look_for_ever(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # a rule that fails once must not end the watch, nor anything else
                log.exception("the alert rules could not be evaluated")
            await asyncio.sleep(self._every_s)

    async def _tell_for_ever(self) -> None:
        while True:
            await self._news.wait()
            while self._untold:
                message = write_message(self._untold.popleft(), self._date_of, self._where)
                await tell_all(self._targets, message)
            self._news.clear()
            self._told.set()

    def _scrape(self) -> Scrape:
        found: dict[str, dict[Labels, float]] = {}
        for family in self._registry.collect():
            for sample in family.samples:
                if sample.name in self._wanted:
                    labels = tuple(sorted(sample.labels.items()))
                    found.setdefault(sample.name, {})[self._labels.setdefault(labels, labels)] = float(sample.value)
        # Half an hour of these is kept, in a gateway that is to stay small: what has not changed is kept once.
        self._last = {name: self._last[name] if self._last.get(name) == now else now for name, now in found.items()}
        return Scrape(self._clock.monotonic_s(), self._last)

    def _date_of(self, at_s: float) -> datetime:
        return self._clock.now() - timedelta(seconds=self._clock.monotonic_s() - at_s)

    def _shown(self, notice: Notice) -> dict[str, Any]:
        return {
            "alert": notice.rule,
            "severity": notice.severity,
            "status": notice.status,
            "labels": dict(notice.labels),
            "summary": notice.summary,
            "advice": notice.advice,
            "since": self._date_of(notice.since_s).isoformat(),
        }
