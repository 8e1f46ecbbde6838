"""How sure a cost is: families of briefs are drawn again, and every assumption from its range, both at once.

Texts of one family are alike, so families are what is resampled, the same ones for tokens, time and acceptance (a cluster
bootstrap). What was assumed is drawn from the triangle over its range with its value as the mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bakeoff.core.records import Estimate
from bakeoff.core.spec import Record
from bakeoff.cost.arithmetic import Values, cloud_cost, local_cost
from bakeoff.cost.assumptions import Assumption

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.9
DRAWS = 1000
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


class Spread(NamedTuple):
    """Intervals of one piece's cost here and there, and of what it saves."""

    local: Estimate
    cloud: Estimate
    saving: Estimate
    annual_saving: Estimate


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
    generator = np.random.default_rng(seed)
    drawn = np.empty((DRAWS, 3))
    table = None if sample is None else _table(sample)
    for row in range(DRAWS):
        changes: dict[str, float] = {}
        if table is not None and prices is not None:
            chosen = generator.integers(0, len(table[0]), len(table[0]))
            changes = {**_means(table[:, chosen], prices), **(fixed or {})}
        changes |= {each.name: _draw(generator, each) for each in assumptions if each.low < each.high}
        told = replace(values, **changes)
        here, there = local_cost(told).total, cloud_cost(told)
        drawn[row] = here, there, there - here
    families = 0 if sample is None else len(sample.texts)
    here, there = local_cost(values).total, cloud_cost(values)
    local, cloud, saving = (
        _estimate(centre, column, families) for centre, column in zip((here, there, there - here), drawn.T, strict=True)
    )
    pieces = values.pieces_per_day
    yearly = (
        _nothing(families)
        if pieces is None
        else _estimate((there - here) * pieces * 365, drawn[:, 2] * pieces * 365, families)
    )
    return Spread(local, cloud, saving, yearly)


def _draw(generator: np.random.Generator, assumption: Assumption) -> float:
    return float(generator.triangular(assumption.low, assumption.value, assumption.high))


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


def _nothing(families: int) -> Estimate:
    return Estimate(estimate=None, low=None, high=None, level=LEVEL, method=_METHOD, briefs=families)


_METHOD = "bootstrap over families, triangular assumptions"
