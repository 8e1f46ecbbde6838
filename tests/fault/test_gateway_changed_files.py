"""A model's files are replaced while a gateway serves it: nothing is answered by them under the evidence of the old ones."""

import asyncio
import shutil
import subprocess
import sys

import pytest

from bakeoff.catalog.references import folder_spec
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.serve import measured_files
from bakeoff.serve.keeping import Keeping, ModelKeeping
from bakeoff.serve.plan import ServedModel
from bakeoff.serve.settings import CacheSettings
from gateways import EVIDENCE, fakes, make_plan, running
from serving_plans import bundled
from worker_processes import until

GREEDY = {"temperature": 0}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(bundled("baseline"), tmp_path / "model")


def measured(folder):
    candidate = Candidate(id="a", model=folder_spec(folder, str(folder), "a"), engine="fake", sampling=Sampling())
    return ServedModel(candidate=candidate, need_bytes=1 << 20, need_high_bytes=1 << 20, quality=EVIDENCE)


def replace_weights(folder):
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def serving(work, folder, plan, **settings):
    async def run():
        commands = fakes(a=["--tokens", "3"], b=["--tokens", "2"])
        async with running(plan, folder, commands=commands, **settings) as gateway:
            return await work(gateway)

    return asyncio.run(run())


def state(gateway):
    return gateway.supervisor.snapshot()["models"]["a"]


def test_what_is_loaded_anew_is_what_was_measured_or_the_next_serves(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(measured_files, "LOOK_AGAIN_S", 0.0)
    keeping = Keeping(first_open_s=0.1, models={"a": ModelKeeping(idle_unload_s=0.3)})

    async def work(gateway):
        told = [await gateway.ask("bakeoff/tweet", **GREEDY) for _ in range(2)]
        replace_weights(folder)
        await until(lambda: state(gateway)["state"] == "absent", within_s=20)
        told += [await gateway.ask("bakeoff/tweet", **GREEDY), await gateway.ask("a", **GREEDY)]
        error = state(gateway)["last_error"]
        replace_weights(folder)  # back to what was measured
        await until(lambda: state(gateway)["breaker"]["state"] != "open", within_s=20)
        return [*told, await gateway.ask("bakeoff/tweet", **GREEDY)], error

    plan = make_plan(measured(folder), "b", routes={"tweet": ["a", "b"]})
    (first, again, changed, named, back), error = serving(
        work, tmp_path, plan, keeping=keeping, cache=CacheSettings(enabled=True)
    )
    assert [first.headers["x-bakeoff-cache"], again.headers["x-bakeoff-cache"]] == ["miss", "hit"]
    assert (changed.text, changed.headers["x-bakeoff-candidate"], changed.headers["x-bakeoff-cache"]) == (
        "w0 w1 ",
        "b",
        "miss",
    )
    assert (changed.headers["x-bakeoff-fallback"], named.status) == ("1", 503)
    assert "a: its files have changed since they were measured" in error
    assert (back.status, back.text, back.headers["x-bakeoff-candidate"]) == (200, "w0 w1 w2 ", "a")


def test_weights_that_come_while_a_worker_reads_them_are_not_served(folder, tmp_path):
    async def work(gateway):
        return await gateway.ask("bakeoff/tweet")

    class Late(measured_files.MeasuredFiles):
        """Replaces the weights right after they were looked at."""

        looks = 0

        def check(self, model):
            super().check(model)
            self.looks += model == "a"
            if model == "a" and self.looks == 1:
                replace_weights(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bakeoff.serve.supervisor.MeasuredFiles", Late)
        answer = serving(work, tmp_path, make_plan(measured(folder), "b", routes={"tweet": ["a", "b"]}))
    assert answer.headers["x-bakeoff-candidate"] == "b"


def test_the_gateway_stays_small():
    code = (
        "import sys, bakeoff.serve.app, bakeoff.serve.supervisor;"
        "assert not {'numpy', 'sqlalchemy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
