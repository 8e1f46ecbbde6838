"""What a worker on a cluster reserves, and the room for texts that it is started with. The cluster is a list of nodes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bakeoff.core.errors import DoesNotFit, WorkerNotStarted
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.study.admission import predict_high
from bakeoff.study.candidates import make_candidates
from bakeoff.study.cluster_room import Node, Placement, Request
from bakeoff.study.placed import place_writers
from bakeoff.study.placement import Started
from bakeoff.study.pool import Placed
from bakeoff.study.rows import USUAL_ROOM, Room, rooms_for
from sample_runs import make_plan

(CANDIDATE,) = make_candidates([str(Path(__file__).parents[1] / "data" / "tiny_llama")], Sampling())


class Cluster:
    """Nodes on which nothing starts; remembers what was asked of them."""

    def __init__(self, *nodes: Node) -> None:
        self._nodes = nodes
        self.asked: list[tuple[Request, Room]] = []

    def nodes(self) -> tuple[Node, ...]:
        return self._nodes

    async def start(self, candidate: Candidate, request: Request, room: Room, placed: Placed) -> Started:
        self.asked.append((request, room))
        raise WorkerNotStarted(candidate.id)


def placed(concurrency: int, *nodes: Node, workers: int = 2) -> tuple[Request, Room]:
    """What a worker reserves, and its room, on these nodes."""
    cluster = Cluster(*nodes)
    placement = Placement(workers=workers, cpus=1, nodes=cluster.nodes())
    plan = make_plan(concurrency=concurrency).model_copy(update={"candidates": (CANDIDATE,), "placement": placement})
    writers = place_writers(plan, placement, cluster, lambda *_: None, str)  # type: ignore[arg-type] # all that is asked of one
    with pytest.raises(WorkerNotStarted):
        asyncio.run(writers[CANDIDATE.id].open())
    assert len(set(cluster.asked)) == 1
    return cluster.asked[0]


def node(memory_bytes: int, accelerators: float = 0.0) -> Node:
    return Node(name="n", cpus=2, memory_bytes=memory_bytes, accelerators=accelerators)


def high(concurrency: int, room: Room) -> int:
    found = predict_high(CANDIDATE, concurrency, room)
    assert found is not None
    return found


def test_a_worker_has_a_row_for_each_text_in_flight_at_it_and_memory_is_reserved_for_them() -> None:
    largest, smallest = rooms_for(64)
    large, small = node(high(64, largest)), node(high(64, largest) - 1)
    request, room = placed(64, large, large)
    assert (request.memory_bytes, room) == (high(64, largest), largest)
    request, room = placed(64, small)
    assert (request.memory_bytes, room) == (high(64, smallest), smallest)
    with pytest.raises(DoesNotFit):
        placed(64, node(high(64, smallest) - 1))
    # No worker is without a node for the sake of a larger cache.
    assert placed(64, large, small)[1] == smallest
    assert placed(64, large, small, workers=1)[1] == largest


def test_few_texts_take_what_they_took() -> None:
    assert placed(8, node(1 << 40)) == (Request(1, high(8, USUAL_ROOM), 0), USUAL_ROOM)


def test_the_cache_does_not_grow_in_memory_that_nobody_reserves() -> None:
    accelerated = CANDIDATE.model_copy(update={"engine": "transformers"})
    cluster = Cluster(node(1 << 40, accelerators=1))
    placement = Placement(workers=1, cpus=1, nodes=cluster.nodes())
    plan = make_plan(concurrency=64).model_copy(update={"candidates": (accelerated,), "placement": placement})
    writers = place_writers(plan, placement, cluster, lambda *_: None, str)  # type: ignore[arg-type] # as above
    with pytest.raises(WorkerNotStarted):
        asyncio.run(writers[accelerated.id].open())
    assert cluster.asked == [(Request(1, None, 1), Room(64, USUAL_ROOM.kv_tokens))]
