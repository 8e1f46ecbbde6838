"""How a race went, in lines: who was out when, what it saved, and where the quoted scores come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.decide.wording import plural

_ENDINGS = {
    "decided": "decided after {families} of {cap} families",
    "cap": "ran to its end, {cap} of {cap} families",
    "futile": "given up after {families} of {cap} families, as nothing could be shown by the last",
    "withdrawn": "only the overall leader left after {families} of {cap} families",
    "stopped": "cut short after {families} of {cap} families",
}


def race_lines(document: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Return the lines for a `bakeoff.run/1` document; none for a run of a fixed number of briefs."""
    race = document.get("race")
    if race is None:
        return []
    lines = [f"over everything: {_fact_in_words(race['overall'], labels)}"]
    if len(race["by_content_type"]) > 1:
        lines += [f"{name}: {_fact_in_words(fact, labels)}" for name, fact in race["by_content_type"].items()]
    share = 1.0 - race["briefs_raced"] / race["briefs_fixed"]
    guaranteed = "guaranteed" if race["evidence"] == "strict" else "approximate"
    written = sum(candidate["generations"] for candidate in document["candidates"])
    lines.append(
        f"{race['briefs_raced']} answers to briefs were needed of the {race['briefs_fixed']} that everybody writing all of them"
        f" would take ({100 * share:.0f} % fewer); with what was under way and what confirms the score, {written} texts were"
        f" written; the evidence is {guaranteed}"
    )
    return lines


def _fact_in_words(fact: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    said = _ENDINGS[fact["ending"]].format(families=fact["families"], cap=fact["cap"])
    outs = [f"{labels[out['candidate']]} out after {out['after']}" for out in fact["eliminations"]]
    outs += [f"{labels[name]} withdrawn" for name in fact["withdrawn"]]
    return "; ".join([said, *outs])


def confirmed_lines(document: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Return a line for each candidate whose score in a `bakeoff.run/1` document comes from held-back briefs."""
    lines = []
    for candidate in document["candidates"]:
        chosen_by = candidate.get("quality_in_selection")
        if chosen_by is not None and chosen_by["estimate"] is not None:
            briefs = plural(candidate["quality"]["briefs"], "fresh brief")
            lines.append(
                f"{labels[candidate['id']]}: its score is that of {briefs}; on those that chose it, it had {chosen_by['estimate']:.2f}"
            )
    return lines
