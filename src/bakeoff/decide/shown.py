"""Who of two was shown to be better, with all pairs of a run allowed for: read from a `bakeoff.run/1` or `bakeoff.analysis/1` document.

By Holm's p where there is one. The intervals of a race hold for one pair alone, whenever it stopped; of six equal models the
leader's interval over some rival lies above 0 in 17 % of races. There it is whom an elimination names, or the winner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def shown_ahead(pair: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    """Return who of a comparison over everything was shown to be better, None where neither was."""
    a, b, p = pair["a"], pair["b"], pair["p_adjusted"]
    if p is not None:
        shown = p <= 1.0 - pair["level"]
        return a if shown and pair["low"] > 0 else b if shown and pair["high"] < 0 else None
    race = document.get("race")
    if race is None:  # too few families for a test
        return None
    overall = race["overall"]
    if overall["outcome"] == "winner" and overall["survivors"][0] in (a, b):
        return str(overall["survivors"][0])
    outs = {(out["candidate"], out["by"]) for out in overall["eliminations"]}
    return b if (a, b) in outs else a if (b, a) in outs else None
