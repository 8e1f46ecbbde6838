"""How many texts a worker may compute at a time: what a run tells it, and what it takes untold."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.core.spec import Sampling
from bakeoff.engines.batching import Limits
from bakeoff.engines.process import WorkerCommand
from bakeoff.study.candidates import make_candidates
from bakeoff.study.rows import USUAL_ROOM, Room, rooms_for

TINY = str(Path(__file__).parents[1] / "data" / "tiny_llama")


def test_a_worker_that_is_told_nothing_has_the_usual_room() -> None:
    assert Limits(*USUAL_ROOM) == Limits()


@pytest.mark.parametrize("concurrency", [1, 8, 16])
def test_few_texts_in_flight_change_nothing(concurrency: int) -> None:
    assert rooms_for(concurrency) == (USUAL_ROOM,)


@pytest.mark.parametrize("concurrency", [17, 24, 256])
def test_there_is_a_row_for_every_text_in_flight(concurrency: int) -> None:
    largest, smallest = rooms_for(concurrency)
    assert largest.rows == smallest.rows == concurrency
    assert largest.rows_of(2048) == concurrency
    assert smallest.kv_tokens == USUAL_ROOM.kv_tokens


def test_longer_texts_leave_room_for_fewer() -> None:
    room = Room(24, 49152)
    assert [room.rows_of(tokens) for tokens in (1, 2048, 4096, 10**6)] == [24, 24, 12, 1]


def test_the_command_line_tells_the_worker() -> None:
    (candidate,) = make_candidates([TINY], Sampling())
    line = WorkerCommand.of(candidate, max_rows=24, max_kv_tokens=49152).arguments(Path("/s"), 3)
    assert line[line.index("--max-rows") + 1] == "24"
    assert line[line.index("--max-kv-tokens") + 1] == "49152"
    assert not [word for word in WorkerCommand.of(candidate).arguments(Path("/s"), 3) if word.startswith("--max")]
