"""Energy and money so far, beside what a cloud would have asked for the same tokens.

Energy is busy time (`busy`) times watts, its cost that energy's at a tariff; idling and the machine itself are not in it. Only
models that run here are counted, on both sides. What nobody knows is None, and has no series: never 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bakeoff.core.clock import Clock
from bakeoff.core.records import Provenance
from bakeoff.cost.arithmetic import electricity_cost
from bakeoff.serve.busy import BusyTime
from bakeoff.serve.cost_terms import CostTerms


class Spending(Collector):
    """Counts what one gateway spends."""

    def __init__(self, terms: CostTerms, clock: Clock) -> None:
        self.terms = terms
        self.busy = BusyTime(terms.devices)
        self._clock = clock
        self._read: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._untold = 0

    def change(self, terms: CostTerms) -> None:
        """Count by these terms from now on. What a model that is gone has used stays counted: totals never fall."""
        self.terms = terms.model_copy(
            update={"watts": {**self.terms.watts, **terms.watts}, "devices": {**terms.devices, **self.terms.devices}}
        )
        self.busy.know(terms.devices)

    def note_tokens(self, model: str, read: int | None, written: int | None) -> None:
        """An answer was given; None where its server did not say how many tokens it took."""
        if model not in self.terms.watts:
            return
        if read is None or written is None:
            self._untold += 1
            return
        self._read[model] += read
        self._written[model] += written

    def joules(self) -> dict[str, float]:
        """Return each model's energy so far."""
        watts = self.terms.watts
        seconds = self.busy.seconds(self._clock.monotonic_s())
        return {model: seconds[model] * watts[model].value for model in watts if model in seconds}

    def electricity(self) -> tuple[float, Provenance] | None:
        """Return what that cost in dollars, and whose word that is; None without a tariff, or where nothing runs here."""
        tariff, watts = self.terms.tariff, self.terms.watts
        if tariff is None or not watts:
            return None
        provenances = {tariff.provenance, *(each.provenance for each in watts.values())}
        provenance: Provenance = "assumed" if "assumed" in provenances else "derived"
        return electricity_cost(sum(self.joules().values()), tariff.value), provenance

    def in_cloud(self) -> float | None:
        """Return what the cloud would have asked for the same tokens, in dollars; None without a price."""
        price = self.terms.cloud
        if price is None or not self.terms.watts:
            return None
        read, written = self._read.total(), self._written.total()
        return (read * price.input_per_million + written * price.output_per_million) / 1e6

    def snapshot(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        terms, spent = self.terms, self.electricity()
        return {
            "currency": "USD",
            "energy_j": sum(self.joules().values()) if terms.watts else None,
            "electricity": None if spent is None else spent[0],
            "provenance": None if spent is None else spent[1],
            "cloud": self.in_cloud(),
            "against": None if terms.cloud is None else terms.cloud.model,
            "catalogue": None if terms.cloud is None else terms.cloud.catalogue,
            "answers_without_tokens": self._untold,
            "watts": {model: each.model_dump(mode="json") for model, each in terms.watts.items()},
            "tariff": None if terms.tariff is None else terms.tariff.model_dump(mode="json"),
        }

    def describe(self) -> list[Metric]:
        """Name nothing before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is known."""
        busy = CounterMetricFamily("bakeoff_model_busy_seconds", "Time with a request; see docs.", labels=("model",))
        for model, seconds in self.busy.seconds(self._clock.monotonic_s()).items():
            busy.add_metric((model,), seconds)
        yield busy
        energy = CounterMetricFamily("bakeoff_energy_joules", "Busy time x watts.", labels=("model", "provenance"))
        for model, joules in self.joules().items():
            provenance = self.terms.watts[model].provenance
            energy.add_metric((model, "assumed" if provenance == "assumed" else "derived"), joules)
        yield energy
        spent = self.electricity()
        if spent is not None:
            cost = CounterMetricFamily(
                "bakeoff_cost", "Electricity of what was served.", labels=("currency", "provenance")
            )
            cost.add_metric(("USD", spent[1]), spent[0])
            yield cost
        there = self.in_cloud()
        if there is not None and self.terms.cloud is not None:
            cloud = CounterMetricFamily(
                "bakeoff_cloud_cost",
                "What a cloud would have asked for the same tokens.",
                labels=("currency", "against"),
            )
            cloud.add_metric(("USD", self.terms.cloud.model), there)
            yield cloud
