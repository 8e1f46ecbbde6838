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

from bakeoff.core.errors import BakeoffError
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


async def probe_device(name: str) -> tuple[str | None, str]:
    """Run this program for an engine; return its device, and why it cannot work here (empty if it can)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bakeoff.engines.device_probe", name),
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
        return None, f"its import did not end within {PROBE_TIMEOUT_S:g} s"
    try:
        value = json.loads(said)
    except ValueError:
        return None, f"its import ended the process (exit code {process.returncode})"
    return value["device"], value["problem"] or ""


if __name__ == "__main__":
    main(sys.argv[1])
