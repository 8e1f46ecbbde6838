"""Columns say of generations and scores all that is counted over them."""

from __future__ import annotations

from math import isnan

import pytest

from bakeoff.core.generations import NO_WINDOW, Generations, Places
from bakeoff.core.records import GateHit, Generation, Score, Timings
from bakeoff.report.answers import answer_kind
from made_generations import column_of
from made_runs import generation


def made(**changed: object) -> Generation:
    return generation("ann", "b0").model_copy(update=changed)


@pytest.mark.parametrize(
    ("text", "finish", "kind"),
    [
        ("A text.", "stop", "text"),
        ("\n  late", "length", "truncated"),
        (" \n", "stop", "empty"),
        ("", "stop", "empty"),
        (None, "error", "timeout"),
    ],
)
def test_what_came_of_a_trial_is_known_without_its_text(text: str | None, finish: str, kind: str) -> None:
    column = column_of([made(text=text, finish_reason=finish, error_kind="timeout" if text is None else None)])
    ((way, count),) = column.count_ways()
    assert (answer_kind(way), way.failed, count) == (kind, text is None, 1)
    assert column.text_digest[0] == int.from_bytes(made(text=text).text_digest or b"")


def test_numbers_are_kept_as_they_are_and_unknown_ones_are_nan() -> None:
    timings = Timings(latency_s=2.0, ttft_s=0.5, completion_tokens=7, itl_s=(0.1, 0.2), itl_at="worker")
    column = column_of(
        [made(), made(replicate=1, timings=timings, window=3, finished_unix_s=1.7e9 + 0.123456, retried=("busy",))]
    )
    assert isnan(column.latency_s[0])
    assert (column.latency_s[1], column.ttft_s[1], column.completion_tokens[1]) == (2.0, 0.5, 7)
    assert (column.window[0], column.window[1], column.replicate[1]) == (NO_WINDOW, 3, 1)
    assert isnan(column.prompt_tokens[1])
    assert column.finished_unix_s[1] == 1.7e9 + 0.123456
    assert (column.gap_s.tolist(), column.gap_row.tolist()) == ([0.1, 0.2], [1, 1])
    assert [way.retried for way in column.ways] == [(), ("busy",)]


def test_a_score_is_kept_by_its_parts() -> None:
    hit = GateHit(gate="empty", rule="no words", evidence="")
    score = Score(
        trial="t",
        value=4.5,
        publishable=False,
        gates=(hit, hit.model_copy(update={"gate": "garbage"}), hit),
        dimensions={"a": 1.0, "b": None},
        comparison_only={"keyword_heuristic": 5.0},
    )
    failed = made(trial="u", text=None, finish_reason="error")
    column = column_of([made(trial="t"), failed], [score, score.model_copy(update={"trial": "u"})])
    assert (column.score[0], column.heuristic[0]) == (4.5, 5.0)
    ((scored, publishable, gates),) = column.verdicts
    assert (scored, publishable, gates) == (True, False, ("empty", "garbage"))
    # A failed generation has no dimensions.
    assert {name: (total.mean, total.count) for name, total in column.dimensions.items()} == {
        "a": (1.0, 1),
        "b": (None, 0),
    }


@pytest.mark.parametrize(
    "trial", ["00c3f1e2a4b5d697", "ffffffffffffffff", "ann/b0/0", "00C3F1E2A4B5D697", "0x00c3f1e2a4b5d6"]
)
def test_a_trial_is_found_by_its_key(trial: str) -> None:
    column = column_of([made(), made(trial=trial, brief="b1")])
    assert column.trial(1) == trial
    assert column.trials_of(["b1", "b7"]) == {trial}
    assert (column.wrote(["b1"]), column.wrote(["b7"])) == (True, False)


def test_failures_that_are_counted_and_not_stored_change_nothing_of_what_is() -> None:
    column = column_of([made()])
    more = column.with_failures([made(brief="b1", text=None, finish_reason="error", attempts=0)])
    assert (len(column), len(more), len(column.ways), len(more.ways)) == (1, 2, 1, 2)
    assert column.with_failures([]) is column


def test_columns_take_a_tenth_of_a_kilobyte_a_text() -> None:
    column = Generations(Places())
    for number in range(1000):
        column.add(
            made(trial=f"{number:016x}", replicate=number),
            Score(trial=f"{number:016x}", value=5, publishable=True),
        )
    held = sum(len(found) * found.itemsize for found in vars(column).values() if hasattr(found, "itemsize"))
    assert held <= 100_000
    assert len(column.ways) == len(column.verdicts) == 1
