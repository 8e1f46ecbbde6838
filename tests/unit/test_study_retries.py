"""The retry policy: which errors are tried again, how often, after how long."""

from __future__ import annotations

import pytest

from bakeoff.core.errors import (
    AnswerEmpty,
    AnswerNull,
    AnswerRefused,
    BakeoffError,
    EndpointBusy,
    EndpointFailed,
    EndpointGarbage,
    EndpointGone,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
    TextMissing,
    UsageError,
    WorkerDied,
    WorkerNotStarted,
)
from bakeoff.study.retries import Patience, Retry, retry_policy

PATIENCE = Patience(backoff_s=0.5, longest_wait_s=120.0, give_up_s=60.0)
NO = Retry(again=False)


@pytest.mark.parametrize(
    ("error", "attempts", "expected"),
    [
        (WorkerDied("x"), 1, Retry(again=True)),
        (WorkerDied("x"), 2, Retry(again=True)),
        (WorkerDied("x"), 3, NO),
        (WorkerNotStarted("x"), 1, NO),
        (EndpointUnreachable("x"), 1, Retry(again=True, wait_s=0.5)),
        (EndpointUnreachable("x"), 3, Retry(again=True, wait_s=2.0)),
        (EndpointUnreachable("x"), 4, NO),
        (EndpointFailed("x"), 2, Retry(again=True, wait_s=1.0)),
        (EndpointFailed("x", retry_after_s=7.0), 2, Retry(again=True, wait_s=7.0)),
        (EndpointFailed("x"), 4, NO),
        (EndpointGarbage("x"), 2, Retry(again=True, wait_s=1.0)),
        (EndpointGarbage("x"), 3, NO),
        (EndpointTimeout("x"), 1, Retry(again=True, wait_s=0.5)),
        (EndpointTimeout("x"), 2, NO),
        (EndpointTimeout("x", final=True), 1, NO),
        (EndpointBusy("x", retry_after_s=7.5), 1, Retry(again=True, wait_s=7.5)),
        (EndpointBusy("x", retry_after_s=0.0), 1, Retry(again=True, wait_s=0.0)),
        (EndpointBusy("x", retry_after_s=-1.0), 1, Retry(again=True, wait_s=0.0)),
        (EndpointBusy("x", retry_after_s=120.0), 5, Retry(again=True, wait_s=120.0)),
        (EndpointBusy("x", retry_after_s=120.1), 1, NO),
        (EndpointBusy("x"), 5, Retry(again=True, wait_s=8.0)),
        (EndpointBusy("x", retry_after_s=0.0), 6, NO),
        (EndpointRefused("x"), 1, NO),
        (EndpointGone("x"), 1, NO),
        (AnswerEmpty("x"), 1, NO),
        (AnswerNull("x"), 1, NO),
        (AnswerRefused("x"), 1, NO),
        (TextMissing("x"), 1, NO),
    ],
)
def test_each_error_has_its_consequence(error: BakeoffError, attempts: int, expected: Retry) -> None:
    assert retry_policy(error, attempts, PATIENCE) == expected


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_a_text_waits_longer_than_asked_never_less(spread: float) -> None:
    assert 2.0 <= retry_policy(EndpointBusy("x", retry_after_s=2.0), 1, PATIENCE, spread).wait_s <= 2.5
    assert 0.5 <= retry_policy(EndpointFailed("x"), 1, PATIENCE, spread).wait_s <= 1.0


def test_patience_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BACKOFF", "LONGEST_WAIT", "GIVE_UP"):
        monkeypatch.delenv(f"BAKEOFF_{name}_S", raising=False)
    assert Patience.from_environment() == Patience()
    monkeypatch.setenv("BAKEOFF_GIVE_UP_S", "2.5")
    assert Patience.from_environment() == Patience(give_up_s=2.5)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "1e999"])
def test_a_setting_that_is_no_time_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BAKEOFF_BACKOFF_S", text)
    with pytest.raises(UsageError, match="BAKEOFF_BACKOFF_S"):
        Patience.from_environment()
