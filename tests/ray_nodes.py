"""A Ray cluster of several nodes on this machine, gone afterwards. Every node is a raylet with processes of its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from postgres_server import free_port

_STORE = 80 * 2**20
NODE_MEMORY = 2 * 2**30


class Nodes:
    """The cluster; its head computes nothing, and serves those who are no node of it at `client_address`."""

    def __init__(self, cluster: Any, client_port: int) -> None:
        self._cluster = cluster
        self.address = f"ray://{cluster.address}"
        self.client_address = f"ray://127.0.0.1:{client_port}"

    def add(self, cpus: int = 1) -> Any:
        """Add a node."""
        return self._cluster.add_node(num_cpus=cpus, memory=NODE_MEMORY, object_store_memory=_STORE)

    def kill(self, node: Any) -> None:
        """End all processes of a node by SIGKILL."""
        self._cluster.remove_node(node, allow_graceful=False)


@contextmanager
def ray_nodes(count: int) -> Iterator[Nodes]:
    """Yield a cluster with `count` nodes of one CPU each; skips the test where Ray is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        pytest.importorskip("ray", reason="Ray is not installed")
        from ray.cluster_utils import Cluster

        port = free_port()
        head = {
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": _STORE,
            "ray_client_server_port": port,
        }
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            nodes = Nodes(cluster, port)
            for _ in range(count):
                nodes.add()
            yield nodes
        finally:
            cluster.shutdown()
