"""Will it fit: weights as computed in float32 + KV cache + the runtime, a first estimate.

need = parameters x 4 bytes (a CPU engine computes in float32, and holds the file's copy while loading)
     + 2 x layers x kv heads x head_dim x 4 bytes x tokens in the cache
     + the worker's own memory.
The weights are exact, the runtime is assumed; `breakdown` says which part is which.
"""

from __future__ import annotations

from typing import Any

from bakeoff.core.spec import Record

_RUNTIME_BYTES = 150 * 1024 * 1024
"""Python, numpy, the HTTP server and the engine's library: 110-140 MB measured for the onnx worker on Linux."""


class Need(Record):
    """Bytes that a worker is expected to take at its peak."""

    weights_bytes: int
    kv_bytes: int
    runtime_bytes: int

    @property
    def total_bytes(self) -> int:
        """All parts together."""
        return self.weights_bytes + self.kv_bytes + self.runtime_bytes


def estimate_need(config: dict[str, Any], parameters: int, weight_bytes: int, cached_tokens: int) -> Need:
    """Estimate from config.json facts; `cached_tokens` counts over all rows of the batch."""
    layers = int(config.get("num_hidden_layers") or 0)
    heads = int(config.get("num_attention_heads") or 1)
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head_dim = int(config.get("head_dim") or int(config.get("hidden_size") or 0) // heads)
    return Need(
        weights_bytes=max(parameters * 4, weight_bytes),
        kv_bytes=2 * layers * kv_heads * head_dim * 4 * cached_tokens,
        runtime_bytes=_RUNTIME_BYTES,
    )
