"""What is noticed of files that are no longer those that were measured, and how often they are read for that."""

import asyncio
import os
import shutil

import pytest

from bakeoff.catalog.references import folder_spec
from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.serve import measured_files
from bakeoff.serve.measured_files import MeasuredFiles
from bakeoff.serve.plan import ServedModel
from serving_plans import bundled, plan_of, served

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(bundled("baseline"), tmp_path / "model")


@pytest.fixture
def reads(monkeypatch):
    """Counts how often all files are read."""
    counted = []
    whole = measured_files.digest_of
    monkeypatch.setattr(measured_files, "digest_of", lambda spec: (counted.append(spec), whole(spec))[1])
    return counted


def plan_over(folder):
    model = folder_spec(folder, str(folder), "m")
    return plan_of(ServedModel(candidate=Candidate(id="m", model=model, engine="fake", sampling=Sampling())))


def change(folder, *, byte=-1):
    """Other weights of the same size, with the old file's times."""
    file = folder / WEIGHTS
    before, content = file.stat(), bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_files_that_nobody_touched_are_not_read(folder, reads):
    files = MeasuredFiles(plan_over(folder))
    files.check("m")
    assert reads == []


def test_other_weights_of_the_same_size_and_time_are_refused_and_read_once(folder, reads):
    files = MeasuredFiles(plan_over(folder))
    change(folder)
    for _ in range(2):
        with pytest.raises(UsageError, match="m: its files have changed since they were measured"):
            files.check("m")
    assert len(reads) == 1


def test_the_same_content_written_again_is_what_was_measured(folder, reads):
    files = MeasuredFiles(plan_over(folder))
    change(folder)
    change(folder)
    files.check("m")
    files.check("m")
    assert len(reads) == 1


@pytest.mark.parametrize("name", ["chat_template.jinja", "model-2.safetensors"])
def test_a_file_that_came_since_is_a_change(folder, name):
    files = MeasuredFiles(plan_over(folder))
    (folder / name).write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="have changed"):
        files.check("m")


def test_a_file_that_is_gone_is_a_change(folder):
    files = MeasuredFiles(plan_over(folder))
    (folder / WEIGHTS).unlink()
    with pytest.raises(UsageError, match="have changed"):
        files.check("m")


def test_a_look_reads_nothing_and_takes_back_what_it_said(folder, reads, monkeypatch):
    monkeypatch.setattr(measured_files, "LOOK_AGAIN_S", 0.0)
    files = MeasuredFiles(plan_over(folder))
    assert asyncio.run(files.are_known("m"))
    change(folder)
    assert not asyncio.run(files.are_known("m"))
    assert reads == []
    change(folder)
    files.check("m")
    assert asyncio.run(files.are_known("m"))


def test_an_endpoint_of_others_has_no_files():
    files = MeasuredFiles(plan_of(served("far", source="endpoint", location="http://127.0.0.1:9/v1", remote="m")))
    files.check("far")
    assert asyncio.run(files.are_known("far"))


def test_a_plan_with_other_files_replaces_the_model(folder):
    before = plan_over(folder)
    files = MeasuredFiles(before)
    change(folder)
    assert files.replaced_by(before) == []
    assert files.replaced_by(plan_over(folder)) == ["m"]
