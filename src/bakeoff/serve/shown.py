"""What the residency machine shows of itself: plain JSON values, for `/v1/models`, metrics and `bakeoff top`.

    {"memory": {POOL: {"budget_bytes", "committed_bytes"}}, "budget_bytes", "committed_bytes", "models": {NAME: {
        "state": "absent" | "loading" | "ready" | "draining" | "stopping" | "failed", "external", "generation", "since_s",
        "memory": {POOL: {"need_bytes", "held_bytes", "peak_bytes"}}, "need_bytes", "held_bytes", "peak_bytes", "expected_load_s", "last_load_s", "pinned", "slots", "queue",
        "leases", "waiting", "oldest_wait_s", "last_error", "counts": {...},
        "breaker": {"state", "failures", "retry_after_s", "probing"}}}}

POOL is `host`, or a card's own memory (`cuda:0`). A model has those that it takes something of, an endpoint of others has none. The
five sizes outside of `memory` are those of `host` where that is the only one, and null where there are several.

`failed` is an absent model whose breaker is open. Seconds and bytes; null is unknown. `counts` only ever grow: starts,
loads, load_failures, deaths, granted, refused_KIND for each kind of refusal, ended_HOW for each ending of a request, and a
count for each reason of a stop (`effects.Why`).
"""

from __future__ import annotations

from typing import Any

from bakeoff.machine.budget import HOST
from bakeoff.serve.held import Held
from bakeoff.serve.pools import most
from bakeoff.serve.residency import Residency


def show(machine: Residency, now: float) -> dict[str, Any]:
    """Return the snapshot."""
    budgets, committed = machine.rules.budgets, machine.committed
    memory = {pool: {"budget_bytes": budgets.get(pool), "committed_bytes": size} for pool, size in committed.items()}
    only = list(memory) == [HOST]
    return {
        "memory": memory,
        **(memory[HOST] if only else dict.fromkeys(memory[HOST])),
        "models": {held.rules.name: _show_model(held, now, only_host=only) for held in machine},
    }


def _show_model(held: Held, now: float, *, only_host: bool) -> dict[str, Any]:
    breaker = held.breaker
    failed = held.state == "absent" and breaker.state(now) == "open"
    return {
        "state": "failed" if failed else held.state,
        "external": held.external,
        "generation": held.generation,
        "since_s": now - held.since,
        "memory": {}
        if held.external
        else {pool: _sizes(held, pool) for pool in most((held.need, held.held, held.peak))},
        **(_sizes(held, HOST) if only_host else dict.fromkeys(_sizes(held, HOST))),
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


def _sizes(held: Held, pool: str) -> dict[str, int | None]:
    need = None if held.external else held.need.get(pool, 0)
    return {"need_bytes": need, "held_bytes": held.held.get(pool, 0), "peak_bytes": held.peak.get(pool)}
