"""A program: imports one engine and says which device it would choose here, as one line of JSON on stdout.

A process of its own, since importing a runtime is slow, may hang on a sick driver, and may end the process. An engine
says it by a function `best_device() -> str` beside its `load`; one without it is imported, and its device is unknown.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Iterable
from typing import NamedTuple

from bakeoff.core.errors import BakeoffError
from bakeoff.core.programs import program_of
from bakeoff.engines import local

PROBE_TIMEOUT_S = 60.0


def main(name: str) -> None:
    """Print {"device": ..., "problem": ...}; either may be null."""
    report = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    device = problem = None
    try:
        local.resolve_engine(name)
        module = importlib.import_module(local.find_engine(name).load.partition(":")[0])
        device = module.best_device() if hasattr(module, "best_device") else None
    except BakeoffError as error:
        problem = error.message
    os.write(report, json.dumps({"device": device, "problem": problem}).encode() + b"\n")


class Probe(NamedTuple):
    """What an engine says here: its device and version where it tells them, and why it cannot work (empty if it can)."""

    device: str | None
    problem: str
    version: str | None = None


async def computing_on_cpu(engines: Iterable[str]) -> frozenset[str]:
    """Return those engines that say themselves that they would compute on the CPU here; each is imported by a process of its own.

    One that says nothing is not among them, nor is a server of its own, which knows only once it runs.
    """
    names = [name for name in engines if not local.find_engine(name).command]
    found = await asyncio.gather(*map(probe_device, names))
    return frozenset(name for name, probe in zip(names, found, strict=True) if probe.device == "cpu")


async def probe_device(name: str) -> Probe:
    """Run this program for an engine.

    A server of its own names its device only once it runs: it is asked for its version, and its device is unknown.
    """
    engine = local.find_engine(name)
    command = local.find_command(engine) if engine.command else None
    asked = [command, "--version"] if command else program_of("bakeoff.engines.device_probe", name)
    process = await asyncio.create_subprocess_exec(
        *asked,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return Probe(None, f"its import did not end within {PROBE_TIMEOUT_S:g} s")
    if command:
        return _read_version(command, process.returncode, said)
    try:
        value = json.loads(said)
    except ValueError:
        return Probe(None, f"its import ended the process (exit code {process.returncode})")
    return Probe(value["device"], value["problem"] or "")


def _read_version(command: str, code: int | None, said: bytes) -> Probe:
    if code != 0:
        return Probe(None, f"{command} --version ended with exit code {code}")
    # Whatever it logs comes first.
    words = said.decode(errors="replace").split()
    return Probe(None, "", words[-1] if words else None)


if __name__ == "__main__":
    main(sys.argv[1])
