"""What a candidate's answers are counted as, and which sentences a reader gets."""

from __future__ import annotations

import pytest

from bakeoff.core.records import Generation, Score
from bakeoff.report.answers import anything_measured, count_answers, fault_lines
from made_generations import column_of


def made(number: int, text: str | None = None, kind: str | None = None, **more: object) -> Generation:
    finish = "stop" if text is not None else "error"
    fields = {"trial": f"t{number}", "candidate": "ann", "brief": "b", "replicate": number, "seed": 0}
    return Generation.model_validate(fields | {"text": text, "finish_reason": finish, "error_kind": kind} | more)


OWN = [
    made(0, "A text."),
    made(1, "A text that", finish_reason="length", attempts=2, retried=["busy"]),
    made(2, "  \n", recorded=True),
    made(3, kind="empty"),
    made(4, kind="failed", attempts=4, retried=["failed", "busy", "failed"]),
    made(5, kind="gone", attempts=0),
]
SCORES = [Score(trial=f"t{number}", value=value, publishable=True) for number, value in enumerate([8, 4, 0])]


def test_every_trial_is_counted_once_and_every_retry_with_its_reason() -> None:
    assert count_answers(column_of(OWN, SCORES)) == {
        "answers_by_kind": {"empty": 2, "failed": 1, "gone": 1, "text": 1, "truncated": 1},
        "failures_by_kind": {"empty": 1, "failed": 1, "gone": 1},
        "retries": 4,
        "retries_by_kind": {"busy": 2, "failed": 2},
        "retried_texts": 2,
        "texts": 3,
        "mean_score_of_texts": 4.0,
    }


@pytest.mark.parametrize(
    ("own", "measured"),
    [([], False), (OWN[:1], True), (OWN[3:4], True), (OWN[4:], False), ([made(0, kind="missing_text")], False)],
)
def test_something_was_measured_where_a_model_answered(own: list[Generation], measured: bool) -> None:
    assert anything_measured([column_of(own)]) is measured


def test_a_reader_is_told_all_of_it() -> None:
    document = count_answers(column_of(OWN, SCORES)) | {"generations": len(OWN), "errors": {}}
    assert fault_lines(document, "ann") == [
        "ann: 3 of 6 texts failed: empty 1, failed 1, gone 1",
        "ann: was given up; 3 of its 6 texts came, and score 4.00 on average; the others count as 0",
        "ann: 4 requests made again (busy 2, failed 2), for 2 texts, with the latency of the last request",
        "ann: 1 of 6 texts were cut off at the limit of tokens, and are not publishable",
    ]


def test_nothing_is_told_where_all_was_well() -> None:
    document = count_answers(column_of(OWN[:1], SCORES)) | {"generations": 1, "errors": {}}
    assert fault_lines(document, "ann") == []


def test_documents_of_earlier_versions_are_read() -> None:
    assert fault_lines({"generations": 5, "errors": {"timeout": 2}}, "ann") == ["ann: 2 of 5 texts failed: timeout 2"]
