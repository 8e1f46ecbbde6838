"""What texts tell beside their scores."""

from __future__ import annotations

from bakeoff.core.records import Score, Timings
from bakeoff.report.text_facts import ASKED_SCORE, TextTally
from bakeoff.score.brief import make_checks
from made_runs import generation

ASKS = make_checks("Sell the rolls.", "marketing_copy")
DOES_NOT = make_checks("Say something.", "tweet")
CALLS = "Fresh rolls every morning. Order yours today."


def tally(*rows: tuple[str, str | None, float, bool], threshold: float | None = None):  # type: ignore[no-untyped-def]
    counted = TextTally(threshold)
    for number, (family, text, value, publishable) in enumerate(rows):
        made = generation("ann", f"b{number}", failed=text is None).model_copy(
            update={"text": text, "timings": Timings(prompt_tokens=10, completion_tokens=20 + number)}
        )
        score = None if text is None else Score(trial=made.trial, value=value, publishable=publishable)
        counted.add(made, score, family, ASKS)
    return counted.facts()


def test_families_weigh_the_same() -> None:
    facts = tally(("f", CALLS, 8, True), ("f", CALLS, 8, True), ("f", CALLS, 8, True), ("g", CALLS, 2, True))
    assert facts.suitable.estimate == 0.5
    assert (facts.suitable.briefs, facts.suitable.clusters) == (4, 2)
    assert facts.call_to_action.estimate == 1.0
    assert facts.completion_tokens == 21.5


def test_a_failure_and_a_gated_text_are_neither() -> None:
    facts = tally(
        ("f", None, 0, False), ("g", CALLS, 9, False), ("h", CALLS, 9, True), ("i", "We bake rolls.", 9, True)
    )
    assert facts.suitable.estimate == 0.5
    assert facts.call_to_action.estimate == 0.25


def test_the_threshold_is_the_suites() -> None:
    assert tally(("f", CALLS, 6, True)).threshold == ASKED_SCORE
    assert tally(("f", CALLS, 6, True), threshold=5.5).suitable.estimate == 1.0
    assert tally(("f", CALLS, 6, True)).suitable.estimate == 0.0


def test_where_nobody_asks_nothing_is_known() -> None:
    counted = TextTally(None)
    counted.add(generation("ann", "b"), None, "f", DOES_NOT)
    facts = counted.facts()
    assert facts.call_to_action.estimate is None
    assert facts.completion_tokens is None
