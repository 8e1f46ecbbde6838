"""Texts in flight at a worker of a run are computed together, however many they are."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from bakeoff.core.spec import Sampling
from bakeoff.engines.reading import Completion
from bakeoff.study.candidates import make_candidates
from bakeoff.study.placement import start_here
from bakeoff.study.rows import USUAL_ROOM, Room, rooms_for
from bakeoff_command import Workspace, write_suite
from tiny_model import make_tiny_model
from waiting import wait_until

CONCURRENCY = 24
ASKED = [{"role": "user", "content": "Write a tweet about the opening of our bakery in Leeds on 14 March."}]


@pytest.mark.parametrize("room", [*rooms_for(CONCURRENCY), USUAL_ROOM])
def test_a_worker_computes_as_many_texts_at_a_time_as_it_is_told(tmp_path: Path, room: Room) -> None:
    (candidate,) = make_candidates(["bundled:baseline"], Sampling(max_tokens=60))

    async def write() -> list[Completion]:
        worker = (await start_here(tmp_path, room)(candidate)).worker
        try:
            async with worker.client() as client:
                texts = (client.generate(ASKED, candidate.sampling, seed) for seed in range(CONCURRENCY))
                return await asyncio.gather(*texts)
        finally:
            await worker.stop()

    rows = [text.rows or 0 for text in asyncio.run(write())]
    assert max(rows) <= room.rows
    assert (max(rows) > 16) == (room.rows > 16)


def test_a_run_tells_its_workers_how_many_texts_it_may_have_in_flight(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "one", eos=False)
    write_suite(tmp_path / "suite.yaml", 200, max_tokens=120)
    space = Workspace(tmp_path)
    run = ("run", "suite.yaml", "--models", "one", "--fixed-n", "200", "--concurrency", str(CONCURRENCY))
    process = space.start(*run)
    try:
        wait_until(lambda: space.workers() or process.poll() is not None, "a worker runs", 60)
        line = [str(word) for word in space.workers()[0].info["cmdline"]]
        wait_until(lambda: space.count() >= 60 or process.poll() is not None, "60 texts are stored", 60)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert line[line.index("--max-rows") + 1] == str(CONCURRENCY)
    assert line[line.index("--max-kv-tokens") + 1] == str(CONCURRENCY * 2048)
    records = [json.loads(str(record)) for (record,) in space.rows("select record from generations")]
    crowd = [record["timings"] for record in records if record["concurrency"] == CONCURRENCY]
    assert crowd
    # Whoever waits for a row waits for a whole text of another.
    assert max(timings["queue_s"] for timings in crowd) < min(timings["decode_s"] for timings in crowd)
