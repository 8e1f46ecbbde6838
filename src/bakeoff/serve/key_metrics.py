"""What each client's key has used, as metrics: by the key's name, never by the key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bakeoff.serve.key_limits import KeyUses


class KeyMetrics(Collector):
    """Collects them when somebody asks."""

    def __init__(self, uses: KeyUses) -> None:
        self._uses = uses

    def describe(self) -> list[Metric]:
        """Name nothing before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is so at this moment."""
        requests = CounterMetricFamily(
            "bakeoff_key_requests",
            "Requests for answers under a key: `admitted`, or refused by the limit that is named.",
            labels=("key", "outcome"),
        )
        tokens = CounterMetricFamily(
            "bakeoff_key_tokens", "Tokens of answers under a key, read and written.", labels=("key",)
        )
        under_way = GaugeMetricFamily(
            "bakeoff_key_open_requests", "Those of a key that are under way.", labels=("key",)
        )
        limits = GaugeMetricFamily(
            "bakeoff_key_limit", "What a key may; no series without a limit.", labels=("key", "limit")
        )
        for use in self._uses:
            requests.add_metric((use.key, "admitted"), use.admitted)
            for limit, count in use.refused.items():
                requests.add_metric((use.key, limit), count)
            tokens.add_metric((use.key,), use.tokens)
            under_way.add_metric((use.key,), use.under_way)
            for named, most in use.limits.model_dump(exclude_none=True).items():
                limits.add_metric((use.key, named), most)
        yield from (requests, tokens, under_way, limits)


def snapshot_of(uses: KeyUses) -> list[dict[str, Any]]:
    """Return the same as plain JSON values."""
    return [
        {
            "key": use.key,
            **use.limits.model_dump(),
            "admitted": use.admitted,
            "refused": dict(use.refused),
            "tokens": use.tokens,
            "under_way": use.under_way,
        }
        for use in uses
    ]
