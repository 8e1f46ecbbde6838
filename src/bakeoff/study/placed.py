"""The writers of a run whose workers are on a cluster: several workers each, placed by what their model needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.core.errors import UsageError
from bakeoff.core.settings import seconds_setting
from bakeoff.core.spec import Candidate
from bakeoff.engines.endpoint_keys import EndpointKeys
from bakeoff.study.admission import predict_high
from bakeoff.study.cluster_room import Node, Placement, Request, check_room, count_places, request_of
from bakeoff.study.placement import Started
from bakeoff.study.plan import Plan
from bakeoff.study.pool import Placed, PoolWriter
from bakeoff.study.rows import USUAL_ROOM, Room, rooms_for
from bakeoff.study.runner import warm_up_for
from bakeoff.study.worker_writer import WarmUp, WorkerWriter
from bakeoff.study.writer_choice import make_writer
from bakeoff.study.writers import Writer

if TYPE_CHECKING:
    from bakeoff.study.ray_cluster import RayCluster

ROOM_WITHIN_S = 300.0


def place_writers(
    plan: Plan,
    placement: Placement,
    cluster: RayCluster,
    tell: Callable[[str, str, str], None],
    go_on: Callable[[], str],
) -> dict[str, Writer]:
    """Return a writer for each candidate; `tell` is called with a candidate, a kind of event and what happened.

    `go_on` says how to go on where no node had room for any worker of one.

    Raises:
        DoesNotFit: a candidate for which no node of the cluster is large enough.
        UsageError: an engine that cannot be placed, or `BAKEOFF_PLACE_WITHIN_S` is not a number of seconds.
    """
    nodes = cluster.nodes()
    room_within_s = seconds_setting("BAKEOFF_PLACE_WITHIN_S", ROOM_WITHIN_S)
    keys = EndpointKeys(candidate.model for candidate in plan.candidates)
    writers: dict[str, Writer] = {}
    for candidate in plan.candidates:
        if not candidate.model.is_ours_to_run:
            # Starts nothing, and logs nothing.
            writers[candidate.id] = make_writer(
                candidate, keys, partial(tell, candidate.id), Path(), USUAL_ROOM, warm_up_for(plan, candidate)
            )
            continue
        if candidate.engine == "vllm":
            raise UsageError(
                f"{candidate.id}: the engine vllm cannot be placed on a cluster",
                "start vllm on its node, and name its URL:  openai:MODEL@http://HOST:PORT/v1",
            )
        request, room = _reserve(candidate, placement, plan.concurrency_of(candidate.id), nodes)
        seat = partial(_writer_there, candidate, cluster, request, room, warm_up_for(plan, candidate))
        seats = [seat] * placement.workers
        writers[candidate.id] = PoolWriter(candidate.id, seats, partial(tell, candidate.id), room_within_s, go_on)
    return writers


def _reserve(
    candidate: Candidate, placement: Placement, concurrency: int, nodes: Sequence[Node]
) -> tuple[Request, Room]:
    """Return what a worker reserves, with the largest room for texts that can be reserved without costing a worker its place.

    Raises:
        DoesNotFit: no node is large enough for the smallest.
    """
    *larger, smallest = rooms_for(concurrency)
    least = request_of(candidate, placement, predict_high(candidate, concurrency, smallest))
    check_room(candidate, least, nodes)
    wanted = min(placement.workers, count_places(least, nodes))
    for room in larger:
        request = request_of(candidate, placement, predict_high(candidate, concurrency, room))
        if request.memory_bytes is not None and count_places(request, nodes) >= wanted:
            return request, room
    return least, smallest


def _writer_there(
    candidate: Candidate, cluster: RayCluster, request: Request, room: Room, warm_up: WarmUp, placed: Placed
) -> WorkerWriter:
    async def start(candidate: Candidate) -> Started:
        return await cluster.start(candidate, request, room, placed)

    return WorkerWriter(candidate, start, warm_up)
