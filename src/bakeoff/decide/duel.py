"""Two candidates against each other, on the briefs that both wrote: the difference, and how it is spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bakeoff.core.spec import Record
from bakeoff.decide.analysis import SCALE
from bakeoff.decide.contest import Cells
from bakeoff.decide.table import BriefUnit
from bakeoff.stats.intervals import cluster_means
from bakeoff.stats.paired import paired_difference

_EDGES = (-10.5, -5.5, -3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 5.5, 10.5)


class Difference(Record):
    """a - b over `families`. `interval` tells the method; p-values are None where there are too few."""

    content_type: str | None
    briefs: int
    families: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    low: float | None
    high: float | None
    method: str
    p: float | None
    p_sign_flip: float | None
    sd_difference: float | None
    correlation: float | None
    minimum_detectable: float | None


class Bin(Record):
    """How many briefs' differences lie from `low` up to `high`."""

    low: float
    high: float
    briefs: int


class Duel(Record):
    """One comparison; `by_content_type` is exploratory, each at the level of the whole."""

    a: str
    b: str
    overall: Difference
    by_content_type: tuple[Difference, ...]
    a_better: int
    level_briefs: int
    b_better: int
    histogram: tuple[Bin, ...]


def duel(a: str, b: str, briefs: Sequence[BriefUnit], cells: Cells) -> Duel:
    """Compare a with b on the briefs that both wrote."""
    common = [brief for brief in briefs if (a, brief.id) in cells and (b, brief.id) in cells]
    differences = np.array([cells[a, brief.id].quality - cells[b, brief.id].quality for brief in common])
    types = dict.fromkeys(brief.content_type for brief in common)
    counts = np.histogram(differences, _EDGES)[0]
    return Duel(
        a=a,
        b=b,
        overall=_difference(a, b, None, common, cells),
        by_content_type=tuple(
            _difference(a, b, name, [brief for brief in common if brief.content_type == name], cells) for name in types
        )
        if len(types) > 1
        else (),
        a_better=int((differences > 1e-9).sum()),
        level_briefs=int((np.abs(differences) <= 1e-9).sum()),
        b_better=int((differences < -1e-9).sum()),
        histogram=tuple(
            Bin(low=low, high=high, briefs=int(count))
            for low, high, count in zip(_EDGES[:-1], _EDGES[1:], counts, strict=True)
        ),
    )


def _difference(a: str, b: str, content_type: str | None, briefs: Sequence[BriefUnit], cells: Cells) -> Difference:
    families = [brief.family for brief in briefs]
    means_a = cluster_means([cells[a, brief.id].quality for brief in briefs], families)[0]
    means_b = cluster_means([cells[b, brief.id].quality for brief in briefs], families)[0]
    found = paired_difference(np.clip(means_a, *SCALE), np.clip(means_b, *SCALE), bounds=SCALE)
    return Difference(
        content_type=content_type,
        briefs=len(briefs),
        families=found.n,
        mean_a=float(means_a.mean()) if found.n else None,
        mean_b=float(means_b.mean()) if found.n else None,
        difference=found.estimate,
        low=found.low,
        high=found.high,
        method="t-approximate" if found.approximate else found.method,
        p=found.p,
        p_sign_flip=found.p_sign_flip,
        sd_difference=found.sd_difference,
        correlation=found.correlation,
        minimum_detectable=found.minimum_detectable,
    )
