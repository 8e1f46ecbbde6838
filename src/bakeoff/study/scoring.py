"""Scoring what is stored, each text once: the generations and scores of a run, column by column, and those that come."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.core.generations import Generations, Places
from bakeoff.core.records import Generation, Score
from bakeoff.score.composite import score_generation
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.scorers import scorers_for, scoring_version

_AT_ONCE = 500


class Scored:
    """The scored generations of one run by candidate, by the suite's scorers.

    Who only looks on does not `keep` the scores: nothing is stored then.
    """

    def __init__(self, plan: Plan, store: Store, *, keep: bool = True) -> None:
        self._keep = keep
        self._plan = plan
        self._store = store
        self._kept_as, self._scorers = scoring_version(plan), scorers_for(plan)
        self._briefs = {brief.id: brief for brief in plan.suite.briefs}
        places = Places()
        self.generations = {candidate.id: Generations(places) for candidate in plan.candidates}

    @classmethod
    def of(cls, plan: Plan, store: Store, *, keep: bool = True) -> Scored:
        """Score what is stored and has no score yet, a batch in memory at a time: a run may have written more than fits.

        Raises:
            StoreError: the store refuses.
            BakeoffError: a scorer that cannot be loaded.
        """
        found = cls(plan, store, keep=keep)
        for batch in store.generation_batches(plan.run_id, _AT_ONCE):
            found.add(batch)
        return found

    def __len__(self) -> int:
        return sum(map(len, self.generations.values()))

    def add(self, generations: Sequence[Generation]) -> list[Score]:
        """Take stored generations in, and return their scores; those that had none are scored, and their scores stored.

        Raises:
            StoreError: the store refuses.
        """
        scores, new = self._grade(generations)
        if self._keep:
            self._store.add_scores(self._plan.run_id, self._kept_as, new)
        for generation, score in zip(generations, scores, strict=True):
            self.generations[generation.candidate].add(generation, score)
        return scores

    def read(self, trials: Sequence[str]) -> list[tuple[Generation, Score]]:
        """Return some generations whole, with their scores, by trial key, as far as they are stored.

        Raises:
            StoreError: the store refuses.
        """
        generations = self._store.generations_of(self._plan.run_id, trials)
        return list(zip(generations, self._grade(generations)[0], strict=True))

    def stored(self, trials: Sequence[str]) -> list[Score]:
        """Return the scores of some trials as far as they are stored.

        Raises:
            StoreError: the store refuses.
        """
        return self._store.scores_of(self._plan.run_id, self._kept_as, trials)

    def _grade(self, generations: Sequence[Generation]) -> tuple[list[Score], list[Score]]:
        """Return the scores of generations, and those of them that are not stored."""
        known = {score.trial: score for score in self.stored([generation.trial for generation in generations])}
        new = {
            generation.trial: score_generation(
                generation,
                self._plan.suite.checks(self._briefs[generation.brief]),
                self._plan.suite.weights,
                self._scorers,
            )
            for generation in generations
            if generation.trial not in known
        }
        every = known | new
        return [every[generation.trial] for generation in generations], list(new.values())
