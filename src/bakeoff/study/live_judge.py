"""A judge of a run, asked about the run's texts as it will be asked about a gateway's answers: for a grade, by the request alone.

`bakeoff judge` shows it the facts that a brief declares, which a gateway does not know, so that its grades there are no measure of
those here. What it says is held against the labels anew: only grades that agree with them are a reference.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from bakeoff.core.clock import Clock
from bakeoff.core.spec import Candidate, Record
from bakeoff.decide.labelling import Label, ScorerAgreement, Written, report_labels
from bakeoff.decide.live_reference import LiveGrade, LiveReference, live_references
from bakeoff.score.live import judge_grade, judge_messages
from bakeoff.store.db import Store
from bakeoff.study.asking import Asking, Question
from bakeoff.study.judging import ask_judge, grading, preferences_of, read_judged
from bakeoff.study.labelling import read_written
from bakeoff.study.plan import Plan
from bakeoff.study.retries import Patience
from bakeoff.study.runner import messages_for

MOST_TEXTS = 40
"""Of each candidate and content type that a judge is asked about, families in turn."""


class LiveJudged(Record):
    """What came of it. `agreement` is that with the labels, None without any of these texts; without it there are no references."""

    judge: Candidate
    agreement: ScorerAgreement | None
    references: tuple[LiveReference, ...]


async def read_live_judge(
    plan: Plan,
    store: Store,
    judge: Candidate,
    asking: Asking,
    served: Collection[str],
    clock: Clock,
    patience: Patience,
) -> LiveJudged:
    """Ask a judge what is not stored yet, one question at a time, and return what its grades are worth.

    Args:
        plan: of the run.
        store: where labels are, and where its answers are kept.
        judge: who it is.
        asking: what asks it.
        served: the candidates that are served.
        clock: for waiting.
        patience: as in a run.

    Raises:
        EndpointError: the first twenty questions in a row came to nothing.
        StoreError: the store refuses.
    """
    texts = read_written(plan, store)
    labels = [Label.model_validate_json(record) for record in store.labels(plan.run_id)]
    labelled = {trial for label in labels for trial in (label.pair.left, label.pair.right)}
    drawn = draw_texts(plan, texts, served)
    wanted = labelled | {text.trial for text in drawn}
    questions = _questions(plan, judge, [text for text in texts if text.trial in wanted])
    open_questions = read_judged(questions, store)[1]
    if open_questions:
        await ask_judge(asking, open_questions, store, clock, patience, 1, lambda _done: None)
    judged = read_judged(questions, store)[0]
    report = report_labels(labels, texts, {judge.id: preferences_of(judged, texts)})
    agreement = next((one for one in report.agreements if one.content_type is None), None)
    if agreement is None or not agreement.validated:
        return LiveJudged(judge=judge, agreement=agreement, references=())
    families = {brief.id: brief.family for brief in plan.suite.briefs}
    found = live_references(
        LiveGrade(
            text.candidate, text.content_type, families[text.brief], {"judge": judge_grade(judged.grades[text.trial])}
        )
        for text in drawn
        if text.trial in judged.grades
    )
    return LiveJudged(judge=judge, agreement=agreement, references=tuple(found))


def draw_texts(plan: Plan, texts: Sequence[Written], served: Collection[str]) -> list[Written]:
    """Return at most 40 texts of each candidate that is served and content type, drawn at random, families in turn."""
    families = {brief.id: brief.family for brief in plan.suite.briefs}
    drawer = random.Random(f"live judge:{plan.seed}")  # noqa: S311 - an order, not a secret
    shuffled = sorted(texts, key=lambda text: text.trial)
    drawer.shuffle(shuffled)
    cells: dict[tuple[str, str], list[tuple[int, Written]]] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for text in shuffled:
        if text.candidate in served:
            of = (text.candidate, text.content_type, families[text.brief])
            seen[of] = seen.get(of, 0) + 1
            cells.setdefault((text.candidate, text.content_type), []).append((seen[of], text))
    return [text for own in cells.values() for _, text in sorted(own, key=lambda each: each[0])[:MOST_TEXTS]]


def _questions(plan: Plan, judge: Candidate, texts: Sequence[Written]) -> list[Question]:
    """Return what to ask: each text with what its writer was asked, as a gateway would see it."""
    requests = {brief.id: messages_for(plan, brief)[-1]["content"] for brief in plan.suite.briefs}
    return [grading(judge, text, judge_messages(requests[text.brief], text.content_type, text.text)) for text in texts]
