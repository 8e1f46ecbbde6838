"""In which order a report shows candidates, and by what: people's preferences where there are enough, else what rules can tell.

It is an order of rows, and no decision: that one has its own tests, on the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.decide.labelling import FEWEST_LABELS, LabelReport


def rank_candidates(document: Mapping[str, Any], labels: LabelReport | None = None) -> dict[str, Any]:
    """Return `by` (`people` or `rules`), `why` in words, the `order` of ids, and win rates by id where people decide it."""
    ids = [candidate["id"] for candidate in document["candidates"]]
    rates = {} if labels is None else {rate.candidate: rate for rate in labels.win_rates}
    if labels is not None and labels.labels >= FEWEST_LABELS and all(name in rates for name in ids):
        helper = next((rate.scorer for rate in labels.win_rates if rate.scorer is not None), None)
        corrected = f", corrected by the {helper}, which your labels validate (PPI++)" if helper is not None else ""
        return {
            "by": "people",
            "why": f"by how often you preferred a text of theirs in {labels.labels} pairs{corrected}",
            "order": sorted(ids, key=lambda name: -(rates[name].win_rate.estimate or 0.0)),
            "win_rates": {name: rates[name].win_rate.model_dump(mode="json") for name in ids},
        }
    by_rules = {
        candidate["id"]: (
            -(candidate["publishable_rate"]["estimate"] or 0.0),
            -(candidate["quality"]["estimate"] or 0.0),
        )
        for candidate in document["candidates"]
    }
    few = "is no label of yours" if labels is None or not labels.labels else f"are fewer than {FEWEST_LABELS} labels"
    return {
        "by": "rules",
        "why": f"by the share of publishable texts, then by the rule score, as there {few}",
        "order": sorted(ids, key=lambda name: by_rules[name]),
        "win_rates": {},
    }
