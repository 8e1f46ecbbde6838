"""When a candidate is in doubt, when it is given up, and what happens to the texts that failed meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from bakeoff.core.clock import HandClock
from bakeoff.core.errors import (
    AnswerEmpty,
    AnswerNull,
    AnswerRefused,
    DeviceChanged,
    EndpointBusy,
    EndpointDenied,
    EndpointError,
    EndpointFailed,
    EndpointGone,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
    TextMissing,
    WorkerDied,
)
from bakeoff.core.records import Generation
from bakeoff.study.plan import Trial
from bakeoff.study.pulse import BACK, BUSY, GONE, IN_DOUBT, Pulse
from bakeoff.study.retries import Patience

PATIENCE = Patience(backoff_s=1.0, longest_wait_s=100.0, give_up_s=60.0)


class Patient:
    """A pulse, its clock, and what it told."""

    def __init__(self) -> None:
        self.clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.told: list[tuple[str, str]] = []
        self.again: list[float] = []
        self.third = asyncio.Event()
        self.says: BaseException | None = None
        self.pulse = Pulse(PATIENCE, self.clock, self._ask_again, lambda kind, said: self.told.append((kind, said)))

    async def _ask_again(self) -> None:
        self.again.append(self.clock.monotonic_s())
        if len(self.again) == 3:
            self.third.set()
        if self.says is not None:
            raise self.says

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]

    async def ask(self, error: EndpointError | None = None, takes_s: float = 0.0) -> None:
        async with self.pulse.request():
            self.clock.advance(takes_s)
            await asyncio.sleep(0)
            if error is not None:
                raise error

    def fail(self, error: EndpointError, times: int = 1, takes_s: float = 0.0) -> None:
        for _ in range(times):
            with pytest.raises(type(error)):
                asyncio.run(self.ask(error, takes_s))


def made(number: int, *, failed: bool = True, kind: str = "failed") -> Generation:
    trial = Trial(key=f"t{number}", candidate="ann", brief="b", replicate=number, seed=0)
    if not failed:
        return trial.generation(text="text", finish_reason="stop")
    return trial.generation(text=None, finish_reason="error", error_kind=kind)


def test_its_first_text_is_asked_for_more_and_more_rarely_till_it_is_given_up() -> None:
    patient = Patient()
    patient.says = EndpointUnreachable("no")
    patient.fail(EndpointUnreachable("no"), 3)
    assert (patient.clock.monotonic_s(), patient.again) == (0, [])
    with pytest.raises(EndpointGone):
        asyncio.run(patient.ask())
    assert patient.again == [1, 3, 7, 15, 31, 61]  # the first beyond a minute
    assert patient.kinds == [IN_DOUBT, GONE]
    assert "9 requests in a row, over 1 min 1 s" in patient.told[-1][1]
    with pytest.raises(EndpointGone):
        asyncio.run(patient.ask())
    assert len(patient.again) == 6


def test_who_is_given_up_for_another_reason_is_not_asked_again_whatever_is_in_doubt() -> None:
    patient = Patient()
    patient.fail(EndpointFailed("500"), 3)
    assert patient.pulse.settle(made(1)) == ()

    async def meanwhile() -> None:
        waiting = [asyncio.create_task(patient.ask()) for _ in range(3)]
        await asyncio.sleep(0)
        patient.pulse.give_up("its worker died 3 times")
        assert {type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)} == {EndpointGone}

    asyncio.run(meanwhile())
    patient.pulse.give_up("its worker died 4 times")
    assert patient.again == []
    assert patient.told == [(GONE, "given up: its worker died 3 times")]
    # What failed before may have been the same sickness.
    assert (patient.pulse.settle(made(2)), patient.pulse.release()) == ((), [])


@pytest.mark.parametrize(
    ("kind", "retried", "its_own"),
    [
        ("worker_died", ("worker_died", "worker_died"), True),
        ("worker_died", ("failed", "worker_died"), False),
        ("worker_died", ("worker_lost", "worker_lost"), False),
        ("gone", ("worker_died", "worker_died"), False),
    ],
)
def test_a_text_each_of_whose_tries_was_a_death_failed_by_itself(
    kind: str, retried: tuple[str, ...], its_own: bool
) -> None:
    patient = Patient()
    patient.pulse.give_up("its worker died 3 times")
    failed = made(1, kind=kind).model_copy(update={"retried": retried})
    assert patient.pulse.settle(failed) == ((failed,) if its_own else ())


def test_silence_alone_gives_nobody_up() -> None:
    """A slow server that lets many requests time out together is asked alone, twice, before it is judged."""
    patient = Patient()

    async def together() -> None:
        asked = (patient.ask(EndpointUnreachable("no"), takes_s=100) for _ in range(8))
        assert all(
            isinstance(error, EndpointUnreachable) for error in await asyncio.gather(*asked, return_exceptions=True)
        )

    asyncio.run(together())
    assert patient.pulse.in_doubt
    asyncio.run(patient.ask())
    assert not patient.pulse.in_doubt
    assert (len(patient.again), patient.kinds) == (1, [])


def test_texts_that_fail_while_another_is_written_are_no_reason_to_give_up() -> None:
    patient = Patient()
    for _ in range(100):
        patient.fail(EndpointFailed("500"))
        patient.clock.advance(5)
    assert not patient.pulse.gone
    assert patient.kinds == []
    assert len(patient.again) == 33


def test_a_limit_of_rate_is_waited_for_longer_than_a_crash() -> None:
    patient = Patient()
    patient.says = EndpointBusy("429", retry_after_s=40.0)
    patient.fail(patient.says, 6)
    assert (patient.clock.monotonic_s(), patient.again) == (
        200,
        [],
    )  # each waited for what was asked for, and none beside
    with pytest.raises(EndpointGone):
        asyncio.run(patient.ask())
    assert patient.again == [280, 320]
    assert patient.kinds == [BUSY, IN_DOUBT, GONE]


def test_a_busy_server_is_waited_for_by_all_texts_and_asked_by_fewer_and_what_it_answers_was_asked_for_the_run() -> (
    None
):
    """Eight at once meet a limit of one text in three seconds."""
    patient, free_s, refused = Patient(), 0.0, 0

    async def ask() -> None:
        nonlocal free_s, refused
        while True:
            with contextlib.suppress(EndpointBusy):
                async with patient.pulse.request():
                    now_s = patient.clock.monotonic_s()
                    await asyncio.sleep(0)
                    if now_s < free_s:
                        refused += 1
                        raise EndpointBusy("429", retry_after_s=free_s - now_s)
                    free_s = now_s + 3.0
                return

    async def lane() -> None:
        for _ in range(5):
            await ask()

    async def crowd() -> None:
        await asyncio.gather(*(lane() for _ in range(8)))

    asyncio.run(crowd())
    assert patient.again == []
    assert patient.kinds == [BUSY]
    assert "its texts wait as long as it asks" in patient.told[0][1]
    assert refused <= 40 + 7  # those that came with the first one, and each text that came before its time
    assert 3.0 * 39 <= patient.clock.monotonic_s() <= 3.0 * 44  # hardly a moment of the limit is wasted


def test_a_text_that_alone_is_always_refused_as_busy_gives_nobody_up() -> None:
    patient = Patient()
    patient.fail(EndpointBusy("429: too many tokens a minute for this one", retry_after_s=1.0), 30)
    assert not patient.pulse.gone
    assert len(patient.again) == 4


def test_a_wait_that_nobody_waits_for_gives_it_up_at_once() -> None:
    patient = Patient()
    tomorrow = EndpointBusy("HTTP 429: quota used up", retry_after_s=86400.0)
    patient.fail(tomorrow, 2)  # of one text, or two
    asyncio.run(patient.ask())
    patient.fail(tomorrow, 3)
    with pytest.raises(EndpointGone):
        asyncio.run(patient.ask())
    assert (patient.clock.monotonic_s(), patient.again, patient.kinds) == (0, [], [GONE])
    assert "not to be asked again for 24 h" in patient.told[0][1]
    assert "quota used up" in patient.told[0][1]


def test_a_worker_that_died_is_not_silent() -> None:
    patient = Patient()
    patient.says = WorkerDied("killed")
    patient.fail(EndpointFailed("500"), 3)
    asyncio.run(patient.ask())
    assert (len(patient.again), patient.kinds) == (1, [])


def test_what_was_asked_before_a_worker_died_gives_nobody_up_after_it() -> None:
    patient = Patient()
    patient.says = EndpointTimeout("hangs")
    patient.fail(EndpointTimeout("hangs"), 3)

    async def dies_at_last() -> None:
        slow = asyncio.create_task(patient.ask(EndpointTimeout("slow"), takes_s=100))
        await patient.third.wait()
        patient.says = WorkerDied("killed")
        with pytest.raises(EndpointTimeout):
            await slow

    asyncio.run(dies_at_last())
    assert not patient.pulse.gone
    assert not patient.pulse.in_doubt


@pytest.mark.parametrize("sign", [None, AnswerEmpty("nothing")])
def test_any_answer_ends_the_doubt(sign: EndpointError | None) -> None:
    patient = Patient()
    patient.says = EndpointFailed("500")
    patient.fail(EndpointFailed("500"), 3)

    async def answers_at_last() -> None:
        waiting = asyncio.create_task(patient.ask())
        await patient.third.wait()
        patient.says = sign
        await waiting

    asyncio.run(answers_at_last())
    assert not patient.pulse.in_doubt
    assert patient.kinds == [IN_DOUBT, BACK]
    now = patient.clock.monotonic_s()
    patient.fail(EndpointFailed("500"), 3)
    assert patient.clock.monotonic_s() == now


@pytest.mark.parametrize(
    "error", [EndpointDenied("M answered 401: no", "check the API key", 401), DeviceChanged("on cpu now", "allow it")]
)
def test_what_would_be_said_to_every_request_gives_it_up_at_once(error: EndpointError) -> None:
    patient = Patient()
    patient.fail(error)
    assert patient.pulse.gone
    assert patient.told == [(GONE, f"given up: {error.message} ({error.hint})")]
    assert patient.pulse.settle(made(1)) == ()
    assert [g.trial for g in patient.pulse.settle(made(2, failed=False))] == ["t2"]
    with pytest.raises(EndpointGone):
        asyncio.run(patient.ask())
    patient.fail(EndpointGone("again"))
    assert (patient.again, len(patient.told), patient.clock.monotonic_s()) == ([], 1, 0)


def test_refused_texts_are_their_own_while_its_first_text_is_taken_and_the_end_once_that_is_refused_too() -> None:
    patient = Patient()
    refused = EndpointRefused("M answered 404: no such model", "check the URL and the model", 404)
    for _ in range(10):
        patient.fail(refused, 3)
        asyncio.run(patient.ask())
    assert (len(patient.again), patient.kinds) == (10, [])
    patient.says = refused
    patient.fail(refused, 3)
    with pytest.raises(EndpointGone):
        asyncio.run(patient.ask())
    assert (len(patient.again), patient.kinds) == (11, [GONE])
    assert patient.clock.monotonic_s() == 0  # a refusal is not waited out
    assert "M answered 404: no such model (check the URL and the model)" in patient.told[0][1]


def test_a_text_that_a_file_lacks_says_nothing_of_the_candidate() -> None:
    patient = Patient()
    patient.fail(TextMissing("no line"), 20)
    assert not patient.pulse.in_doubt


def test_those_that_wait_go_on_together_once_it_answers() -> None:
    patient = Patient()
    patient.fail(EndpointFailed("500"), 3)
    most = in_flight = 0

    async def ask() -> None:
        nonlocal most, in_flight
        async with patient.pulse.request():
            in_flight += 1
            most = max(most, in_flight)
            for _ in range(20):
                await asyncio.sleep(0)
            in_flight -= 1

    async def crowd() -> None:
        await asyncio.gather(*(ask() for _ in range(8)))

    asyncio.run(crowd())
    assert most == 8
    assert len(patient.again) == 1


def test_what_failed_is_kept_once_another_text_is_answered() -> None:
    patient = Patient()
    patient.fail(EndpointFailed("500"))
    assert patient.pulse.settle(made(1)) == ()
    asyncio.run(patient.ask())
    assert [g.trial for g in patient.pulse.settle(made(2, failed=False))] == ["t1", "t2"]
    patient.fail(EndpointFailed("500"))
    assert patient.pulse.settle(made(3)) == ()
    assert [g.trial for g in patient.pulse.release()] == ["t3"]


def test_what_failed_while_it_was_going_is_not_kept_and_a_late_text_is() -> None:
    patient = Patient()
    patient.fail(EndpointFailed("500"))
    assert patient.pulse.settle(made(1)) == ()
    patient.says = EndpointFailed("500")
    patient.fail(EndpointFailed("500"), 2)
    with pytest.raises(EndpointGone):
        asyncio.run(patient.ask())
    assert patient.pulse.settle(made(2)) == ()
    assert [g.trial for g in patient.pulse.settle(made(3, failed=False))] == ["t3"]
    assert patient.pulse.release() == []


def test_an_answer_that_was_under_way_before_shows_nothing_of_what_came_after() -> None:
    """A model that is unloaded while it writes ends what it began: that is no sign that the texts refused since were at fault."""
    patient, good, refused = Patient(), made(9, failed=False), EndpointRefused("no such model", status=404)
    patient.says = refused

    async def unload() -> None:
        async with patient.pulse.request():
            patient.clock.advance(1.0)
            for number in range(2):
                with pytest.raises(EndpointRefused):
                    await patient.ask(refused)
                assert patient.pulse.settle(made(number)) == ()
        assert list(patient.pulse.settle(good)) == [good]  # stored at once, and none of the refused with it
        with pytest.raises(EndpointRefused):
            await patient.ask(refused)
        assert patient.pulse.in_doubt
        with pytest.raises(EndpointGone):
            await patient.ask()

    asyncio.run(unload())
    assert patient.kinds == [GONE]
    assert list(patient.pulse.release()) == []


def test_an_answer_to_what_was_sent_since_shows_that_texts_were_at_fault() -> None:
    patient, bad, good = Patient(), made(0), made(1, failed=False)
    patient.fail(EndpointRefused("too long"), times=2, takes_s=1.0)
    assert patient.pulse.settle(bad) == ()
    asyncio.run(patient.ask())
    assert list(patient.pulse.settle(good)) == [bad, good]


def test_a_server_that_still_finishes_what_it_began_is_not_silent() -> None:
    """A minute counts from its last word, whatever that was an answer to."""
    patient = Patient()
    patient.says = unreachable = EndpointUnreachable("takes nothing more")

    async def drain() -> None:
        async with patient.pulse.request():
            patient.clock.advance(1.0)
            for _ in range(3):
                with pytest.raises(EndpointUnreachable):
                    await patient.ask(unreachable)
            waiting = asyncio.create_task(patient.ask())
            await patient.third.wait()
            heard_s = patient.clock.monotonic_s()
        assert patient.pulse.in_doubt
        with pytest.raises(EndpointGone):
            await waiting
        assert patient.again[-2] - heard_s < 60 <= patient.again[-1] - heard_s
        assert patient.again[-2] - 1.0 >= 60  # over a minute since the first of them was sent

    asyncio.run(drain())
    assert patient.kinds == [IN_DOUBT, GONE]


@pytest.mark.parametrize("kind", [AnswerEmpty.kind, AnswerNull.kind, AnswerRefused.kind])
def test_a_models_own_answer_without_text_is_kept_whatever_becomes_of_the_candidate(kind: str) -> None:
    """It would be asked again otherwise, till it answers something else."""
    patient, empty = Patient(), made(1, kind=kind)
    patient.fail(EndpointFailed("500"))
    assert list(patient.pulse.settle(empty)) == [empty]
    patient.fail(EndpointDenied("no", "", 401))
    assert list(patient.pulse.settle(empty)) == [empty]
