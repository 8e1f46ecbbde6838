"""`--on`: where the workers of a run are. Joins a cluster at most once, when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.study.cluster_room import Placement
    from bakeoff.study.plan import Plan
    from bakeoff.study.ray_cluster import RayCluster


class Cluster:
    """What the options say of a cluster.

    Raises:
        click.UsageError: options of a cluster without one.
    """

    def __init__(self, place: str | None, workers: int | None, cpus: int | None, *, resumed: bool = False) -> None:
        if place is None and not resumed and (workers is not None or cpus is not None):
            raise click.UsageError("--workers and --worker-cpus are for a cluster: add --on ray")
        self._place = place
        self._workers = workers
        self._cpus = cpus
        self._joined: RayCluster | None = None

    def plan(self, concurrency: int) -> Placement | None:
        """Return the placement for a new run, None where its workers run here.

        Raises:
            UsageError: there is no such cluster, or it cannot do what the options say.
        """
        if self._place is None:
            return None
        from bakeoff.study.cluster_room import plan_placement
        from bakeoff.study.ray_cluster import read_place

        address = read_place(self._place)
        nodes = self._join(address).nodes()
        return plan_placement(nodes, address, self._workers, self._cpus, concurrency)

    def resized(self, plan: Plan) -> Plan:
        """Return a stored plan with workers of as many CPUs as the options say: that is where it runs, and not what it is.

        Raises:
            click.UsageError: the run was begun here.
        """
        if self._cpus is None:
            return plan
        if plan.placement is None:
            raise click.UsageError(f"run {plan.run_id} was begun on one machine. Leave --worker-cpus out")
        return plan.model_copy(update={"placement": plan.placement.model_copy(update={"cpus": self._cpus})})

    def of(self, plan: Plan) -> RayCluster | None:
        """Return the cluster that a run is to use, None where its workers run here; a resumed run may have another address.

        Raises:
            UsageError: there is no such cluster, or the run was begun here.
        """
        if plan.placement is None:
            if self._place is not None:
                raise click.UsageError(
                    f"run {plan.run_id} was begun on one machine: its times would be of two places. Leave --on out"
                )
            return None
        if self._place is None:
            return self._join(plan.placement.address)
        from bakeoff.study.ray_cluster import read_place

        return self._join(read_place(self._place))

    def _join(self, address: str | None) -> RayCluster:
        from bakeoff.study.ray_cluster import RayCluster

        if self._joined is None:
            self._joined = RayCluster(address)
        return self._joined

    def close(self) -> None:
        """Leave the cluster, if it was joined."""
        if self._joined is not None:
            self._joined.close()
