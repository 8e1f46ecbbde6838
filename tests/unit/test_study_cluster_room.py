"""What a worker asks of a cluster, and whether it has that."""

import pytest

from bakeoff.core.errors import DoesNotFit, UsageError
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.study.cluster_room import Node, Request, check_room, count_places, plan_placement, request_of

GIB = 2**30
HEAD = Node(name="head", cpus=0, memory_bytes=GIB)
SMALL = Node(name="small", cpus=4, memory_bytes=8 * GIB)
LARGE = Node(name="large", cpus=16, memory_bytes=64 * GIB, accelerators=2)


def candidate(engine="onnx", device=None):
    model = ModelSpec(reference="m", name="m", source="folder", location="/m", digest="d")
    return Candidate(id="m", model=model, engine=engine, sampling=Sampling(), device=device)


def test_one_worker_for_each_node_that_computes_as_wide_as_the_smallest() -> None:
    placement = plan_placement([HEAD, SMALL, LARGE], None, None, None, concurrency=8)
    assert (placement.workers, placement.cpus) == (2, 4)
    assert placement.nodes == (HEAD, SMALL, LARGE)
    asked = plan_placement([HEAD, SMALL], "h:1", 7, 2, concurrency=8)
    assert (asked.workers, asked.cpus, asked.address) == (7, 2, "h:1")


def test_one_text_at_a_time_is_for_one_worker() -> None:
    assert plan_placement([SMALL, LARGE], None, None, None, concurrency=1).workers == 1
    with pytest.raises(UsageError, match="keeps one worker busy"):
        plan_placement([SMALL, LARGE], None, 2, None, concurrency=1)


def test_a_cluster_that_computes_nothing() -> None:
    with pytest.raises(UsageError, match="no node of the cluster has a CPU"):
        plan_placement([HEAD], None, None, None, concurrency=8)


def test_memory_is_reserved_on_cpus_and_a_card_where_there_is_one() -> None:
    on_cpus = plan_placement([SMALL], None, None, None, concurrency=8)
    with_cards = plan_placement([SMALL, LARGE], None, None, None, concurrency=8)
    assert request_of(candidate("transformers"), on_cpus, 3 * GIB) == Request(4, 3 * GIB, 0)
    assert request_of(candidate("transformers"), with_cards, 3 * GIB) == Request(4, None, 1)
    assert request_of(candidate("transformers", "cpu"), with_cards, 3 * GIB) == Request(4, 3 * GIB, 0)
    assert request_of(candidate(), with_cards, None) == Request(4, None, 0)


@pytest.mark.parametrize("request_", [Request(4, 8 * GIB, 0), Request(1, None, 2), Request(16, None, 0)])
def test_what_a_node_has_room_for(request_) -> None:
    check_room(candidate(), request_, [HEAD, SMALL, LARGE])


def test_how_many_workers_the_nodes_hold_at_once() -> None:
    nodes = [HEAD, SMALL, LARGE]
    assert count_places(Request(4, 8 * GIB, 0), nodes) == 1 + 4
    assert count_places(Request(4, 9 * GIB, 0), nodes) == 0 + 4
    assert count_places(Request(1, None, 1), nodes) == 2
    assert count_places(Request(17, None, 0), nodes) == 0


@pytest.mark.parametrize("request_", [Request(17, None, 0), Request(1, 65 * GIB, 0), Request(1, None, 3)])
def test_what_no_node_has_room_for(request_) -> None:
    with pytest.raises(DoesNotFit, match="no node of the cluster has that"):
        check_room(candidate(), request_, [HEAD, SMALL, LARGE])
    with pytest.raises(DoesNotFit):
        check_room(candidate(), request_, [])
