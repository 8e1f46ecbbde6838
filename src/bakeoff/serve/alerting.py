"""Which alerts fire: rules over a history of scrapes, and what there is to be told. Pure: scrapes in, notices out.

| a series of a rule | was       | becomes                                                     |
|--------------------|-----------|-------------------------------------------------------------|
| holds              | absent    | pending, or firing at once where `for_s` is 0               |
| holds              | pending   | firing when it has held for `for_s`: a notice               |
| holds              | firing    | stays; a notice again every `repeat_s`                      |
| does not           | pending   | absent: nobody is told                                      |
| does not           | firing    | absent: a notice that it is over                            |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bakeoff.serve.alert_expressions import Labels, Scrape, window_of
from bakeoff.serve.alert_rules import RULES, AlertRule, Severity, fill

REPEAT_S = 4 * 3600.0
"""How often an alert that goes on is told again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told: an alert that fires, or one that is over. Seconds are those of the scrapes' clock."""

    rule: str
    severity: Severity
    status: Literal["firing", "resolved"]
    labels: Labels
    summary: str
    advice: str
    since_s: float
    at_s: float


@dataclass(slots=True)
class _Held:
    since_s: float
    value: float
    told_s: float | None = None


class AlertBook:
    """The state of every rule and series. One scrape after the other goes in; what is to be told comes out."""

    def __init__(self, rules: Sequence[AlertRule] = RULES, repeat_s: float = REPEAT_S) -> None:
        self._rules = rules
        self._repeat_s = repeat_s
        self._span_s = max((window_of(rule.expression) for rule in rules), default=0)
        self._history: deque[Scrape] = deque()
        self._held: dict[tuple[str, Labels], _Held] = {}

    @property
    def firing(self) -> tuple[Notice, ...]:
        """What fires now."""
        rules = {rule.name: rule for rule in self._rules}
        return tuple(
            _notice(rules[name], labels, held, "firing", self._history[-1].at_s)
            for (name, labels), held in self._held.items()
            if held.told_s is not None
        )

    def take(self, scrape: Scrape) -> list[Notice]:
        """Evaluate every rule with one scrape more.

        Raises:
            ValueError: it is older than the last one.
        """
        if self._history and scrape.at_s < self._history[-1].at_s:
            raise ValueError("a scrape came that is older than the one before")
        self._history.append(scrape)
        while self._history[0].at_s < scrape.at_s - self._span_s:
            self._history.popleft()
        history = list(self._history)
        return [notice for rule in self._rules for notice in self._judge(rule, history)]

    def _judge(self, rule: AlertRule, history: Sequence[Scrape]) -> list[Notice]:
        now_s = history[-1].at_s
        found = rule.expression.evaluate(history)
        notices = []
        for labels, value in found.items():
            held = self._held.setdefault((rule.name, labels), _Held(now_s, value))
            held.value = value
            due = now_s - held.since_s >= rule.for_s if held.told_s is None else now_s - held.told_s >= self._repeat_s
            if due:
                held.told_s = now_s
                notices.append(_notice(rule, labels, held, "firing", now_s))
        for name, labels in [key for key in self._held if key[0] == rule.name and key[1] not in found]:
            over = self._held.pop((name, labels))
            if over.told_s is not None:
                notices.append(_notice(rule, labels, over, "resolved", now_s))
        return notices


def _notice(rule: AlertRule, labels: Labels, held: _Held, status: Literal["firing", "resolved"], at_s: float) -> Notice:
    return Notice(
        rule.name,
        rule.severity,
        status,
        labels,
        fill(rule.summary, dict(labels), held.value),
        fill(rule.advice, dict(labels), held.value),
        held.since_s,
        at_s,
    )
