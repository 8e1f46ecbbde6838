"""`--on`, `--workers` and `--worker-cpus`, as far as no cluster is joined."""

from __future__ import annotations

import click
import pytest

from bakeoff.cli.cluster import Cluster
from bakeoff.study.cluster_room import Placement
from sample_runs import make_plan

PLAN = make_plan(2, ("ann",))
PLACED = PLAN.model_copy(update={"placement": Placement(workers=2, cpus=8, nodes=())})


def test_a_resumed_run_takes_workers_of_another_width_and_nothing_else() -> None:
    resized = Cluster(None, None, 4, resumed=True).resized(PLACED)
    assert resized.placement == Placement(workers=2, cpus=4, nodes=())
    assert resized.model_copy(update={"placement": PLACED.placement}) == PLACED
    assert Cluster(None, None, None, resumed=True).resized(PLACED) == PLACED


def test_workers_are_for_a_cluster() -> None:
    with pytest.raises(click.UsageError, match="add --on ray"):
        Cluster(None, None, 4)
    with pytest.raises(click.UsageError, match=r"begun on one machine\. Leave --worker-cpus out"):
        Cluster(None, None, 4, resumed=True).resized(PLAN)
