"""How sure a cost is: families of briefs are drawn again, and every assumption from its range, both at once.

Texts of one family are alike, so families are what is resampled, the same ones for tokens and time (a cluster bootstrap). A
bootstrap of few families is too narrow: with 5 a percentile interval of 90 % holds in 70 %. So what a draw deviates by is
stretched by sqrt(n / chi2(n - 1)), which gives means the tails of Student's t and the spread of n - 1 degrees of freedom, as a
factor, since times are skewed and never negative. Acceptance comes from Beta(k + 1/2, n - k + 1/2) (Jeffreys), k of n families
usable: where all were, that it may be less. Under 5 families there is no interval. What was assumed is drawn from the triangle
over its range with its value as the mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, isinf
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from bakeoff.core.records import Estimate
from bakeoff.core.spec import Record
from bakeoff.cost.arithmetic import DAYS_PER_YEAR, Values, break_even_per_day, cloud_cost, local_cost
from bakeoff.cost.assumptions import Assumption

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.9
DRAWS = 1000
FEWEST_FAMILIES = 5
_LEAST_TEXTS = 0.5
"""Usable texts in a draw that has none: fewer than one, and more than nothing."""


class Sample(Record):
    """What was measured, family by family: means over a family's texts. Seconds, tokens, a share.

    `energy_j` is None where it was not measured. `texts` is how many texts each family has.
    """

    busy_s: tuple[float, ...]
    prompt_tokens: tuple[float, ...]
    completion_tokens: tuple[float, ...]
    accepted: tuple[float, ...]
    texts: tuple[int, ...]


class TokenPrices(Record):
    """Price of one token, in and out."""

    prompt: float
    completion: float


class BreakEven(Record):
    """Between which volumes a day the break-even lies, and in which share of the draws each piece loses money ("never")."""

    low: float | Literal["never"]
    high: float | Literal["never"]
    never_share: float
    level: float = LEVEL


class Spread(NamedTuple):
    """Intervals of one piece's cost here and there, of what it saves, and of the break-even (None without the machine's price)."""

    local: Estimate
    cloud: Estimate
    saving: Estimate
    annual_saving: Estimate
    break_even: BreakEven | None


def means_of(sample: Sample, prices: TokenPrices, values: Values) -> Values:
    """Return `values` with what the sample tells put in. Where no text was usable, half a text is taken to have been."""
    return replace(values, **_means(_table(sample), prices))


def _table(sample: Sample) -> NDArray[np.float64]:
    """Return what is averaged, a row each, times the weight of each family, and these weights as the last row: `(5, families)`."""
    weights = np.asarray(sample.texts, dtype=float)
    columns = np.asarray((sample.busy_s, sample.prompt_tokens, sample.completion_tokens, sample.accepted), dtype=float)
    return np.vstack([columns * weights, weights])


def _means(table: NDArray[np.float64], prices: TokenPrices) -> dict[str, float]:
    """Return the fields of `Values` that a sample tells."""
    sums = table.sum(axis=1)
    busy, prompt, completion, accepted = (float(mean) for mean in sums[:-1] / sums[-1])
    cloud_text = prompt * prices.prompt + completion * prices.completion
    return {"busy_s": busy, "cloud_text": cloud_text, "accepted": max(_LEAST_TEXTS / float(sums[-1]), accepted)}


def _draw_means(
    generator: np.random.Generator, table: NDArray[np.float64], prices: TokenPrices
) -> dict[str, NDArray[np.float64]]:
    """Draw the fields of `Values` that a sample tells, shape (DRAWS,) each."""
    families, sums = len(table[0]), table.sum(axis=1)
    again = generator.multinomial(families, np.full(families, 1.0 / families), DRAWS) @ table.T
    stretch = np.sqrt(families / generator.chisquare(families - 1, DRAWS))
    means = sums[:3] / sums[-1]
    ratio = again[:, :3] / again[:, -1:] / np.where(means == 0, 1.0, means)
    busy, prompt, completion = (means * ratio ** stretch[:, None]).T
    alike = float(sums[-1] ** 2 / (table[-1] ** 2).sum())  # families of unlike size count as so many of one size (Kish)
    usable = alike * float(sums[3] / sums[-1])
    accepted = generator.beta(usable + 0.5, alike - usable + 0.5, DRAWS)
    return {
        "busy_s": busy,
        "cloud_text": prompt * prices.prompt + completion * prices.completion,
        "accepted": np.maximum(_LEAST_TEXTS / float(sums[-1]), accepted),
    }


def spread(
    values: Values,
    assumptions: Sequence[Assumption],
    sample: Sample | None,
    prices: TokenPrices | None,
    *,
    fixed: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Spread:
    """Return 90 % intervals around `values`; `fixed` are fields that somebody stated in place of what the sample tells."""
    families = 0 if sample is None else len(sample.texts)
    here, there = local_cost(values).total, cloud_cost(values)
    a_year = None if values.pieces_per_day is None else values.pieces_per_day * DAYS_PER_YEAR
    if sample is not None and families < FEWEST_FAMILIES:
        yearly = None if a_year is None else (there - here) * a_year
        local, cloud, saving, a_year_saves = (
            _unknown(centre, families) for centre in (here, there, there - here, yearly)
        )
        return Spread(local, cloud, saving, a_year_saves, None)
    drawn = np.empty((DRAWS, 4))
    for row, told in enumerate(_draws(values, assumptions, sample, prices, fixed or {}, seed)):
        each, its_cloud = local_cost(told).total, cloud_cost(told)
        even = break_even_per_day(told)
        drawn[row] = each, its_cloud, its_cloud - each, even if isinstance(even, float) else inf
    local, cloud, saving = (
        _estimate(centre, column, families)
        for centre, column in zip((here, there, there - here), drawn.T[:3], strict=True)
    )
    a_year_saves = (
        _unknown(None, families)
        if a_year is None
        else _estimate((there - here) * a_year, drawn[:, 2] * a_year, families)
    )
    priced = values.hardware_price is not None
    return Spread(local, cloud, saving, a_year_saves, _break_even(drawn[:, 3]) if priced else None)


def _draws(
    values: Values,
    assumptions: Sequence[Assumption],
    sample: Sample | None,
    prices: TokenPrices | None,
    fixed: Mapping[str, float],
    seed: int,
) -> Iterator[Values]:
    generator = np.random.default_rng(seed)
    drawn: dict[str, NDArray[np.float64]] = {}
    if sample is not None and prices is not None:
        drawn = {
            name: column for name, column in _draw_means(generator, _table(sample), prices).items() if name not in fixed
        }
    for each in assumptions:
        if each.low < each.high:
            drawn[each.name] = generator.triangular(each.low, each.value, each.high, DRAWS)
    for row in range(DRAWS):
        changes: dict[str, float] = {**fixed, **{name: float(column[row]) for name, column in drawn.items()}}
        yield replace(values, **changes)


def _break_even(drawn: NDArray[np.float64]) -> BreakEven | None:
    """Return the range of break-evens, of which inf is never; None where no draw differs."""
    if drawn.min() == drawn.max():
        return None
    low = float(np.quantile(drawn, (1 - LEVEL) / 2, method="lower"))
    high = float(np.quantile(drawn, (1 + LEVEL) / 2, method="higher"))
    return BreakEven(
        low="never" if isinf(low) else low,
        high="never" if isinf(high) else high,
        never_share=float(np.isinf(drawn).mean()),
    )


def _estimate(centre: float, drawn: NDArray[np.float64], families: int) -> Estimate:
    if drawn.min() == drawn.max():  # every number was stated, and nobody doubted any
        return Estimate(
            estimate=centre, low=None, high=None, level=LEVEL, method="no range was stated", briefs=families
        )
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(
        estimate=centre,
        low=min(centre, float(low)),
        high=max(centre, float(high)),
        level=LEVEL,
        method=_METHOD,
        briefs=families,
    )


def _unknown(centre: float | None, families: int) -> Estimate:
    """Return an estimate without an interval."""
    method = f"under {FEWEST_FAMILIES} families of briefs" if centre is not None else _METHOD
    return Estimate(estimate=centre, low=None, high=None, level=LEVEL, method=method, briefs=families)


_METHOD = "bootstrap over families, with t's tails; Beta for shares; triangular assumptions"
