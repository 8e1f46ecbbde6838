"""What happened, in words: key figures, how sure the decision is, what a reader must know first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.core.units import bytes_text, percent_text, seconds_text
from bakeoff.decide.wording import plural, points, points_between
from bakeoff.report.headline import alone_qualifies, among, qualifying
from bakeoff.report.moved import MEANING, marked, moved_lines, moved_of
from bakeoff.report.page.facts import PageFacts
from bakeoff.report.tails import tail_words

NAMES = {
    "linkedin_post": "LinkedIn post",
    "tweet": "Tweet",
    "business_email": "Business e-mail",
    "technical_doc": "Technical document",
    "marketing_copy": "Marketing copy",
}
_OUTCOMES = {
    "winner": "beats all others{those}",
    "best_within_eps": "none{those} better by more than {eps:g}",
    "no_clear_winner": "not decided",
    "insufficient_data": "too few briefs",
    "none_qualified": "none qualified",
}
_PILOT_FAMILIES = 15


class KeyFigure(NamedTuple):
    """One number that a reader should take away, with how sure it is."""

    label: str
    value: str
    detail: str


class Lead(NamedTuple):
    """`ahead` minus `behind`, in points; the interval is None where none is known yet."""

    ahead: str
    behind: str
    difference: float
    low: float | None
    high: float | None
    pair: Mapping[str, Any]


def type_name(content_type: str) -> str:
    """Return how a content type is called in a heading.

    >>> type_name("tweet"), type_name("press_release")
    ('Tweet', 'Press release')
    """
    return NAMES.get(content_type, content_type.replace("_", " ").strip().capitalize() or content_type)


def leads_of(leader: str | None, comparisons: Sequence[Mapping[str, Any]]) -> list[Lead]:
    """Return the leader's paired differences to all others, the nearest rival first."""
    found = []
    for pair in comparisons:
        if leader not in {pair["a"], pair["b"]} or pair["difference"] is None:
            continue
        sign = 1 if pair["a"] == leader else -1
        ends = (None, None) if pair["low"] is None else tuple(sorted((sign * pair["low"], sign * pair["high"])))
        other = pair["b"] if sign == 1 else pair["a"]
        found.append(Lead(str(leader), other, sign * pair["difference"], ends[0], ends[1], pair))
    return sorted(found, key=lambda lead: lead.difference)


def outcome_words(route: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return how a route came about, in a few words."""
    if route["outcome"] == "winner" and len(document["candidates"]) == 1:
        return "compared with no other"
    if alone_qualifies(route):
        return "no other qualifies"
    return _OUTCOMES[route["outcome"]].format(eps=document["eps"], those=among(route))


def how_sure(document: Mapping[str, Any]) -> str:
    """Return what stands behind the headline, in one plain sentence."""
    decision, eps = document["decision"], document["eps"]
    outcome = decision["outcome"]
    raced = document["mode"] == "race"
    if document.get("measured") is False:
        return "No answer came from any model, so there is nothing to compare."
    if len(document["candidates"]) == 1:
        return "With one candidate there is nobody to compare it with: the figures stand by themselves."
    if alone_qualifies(decision):
        return "No other candidate qualified, so nothing was compared: nobody is shown to be worse than it."
    those, withdrawn = qualifying(decision), decision.get("withdrawn", ())
    unknown = f" About {', '.join(withdrawn)}, withdrawn, nothing is shown." if withdrawn else ""
    sentences = {
        "winner": f"This is shown, not guessed: after correction for {'looking early and for ' if raced else ''}comparing "
        f"several candidates, the evidence is past the 95 % mark against every other one{those}.",
        "best_within_eps": f"This is shown at the 95 % mark: any other{those} may be level with it or a little better, but by less than "
        f"{eps:g} of 10 points, which this suite calls no difference.{unknown}",
        "no_clear_winner": "The evidence does not separate the best ones. That is a result: a choice between them would be a "
        "guess, and more briefs are what would settle it.",
        "insufficient_data": f"{plural(analysed_families(document), 'family', 'families')} of briefs cannot carry any claim about who is "
        "better.",
        "none_qualified": "No candidate's texts are good enough to be used for what was asked.",
    }
    approximate = raced and document["race"]["evidence"] != "strict" and outcome in {"winner", "best_within_eps"}
    return sentences[outcome] + (
        " (A race's evidence is approximate, unless it is run with --strict.)" if approximate else ""
    )


def key_figures(document: Mapping[str, Any]) -> list[KeyFigure]:
    """Return the figures of the chosen candidate, or of the leader."""
    name = document["decision"]["choice"] or document["decision"].get("leader")
    one = next((found for found in document["candidates"] if found["id"] == name), None)
    if one is None:
        return []
    quality = one["quality"]
    mark = marked("", {"": one.get("fallbacks", ())})
    figures = []
    if quality["estimate"] is not None:
        fresh = " on briefs that did not choose it" if one.get("confirmed") else ""
        span = "" if quality["low"] is None else f"95 %: {quality['low']:.1f} to {quality['high']:.1f}"
        figures.append(KeyFigure("Score, 0 to 10", f"{quality['estimate']:.1f}", f"{span}{fresh}"))
    nearest = next(iter(leads_of(name, document["comparisons"])), None)
    if nearest is not None:
        between = (
            "no interval yet"
            if nearest.low is None or nearest.high is None
            else f"95 %: {points_between(nearest.low, nearest.high)}"
        )
        figures.append(KeyFigure("Lead over the next", signed(nearest.difference), f"{between}, over {nearest.behind}"))
    rate = one["publishable_rate"]
    if rate["estimate"] is not None:
        ends = (percent_text(rate[end], 0) for end in ("low", "high"))
        detail = "" if rate["low"] is None else f"95 %: {' to '.join(ends)}"
        figures.append(KeyFigure("Publishable texts", percent_text(rate["estimate"], 0), detail))
    latency = one["latency_s"]
    if latency["p50"] is not None:
        said = "reported" if one["timing_provenance"] == "reported" else "measured alone"
        figures.append(KeyFigure("A text takes", seconds_text(latency["p50"]), f"median {tail_words(latency)}, {said}"))
    if one["peak_memory_bytes"] is not None:
        figures.append(KeyFigure("Memory", bytes_text(one["peak_memory_bytes"]), f"peak, on {one['device'] or '?'}"))
    return [figure._replace(value=f"{figure.value}{mark}") for figure in figures]


def warnings(facts: PageFacts) -> list[str]:
    """Return what limits all that follows; none where nothing does."""
    document, origin = facts.document, facts.origin
    found = []
    if not document["complete"]:
        rests = "what follows rests on the briefs that every candidate has finished so far"
        found.append(
            f"This run is in progress: {rests}, and is provisional."
            if origin.state == "running"
            else f"This run is not complete ({origin.state}): {rests}. Go on with: bakeoff run --resume {document['run_id']}"
        )
    if document.get("measured") is False:
        found.append("Nothing was measured: every request failed. The reasons stand below, under failures.")
    if len(document["candidates"]) > 1:
        found += _pilot(document)
    moved = moved_lines(moved_of(document["candidates"]))
    if moved:
        found.append(f"{MEANING}. {'; '.join(moved)}.")
    ways = [way for made in facts.generations.values() for way in made.ways]
    if ways and all(way.recorded for way in ways if not way.failed):
        found.append(
            "The texts were recorded earlier: their times, where there are any, are reported and not measured here."
        )
    return found


def analysed_families(document: Mapping[str, Any]) -> int:
    """Return on how many families the run's conclusions rest; in documents of earlier versions, how many were planned."""
    families: int = document.get("analysed", document["suite"])["families"]
    return families


def _pilot(document: Mapping[str, Any]) -> list[str]:
    """Return that there are too few families for a claim, nothing where there are enough.

    A race that ended by itself needed no more than it took, so that only its length is held against the limit.
    """
    race = document.get("race")
    ended = race is not None and race["overall"]["ending"] != "stopped"
    families = document["suite"]["families"] if ended else analysed_families(document)
    if families >= _PILOT_FAMILIES:
        return []
    said = f"A pilot: {plural(families, 'family', 'families')} of briefs"
    if ended:
        return [f"{said}, where a race shows large differences only."]
    return [f"{said}, where a claim about who is better takes {_PILOT_FAMILIES} at least."]


def signed(value: float) -> str:
    """Return a difference with its sign; `level` where there is none.

    >>> signed(0.31), signed(-1.25), signed(0.0)
    ('+0.31', '−1.25', 'level')
    """
    if abs(value) < 1e-6:
        return "level"
    sign = "+" if value > 0 else "−"
    return sign + points(abs(value))


def agreement_sentence(line: Mapping[str, Any]) -> str:
    """Return what the score is worth for one content type, or that nobody measured it."""
    agreement = line["agreement"]
    if agreement["estimate"] is None:
        return "never measured against people for this content type"
    return (
        f"prefers what people preferred in {100 * agreement['estimate']:.0f} % of {plural(line['pairs'], 'pair')} "
        f"[{100 * agreement['low']:.0f} to {100 * agreement['high']:.0f} %]; the longer text, in "
        f"{100 * line['baseline_longer_wins']:.0f} %"
    )
