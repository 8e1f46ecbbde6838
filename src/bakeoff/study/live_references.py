"""A run's own texts, graded again by their requests alone, as what a gateway's answers are held against."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.decide.live_reference import LiveGrade, LiveReference, live_references
from bakeoff.score.live import grade_answer
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan


def read_live_references(plan: Plan, store: Store) -> list[LiveReference]:
    """Grade every text of a run by its request; takes about a millisecond a text.

    Texts that failed count as not publishable and score 0: a gateway's failed answers are not graded, but its alerts tell
    of them, so that the reference errs on the low side.

    Raises:
        StoreError: the store refuses.
    """
    return live_references(_graded(plan, store))


def _graded(plan: Plan, store: Store) -> Iterator[LiveGrade]:
    briefs = {brief.id: brief for brief in plan.suite.briefs}
    spoken = {brief.id: plan.suite.checks(brief).language for brief in plan.suite.briefs}
    languages: dict[str, set[str]] = {}
    for brief in plan.suite.briefs:
        languages.setdefault(brief.content_type, set()).add(spoken[brief.id])
    for batch in store.generation_batches(plan.run_id):
        for generation in batch:
            brief = briefs[generation.brief]
            kind = brief.content_type
            text, reason = generation.text or "", generation.finish_reason
            graded = grade_answer(brief.prompt, kind, text, reason, sorted(languages[kind]))
            yield LiveGrade(generation.candidate, kind, brief.family, graded.grades, spoken[brief.id])
