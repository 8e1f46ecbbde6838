"""What a person's labels say, in lines and as `bakeoff.labels/1`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from bakeoff.core.plain import printable
from bakeoff.decide.wording import plural, rate_in_words
from bakeoff.report.layout import bullets

if TYPE_CHECKING:
    from bakeoff.decide.labelling import LabelReport, ScorerAgreement, WinRate

SCHEMA = "bakeoff.labels/1"
_FEWEST_OF_A_TYPE = 5


def labels_document(run_id: str, found: LabelReport) -> dict[str, Any]:
    """Return the document."""
    return {"schema": SCHEMA, "run_id": run_id, **found.model_dump(mode="json")}


def validity_sentence(found: ScorerAgreement) -> str:
    """Return the line that stands beside a score or judge, by this person's labels."""
    if not found.pairs:
        return f"{found.scorer}: no pair of yours was decided, nothing is known of it"
    verdict = (
        "validated: better than chance, and than the longer text"
        if found.validated
        else "not validated: not shown to be better than both chance and the longer text"
    )
    where = "" if found.content_type is None else f" for {found.content_type}"
    balanced = "" if found.length_balanced is None else f", length-balanced {100 * found.length_balanced:.0f} %"
    kappa = "" if found.kappa is None else f", kappa {found.kappa:.2f}"
    return (
        f"{found.scorer}{where} agrees with you in {rate_in_words(found.agreement)} of {plural(found.pairs, 'pair')}"
        f"{balanced}{kappa}; the longer text, in {100 * (found.longer_wins or 0):.0f} %. It is {verdict}"
    )


def print_labels(found: LabelReport, console: Console) -> None:
    """Print what the labels say."""
    from bakeoff.decide.labelling import FEWEST_LABELS  # loads the statistics: not for a page without labels

    said = [f"{plural(found.labels, 'pair')} labelled, {found.skipped} skipped"]
    if found.repeated:
        said.append(f"of {plural(found.repeated, 'pair')} shown twice you answered {found.consistent} alike")
    if found.labels < FEWEST_LABELS:
        said.append(f"under {FEWEST_LABELS} labels a verdict is hardly possible: go on when you can")
    overall = [line for line in found.agreements if line.content_type is None]
    by_type = [line for line in found.agreements if line.content_type is not None and line.pairs >= _FEWEST_OF_A_TYPE]
    for part in (
        *bullets("Your labels", said),
        *bullets("Agreement with you", [printable(validity_sentence(line)) for line in overall]),
        *bullets("By content type", [printable(_short(line)) for line in by_type]),
        *bullets("How often you prefer each one's text", [printable(_rate_line(rate)) for rate in found.win_rates]),
    ):
        console.print(part)


def _short(found: ScorerAgreement) -> str:
    longer = f"the longer text {100 * (found.longer_wins or 0):.0f} %"
    share = f"{rate_in_words(found.agreement)} of {plural(found.pairs, 'pair')}"
    return f"{found.content_type}, {found.scorer}: {share}; {longer}{'; validated' if found.validated else ''}"


def _rate_line(rate: WinRate) -> str:
    by = f", corrected by the {rate.scorer} (PPI++)" if rate.scorer is not None and rate.judge_weight else ""
    return (
        f"{rate.candidate}: {rate_in_words(rate.win_rate)} of the pairs it is in ({plural(rate.labelled, 'label')}{by})"
    )
