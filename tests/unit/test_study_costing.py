"""What a run tells about cost: seconds of the machines that worked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bakeoff.core.records import Timings
from bakeoff.core.spec import ModelSpec
from bakeoff.store.db import Store
from bakeoff.study.cluster_room import Placement
from bakeoff.study.costing import work_of
from bakeoff.study.plan import trials_of
from made_generations import columns_of
from sample_runs import make_plan


def test_a_cluster_works_as_many_seconds_as_all_of_its_workers(tmp_path: Path) -> None:
    """Four texts at the same time for 2 s: half a second of one machine each, and one second of one of two."""
    plan = make_plan(4, ("ann",))
    spec = ModelSpec(reference="ann", name="ann", source="folder", location="ann", digest="d1")
    ours = plan.candidates[0].model_copy(update={"model": spec})
    here = plan.model_copy(update={"candidates": (ours,)})
    there = here.model_copy(update={"placement": Placement(workers=2, cpus=1, nodes=())})
    timings = Timings(latency_s=2.0, prompt_tokens=5, completion_tokens=10)
    written = [
        trial.generation(
            text="A text.", finish_reason="stop", timings=timings, attempts=1, concurrency=4, finished_unix_s=100.0
        )
        for trial in trials_of(here, ours)
    ]
    with closing(Store.open_folder(tmp_path)) as store:
        found = [work_of(each, store, columns_of(written))[0].sample for each in (here, there)]
    assert [sample and sample.busy_s for sample in found] == [pytest.approx((0.5, 0.5)), pytest.approx((1.0, 1.0))]
