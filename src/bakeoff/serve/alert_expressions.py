"""What an alert asks of metrics, in a form that is both written as PromQL and evaluated here, so that the two agree.

Four shapes are enough: a metric as it is now, its increase over a window, the ratio of two expressions, and a comparison.
Series are told apart by labels; expressions that `by` sums keep only the labels that it names.

Prometheus extrapolates an increase to the window's ends, this does not: counts can differ by a sample's worth, ratios of
increases over one window hardly do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, Protocol

Labels = tuple[tuple[str, str], ...]
"""Sorted pairs: what tells a series of one metric from another."""
Vector = dict[Labels, float]


@dataclass(frozen=True, slots=True)
class Scrape:
    """All samples of one moment: `values` by metric and labels, `at_s` on a clock that only goes forward."""

    at_s: float
    values: Mapping[str, Mapping[Labels, float]]


class Expression(Protocol):
    """Something that has a value for each series at the time of the newest scrape."""

    def promql(self) -> str:
        """Return it in Prometheus' language."""
        ...

    def evaluate(self, scrapes: Sequence[Scrape]) -> Vector:
        """Return its values; `scrapes` oldest first, the last one is now. Series without a value are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Now:
    """A metric as it is now, where its labels match; summed over all other labels if `by` says which are kept."""

    metric: str
    where: Mapping[str, str] = field(default_factory=dict)
    by: tuple[str, ...] | None = None

    def promql(self) -> str:
        """Return it in Prometheus' language."""
        return _summed(f"{self.metric}{_selector(self.where)}", self.by)

    def evaluate(self, scrapes: Sequence[Scrape]) -> Vector:
        """Return its values in the newest scrape."""
        return _sum_by(_matching(scrapes[-1].values.get(self.metric, {}), self.where), self.by)


@dataclass(frozen=True, slots=True)
class Increase:
    """By how much a counter rose within the last `window_s` seconds, restarts from zero allowed for."""

    metric: str
    window_s: int
    where: Mapping[str, str] = field(default_factory=dict)
    by: tuple[str, ...] | None = None

    def promql(self) -> str:
        """Return it in Prometheus' language."""
        return _summed(f"increase({self.metric}{_selector(self.where)}[{self.window_s}s])", self.by)

    def evaluate(self, scrapes: Sequence[Scrape]) -> Vector:
        """Return its values over the window that ends with the newest scrape."""
        start_s = scrapes[-1].at_s - self.window_s
        inside = [scrape.values.get(self.metric, {}) for scrape in scrapes if scrape.at_s >= start_s]
        rises: Vector = {}
        for before, after in pairwise(inside):
            for labels, value in _matching(after, self.where).items():
                # A series that was not there before began within the window, or at its first sample: unknown, so 0.
                last = before.get(labels)
                rise = 0.0 if last is None else value if value < last else value - last
                rises[labels] = rises.get(labels, 0.0) + rise
        return _sum_by(rises, self.by)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One expression over another, series by series, where both are there and the lower one is not 0."""

    above: Expression
    below: Expression

    def promql(self) -> str:
        """Return it in Prometheus' language."""
        return f"{self.above.promql()} / ({self.below.promql()} > 0)"

    def evaluate(self, scrapes: Sequence[Scrape]) -> Vector:
        """Return the quotients."""
        below = self.below.evaluate(scrapes)
        return {
            labels: value / below[labels]
            for labels, value in self.above.evaluate(scrapes).items()
            if below.get(labels, 0.0) > 0.0
        }


Operator = Literal[">", ">=", "<", "=="]
_HOLDS: dict[Operator, Callable[[float, float], bool]] = {
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "==": lambda value, bound: value == bound,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression beside a number: of its series, those for which it holds remain, with their values."""

    expression: Expression
    operator: Operator
    bound: float

    def promql(self) -> str:
        """Return it in Prometheus' language."""
        return f"{self.expression.promql()} {self.operator} {self.bound:g}"

    def evaluate(self, scrapes: Sequence[Scrape]) -> Vector:
        """Return the series for which it holds."""
        holds = _HOLDS[self.operator]
        found = self.expression.evaluate(scrapes)
        return {labels: value for labels, value in found.items() if holds(value, self.bound)}


@dataclass(frozen=True, slots=True)
class Both:
    """The first one's series, where the second one, over the same labels, has one too."""

    first: Expression
    second: Expression

    def promql(self) -> str:
        """Return it in Prometheus' language."""
        return f"({self.first.promql()}) and ({self.second.promql()})"

    def evaluate(self, scrapes: Sequence[Scrape]) -> Vector:
        """Return the first one's values."""
        second = self.second.evaluate(scrapes)
        return {labels: value for labels, value in self.first.evaluate(scrapes).items() if labels in second}


def window_of(expression: Expression) -> int:
    """Return how many seconds of the past an expression looks at."""
    match expression:
        case Increase():
            return expression.window_s
        case Ratio():
            return max(window_of(expression.above), window_of(expression.below))
        case Condition():
            return window_of(expression.expression)
        case Both():
            return max(window_of(expression.first), window_of(expression.second))
        case _:
            return 0


def metrics_in(expression: Expression) -> frozenset[str]:
    """Return the names of all metrics that an expression looks at."""
    match expression:
        case Now() | Increase():
            return frozenset((expression.metric,))
        case Ratio():
            return metrics_in(expression.above) | metrics_in(expression.below)
        case Condition():
            return metrics_in(expression.expression)
        case Both():
            return metrics_in(expression.first) | metrics_in(expression.second)
        case _:
            return frozenset()


def _selector(where: Mapping[str, str]) -> str:
    """Return `{label="value"}`; `!value` is one that the label must not have, `one|other` several that it may."""
    return "{" + ",".join(_match(name, value) for name, value in where.items()) + "}" if where else ""


def _match(name: str, value: str) -> str:
    if value.startswith("!"):
        return f'{name}!="{value[1:]}"'
    return f'{name}=~"{value}"' if "|" in value else f'{name}="{value}"'


def _matching(series: Mapping[Labels, float], where: Mapping[str, str]) -> Vector:
    if not where:
        return dict(series)
    return {labels: value for labels, value in series.items() if _matches(dict(labels), where)}


def _matches(labels: Mapping[str, str], where: Mapping[str, str]) -> bool:
    for name, wanted in where.items():
        has = labels.get(name, "")
        if has == wanted[1:] if wanted.startswith("!") else has not in wanted.split("|"):
            return False
    return True


def _summed(promql: str, by: tuple[str, ...] | None) -> str:
    if by is None:
        return promql
    return f"sum by ({', '.join(by)}) ({promql})" if by else f"sum({promql})"


def _sum_by(series: Vector, by: tuple[str, ...] | None) -> Vector:
    if by is None:
        return series
    sums: Vector = {}
    for labels, value in series.items():
        kept = tuple(pair for pair in labels if pair[0] in by)
        sums[kept] = sums.get(kept, 0.0) + value
    return sums
