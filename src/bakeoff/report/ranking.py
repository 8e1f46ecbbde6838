"""In which order a report shows candidates, and by what: people's preferences where there are enough, else what rules can tell.

It is an order of rows, and no decision: that one has its own tests, on the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.decide.labelling import FEWEST_LABELS, LabelReport
from bakeoff.report.contested import contested

NO_JUDGES = {"rule score", "keyword heuristic"}
"""Instruments of our own that labels can validate too; none of them is a judge."""


def rank_candidates(document: Mapping[str, Any], labels: LabelReport | None = None) -> dict[str, Any]:
    """Return `by` (`people`, `judge` or `rules`), `why` in words, the `order` of ids, and win rates by id where there are.

    A judge decides it where fewer labels than people's own order needs have validated it.
    """
    ids = [candidate["id"] for candidate in document["candidates"]]
    rates = {} if labels is None else {rate.candidate: rate for rate in labels.win_rates}
    helper = next((rate.scorer for rate in rates.values() if rate.scorer is not None), None)
    enough = labels is not None and labels.labels >= FEWEST_LABELS
    judged = helper is not None and helper not in NO_JUDGES
    if labels is not None and (enough or judged) and all(name in rates for name in ids):
        corrected = f", corrected by the {helper}, which your labels validate (PPI++)" if helper is not None else ""
        return {
            "by": "people" if enough else "judge",
            "why": f"by how often you preferred a text of theirs in {labels.labels} pairs{corrected}"
            if enough
            else f"by how often {helper} preferred a text of theirs, corrected by {labels.labels} labels of yours that validate it (PPI++)",
            "order": sorted(ids, key=lambda name: -(rates[name].win_rate.estimate or 0.0)),
            "win_rates": {name: rates[name].win_rate.model_dump(mode="json") for name in ids},
        }
    by_rules = {
        candidate["id"]: (
            -((candidate.get("publishable_rate_in_selection") or candidate["publishable_rate"])["estimate"] or 0.0),
            -(contested(candidate)["estimate"] or 0.0),
        )
        for candidate in document["candidates"]
    }
    few = "is no label of yours" if labels is None or not labels.labels else f"are fewer than {FEWEST_LABELS} labels"
    return {
        "by": "rules",
        "why": f"by the share of publishable texts, then by the rule score, of the briefs that they competed on, as there {few}",
        "order": sorted(ids, key=lambda name: by_rules[name]),
        "win_rates": {},
    }
