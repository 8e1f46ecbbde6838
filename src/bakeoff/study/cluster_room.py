"""What a worker asks of a cluster, and whether the nodes that are there have it. Pure.

A cluster is a set of nodes with resources to be reserved: CPUs, bytes of memory, accelerators. A worker reserves what the
prediction of its memory says at the most, one accelerator if its engine would compute on one, and the same number of CPUs
as every other worker of the run, which are the threads that it computes with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bakeoff.core.errors import DoesNotFit, UsageError
from bakeoff.core.spec import Candidate, Record
from bakeoff.core.units import bytes_text

MOST_WORKERS = 256


class Node(Record):
    """A node, and all that can be reserved on it, taken or not; `memory_bytes` as the cluster counts it."""

    name: str
    cpus: float
    memory_bytes: int
    accelerators: float = 0.0


class Placement(Record):
    """Where the workers of a run are: how many each candidate may have at once, and the CPUs that each reserves.

    `nodes` are those that were there at the start. `address` is the cluster's, None for the one that this machine knows.
    """

    on: Literal["ray"] = "ray"
    address: str | None = None
    workers: int
    cpus: int
    nodes: tuple[Node, ...]


class Request(NamedTuple):
    """What one worker reserves."""

    cpus: int
    memory_bytes: int | None
    accelerators: int

    @property
    def words(self) -> str:
        """As people say it."""
        parts = [f"{self.cpus} CPU" + ("s" if self.cpus > 1 else "")]
        parts += [bytes_text(self.memory_bytes)] if self.memory_bytes is not None else []
        parts += ["an accelerator"] if self.accelerators else []
        return ", ".join(parts)


def plan_placement(
    nodes: Sequence[Node], address: str | None, workers: int | None, cpus: int | None, concurrency: int
) -> Placement:
    """Return where workers will be: one for each node with CPUs, as wide as the smallest of these, unless told otherwise.

    Raises:
        UsageError: no node has a CPU, or several workers and one text at a time.
    """
    computing = [node for node in nodes if node.cpus >= 1]
    if not computing:
        raise UsageError("no node of the cluster has a CPU to reserve", "add one:  ray start --address=HOST:PORT")
    if workers is not None and workers > 1 and concurrency == 1:
        raise UsageError(
            f"--workers {workers} with --concurrency 1: one text at a time keeps one worker busy",
            "leave one of them out",
        )
    wanted = workers or (1 if concurrency == 1 else len(computing))
    smallest = int(min(node.cpus for node in computing))
    return Placement(address=address, workers=wanted, cpus=cpus or smallest, nodes=tuple(nodes))


def request_of(candidate: Candidate, placement: Placement, high_bytes: int | None) -> Request:
    """Return what a candidate's worker reserves; `high_bytes` is the most that it is expected to need, None if unknown."""
    on_cpu = candidate.engine == "onnx" or (candidate.device or "").partition(":")[0] == "cpu"
    accelerated = not on_cpu and any(node.accelerators >= 1 for node in placement.nodes)
    return Request(placement.cpus, None if accelerated else high_bytes, int(accelerated))


def check_room(candidate: Candidate, request: Request, nodes: Sequence[Node]) -> None:
    """Make sure that a worker could be placed on some node, were it empty.

    Raises:
        DoesNotFit: none is large enough.
    """
    if count_places(request, nodes):
        return
    most_memory = max((node.memory_bytes for node in nodes), default=0)
    most_cpus = int(max((node.cpus for node in nodes), default=0))
    raise DoesNotFit(
        f"{candidate.id}: a worker reserves {request.words}, and no node of the cluster has that (the largest have "
        f"{most_cpus} CPUs, {bytes_text(most_memory)})",
        "add a node, take a smaller model, or reserve fewer CPUs: --worker-cpus (with --resume, too)",
    )


def count_places(request: Request, nodes: Sequence[Node]) -> int:
    """Return how many such workers the nodes hold at once, were they empty."""
    return sum(_places(node, request) for node in nodes)


def _places(node: Node, request: Request) -> int:
    asked = [(request.cpus, node.cpus), (request.memory_bytes, node.memory_bytes)]
    asked.append((request.accelerators, node.accelerators))
    return min(int(there // each) for each, there in asked if each)
