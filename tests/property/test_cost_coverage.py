"""How often the interval of a cost holds what it is about, from few families of briefs."""

from __future__ import annotations

from dataclasses import replace
from math import exp, sqrt

import numpy as np
import pytest

from bakeoff.cost import uncertainty
from bakeoff.cost.arithmetic import Values, local_cost
from bakeoff.cost.uncertainty import Sample, TokenPrices, means_of, spread

SAMPLES = 200
LEAST = 0.85
"""Of 0.9; a percentile bootstrap held in 0.70 with 5 families, and in 0.80 with 10."""
VALUES = Values(busy_s=1.0, watts=35.0, tariff=0.15, cloud_text=0.001)
PRICES = TokenPrices(prompt=0.0, completion=1e-6)


@pytest.mark.parametrize("families", [5, 10, 20])
@pytest.mark.parametrize("usable", [0.8, 0.95])
def test_an_interval_of_few_families_holds(families: int, usable: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skewed times (lognormal, sd of the logarithm 0.5). The bound is 0.85 less three standard errors of the simulation."""
    monkeypatch.setattr(uncertainty, "DRAWS", 300)
    truth = local_cost(replace(VALUES, busy_s=exp(0.5**2 / 2), accepted=usable)).total
    held = 0
    for number in range(SAMPLES):
        generator = np.random.default_rng([families, number])
        times = generator.lognormal(0, 0.5, families)
        sample = Sample(
            busy_s=tuple(times.tolist()),
            prompt_tokens=(1.0,) * families,
            completion_tokens=tuple((100 * times).tolist()),
            accepted=tuple((generator.random(families) < usable).astype(float).tolist()),
            texts=(1,) * families,
        )
        found = spread(means_of(sample, PRICES, VALUES), [], sample, PRICES, seed=number).local
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held / SAMPLES >= LEAST - 3 * sqrt(LEAST * (1 - LEAST) / SAMPLES)
