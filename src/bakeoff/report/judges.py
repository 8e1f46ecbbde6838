"""What judges said of a run: as `bakeoff.judge/1`, and for people, with what their word is worth beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from bakeoff.core.plain import printable
from bakeoff.core.records import Estimate
from bakeoff.core.units import money
from bakeoff.decide.labelling import ScorerAgreement
from bakeoff.decide.wording import plural, quality_in_words, rate_in_words
from bakeoff.report.labels import validity_sentence
from bakeoff.report.layout import bullets, cells, table, title

SCHEMA = "bakeoff.judge/1"
_COUNTS = ("asked", "without_answer", "failed", "flips", "prompt_tokens", "completion_tokens")
_USELESS = 0.5


def judges_document(run_id: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document."""
    judges = [
        {
            "judge": one["judge"],
            "candidates": [candidate.model_dump(mode="json") for candidate in one["candidates"]],
            **{name: None if one["counts"] is None else one["counts"][name] for name in _COUNTS},
            "cost": one.get("cost"),
            "agreement": None if one["agreement"] is None else one["agreement"].model_dump(mode="json"),
            "validity": validity_of_judge(one),
        }
        for one in found["judges"]
    ]
    return {
        "schema": SCHEMA,
        "run_id": run_id,
        **{name: found[name] for name in ("briefs", "labels", "jury_alpha", "warnings")},
        "judges": judges,
    }


def validity_of_judge(one: Mapping[str, Any]) -> str:
    """Return the line that stands beside every number of a judge."""
    agreement: ScorerAgreement | None = one["agreement"]
    counts = one["counts"]
    if counts is not None and counts["failed"] == counts["asked"]:
        return f"{one['judge']}: nothing is known of it: all {counts['asked']} questions failed"
    if counts is not None and counts["asked"] and counts["without_answer"] > _USELESS * counts["asked"]:
        return (
            f"{one['judge']}: of no use as a judge: {counts['without_answer']} of {counts['asked']} questions got no valid "
            "answer"
        )
    if agreement is None or not agreement.pairs:
        return f"{one['judge']}: not validated: you have labelled no pair that it judged; bakeoff label comes first"
    return validity_sentence(agreement)


def print_judges(found: Mapping[str, Any], console: Console) -> None:
    """Print it."""
    for one in found["judges"]:
        console.print(title(printable(f"{one['judge']} on {plural(found['briefs'], 'brief')}")))
        made = table("candidate", "preferred in", "of pairs", "grade, 0 to 10")
        for candidate in one["candidates"]:
            made.add_row(
                *cells(
                    printable(candidate.candidate),
                    _rate(candidate.win_rate),
                    str(candidate.win_rate.briefs),
                    "-" if candidate.judge_quality.estimate is None else quality_in_words(candidate.judge_quality),
                )
            )
        console.print(made)
        lines = [validity_of_judge(one)]
        if one["counts"] is not None:
            lines.append(_counts_line(one["counts"]))
        if one.get("cost") is not None and one["cost"]["value"] is not None:
            lines.append(f"{money(one['cost']['value'])} ({one['cost']['reason']})")
        for part in bullets("What that is worth", [printable(line) for line in lines]):
            console.print(part)
    notes = list(found["warnings"])
    if found["jury_alpha"] is not None:
        notes.append(
            f"the judges agree among themselves to alpha {found['jury_alpha']:.2f} (Krippendorff, nominal; 0 is chance)"
        )
    for part in bullets("Note", [printable(note) for note in notes]):
        console.print(part)


def _rate(rate: Estimate) -> str:
    return "-" if rate.estimate is None else rate_in_words(rate)


def _counts_line(counts: Mapping[str, int]) -> str:
    said = [
        f"{plural(counts['asked'], 'question')}",
        f"{counts['without_answer']} without a valid answer",
        f"{counts['failed']} failed",
        f"{plural(counts['flips'], 'pair')} decided otherwise in the other order, which counts as a tie",
        f"{counts['prompt_tokens']:,} tokens read, {counts['completion_tokens']:,} written",
    ]
    return "; ".join(said)
