"""Whether the settings in force are those that were written last: what became of each reading of them since the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

What = Literal["settings", "keys"]


class ConfigState(Collector):
    """Kept by whoever reads settings anew. Nothing in it holds a path: clients may see it."""

    def __init__(self, now: datetime) -> None:
        self._taken_at = now
        self._refused_at: datetime | None = None
        self._reloads = {"taken": 0, "refused": 0}
        self._refusals: dict[What, str] = {}
        self.needs_restart: tuple[str, ...] = ()
        """Settings that are written otherwise than they are in force, until the gateway is started anew."""

    @property
    def refusal(self) -> str | None:
        """Why what was read last is not in force; None where it is."""
        return "; ".join(dict.fromkeys(self._refusals.values())) or None  # keys are read with settings, and alone

    def settings_taken(self, now: datetime, needs_restart: Sequence[str] = ()) -> None:
        """Settings and keys that were read are in force, but for settings that need a restart."""
        self._reloads["taken"] += 1
        self._refusals.clear()
        self._taken_at, self.needs_restart = now, tuple(needs_restart)

    def keys_taken(self) -> None:
        """Keys that were read are in force. That says nothing of the settings."""
        self._reloads["taken"] += 1
        self._refusals.pop("keys", None)

    def refused(self, now: datetime, what: What, why: str) -> None:
        """What was read is wrong; that before it stays in force."""
        self._reloads["refused"] += 1
        self._refused_at, self._refusals[what] = now, why

    def snapshot(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        return {
            "in_force_since": self._taken_at.isoformat(),
            "reloads": dict(self._reloads),
            "refused": self.refusal,
            "refused_at": None if self._refused_at is None or self.refusal is None else self._refused_at.isoformat(),
            "needs_restart": list(self.needs_restart),
        }

    def describe(self) -> list[Metric]:
        """Name nothing before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is so at this moment."""
        reloads = CounterMetricFamily(
            "bakeoff_config_reloads", "Settings read anew since the start, by what became of them.", labels=("outcome",)
        )
        for outcome, count in self._reloads.items():
            reloads.add_metric((outcome,), count)
        yield reloads
        yield GaugeMetricFamily(
            "bakeoff_config_refused",
            "1 while the settings that were read last are not in force.",
            float(self.refusal is not None),
        )
        yield GaugeMetricFamily(
            "bakeoff_config_in_force_since_seconds",
            "When the settings in force were read, in Unix time.",
            self._taken_at.timestamp(),
        )
        yield GaugeMetricFamily(
            "bakeoff_config_needs_restart",
            "Settings that are in force only after a restart.",
            float(len(self.needs_restart)),
        )
