"""Which writer a candidate gets, and which a judge."""

from __future__ import annotations

from pathlib import Path

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Candidate
from bakeoff.study.placement import start_here
from bakeoff.study.rows import Room
from bakeoff.study.worker_writer import WarmUp, WorkerWriter
from bakeoff.study.writers import EndpointWriter, Judging, RecordedWriter, Writer


def make_judge(judge: Candidate, logs: Path) -> Judging:
    """Return what asks a judge.

    Raises:
        UsageError: recorded texts judge nothing.
    """
    if judge.model.source == "recorded":
        raise UsageError(f"{judge.id} cannot judge: it is a file of recorded texts", "name a model or an endpoint")
    return EndpointWriter(judge) if judge.model.source == "endpoint" else WorkerWriter(judge, start_here(logs))


def make_writer(candidate: Candidate, logs: Path, room: Room, warm_up: WarmUp) -> Writer:
    """Return the writer for a candidate; `logs` is where workers' logs go, and the rest is for a worker of ours."""
    if candidate.model.source == "recorded":
        return RecordedWriter(candidate)
    if candidate.model.source == "endpoint":
        return EndpointWriter(candidate)
    return WorkerWriter(candidate, start_here(logs, room), warm_up)
