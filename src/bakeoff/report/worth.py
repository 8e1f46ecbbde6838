"""What the rule score is worth, for every place that prints a number made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bakeoff.score.validity import ALL_BUSINESS, VALIDITY, sentence_of, validity_lines

WORTH = "What the score is worth"
USABLE = (
    "a text counts as usable when no gate stops it: gates catch broken text, and do not tell which of two decent ones people "
    "like better"
)


def worth_fields(content_types: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a document: `validity`, a line a content type and the pooled one last, and `validity_text`."""
    return {"validity": validity_lines(content_types), "validity_text": worth_sentence()}


def worth_sentence() -> str:
    """Return the sentence that stands beside a score."""
    return sentence_of(VALIDITY[ALL_BUSINESS])


def worth_by_type(validity: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what is known for each content type of a document's `validity`, and for which there is nothing."""
    known, unknown = [], []
    for line in validity[:-1]:
        agreement = line["agreement"]
        if agreement["estimate"] is None:
            unknown.append(line["content_type"])
            continue
        low, high = round(100 * agreement["low"]), round(100 * agreement["high"])
        share, longer = round(100 * agreement["estimate"]), round(100 * line["baseline_longer_wins"])
        known.append(f"{line['content_type']} {share} % [{low}, {high}] of {line['pairs']} (longer: {longer} %)")
    if known:
        yield f"by content type: {'; '.join(known)}"
    if unknown:
        yield f"never measured for: {', '.join(unknown)}"
