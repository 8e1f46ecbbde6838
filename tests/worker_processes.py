"""Worker programs as tests start them, and what is left of them afterwards."""

import asyncio
import os
import sys
from pathlib import Path

import psutil

from bakeoff.engines.process import WorkerCommand
from tiny_model import make_tiny_model

FAKE = (sys.executable, "-m", "bakeoff.engines.fake_worker")
READY_S = 60


def fake_command(*knobs, name="fake"):
    return WorkerCommand(name=name, engine="fake", folder=Path(), program=(*FAKE, *knobs))


def tiny_command(folder, **model):
    make_tiny_model(folder, **model)
    return WorkerCommand(name="tiny", engine="onnx", folder=folder, threads=1)


def workers_of(marker):
    """Return the live processes whose command line holds `marker`, which is a path or name of this test alone."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        line = process.info["cmdline"] or []
        if process.info["pid"] != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            found += [process] if any(str(marker) in word for word in line) else []
    return found


async def until(condition, within_s=10.0):
    """Wait until `condition()` is true; fail when it does not come true in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.01)


async def until_answer(ask, right, within_s=10.0):
    """Ask again until the answer is right; return it."""
    async with asyncio.timeout(within_s):
        while not right(answer := await ask()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        return answer
