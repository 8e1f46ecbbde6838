"""`bakeoff plan --traffic`: how many replicas hold a load, from what a run measured, and where one machine ends."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from bakeoff.decide.capacity import CapacityPlan, Outcome, Service

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}


class Measured(NamedTuple):
    """What a run says of one candidate."""

    candidate: str
    service: Service
    throughput: tuple[float, float] | None
    fallbacks: tuple[str, ...] = ()


def plan_traffic(traffic: str, run: str, target_p95_s: float, candidate: str | None, *, as_json: bool) -> None:
    """Simulate, and print.

    Raises:
        UsageError: no such run or candidate, nothing measured of it, or a load or target that makes no sense.
    """
    from bakeoff.core.errors import UsageError
    from bakeoff.decide.capacity import plan_capacity

    if not 0 < target_p95_s < float("inf"):
        raise UsageError(f"--target-p95 {target_p95_s:g}: not a time", "write seconds, above 0")
    rate_per_s = read_rate(traffic)
    measured = read_measured(run, candidate)
    try:
        found = plan_capacity(measured.service, rate_per_s, target_p95_s, measured.throughput)
    except ValueError as error:
        raise UsageError(str(error), "see: bakeoff plan --help") from None
    if as_json:
        service = measured.service
        click.echo(
            json.dumps(
                {
                    "schema": "bakeoff.capacity/1",
                    "run": run,
                    "candidate": measured.candidate,
                    "fallbacks": list(measured.fallbacks),
                    **found.model_dump(mode="json"),
                    "measured": {
                        "first_token_s": service.first_token_s,
                        "per_token_s": service.per_token_s,
                        "texts": len(service.tokens),
                        "tokens_per_s": service.tokens_per_s,
                        "tokens_per_s_low": measured.throughput and measured.throughput[0],
                        "tokens_per_s_high": measured.throughput and measured.throughput[1],
                        "slots": service.slots,
                        "contention": service.contention,
                    },
                    "provenance": "derived",
                }
            )
        )
        return
    _print(found, measured, traffic)


def read_rate(traffic: str) -> float:
    """Return requests a second.

    Raises:
        UsageError: it is not written as a number a unit of time.
    """
    from bakeoff.core.errors import UsageError

    parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*(s|min|h|day)", traffic.strip())
    if parts is None or not float(parts[1]) > 0:
        raise UsageError(
            f"--traffic {traffic}: not a load", "write a number above 0 and a unit: 2/s, 30/min, 500/h, 10000/day"
        )
    return float(parts[1]) / _SECONDS[parts[2]]


def read_measured(run: str, candidate: str | None) -> Measured:
    """Return what a run measured of a candidate: the one that is named, or its choice or leader.

    Raises:
        UsageError: no such run or candidate, nothing measured of it, or only several machines together.
    """
    from bakeoff.core.errors import UsageError
    from bakeoff.decide.capacity import Service
    from bakeoff.library.workspace import open_store, workspace_folder
    from bakeoff.report.moved import moved_of
    from bakeoff.study.run_state import find_finished
    from bakeoff.study.stored_plan import load_plan

    store = open_store()
    try:
        row = find_finished(store, run, workspace_folder())
        document = row.result
        names = [each["id"] for each in document["candidates"]]
        wanted = candidate or document["decision"]["choice"] or document["decision"].get("leader")
        if wanted not in names:
            raise UsageError(f"{run} has no candidate {wanted}", f"one of: {', '.join(names)}; say --candidate")
        workers = load_plan(store, row.run_id).workers_of(wanted)
        if workers > 1:
            raise UsageError(
                f"{run} measured {wanted} on a cluster, up to {workers} workers together: what one machine holds is not known",
                "measure one machine:  bakeoff run ...    without --on",
            )
        texts = [text for batch in store.generation_batches(row.run_id) for text in batch if text.candidate == wanted]
    finally:
        store.close()
    facts = next(each for each in document["candidates"] if each["id"] == wanted)
    tokens = tuple(text.timings.completion_tokens for text in texts if text.timings.completion_tokens)
    first, per_token, speed = facts["ttft_s"]["p50"], facts["tpot_s"]["p50"], facts["tokens_per_s"]
    if not (tokens and first and per_token and speed and facts["tokens_per_s_concurrency"]):
        raise UsageError(
            f"{run} has not measured how fast {wanted} is",
            "recorded texts have no times, and answers in one piece no pace: name another candidate",
        )
    alone = [text.timings for text in texts if text.concurrency == 1]
    over = tuple(
        found.latency_s / (first + per_token * found.completion_tokens)
        for found in alone
        if found.latency_s is not None and found.completion_tokens
    )
    service = Service(first, per_token, tokens, speed, facts["tokens_per_s_concurrency"], over or (1.0,))
    low, high = facts["tokens_per_s_low"], facts["tokens_per_s_high"]
    throughput = (low, high) if low and high else None
    return Measured(wanted, service, throughput, moved_of([facts]).get(wanted, ()))


def _print(found: CapacityPlan, measured: Measured, traffic: str) -> None:
    from rich.console import Console

    from bakeoff.core.units import seconds_text
    from bakeoff.decide.wording import plural
    from bakeoff.report.layout import Prose, bullets
    from bakeoff.report.moved import MEANING, marked, moved_lines

    moved = {measured.candidate: measured.fallbacks}

    console = Console()
    target = f"95 % of the texts within {seconds_text(found.target_p95_s)}"
    if found.replicas is None:
        alone = seconds_text(found.alone_p95_s)
        said = f"No number of machines like this one holds {traffic} with {target}: alone, 95 % take up to {alone}."
        console.print(Prose(said))
    else:
        sure = (
            ""
            if measured.throughput is None
            else f" [{_or_none(found.replicas_low)} to {_or_none(found.replicas_high)}]"
        )
        console.print(Prose(f"{traffic} with {target} takes {plural(found.replicas, 'machine')} like this one{sure}."))
        low, high = found.one_replica_low, found.one_replica_high
        sure = (
            ""
            if low is None or high is None
            else f" [{_per(low, found.one_replica_per_s)} to {_per(high, found.one_replica_per_s)}]"
        )
        console.print(Prose(f"One such machine holds {_per(found.one_replica_per_s)}{sure} within the target."))
    if measured.throughput is None:
        why = "the run's texts together filled too few windows to tell how the throughput varies"
        console.print(Prose(f"No interval: {why}."))
    if found.outcomes:
        console.print("\nmachines    busy   latency: half   95 %   waits: 95 %", highlight=False)
    for met in found.outcomes:
        console.print(_row(met), highlight=False)
    service = measured.service
    told = (
        f"Simulated from what the run measured of {marked(measured.candidate, moved)}: {plural(len(service.tokens), 'text')}, "
        f"{service.tokens_per_s:,.0f} tokens/s with {service.slots} in flight. Arrivals are random and steady; bursts, longer "
        "prompts, loading and other work on the machine are not in it. Two workers on one machine share its memory bandwidth and are not two machines."
    )
    console.print(Prose(f"\n{told}"))
    for part in bullets(MEANING, moved_lines(moved)):
        console.print(part)


def _or_none(replicas: int | None) -> str:
    return "none" if replicas is None else str(replicas)


def _per(rate_per_s: float, like_per_s: float | None = None) -> str:
    """Return a rate in the unit that suits it, or one that it stands beside."""
    for unit, seconds in (("s", 1.0), ("min", 60.0), ("h", 3600.0)):
        if (like_per_s or rate_per_s) * seconds >= 1.0:
            return f"{rate_per_s * seconds:.3g}/{unit}"
    return f"{rate_per_s * 86400:.3g}/day"


def _row(met: Outcome) -> str:
    from bakeoff.core.units import seconds_text

    if met.overloaded:
        return f"{met.replicas:8d}  {'over':>6}   it never catches up"
    latency, slow, wait = (seconds_text(value) for value in (met.latency_p50_s, met.latency_p95_s, met.wait_p95_s))
    return f"{met.replicas:8d}  {met.utilisation:>6.0%}  {latency:>14} {slow:>6}  {wait:>10}"
