"""A person's labels of a run: the pairs that are asked, one after the other, stored as they are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bakeoff.core.clock import Clock
from bakeoff.core.errors import UsageError
from bakeoff.decide.labelling import Choice, Label, LabelReport, Written, draw_pairs, report_labels
from bakeoff.store.db import Store
from bakeoff.study.plan import Plan
from bakeoff.study.scoring import Scored

RULE_SCORE = "rule score"
KEYWORDS = "keyword heuristic"


class Question(NamedTuple):
    """A pair to show: its number from 0, of how many, what was asked for, and the two texts. Nothing says whose they are."""

    number: int
    of: int
    content_type: str
    brief: str
    left: str
    right: str


class Labelling:
    """One person's labelling of one run; may be left and taken up again at any time."""

    def __init__(self, plan: Plan, store: Store, clock: Clock, count: int) -> None:
        """Read the run's texts, and the labels that are there.

        Raises:
            UsageError: there is no pair of texts to show.
        """
        self._store = store
        self._clock = clock
        self._run_id = plan.run_id
        self._prompts = {
            brief.id: brief.prompt if brief.source is None else f"{brief.prompt}\n\n{brief.source}"
            for brief in plan.suite.briefs
        }
        self.texts = read_written(plan, store)
        self._by_trial = {text.trial: text for text in self.texts}
        self.labels = [Label.model_validate_json(record) for record in store.labels(plan.run_id)]
        drawn = draw_pairs(self.texts, count, plan.seed)
        self.pairs = [label.pair for label in self.labels] + drawn[len(self.labels) :]
        if not self.pairs:
            raise UsageError(
                f"run {plan.run_id} has no two candidates with different texts for one brief",
                "label a run of at least two candidates",
            )

    @property
    def question(self) -> Question | None:
        """What to ask next, None when all is answered."""
        number = len(self.labels)
        if number >= len(self.pairs):
            return None
        pair = self.pairs[number]
        left, right = self._by_trial[pair.left], self._by_trial[pair.right]
        return Question(number, len(self.pairs), pair.content_type, self._prompts[pair.brief], left.text, right.text)

    def answer(self, number: int, choice: Choice) -> None:
        """Store the answer to the question of this number; one that is not the next is passed over (a page sent it twice).

        Raises:
            StoreError: the store refuses.
        """
        if number != len(self.labels) or number >= len(self.pairs):
            return
        label = Label(pair=self.pairs[number], choice=choice, at=self._clock.now().isoformat())
        self._store.add_label(self._run_id, number, label.model_dump_json())
        self.labels.append(label)

    def undo(self) -> None:
        """Forget the last answer, if there is one; its pair is asked again.

        Raises:
            StoreError: the store refuses.
        """
        if self.labels:
            self._store.drop_label(self._run_id, len(self.labels) - 1)
            self.labels.pop()


def read_written(plan: Plan, store: Store) -> list[Written]:
    """Return the texts of a run's first replicate that hold a word."""
    types = {brief.id: brief.content_type for brief in plan.suite.briefs}
    return [
        Written(made.trial, made.candidate, made.brief, types[made.brief], made.text)
        for batch in store.generation_batches(plan.run_id)
        for made in batch
        if made.replicate == 0 and made.text is not None and made.text.strip()
    ]


def label_report(
    plan: Plan,
    store: Store,
    texts: Sequence[Written],
    labels: Sequence[Label],
    judged: Mapping[str, Mapping[tuple[str, str], float]],
) -> LabelReport:
    """Return what a run's labels say of the rule score, the keyword heuristic, and of judges.

    Args:
        plan: of the run.
        store: where its scores are.
        texts: of `read_written`.
        labels: the person's answers.
        judged: judge -> (trial, other trial) -> how much it prefers the first.

    Raises:
        StoreError: the store refuses.
    """
    scored = {score.trial: score for score in Scored.of(plan, store).stored([text.trial for text in texts])}
    by_brief: dict[str, list[Written]] = {}
    for text in texts:
        by_brief.setdefault(text.brief, []).append(text)
    rule: dict[tuple[str, str], float] = {}
    keywords: dict[tuple[str, str], float] = {}
    for found in by_brief.values():
        for a in found:
            for b in found:
                if a.candidate != b.candidate:
                    one, other = scored[a.trial], scored[b.trial]
                    rule[a.trial, b.trial] = one.value - other.value
                    pair = (
                        one.comparison_only.get("keyword_heuristic"),
                        other.comparison_only.get("keyword_heuristic"),
                    )
                    if pair[0] is not None and pair[1] is not None:
                        keywords[a.trial, b.trial] = pair[0] - pair[1]
    return report_labels(labels, texts, {RULE_SCORE: rule, KEYWORDS: keywords, **judged})
