"""What a model is admitted on: the one answer for the start, which leaves out what is too large, and for what is loaded later. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bakeoff.machine.budget import HOST
from bakeoff.serve.plan import ServedModel
from bakeoff.serve.pools import PerPool, with_margin

MARGIN = 0.15
"""The share on top of a measured peak where nobody says another."""


def admitted_on(
    served: ServedModel, said: int | Mapping[str, int | None] | None = None, margin: float = MARGIN
) -> PerPool:
    """Return bytes by memory: what people say, else what a run measured, with a margin, else the prediction's upper bound.

    A number that people say is of the memory that its weights lie in. Endpoints of others take nothing.
    """
    if not served.is_resident:
        return {}
    measured = {HOST: served.peak_memory_bytes}
    predicted = {served.memory: served.need_high_bytes or served.need_bytes or served.candidate.model.weight_bytes or 0}
    if served.memory != HOST:
        measured = {served.memory: served.device_peak_bytes, HOST: served.host_peak_bytes}
        predicted[HOST] = served.host_high_bytes or 0
    known = with_margin({pool: size for pool, size in measured.items() if size is not None}, margin)
    told = {served.memory: said} if isinstance(said, int) else said or {}
    return {**predicted, **known, **{pool: size for pool, size in told.items() if size is not None}}
