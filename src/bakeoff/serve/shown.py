"""What the residency machine shows of itself: plain JSON values, for `/v1/models`, metrics and `bakeoff top`.

    {"budget_bytes", "committed_bytes", "models": {NAME: {
        "state": "absent" | "loading" | "ready" | "draining" | "stopping" | "failed", "external", "generation", "since_s",
        "need_bytes", "held_bytes", "peak_bytes", "expected_load_s", "last_load_s", "pinned", "slots", "queue",
        "leases", "waiting", "oldest_wait_s", "last_error", "counts": {...},
        "breaker": {"state", "failures", "retry_after_s", "probing"}}}}

`failed` is an absent model whose breaker is open. Seconds and bytes; null is unknown. `counts` only ever grow: starts,
loads, load_failures, deaths, granted, refused_KIND for each kind of refusal, ended_HOW for each ending of a request, and a
count for each reason of a stop (`effects.Why`).
"""

from __future__ import annotations

from typing import Any

from bakeoff.serve.held import Held
from bakeoff.serve.residency import Residency


def show(machine: Residency, now: float) -> dict[str, Any]:
    """Return the snapshot."""
    return {
        "budget_bytes": machine.rules.budget_bytes,
        "committed_bytes": machine.committed_bytes,
        "models": {held.rules.name: _show_model(held, now) for held in machine},
    }


def _show_model(held: Held, now: float) -> dict[str, Any]:
    breaker = held.breaker
    failed = held.state == "absent" and breaker.state(now) == "open"
    return {
        "state": "failed" if failed else held.state,
        "external": held.external,
        "generation": held.generation,
        "since_s": now - held.since,
        "need_bytes": None if held.external else held.need_bytes,
        "held_bytes": held.held_bytes,
        "peak_bytes": held.peak_bytes,
        "expected_load_s": held.expected_load_s,
        "last_load_s": held.load_s,
        "pinned": held.rules.pinned,
        "slots": held.rules.slots,
        "queue": held.rules.queue,
        "leases": len(held.leases),
        "waiting": len(held.queue),
        "oldest_wait_s": now - held.queue.oldest_since if held.queue else 0.0,
        "last_error": held.last_error,
        "counts": dict(held.counts),
        "breaker": {
            "state": breaker.state(now),
            "failures": breaker.failures,
            "retry_after_s": None if breaker.retry_at is None else max(0.0, breaker.retry_at - now),
            "probing": breaker.probing,
        },
    }
