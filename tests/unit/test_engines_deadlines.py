"""How long a text may wait in a server's queue, and what a longer wait for the first token means for the whole answer."""

from __future__ import annotations

import pytest

from bakeoff.engines.deadlines import (
    FIRST_TOKEN_VARIABLE,
    LONGEST_QUEUE_S,
    TOTAL_VARIABLE,
    Deadlines,
    queue_deadline_s,
)


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (FIRST_TOKEN_VARIABLE, TOTAL_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("in_flight", "text_s", "expected"),
    [
        (8, 1.0, None),  # 16 s: the usual 180 s are more
        (8, 11.25, None),
        (8, 50.0, 800.0),
        (8, 100.0, 1600.0),
        (32, 500.0, LONGEST_QUEUE_S),
    ],
)
def test_a_first_token_may_take_twice_as_long_as_all_in_flight_one_after_the_other(
    in_flight: int, text_s: float, expected: float | None
) -> None:
    assert queue_deadline_s(in_flight, text_s) == expected


def test_a_deadline_that_a_person_chose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FIRST_TOKEN_VARIABLE, "180")
    assert queue_deadline_s(8, 100.0) is None
    monkeypatch.setenv(TOTAL_VARIABLE, "600")
    assert Deadlines.from_environment().with_first_token(1600.0).total_s == 600.0


@pytest.mark.parametrize(("first_token_s", "total_s"), [(1600.0, 2020.0), (180.0, 600.0), (30.0, 600.0)])
def test_what_the_first_token_may_take_longer_the_whole_answer_may_too(first_token_s: float, total_s: float) -> None:
    longer = Deadlines.from_environment().with_first_token(first_token_s)
    assert (longer.first_token_s, longer.total_s, longer.stall_s) == (first_token_s, total_s, 60.0)
