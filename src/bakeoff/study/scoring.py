"""Scoring what is stored, each text once: the outlines of all generations and scores of a run, and those that come."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.core.outlines import GenerationOutline, ScoreOutline, outline_generation, outline_score
from bakeoff.core.records import Generation
from bakeoff.score.composite import score_generation
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.scorers import scorers_for, scoring_version


class Scored:
    """The scored texts of one run, by the suite's scorers. Who only looks on does not `keep` the scores: nothing is stored then."""

    def __init__(self, plan: Plan, store: Store, *, keep: bool = True) -> None:
        self._keep = keep
        self._plan = plan
        self._store = store
        self._kept_as, self._scorers = scoring_version(plan), scorers_for(plan)
        self._briefs = {brief.id: brief for brief in plan.suite.briefs}
        self.generations: list[GenerationOutline] = []
        self.scores: dict[str, ScoreOutline] = {}

    @classmethod
    def of(cls, plan: Plan, store: Store, *, keep: bool = True) -> Scored:
        """Score what is stored and has no score yet, a batch in memory at a time: a run may have written more than fits.

        Raises:
            StoreError: the store refuses.
            BakeoffError: a scorer that cannot be loaded.
        """
        found = cls(plan, store, keep=keep)
        found.read_scores()
        for batch in store.generation_batches(plan.run_id):
            found.add(batch)
        return found

    def read_scores(self) -> None:
        """Take in the scores that are stored.

        Raises:
            StoreError: the store refuses.
        """
        for scores in self._store.score_batches(self._plan.run_id, self._kept_as):
            self.scores.update({score.trial: outline_score(score) for score in scores})

    @property
    def finished(self) -> set[str]:
        """The trials that are stored."""
        return {generation.trial for generation in self.generations}

    def add(self, generations: Sequence[Generation]) -> None:
        """Score stored generations, and store their scores.

        Raises:
            StoreError: the store refuses.
        """
        new = [
            score_generation(
                generation,
                self._plan.suite.checks(self._briefs[generation.brief]),
                self._plan.suite.weights,
                self._scorers,
            )
            for generation in generations
            if generation.trial not in self.scores
        ]
        if self._keep:
            self._store.add_scores(self._plan.run_id, self._kept_as, new)
        self.scores.update({score.trial: outline_score(score) for score in new})
        self.generations += map(outline_generation, generations)
