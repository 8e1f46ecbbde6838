"""A worker that listens beyond its machine answers those who show its key, and nobody else."""

import asyncio
from dataclasses import replace

import pytest

from bakeoff.core.errors import EndpointRefused
from bakeoff.core.spec import Sampling
from bakeoff.engines.client import EndpointClient
from bakeoff.engines.process import start_worker
from worker_processes import READY_S, tiny_command

KEY = "a-key-of-this-test"
ASKED = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("shown", [None, "another"])
def test_only_who_shows_the_key_is_answered(tmp_path, shown):
    async def test():
        command = replace(tiny_command(tmp_path / "model"), host="127.0.0.1", key=KEY)
        assert KEY not in repr(command)
        assert not any(KEY in word for word in command.arguments(tmp_path / "socket", 3))
        worker = await start_worker(command, tmp_path, READY_S)
        try:
            assert worker.facts.address.startswith("http://127.0.0.1:")
            async with worker.client() as client:
                assert (await client.health())["status"] == "ok"
                assert (await client.generate(ASKED, Sampling(max_tokens=4), 0)).finish_reason in {"stop", "length"}
            async with EndpointClient(worker.facts.address, "tiny", shown) as stranger:
                for ask in (stranger.health, stranger.models, lambda: stranger.generate(ASKED, Sampling(), 0)):
                    with pytest.raises(EndpointRefused) as refused:
                        await ask()
                    assert refused.value.status == 401
        finally:
            await worker.stop()

    asyncio.run(test())
