"""Having judges judge a run: every question is asked once, whatever the run, and its answer stored as it comes."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, permutations
from typing import NamedTuple

from bakeoff.core.clock import Clock
from bakeoff.core.errors import AnswerWithoutText, BakeoffError, EndpointDenied, EndpointError, WorkerError
from bakeoff.core.spec import Candidate, Record, content_hash
from bakeoff.decide.labelling import Written
from bakeoff.score.brief import BriefChecks
from bakeoff.score.judge import (
    SAMPLES,
    VERSION,
    Message,
    both_orders,
    grade_question,
    pair_question,
    reward_question,
)
from bakeoff.store.db import Store
from bakeoff.study.asking import Asking, Judgement, Kind, Question
from bakeoff.study.plan import Plan
from bakeoff.study.retries import Patience, retry_policy

_IN_VAIN = 20


class Judged(NamedTuple):
    """All that one judge said of a run: trial -> grade (1 to 5), pair of trials -> 1, 0 or 0.5, and what it took.

    `flips` are pairs on which it changed its mind with the order.
    """

    grades: dict[str, float]
    pairs: dict[tuple[str, str], float]
    asked: int
    without_answer: int
    failed: int
    flips: int
    prompt_tokens: int
    completion_tokens: int


class KnownJudge(Record):
    """A judge that was asked about a run."""

    judge: Candidate
    kinds: tuple[Kind, ...]


def questions_for(
    judge: Candidate, kinds: Sequence[Kind], texts: Sequence[Written], checks: Mapping[str, BriefChecks]
) -> list[Question]:
    """Return what to ask a judge about these texts, brief by brief; each pair in both orders, equal texts not at all."""
    by_brief: dict[str, list[Written]] = {}
    for text in texts:
        by_brief.setdefault(text.brief, []).append(text)
    found: list[Question] = []
    for brief, own in by_brief.items():
        if "grades" in kinds:
            found += [grading(judge, text, grade_question(checks[brief], text.text)) for text in own]
        if "rewards" in kinds:
            found += [_question(judge, "rewards", (text,), reward_question(checks[brief], text.text)) for text in own]
        if "pairs" in kinds:
            for a, b in combinations(own, 2):
                if a.text.strip() != b.text.strip():
                    for first, second in ((a, b), (b, a)):
                        asked = pair_question(checks[brief], first.text, second.text)
                        found.append(_question(judge, "pairs", (first, second), asked))
    return found


def grading(judge: Candidate, text: Written, messages: Sequence[Message]) -> Question:
    """Return the question for a grade of one text, in these words."""
    return _question(judge, "grades", (text,), messages)


def _question(judge: Candidate, kind: Kind, texts: Sequence[Written], messages: Sequence[Message]) -> Question:
    asked: list[object] = [VERSION, judge.digest, [dict(message) for message in messages]]
    key = content_hash([*asked, SAMPLES] if kind == "grades" else asked)
    return Question(key, kind, texts[0].brief, tuple(text.trial for text in texts), tuple(messages))


def read_judged(questions: Sequence[Question], store: Store) -> tuple[Judged, list[Question]]:
    """Return what is known of these questions, and those that are open; failed ones are open again.

    Raises:
        StoreError: the store refuses.
    """
    known = store.judgements([question.key for question in questions])
    answered: list[Judgement] = []
    said: dict[tuple[str, ...], Judgement] = {}
    rewards: dict[str, dict[str, float]] = {}
    left = []
    for question in questions:
        record = known.get(question.key)
        judgement = None if record is None else Judgement.model_validate_json(record)
        if judgement is None or judgement.error_kind is not None:
            left.append(question)
        if judgement is None:
            continue
        answered.append(judgement)
        if question.kind != "rewards":
            said[question.trials] = judgement
        elif judgement.value is not None:
            rewards.setdefault(question.brief, {})[question.trials[0]] = judgement.value
    pairs = {pair: verdict for own in rewards.values() for pair, verdict in _rewarded(own)}
    flips = 0
    for trials, judgement in said.items():
        if len(trials) == 2 and trials[::-1] in said:
            first, other = judgement.value, said[trials[::-1]].value
            verdict = both_orders(first, other)
            if verdict is not None:
                pairs[trials[0], trials[1]] = verdict
                flips += verdict == 0.5 and first is not None and first == other != 0.5
    return (
        Judged(
            grades={trials[0]: one.value for trials, one in said.items() if len(trials) == 1 and one.value is not None},
            pairs=pairs,
            asked=len(answered),
            without_answer=sum(one.value is None and one.error_kind is None for one in answered),
            failed=sum(one.error_kind is not None for one in answered),
            flips=flips // 2,
            prompt_tokens=sum(one.prompt_tokens or 0 for one in answered),
            completion_tokens=sum(one.completion_tokens or 0 for one in answered),
        ),
        left,
    )


def _rewarded(rewards: Mapping[str, float]) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield what rewards for one brief say of each pair, in both orders; a reward has no scale, only an order."""
    for a, b in permutations(rewards, 2):
        yield (a, b), 0.5 if rewards[a] == rewards[b] else float(rewards[a] > rewards[b])


async def ask_judge(
    judge: Asking,
    questions: Sequence[Question],
    store: Store,
    clock: Clock,
    patience: Patience,
    concurrency: int,
    told: Callable[[int], None],
) -> None:
    """Ask a judge, so many questions at a time; each answer is stored at once. Cancelling it keeps what came.

    Args:
        judge: who is asked.
        questions: those that are open.
        store: where answers go.
        clock: for waiting.
        patience: as in a run.
        concurrency: questions in flight.
        told: called with the number of answers so far.

    Raises:
        EndpointDenied: it refuses the key; what came before is kept.
        EndpointError, WorkerError: twenty questions in a row came to nothing, or it cannot be started.
        StoreError: the store refuses.
    """
    waiting = list(reversed(questions))
    done = in_vain = 0
    last: BakeoffError | None = None

    async def work() -> None:
        nonlocal done, in_vain, last
        while waiting and in_vain < _IN_VAIN:
            question = waiting.pop()
            judgement, last_error = await _ask(judge, question, clock, patience)
            if isinstance(last_error, EndpointDenied):
                raise last_error
            in_vain = in_vain + 1 if last_error is not None else 0
            last = last_error or last
            store.add_judgements({question.key: judgement.model_dump_json()})
            done += 1
            told(done)

    await judge.open()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(questions))):
                group.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        await judge.close()
    if in_vain >= _IN_VAIN and last is not None:
        raise last


async def _ask(
    judge: Asking, question: Question, clock: Clock, patience: Patience
) -> tuple[Judgement, BakeoffError | None]:
    tries = 0
    while True:
        tries += 1
        error: BakeoffError
        try:
            return await judge.answer(question), None
        except AnswerWithoutText as nothing:
            # An answer all the same, and no valid one: thoughts that do not end, for instance.
            return Judgement(value=None, answer=nothing.message[:200]), nothing
        except (EndpointError, WorkerError) as caught:
            error = caught
        retry = retry_policy(error, tries, patience, zlib.crc32(question.key.encode()) / 2**32)
        if not retry.again:
            kind = error.kind if isinstance(error, EndpointError) else "worker_died"
            return Judgement(value=None, error_kind=kind, answer=error.message[:200]), error
        await clock.sleep(retry.wait_s)
        if isinstance(error, WorkerError):
            await judge.open()


def preferences_of(judged: Judged, texts: Sequence[Written]) -> dict[tuple[str, str], float]:
    """Return how much a judge prefers the first text of each pair that it knows: by its verdicts, without any by its grades."""
    if judged.pairs:
        return {pair: verdict - 0.5 for pair, verdict in judged.pairs.items()}
    by_brief: dict[str, list[str]] = {}
    for text in texts:
        if text.trial in judged.grades:
            by_brief.setdefault(text.brief, []).append(text.trial)
    return {
        (a, b): judged.grades[a] - judged.grades[b]
        for trials in by_brief.values()
        for a in trials
        for b in trials
        if a != b
    }


def judged_before(plan: Plan, store: Store, texts: Sequence[Written]) -> dict[str, Judged]:
    """Return what each judge that was ever asked about a run said of it.

    Raises:
        StoreError: the store refuses.
    """
    checks = checks_by_brief(plan)
    known = [KnownJudge.model_validate_json(record) for record in store.judges(plan.run_id)]
    return {
        judge.judge.id: read_judged(questions_for(judge.judge, judge.kinds, texts, checks), store)[0] for judge in known
    }


def judgements_before(
    plan: Plan, store: Store, texts: Sequence[Written]
) -> Iterator[tuple[str, list[tuple[Question, Judgement]]]]:
    """Yield each judge that was ever asked about a run, with its stored answers.

    Raises:
        StoreError: the store refuses.
    """
    known = [KnownJudge.model_validate_json(record) for record in store.judges(plan.run_id)]
    checks = checks_by_brief(plan)
    for judge in known:
        questions = questions_for(judge.judge, judge.kinds, texts, checks)
        answers = store.judgements([question.key for question in questions])
        said = [(one, Judgement.model_validate_json(answers[one.key])) for one in questions if one.key in answers]
        yield judge.judge.id, said


def checks_by_brief(plan: Plan) -> dict[str, BriefChecks]:
    """Return what can be checked about each brief of a plan."""
    return {brief.id: plan.suite.checks(brief) for brief in plan.suite.briefs}
