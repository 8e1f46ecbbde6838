"""How sure a run is of who serves a route, in the few words of a table: as the run's own table says it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SET = "set in the settings"
NAMED_FIRST = "named first, not measured"
_SURE = {
    "winner": "beats all others{those}",
    "best_within_eps": "none{those} better by more than {eps:g}",
    "no_clear_winner": "leads, undecided",
    "insufficient_data": "too few briefs",
    "none_qualified": "none qualified",
}


def how_sure(served_by: str, found: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return it of a route or of the decision over everything, which are `found` in a run's `document`.

    Args:
        served_by: who serves, which may be another one than the run's own.
        found: its `outcome` and `reasons`, and its `candidate` (a route) or its `choice` and `leader` (the decision).
        document: a `bakeoff.run/1` document.
    """
    from bakeoff.report.headline import alone_qualifies, among

    decision = document["decision"]
    is_route = "candidate" in found
    earned = found["candidate"] if is_route else found["choice"] or found.get("leader")
    if earned is not None and served_by != earned:
        return f"stands in for {earned}"
    if alone_qualifies(found):
        return "no other qualifies"
    if len(document["candidates"]) == 1 and found["outcome"] in {"winner", "no_clear_winner"}:
        return "compared with no other"
    if is_route and found["outcome"] == "no_clear_winner":
        if served_by == decision["choice"]:
            return "as overall"
        if decision["choice"] is None and served_by == decision.get("leader"):
            return "leads overall, undecided"
    return _SURE[found["outcome"]].format(eps=document["eps"], those=among(found))
