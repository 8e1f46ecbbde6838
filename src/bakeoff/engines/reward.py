"""Asking a reward model: one of ours in a process of its own, or one behind vLLM's `/pooling`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiohttp

from bakeoff.core.errors import (
    EndpointFailed,
    EndpointGarbage,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
    UnsupportedModel,
    WorkerDied,
)
from bakeoff.core.installing import install_command
from bakeoff.core.programs import program_of

_READY_S = 300.0
_ANSWER_S = 120.0


class Reward(NamedTuple):
    """`value` is the model's number, None where it gave none; only differences on one brief mean anything."""

    value: float | None
    tokens: int | None


class RewardModel(Protocol):
    """What gives rewards."""

    async def open(self) -> None:
        """Make ready.

        Raises:
            UnsupportedModel: it is no reward model, or cannot be loaded.
        """
        ...

    async def reward(self, messages: Sequence[Mapping[str, str]]) -> Reward:
        """Return the reward of the last message, given those before.

        Raises:
            WorkerDied: the process is gone.
            EndpointError: the server did not answer, or with something else.
        """
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class LocalReward:
    """A model folder, in a process that ends with ours: its input ends then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Start the program, and wait until the model is loaded."""
        self._process = await asyncio.create_subprocess_exec(
            *program_of("bakeoff.engines.reward_program", str(self._folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said = await self._line(_READY_S)
        if not said.get("ready"):
            await self.close()
            raise UnsupportedModel(
                f"reward:{self._folder}: {said.get('message', 'it cannot be loaded')}",
                f"a folder of a model for sequence classification with one label, and: {install_command('transformers')}",
            )

    async def reward(self, messages: Sequence[Mapping[str, str]]) -> Reward:
        """Ask, one at a time."""
        async with self._turn:
            if self._process is None or self._process.stdin is None:
                raise WorkerDied(f"the process of reward:{self._folder} is not running")
            line = json.dumps({"messages": [dict(message) for message in messages]})
            with contextlib.suppress(ConnectionError):  # it died: the answer says so
                self._process.stdin.write(line.encode() + b"\n")
                await self._process.stdin.drain()
            said = await self._line(_ANSWER_S)
            return Reward(said.get("reward"), said.get("tokens"))

    async def _line(self, within_s: float) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise WorkerDied(f"the process of reward:{self._folder} is not running")
        try:
            async with asyncio.timeout(within_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise EndpointTimeout(f"reward:{self._folder} said nothing for {within_s:g} s") from None
        if not line:
            raise WorkerDied(f"the process of reward:{self._folder} ended")
        said: dict[str, Any] = json.loads(line)
        return said

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None


class RewardEndpoint:
    """A model behind an URL that ends in /v1; `/pooling` lies beside it (vLLM, "Pooling Models")."""

    def __init__(self, url: str, model: str, key: str | None) -> None:
        base = url.rstrip("/").removesuffix("/v1")
        self._url, self._model, self._key = f"{base}/pooling", model, key
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the connection pool."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=_ANSWER_S))

    async def reward(self, messages: Sequence[Mapping[str, str]]) -> Reward:
        """Ask."""
        if self._session is None:
            await self.open()
        assert self._session is not None  # noqa: S101 - opened above
        body = {"model": self._model, "messages": [dict(message) for message in messages]}
        where = f"{self._model} at {self._url}"
        try:
            async with self._session.post(self._url, json=body, allow_redirects=False) as response:
                text = await response.text()
                status = response.status
        except TimeoutError:
            raise EndpointTimeout(f"{where} said nothing for {_ANSWER_S:g} s") from None
        except aiohttp.ClientError as error:
            raise EndpointUnreachable(f"{where}: {type(error).__name__}") from None
        if 400 <= status < 500:
            raise EndpointRefused(f"{where} refused with status {status}: {text[:200]}", status=status)
        if status != 200:
            raise EndpointFailed(f"{where} failed with status {status}")
        return read_pooling(text, where)

    async def close(self) -> None:
        """Close the connection pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def read_pooling(text: str, where: str) -> Reward:
    """Read vLLM's answer: `data[0].data` is the number, in as many lists as it likes; of several the last token's.

    >>> read_pooling('{"data": [{"data": [[0.1], [2.5]]}], "usage": {"prompt_tokens": 7}}', "m")
    Reward(value=2.5, tokens=7)

    Raises:
        EndpointGarbage: it is something else.
    """
    try:
        answer = json.loads(text)
        value = answer["data"][0]["data"]
        while isinstance(value, list):
            value = value[-1]
        reward = float(value)
        tokens = answer.get("usage", {}).get("prompt_tokens")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise EndpointGarbage(f"{where} sent no reward: {text[:80]!r}", "a server of vLLM's pooling models") from None
    if not math.isfinite(reward):
        raise EndpointGarbage(f"{where} sent a reward that is no number")
    return Reward(reward, tokens if isinstance(tokens, int) else None)


def open_reward_model(location: str, model: str | None, key: str | None) -> RewardModel:
    """Return the client of a folder, or of an URL where `model` names what is served there, and which may want a key."""
    if model is None:
        return LocalReward(Path(location))
    return RewardEndpoint(location, model, key)
