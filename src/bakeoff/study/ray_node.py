"""What runs on a node of a Ray cluster: an actor that starts one worker there, as it would be started here, and ends with it.

The worker listens on the node's own address and answers those who show its key; texts never pass through Ray. It watches a
pipe of the actor's process: when that ends, by itself, with its node, or because the driver is gone and Ray ends what
belonged to it, the worker ends too.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict

from bakeoff.catalog.references import look_again, resolve
from bakeoff.core.clock import SystemClock
from bakeoff.core.errors import BakeoffError, UnknownModel, UsageError
from bakeoff.core.spec import Candidate, ModelSpec
from bakeoff.core.told import tell_error
from bakeoff.core.version import __version__
from bakeoff.engines.local import find_engine, require_engine
from bakeoff.engines.process import Worker, WorkerCommand, start_worker
from bakeoff.engines.temporary import make_log_folder
from bakeoff.measure.page_cache import cached_share, model_files
from bakeoff.study.rows import Room


class Place(TypedDict):
    """Where an actor was put, and the bakeoff that is there."""

    node: str
    version: str


class NodeWorker:
    """The actor. Everything that it is given and gives back is JSON's types: an error of ours would lose its parts."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._logs = make_log_folder(SystemClock())

    async def place(self) -> Place:
        """Tell where it is."""
        import ray

        number = ray.get_runtime_context().get_node_id()
        return {"node": node_name(socket.gethostname(), _address(), number), "version": __version__}

    async def start(self, candidate: dict[str, Any], threads: int, room: Sequence[int], key: str) -> dict[str, Any]:
        """Start the candidate's worker; return its facts and `cached_share`, or the error that it ended with."""
        try:
            return await self._start(Candidate.model_validate(candidate), threads, Room(*room), key)
        except BakeoffError as error:
            shutil.rmtree(self._logs, ignore_errors=True)
            return {"ready": False, **tell_error(error)}

    async def _start(self, candidate: Candidate, threads: int, room: Room, key: str) -> dict[str, Any]:
        require_engine(candidate.engine)
        model = await asyncio.to_thread(_find, candidate.model)
        share = await asyncio.to_thread(lambda: cached_share(model_files(Path(model.location))))
        command = replace(
            WorkerCommand.of(candidate, max_rows=room.rows, max_kv_tokens=room.kv_tokens),
            folder=Path(model.location),
            threads=threads,
            host=_address(),
            key=key,
        )
        self._worker = await start_worker(command, self._logs, find_engine(candidate.engine).ready_within_s)
        return {"ready": True, "facts": asdict(self._worker.facts), "cached_share": share}

    async def alive(self) -> bool:
        """Tell whether the worker runs."""
        return self._worker is not None and self._worker.alive

    async def wait(self) -> dict[str, Any]:
        """Wait for the worker's end; return the error that tells how it ended."""
        if self._worker is None:
            raise RuntimeError("no worker was started")
        await self._worker.wait()
        return tell_error(self._worker.died())

    async def stop(self) -> None:
        """End the worker."""
        if self._worker is not None:
            await self._worker.stop()
        shutil.rmtree(self._logs, ignore_errors=True)


def node_name(host: str, address: str, number: str) -> str:
    """Return what people call a node; several may be on one machine."""
    return f"{host} ({address}, {number[:8]})"


def _address() -> str:
    """Return the address of this node, as the cluster knows it."""
    import ray

    return str(ray.util.get_node_ip_address())


def _find(spec: ModelSpec) -> ModelSpec:
    """Return the model as it lies on this node.

    Raises:
        UsageError: it cannot be read here, or is another one.
    """
    if Path(spec.location).exists():
        found = look_again(spec)
    elif spec.reference.startswith(("bundled:", "hf:")):
        found = resolve(spec.reference)  # each node has its own copy
    else:
        raise UnknownModel(
            f"{spec.reference}: there is no {spec.location} on this node",
            "put the model under the same path on every node, or on a file system that all of them share",
        )
    if found.digest != spec.digest:
        raise UsageError(
            f"{spec.reference}: {found.location} on this node is another model than here",
            "put the same files on every node",
        )
    return found
