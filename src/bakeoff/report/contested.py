"""Scores that may stand on one axis: those of the briefs that candidates competed on.

Who may be chosen is quoted from fresh briefs that the others never wrote (`quality`). Fresh briefs may be harder or easier, so
that such a score says how good its texts are, and nothing of who is ahead: rows, axes and orders take these instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def contested(candidate: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a candidate's quality on the briefs that it competed on."""
    found: Mapping[str, Any] = candidate.get("quality_in_selection") or candidate["quality"]
    return found


def contested_in(candidate: Mapping[str, Any], content_type: str) -> Mapping[str, Any] | None:
    """Return the same for one content type; None where it has none."""
    chosen_by = candidate.get("by_content_type_in_selection", {}).get(content_type)
    found: Mapping[str, Any] | None = chosen_by or candidate["by_content_type"].get(content_type)
    return found


def same_briefs(document: Mapping[str, Any]) -> bool:
    """Whether these scores are of the same briefs for every candidate; who leaves a race writes fewer than the others."""
    return len({contested(candidate).get("briefs") for candidate in document["candidates"]}) <= 1


def contest_note(document: Mapping[str, Any]) -> str:
    """Return what a reader must know of such scores where they stand side by side, "" where that is nothing."""
    said = []
    if any(candidate.get("confirmed") for candidate in document["candidates"]):
        said.append(
            "Scores here are those of the briefs that candidates competed on, since nobody else wrote the fresh ones that a "
            "score is quoted from."
        )
    if not same_briefs(document):
        said.append(
            "Who left the race early wrote fewer of them: only paired differences compare candidates on the same briefs."
        )
    return " ".join(said)
