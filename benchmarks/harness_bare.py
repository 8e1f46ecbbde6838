"""The least that a client can do: a pool of workers over aiohttp that stream the stub's answers and keep nothing.

    python benchmarks/harness_bare.py URL PROMPTS.json CONCURRENCY MAX_TOKENS

What `harness.py` calls "bare client": how fast the stub can be asked by one process of Python, and how close to the
ideal rate a client can come on this machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from pathlib import Path

import aiohttp


async def ask(session: aiohttp.ClientSession, url: str, prompts: deque[str], max_tokens: int) -> None:
    """Ask until no prompt is left."""
    while prompts:
        body = {
            "model": "stub",
            "messages": [{"role": "user", "content": prompts.popleft()}],
            "max_tokens": max_tokens,
            "temperature": 0.7,
            "stream": True,
        }
        async with session.post(f"{url}/chat/completions", json=body) as response:
            if not (await response.read()).endswith(b"data: [DONE]\n\n"):
                sys.exit("the stub's answer was cut")


async def ask_all(url: str, prompts: deque[str], concurrency: int, max_tokens: int) -> None:
    """Ask everything, so many at a time."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        await asyncio.gather(*(ask(session, url, prompts, max_tokens) for _ in range(concurrency)))


def main() -> None:
    """Read the command line, and ask."""
    url, file, concurrency, max_tokens = sys.argv[1:]
    asyncio.run(ask_all(url, deque(json.loads(Path(file).read_text())), int(concurrency), int(max_tokens)))


if __name__ == "__main__":
    main()
