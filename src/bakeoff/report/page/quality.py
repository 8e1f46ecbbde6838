"""The charts of quality: who scores what, by how much the leader leads, and both for each content type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from markupsafe import Markup

from bakeoff.core.generations import Generations
from bakeoff.core.units import level_text
from bakeoff.decide.shown import shown_ahead
from bakeoff.decide.wording import p_in_words, plural, signed_points
from bakeoff.measure.selecting import failed, groups, scored
from bakeoff.report.contested import contest_note, contested, contested_in
from bakeoff.report.page.facts import PageFacts
from bakeoff.report.page.forest import MOST_POINTS, Row, Tone, forest
from bakeoff.report.page.scale import Scale, fit_scale
from bakeoff.report.page.story import Lead, leads_of, signed, type_name
from bakeoff.report.page.svg import Caption
from bakeoff.report.page.thinning import thinned_words

_QUALITY = Scale(0.0, 10.0)
_LEAST_REACH = 1.0
_BEHIND = "shown to be behind"
GLANCE = 6
"""How many candidates are drawn beside the headline."""


def tone_of(candidate: str, document: Mapping[str, Any]) -> Tone:
    """Return how a candidate is drawn: the choice, the leader where nobody was chosen, who is out of the race."""
    decision = document["decision"]
    if candidate == decision["choice"]:
        return "choice"
    if candidate == decision.get("leader") and decision["choice"] is None:
        return "leader"
    race = document.get("race")
    gone = {out["candidate"] for out in race["overall"]["eliminations"]} if race else set()
    return "out" if candidate in gone else "plain"


def family_means(facts: PageFacts) -> dict[str, dict[bool, list[float]]]:
    """Return, for each candidate, the mean score of every family of briefs that counted; those held back apart, under True.

    A failed text counts 0, as everywhere; replicates are averaged first, then the briefs of a family.
    """
    found: dict[str, dict[bool, list[float]]] = {}
    for candidate, made in facts.generations.items():
        families: dict[tuple[bool, str], list[float]] = defaultdict(list)
        written, counted = _by_brief(made), facts.rested_on[candidate]
        for brief, known in facts.briefs.items():
            if (brief in written and known.held_back) or brief in counted:
                families[known.held_back, known.family].append(fmean(written.get(brief, (0.0,))))
        if families:
            found[candidate] = {False: [], True: []}
        for (held_back, _), values in families.items():
            found[candidate][held_back].append(fmean(values))
    return found


def _by_brief(made: Generations) -> dict[str, list[float]]:
    never_came = failed(made)
    rows = np.flatnonzero(never_came | scored(made))
    values = np.where(never_came, 0.0, np.asarray(made.score))
    names = list(made.briefs)
    return {names[made.brief[own[0]]]: values[own].tolist() for own in groups(np.asarray(made.brief)[rows], rows)}


def quality_chart(facts: PageFacts, ranked: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Markup:
    """Return the forest plot of all candidates."""
    means = family_means(facts)
    rows = []
    for one in ranked:
        quality, confirmed = one["quality"], bool(one.get("confirmed"))
        chosen_by = (one.get("quality_in_selection") or {}).get("estimate")
        rows.append(
            Row(
                name=names[one["id"]],
                estimate=quality["estimate"],
                low=quality["low"],
                high=quality["high"],
                value=interval_words(quality),
                tone=tone_of(one["id"], facts.document),
                points=means[one["id"]][confirmed] if one["id"] in means else (),
                also=chosen_by if confirmed else None,
                note="" if chosen_by is None else f"on the briefs that chose it: {chosen_by:.2f}",
            )
        )
    said = "; ".join(f"{row.name} {row.value}" for row in rows)
    return forest(
        Caption(
            "forest",
            "Score of each candidate with its 95 % interval",
            f"A row for each candidate on a scale from 0 to 10. {said}.",
        ),
        rows,
        _QUALITY,
        threshold=facts.origin.threshold,
    )


def thinned_families(facts: PageFacts, ranked: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return of how many families some are drawn in the forest plot, "" where all are."""
    means = family_means(facts)
    counts = {
        names[one["id"]]: len(means[one["id"]][bool(one.get("confirmed"))]) for one in ranked if one["id"] in means
    }
    return thinned_words(counts, MOST_POINTS, "families")


def glance_chart(document: Mapping[str, Any], order: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Markup:
    """Return the first few candidates' scores on the briefs that they competed on, small, for beside the headline."""
    rows = [
        Row(
            name=names[one["id"]],
            estimate=quality["estimate"],
            low=quality["low"],
            high=quality["high"],
            value="no score" if quality["estimate"] is None else f"{quality['estimate']:.1f}",
            tone=tone_of(one["id"], document),
        )
        for one in order[:GLANCE]
        for quality in [contested(one)]
    ]
    said = "; ".join(f"{row.name} {row.value}" for row in rows)
    return forest(
        Caption(
            "glance",
            "Scores at a glance",
            f"With 95 % intervals, from 0 to 10: {said}. {contest_note(document)}".strip(),
        ),
        rows,
        _QUALITY,
        small=True,
    )


def interval_words(estimate: Mapping[str, Any]) -> str:
    """Return `6.64 [5.45, 7.48]`; `no score` where there is none.

    >>> interval_words({"estimate": 6.637, "low": 5.45, "high": 7.48}), interval_words({"estimate": None})
    ('6.64 [5.45, 7.48]', 'no score')
    """
    if estimate["estimate"] is None:
        return "no score"
    if estimate["low"] is None:
        return f"{estimate['estimate']:.2f}"
    return f"{estimate['estimate']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"


def difference_chart(document: Mapping[str, Any], names: Mapping[str, str]) -> Markup | None:
    """Return the paired differences from the leader, None where there is no pair."""
    leader = document["decision"]["choice"] or document["decision"].get("leader")
    leads = leads_of(leader, document["comparisons"])
    if not leads:
        return None
    rows = [
        Row(
            name=names[lead.behind],
            estimate=lead.difference,
            low=lead.low,
            high=lead.high,
            value=lead_words(lead),
            tone="sure" if verdict_words(lead, document) == _BEHIND else "plain",
        )
        for lead in leads
    ]
    eps = document["eps"]
    ends = [end for row in rows for end in (row.estimate, row.low, row.high) if end is not None]
    scale = fit_scale([*ends, eps * 1.5, -eps * 1.5, _LEAST_REACH, -_LEAST_REACH / 2], log=False)
    said = "; ".join(f"over {row.name} {row.value}" for row in rows)
    return forest(
        Caption(
            "differences",
            f"Lead of {names[str(leader)]} over each other candidate, in points",
            f"Paired on the same briefs; the band from {-eps:g} to {eps:g} makes no difference. {said}.",
        ),
        rows,
        scale,
        band=(-eps, eps),
        ends=("← the other is better", "the leader is better →"),
    )


def lead_words(lead: Lead) -> str:
    """Return a lead with its interval."""
    if lead.low is None or lead.high is None:
        return signed(lead.difference)
    low, high = (signed_points(end).replace("-", "−") for end in (lead.low, lead.high))
    return f"{signed(lead.difference)} [{low}, {high}]"


def evidence_words(pair: Mapping[str, Any]) -> str:
    """Return the corrected evidence of a comparison: Holm's p, or the race's e-value.

    >>> evidence_words({"e_value": 308.1, "p_adjusted": None}), evidence_words({"e_value": None, "p_adjusted": 0.003})
    ('e = 308', 'p = 0.003 (Holm)')
    """
    if pair["e_value"] is not None:
        value = pair["e_value"]
        return "e < 0.01" if value < 0.01 else f"e = {value:.3g}" if value < 1e6 else "e > 1,000,000"
    if pair["p_adjusted"] is not None:
        return f"{p_in_words(pair['p_adjusted'])} (Holm)"
    return "too few families for a test"


def verdict_words(lead: Lead, document: Mapping[str, Any]) -> str:
    """Return what a comparison shows, by what is corrected for all pairs: Holm's p, or who a race put out, or its winner."""
    if lead.low is None or lead.high is None:
        return "nothing shown yet"
    race = document.get("race")
    if lead.pair["p_adjusted"] is None and race is None:
        return "too few families for a claim"
    ahead = shown_ahead(lead.pair, document)
    if ahead is not None:
        return _BEHIND if ahead == lead.ahead else "shown to be ahead"
    if race is not None and lead.behind in {out["candidate"] for out in race["overall"]["eliminations"]}:
        return "shown to be behind another"
    if lead.ahead == document["decision"]["choice"] and lead.behind in _within(document):
        return f"the other is better by less than {document['eps']:g}, if at all"
    return "not told apart"


def _within(document: Mapping[str, Any]) -> set[str]:
    """Return who was shown not to be better than the choice by more than eps: nobody that left the race, or its field."""
    decision = document["decision"]
    if decision["outcome"] != "best_within_eps":
        return set()
    outside = {decision["choice"], *decision.get("excluded", ()), *decision.get("withdrawn", ())}
    return {found["id"] for found in document["candidates"]} - outside


def type_chart(
    content_type: str, document: Mapping[str, Any], ranked: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> Markup:
    """Return the small forest plot of one content type, of the briefs competed on; the route's candidate stands out."""
    route = document["routes"][content_type]
    rows = []
    for one in ranked:
        shown = contested_in(one, content_type)
        if shown is None:
            continue
        rows.append(
            Row(
                name=names[one["id"]],
                estimate=shown["estimate"],
                low=shown["low"],
                high=shown["high"],
                value=interval_words(shown),
                tone="choice" if one["id"] == route["candidate"] else "plain",
            )
        )
    said = "; ".join(f"{row.name} {row.value}" for row in rows)
    level = next((one["by_content_type"][content_type]["level"] for one in ranked if one["by_content_type"]), 0.95)
    return forest(
        Caption(
            f"type-{list(document['routes']).index(content_type)}",
            f"{type_name(content_type)}: score of each candidate",
            f"Intervals at {level_text(level)}. {said}. {contest_note(document)}".strip(),
        ),
        rows,
        _QUALITY,
        small=True,
    )


def sample_words(estimate: Mapping[str, Any]) -> str:
    """Return on how many briefs an estimate rests."""
    briefs, families = estimate["briefs"], estimate.get("clusters")
    if families is None or families == briefs:
        return plural(briefs, "brief")
    return f"{plural(briefs, 'brief')} in {plural(families, 'family', 'families')}"
