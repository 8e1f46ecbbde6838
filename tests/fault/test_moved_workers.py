"""A worker whose device changes under way: its texts stop counting, unless that was allowed, and then it is told of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bakeoff.core.errors import DeviceChanged
from bakeoff.core.records import Generation, WorkerLoad
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.engines.process import start_worker
from bakeoff.study.placement import Started
from bakeoff.study.plan import Trial
from bakeoff.study.worker_writer import WorkerWriter
from worker_processes import READY_S, fake_command

ASKED = [{"role": "user", "content": "Hello"}]


def candidate(*, allow_fallback: bool) -> Candidate:
    spec = ModelSpec(reference="fake", name="fake", source="folder", location="/nowhere", digest="d")
    return Candidate(
        id="fake", model=spec, engine="fake", sampling=Sampling(max_tokens=4), allow_fallback=allow_fallback
    )


def written(logs: Path, texts: int, *, allow_fallback: bool) -> tuple[list[Generation | DeviceChanged], WorkerLoad]:
    """What came of so many texts, of a worker that is found elsewhere from the second one on; and what is known of its start."""

    async def start(_candidate: Candidate) -> Started:
        return Started(await start_worker(fake_command("--moves-after", "1"), logs, READY_S), None)

    async def write() -> tuple[list[Generation | DeviceChanged], WorkerLoad]:
        writer = WorkerWriter(candidate(allow_fallback=allow_fallback), start)
        found: list[Generation | DeviceChanged] = []
        try:
            await writer.open()
            for number in range(texts):
                trial = Trial(key=f"t{number}", candidate="fake", brief="b", replicate=number, seed=0)
                try:
                    found.append(await writer.write(trial, ASKED, 1))
                except DeviceChanged as error:
                    found.append(error)
            return found, writer.loads[0]
        finally:
            await writer.close()

    return asyncio.run(write())


def test_a_text_from_another_device_is_none_unless_allowed(tmp_path: Path) -> None:
    (first, second), load = written(tmp_path, 2, allow_fallback=False)
    assert isinstance(first, Generation)
    assert (first.device, first.dtype) == ("none", "none")
    assert isinstance(second, DeviceChanged)
    assert "on elsewhere instead of none" in second.message
    assert "--allow-fallback" in second.hint
    assert load.fallbacks == ()


def test_where_it_is_allowed_each_text_says_where_it_was_made_and_the_start_what_changed(tmp_path: Path) -> None:
    found, load = written(tmp_path, 3, allow_fallback=True)
    assert [text.device for text in found if isinstance(text, Generation)] == ["none", "elsewhere", "elsewhere"]
    assert load.fallbacks == ("on elsewhere instead of none",)
    assert load.device == "none"


@pytest.mark.parametrize("said", [None, 7, ["x"], {"device": 7, "dtype": "", "fallbacks": "x"}])
def test_what_is_no_word_of_a_worker_is_not_believed(said: object) -> None:
    from bakeoff.engines.answer import Answer

    answer = Answer("M")
    if isinstance(said, dict):
        answer.timings = said
    assert (answer.told("device"), answer.told("dtype"), answer.fallbacks()) == (None, None, ())
