"""A judge of a run, asked about the run's texts as it will be asked about a gateway's answers: for a grade, by the request alone.

`bakeoff judge` shows it the facts that a brief declares, which a gateway does not know, so that its grades there are no measure of
those here. What it says is held against the labels anew: only grades that agree with them are a reference.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from bakeoff.core.spec import Candidate, Record
from bakeoff.decide.labelling import Label, ScorerAgreement, Written, report_labels
from bakeoff.decide.live_reference import LiveGrade, LiveReference, live_references
from bakeoff.score.live import judge_grade, judge_messages
from bakeoff.store.db import Store
from bakeoff.study.asking import Question
from bakeoff.study.judging import grading, preferences_of, read_judged
from bakeoff.study.labelling import read_written
from bakeoff.study.plan import Plan
from bakeoff.study.runner import messages_for

MOST_TEXTS = 40
"""Of each candidate and content type that a judge is asked about, families in turn."""


class LiveJudged(Record):
    """What came of it. `agreement` is that of these grades with the labels; where it validates nothing, there are no references."""

    agreement: ScorerAgreement
    references: tuple[LiveReference, ...]


class LiveJudging:
    """What a judge is to be asked about a run, and what came of it.

    Args:
        plan: of the run.
        store: where labels are, and where answers are kept.
        judge: who is asked.
        served: the candidates that are served.

    Raises:
        StoreError: the store refuses.
    """

    def __init__(self, plan: Plan, store: Store, judge: Candidate, served: Collection[str]) -> None:
        self._plan = plan
        self._store = store
        self._judge = judge
        self._texts = read_written(plan, store)
        self._labels = [Label.model_validate_json(record) for record in store.labels(plan.run_id)]
        self._drawn = draw_texts(plan, self._texts, served)
        wanted = {trial for label in self._labels for trial in (label.pair.left, label.pair.right)}
        wanted |= {text.trial for text in self._drawn}
        self._questions = _questions(plan, judge, [text for text in self._texts if text.trial in wanted])

    def open_questions(self) -> list[Question]:
        """Return what is not stored yet: labelled texts, and those drawn of the candidates that are served."""
        return read_judged(self._questions, self._store)[1]

    def result(self) -> LiveJudged:
        """Return what the stored grades are worth, and what they say of the candidates."""
        judge, judged = self._judge, read_judged(self._questions, self._store)[0]
        report = report_labels(self._labels, self._texts, {judge.id: preferences_of(judged, self._texts)})
        agreement = next(one for one in report.agreements if one.content_type is None)
        if not agreement.validated:
            return LiveJudged(agreement=agreement, references=())
        briefs = {brief.id: brief for brief in self._plan.suite.briefs}
        grades = {trial: judge_grade(value) for trial, value in judged.grades.items()}
        found = live_references(
            LiveGrade(
                text.candidate,
                text.content_type,
                briefs[text.brief].family,
                {"judge": grades[text.trial]},
                self._plan.suite.checks(briefs[text.brief]).language,
            )
            for text in self._drawn
            if text.trial in grades
        )
        return LiveJudged(agreement=agreement, references=tuple(found))


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
