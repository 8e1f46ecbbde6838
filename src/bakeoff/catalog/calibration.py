"""How far predictions of memory were off on this machine, and the bound that follows: split conformal prediction.

A residual is (measured - predicted) / margin, the margin being what would be added without any measurement; so loads of
small and large models can be told together. With n exchangeable residuals their ceil((n + 1) x level)-th smallest bounds
the next one with probability `level` (Vovk; Lei et al. 2018, "Distribution-Free Predictive Inference", theorem 2.2).
Nine residuals are the fewest for 90 %. Loads of one model are no more than one residual: the worst of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bakeoff.core.spec import Record

LEVEL = 0.9
FEWEST = 9


class Observation(Record):
    """One load of a model: bytes predicted, the margin beside them, and the most that was measured."""

    model: str
    engine: str
    where: str
    predicted_bytes: int
    margin_bytes: int
    measured_bytes: int

    @property
    def residual(self) -> float:
        """How many margins the measurement lies above the prediction."""
        return (self.measured_bytes - self.predicted_bytes) / max(1, self.margin_bytes)


class Bound(Record):
    """Margins to add to a prediction, so that `level` of loads need no more; `models` is how many it rests on, 0 for none."""

    margins: float
    models: int
    level: float = LEVEL


UNMEASURED = Bound(margins=1.0, models=0)


def calibrate(observations: Iterable[Observation], engine: str, where: str) -> Bound:
    """Return the bound for loads by `engine` on a CPU or an accelerator; `UNMEASURED` under `FEWEST` models.

    >>> few = [Observation(model=str(n), engine="e", where="cpu", predicted_bytes=100, margin_bytes=10,
    ...                    measured_bytes=100 + n) for n in range(9)]
    >>> calibrate(few, "e", "cpu").margins, calibrate(few[1:], "e", "cpu").models
    (0.8, 0)
    """
    worst: dict[str, float] = {}
    for seen in observations:
        if seen.engine == engine and seen.where == where:
            worst[seen.model] = max(seen.residual, worst.get(seen.model, -math.inf))
    if len(worst) < FEWEST:
        return UNMEASURED
    return Bound(margins=_quantile(sorted(worst.values())), models=len(worst))


def _quantile(residuals: Sequence[float]) -> float:
    place = math.ceil((len(residuals) + 1) * LEVEL)
    return residuals[min(place, len(residuals)) - 1]
