"""Workers on the nodes of a Ray cluster: connecting, asking for a place, and knowing whether what was placed still runs.

Ray decides where: a worker is an actor that reserves CPUs, memory and an accelerator (`study.cluster_room`), and Ray
spreads them, keeps those waiting for which there is no room, and places them when a node joins. Nothing else goes through
Ray: the driver talks to each worker by HTTP, as on one machine.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from bakeoff.core.errors import (
    BakeoffError,
    MissingDependency,
    UsageError,
    WorkerDied,
    WorkerError,
    WorkerLost,
    WorkerNotStarted,
)
from bakeoff.core.installing import install_command
from bakeoff.core.spec import Candidate
from bakeoff.core.told import told_error
from bakeoff.core.version import __version__
from bakeoff.engines.client import EndpointClient
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.process import WorkerFacts
from bakeoff.study.cluster_room import Node, Request
from bakeoff.study.placement import Started
from bakeoff.study.ray_node import NodeWorker, node_name
from bakeoff.study.rows import Room

_CONNECT_S = 5.0
_STOP_WITHIN_S = 10.0
_HOW = "ray://HOST:PORT, the port of the cluster's head (6379), or of its Ray Client server (10001)"


def read_place(text: str) -> str | None:
    """Return the address in `ray` (None: the cluster that this machine knows, or a new one on it) or `ray://HOST:PORT`.

    Raises:
        UsageError: it is neither.
    """
    kind, separator, address = text.partition("://")
    if kind != "ray" or (separator and not _is_address(address)):
        raise UsageError(f"--on {text}: that is no place for workers", f"write --on ray, or {_HOW}")
    return address or None


def _is_address(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65536


class RayCluster:
    """A connection to a cluster. One a process, and closed at the end: Ray has one driver in a process."""

    def __init__(self, address: str | None) -> None:
        """Connect; without an address to the cluster that this machine is a node of, else to a new one on it.

        Raises:
            MissingDependency: Ray is not installed.
            UsageError: there is no cluster at the address, or none that this Python can join.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # its reports to its makers
        try:
            import ray
        except ImportError:
            raise MissingDependency("--on ray: Ray is not installed", install_command("ray")) from None
        self.address = address
        known = _known_as(address) if address is not None else None
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        local = {} if known or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
        try:
            _join(ray, known, quiet | local)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - Ray raises many kinds, and SystemExit where it gives up
            raise UsageError(
                f"cannot join the Ray cluster{f' at {address}' if address else ''}: {_in_one_line(error)}",
                f"{_HOW}; Ray and Python must be of the cluster's versions",
            ) from None
        self._ray = ray

    def close(self) -> None:
        """Leave the cluster; what was placed on it by this process ends."""
        self._ray.shutdown()

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes that are alive."""
        return tuple(
            Node(
                name=node_name(node["NodeManagerHostname"], node["NodeManagerAddress"], node["NodeID"]),
                cpus=node["Resources"].get("CPU", 0.0),
                memory_bytes=int(node["Resources"].get("memory", 0)),
                accelerators=node["Resources"].get("GPU", 0.0),
            )
            for node in self._ray.nodes()
            if node["Alive"]
        )

    async def start(
        self, candidate: Candidate, request: Request, room: Room, placed: Callable[[], Awaitable[None]]
    ) -> Started:
        """Start a candidate's worker, with `room` for texts, on some node; waits until one has what it requests, calls `placed`,
        and waits until it is ready.

        Raises:
            BakeoffError: the cluster is out of reach, which ends the run: it would fail for every text.
            WorkerLost: its node is gone again.
            WorkerNotStarted: it did not become ready.
            UsageError: what the user can mend on that node: its bakeoff, its engine, its model files.
        """
        options: dict[str, Any] = {"num_cpus": request.cpus, "num_gpus": request.accelerators}
        options |= {"memory": request.memory_bytes} if request.memory_bytes else {}
        options |= {"scheduling_strategy": "SPREAD", "max_restarts": 0, "max_concurrency": 16}
        try:
            actor = self._ray.remote(**options)(NodeWorker).remote()
        except ConnectionError as error:
            raise BakeoffError(
                f"the cluster is out of reach: {_in_one_line(error)}",
                "once it is there again: bakeoff run --resume RUN --on ray://HOST:PORT; all that came is stored",
            ) from None
        try:
            return await self._start_in(actor, candidate, request, room, placed)
        except BaseException:
            self.end(actor)
            raise

    async def _start_in(
        self, actor: Any, candidate: Candidate, request: Request, room: Room, placed: Callable[[], Awaitable[None]]
    ) -> Started:
        place = await self.ask(candidate.id, actor.place.remote(), "a node")
        await placed()
        node = place["node"]
        if place["version"] != __version__:
            raise UsageError(
                f"node {node} has bakeoff {place['version']}, and this is {__version__}",
                f"pip install bakeoff=={__version__}    on every node",
            )
        key = secrets.token_urlsafe(32)
        asked = actor.start.remote(candidate.model_dump(mode="json"), request.cpus, list(room), key)
        said = await self.ask(candidate.id, asked, node)
        if not said["ready"]:
            error = told_error(said) or WorkerNotStarted(said["message"], said["hint"])
            error.message = f"on node {node}: {error.message}"
            raise error
        told = dict(said["facts"]) | {name: tuple(said["facts"][name]) for name in ("fallbacks", "unknown")}
        facts = WorkerFacts(**{each.name: told[each.name] for each in fields(WorkerFacts)})
        ended = asyncio.create_task(self._end_of(candidate.id, actor, node))
        return Started(RayWorker(self, actor, candidate.id, facts, key, node, ended), said["cached_share"], node)

    async def ask(self, name: str, reference: Any, node: str) -> Any:
        """Return what an actor answers.

        Raises:
            WorkerLost: it is gone.
            WorkerDied: Ray ended it, since memory ran out.
            WorkerNotStarted: something else went wrong on its node.
            UsageError: its node has no bakeoff.
        """
        try:
            return await asyncio.wrap_future(reference.future())
        except ConnectionError as error:  # Ray Client's, of a head that is gone
            raise WorkerLost(f"the worker of {name} is out of reach, with the cluster: {_in_one_line(error)}") from None
        except self._ray.exceptions.RayError as error:
            said = str(error)
            if "No module named 'bakeoff" in said:
                raise UsageError(
                    "a node of the cluster has no bakeoff",
                    f"pip install bakeoff=={__version__}    on every node, into the Python that Ray runs in",
                ) from None
            if isinstance(error, self._ray.exceptions.OutOfMemoryError) or "running low on memory" in said:
                raise WorkerDied(f"the worker of {name} was ended by Ray on {node}: its memory ran out") from None
            if isinstance(error, self._ray.exceptions.RayActorError) and "creation task" not in said:
                raise WorkerLost(
                    f"the worker of {name} was lost with {node}", "its texts go to other workers"
                ) from None
            raise WorkerNotStarted(f"the worker of {name} on {node}: {said.strip().splitlines()[-1]}") from None

    async def _end_of(self, name: str, actor: Any, node: str) -> WorkerError:
        try:
            said: Mapping[str, Any] = await self.ask(name, actor.wait.remote(), f"node {node}")
        except WorkerError as error:
            self.end(actor)  # should it only be out of reach: nobody listens to it any more
            return error
        told = told_error(said)
        return told if isinstance(told, WorkerError) else WorkerLost(str(said.get("message")))

    def end(self, actor: Any) -> None:
        """End an actor, and what it started with it."""
        with suppress(Exception):  # it is gone, or the cluster is
            self._ray.kill(actor, no_restart=True)


@dataclass(slots=True)
class RayWorker:
    """A worker on a node; see `study.placement.RunningWorker`."""

    cluster: RayCluster
    actor: Any
    name: str
    facts: WorkerFacts
    key: str
    node: str
    ended: asyncio.Task[WorkerError]

    @property
    def alive(self) -> bool:
        """Whether nobody has told that it ended."""
        return not self.ended.done()

    def client(self, deadlines: Deadlines | None = None) -> EndpointClient:
        """Return a client of it, which shows its key."""
        return EndpointClient(self.facts.address, self.name, self.key, deadlines)

    def died(self) -> WorkerError:
        """Return how it ended. To be asked when it is not alive."""
        return self.ended.result()

    async def ended_within(self, seconds: float) -> bool:
        """Tell whether it has ended: its actor knows, and Ray knows whether there is still an actor."""
        with suppress(WorkerError):
            if await self.cluster.ask(self.name, self.actor.alive.remote(), self.node):
                return False
        await asyncio.wait({self.ended}, timeout=max(seconds, _STOP_WITHIN_S))
        return not self.alive

    async def wait(self) -> None:
        """Wait for its end."""
        await asyncio.wait({self.ended})

    async def stop(self) -> None:
        """End it, and its actor."""
        if self.alive:
            with suppress(WorkerError, TimeoutError):
                async with asyncio.timeout(_STOP_WITHIN_S):
                    await self.cluster.ask(self.name, self.actor.stop.remote(), self.node)
        self.cluster.end(self.actor)
        self.ended.cancel()


def _known_as(address: str) -> str:
    """Return an address as Ray wants it: a head's as it is, that of a Ray Client server with `ray://` before it.

    Raises:
        UsageError: nobody listens there.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise UsageError(
            f"--on ray://{address}: nobody listens there: {error.strerror or error}", f"{_HOW}; is the cluster up?"
        ) from None
    from ray._raylet import GcsClient

    try:
        GcsClient(address=address)
    except Exception:  # noqa: BLE001 - whatever it says, it is no head
        return f"ray://{address}"
    return address


def _join(ray: Any, known: str | None, options: dict[str, Any]) -> None:
    """Connect; a Ray Client server is asked once more, since it starts a process for each client, which a busy head fails to do in time."""
    try:
        ray.init(known, **options)
    except ConnectionError:
        if known is None or not known.startswith("ray://"):
            raise
        ray.shutdown()
        ray.init(known, **options)


def _in_one_line(error: BaseException) -> str:
    r"""Return what an error of Ray's says first, and where it hands on a traceback of the server's, how that ends.

    >>> _in_one_line(ConnectionError("Failure from server:\nTraceback ...\n  File ...\nRuntimeError: no room\n"))
    'Failure from server: RuntimeError: no room'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0]} {lines[-1].strip()}" if len(lines) > 1 and lines[0].endswith(":") else lines[0]
