"""Answers that were given before, for requests that ask for the same again: greedy or seeded ones, word for word. Pure.

Off unless somebody turns it on. The key is all that may change an answer: the endpoint, the route, the model, and every field of
the request as it goes to the model, a stream or not among them. The least recently used answers go first once there are too many
of them, or too many bytes.

A repeated answer says nothing about the model that gave it: it is counted here, and in no measurement of requests, times or
tokens.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bakeoff.serve.evidence import Headers

_ENTRY_BYTES = 512
"""What an entry takes beside its answer and headers: its key, and what holds it. Assumed."""
LARGEST_SHARE = 0.25
"""No answer takes more than this share of the cache."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer: its body, the headers that said who gave it and why, and when it was given, in seconds of the gateway's clock."""

    model: str
    body: bytes
    headers: Headers
    at_s: float

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + _ENTRY_BYTES


class ResponseCache(Collector):
    """Holds `max_entries` answers and `max_bytes` at most."""

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._held: OrderedDict[bytes, Given] = OrderedDict()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._evicted = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def find(self, key: bytes, model: str) -> Given | None:
        """Return what was answered to the same request, None where nothing was; either is counted."""
        found = self._held.get(key)
        self._counts[model, "miss" if found is None else "hit"] += 1
        if found is not None:
            self._held.move_to_end(key)
        return found

    def keep(self, key: bytes, given: Given) -> None:
        """Keep an answer, if it is not too large; older ones make room."""
        if given.size > self._max_bytes * LARGEST_SHARE:
            return
        self._drop(key)
        self._held[key] = given
        self.bytes += given.size
        while self.bytes > self._max_bytes or len(self._held) > self._max_entries:
            self._drop(next(iter(self._held)))
            self._evicted += 1

    def forget(self, model: str) -> None:
        """Drop all that a model answered."""
        for key in [key for key, given in self._held.items() if given.model == model]:
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        given = self._held.pop(key, None)
        self.bytes -= 0 if given is None else given.size

    def describe(self) -> list[Metric]:
        """Name nothing before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is so at this moment."""
        lookups = CounterMetricFamily(
            "bakeoff_cache_lookups", "Greedy or seeded requests, looked up in the cache.", labels=("model", "result")
        )
        for key, count in self._counts.items():
            lookups.add_metric(key, count)
        yield lookups
        yield CounterMetricFamily("bakeoff_cache_evictions", "Answers that made room for others.", value=self._evicted)
        yield GaugeMetricFamily("bakeoff_cache_entries", "Answers that are kept.", value=len(self._held))
        yield GaugeMetricFamily("bakeoff_cache_bytes", "Bytes that they take.", value=self.bytes)


def key_of(path: str, route: str, model: str, body: Mapping[str, Any]) -> bytes | None:
    """Return the key of a request as it goes to the model; None for one that may be answered otherwise each time.

    >>> key_of("completions", "named", "a", {"prompt": "x", "temperature": 0.7}) is None
    True
    >>> one, other = ({"prompt": "x", "seed": 7, "stream": streams} for streams in (False, True))
    >>> key_of("completions", "named", "a", one) == key_of("completions", "named", "a", other)
    False
    """
    if not _is_repeatable(body):
        return None
    asked = {name: value for name, value in body.items() if name != "model"}
    try:
        said = json.dumps([path, route, model, asked], sort_keys=True)
    except RecursionError:  # arrays within arrays, so deep that they could just be read
        return None
    return blake2b(said.encode(), digest_size=32).digest()


def _is_repeatable(body: Mapping[str, Any]) -> bool:
    """Whether it is greedy, or seeded."""
    seed, temperature = body.get("seed"), body.get("temperature")
    if isinstance(seed, int) and not isinstance(seed, bool):
        return True
    return isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0


def wants_fresh(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a client asks for no answer of before (RFC 9111's `Cache-Control`: no-cache, no-store)."""
    told = b",".join(value for name, value in headers if name == b"cache-control").lower()
    return b"no-cache" in told or b"no-store" in told
