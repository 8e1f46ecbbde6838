"""Which writer a candidate gets, and which a judge."""

from __future__ import annotations

from pathlib import Path

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Candidate
from bakeoff.engines.endpoint_keys import EndpointKeys
from bakeoff.study.placement import start_here
from bakeoff.study.rows import Room
from bakeoff.study.worker_writer import WarmUp, WorkerWriter
from bakeoff.study.writers import EndpointWriter, Judging, RecordedWriter, Tell, Writer


def make_judge(judge: Candidate, keys: EndpointKeys, tell: Tell, logs: Path) -> Judging:
    """Return what asks a judge; `keys` and `tell` are for an endpoint.

    Raises:
        UsageError: recorded texts judge nothing.
    """
    if judge.model.source == "recorded":
        raise UsageError(f"{judge.id} cannot judge: it is a file of recorded texts", "name a model or an endpoint")
    if judge.model.source == "endpoint":
        return EndpointWriter(judge, keys, tell)
    return WorkerWriter(judge, start_here(logs))


def make_writer(
    candidate: Candidate, keys: EndpointKeys, tell: Tell, logs: Path, room: Room, warm_up: WarmUp
) -> Writer:
    """Return the writer for a candidate: `keys` and `tell` are for an endpoint, the rest is for a worker of ours."""
    if candidate.model.source == "recorded":
        return RecordedWriter(candidate)
    if candidate.model.source == "endpoint":
        return EndpointWriter(candidate, keys, tell)
    return WorkerWriter(candidate, start_here(logs, room), warm_up)
