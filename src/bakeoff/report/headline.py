"""The decision in one sentence, the same wherever a run is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_HEADLINES = {
    "winner": "Run {choice}: it beats every other candidate{qualifying}.",
    "best_within_eps": "Run {choice}: no other{qualifying} is better by more than {eps:g} points{unknown}.",
    "no_clear_winner": "No clear winner. {leader} leads, and that is not enough to choose it.",
    "insufficient_data": "Too few briefs to decide anything.",
    "none_qualified": "No candidate qualified.",
}
_NOTHING = 1e-6


def headline(document: Mapping[str, Any]) -> str:
    """Return the sentence for a `bakeoff.run/1` document."""
    decision = document["decision"]
    alone = decision["outcome"] == "winner" and len(document["candidates"]) == 1
    level = [
        name
        for name in level_with(decision.get("leader"), document["comparisons"])
        if name not in decision.get("excluded", ())
    ]
    withdrawn = decision.get("withdrawn", ())
    return (
        "Nothing was measured: no model answered."
        if document.get("measured") is False
        else "Run {choice}: it was compared with no other."
        if alone
        else "Only {leader} ran: there is nobody to compare it with."
        if len(document["candidates"]) == 1 and decision["outcome"] == "no_clear_winner"
        else "Run {choice}: no other candidate qualified."
        if alone_qualifies(decision)
        else "No clear winner: {leader} and {level} are level."
        if level and decision["outcome"] == "no_clear_winner"
        else _HEADLINES[decision["outcome"]]
    ).format(
        level=", ".join(level),
        choice=decision["choice"],
        leader=decision.get("leader"),
        eps=document["eps"],
        qualifying=qualifying(decision),
        unknown=f"; nothing is shown about {', '.join(withdrawn)}, withdrawn" if withdrawn else "",
    )


def qualifying(found: Mapping[str, Any]) -> str:
    """Return ` that qualifies`, or `` that was left``, of the others that a decision or a route holds against; "" of all others."""
    kinds = (("excluded", "qualifies"), ("withdrawn", "was left"))  # documents of earlier versions have neither
    said = [words for kind, words in kinds if found.get(kind)]
    return f" that {' and '.join(said)}" if said else ""


def alone_qualifies(decision: Mapping[str, Any]) -> bool:
    """Whether a decision or a route fell on the one candidate that qualified."""
    return decision["outcome"] == "winner" and any(" alone qualifies; " in reason for reason in decision["reasons"])


def among(found: Mapping[str, Any]) -> str:
    """Return it of several, for a few words in a table."""
    return " of those left" if found.get("withdrawn") else " that qualify" if found.get("excluded") else ""


def level_with(leader: str | None, comparisons: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return those whose mean is the leader's: to lead by nothing is not to lead."""
    pairs = [pair for pair in comparisons if leader in {pair["a"], pair["b"]} and pair["difference"] is not None]
    return [pair["b"] if pair["a"] == leader else pair["a"] for pair in pairs if abs(pair["difference"]) < _NOTHING]
