"""What the statistics need to know of briefs."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.decide.table import BriefUnit
from bakeoff.study.suite import Brief


def units_of(briefs: Sequence[Brief]) -> list[BriefUnit]:
    """Return what the statistics need to know of briefs."""
    return [BriefUnit(id=brief.id, content_type=brief.content_type, cluster=brief.cluster) for brief in briefs]
