"""What a run will do: which candidate writes which brief, with which seed, in which order. Pure.

The plan is stored before the first generation, with the whole suite in it, and the trials follow from it alone: a
resumed run plans the same trials, and redoes those that are not stored.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field

from bakeoff.core.records import Generation
from bakeoff.core.spec import Candidate, Record, content_hash
from bakeoff.machine.budget import Budget
from bakeoff.machine.detect import Machine
from bakeoff.study.cluster_room import Placement
from bakeoff.study.scorer_files import ScorerFile
from bakeoff.study.suite import Brief, Suite

Item = TypeVar("Item")

_ALONE = 5
"""Trials of a window at concurrency 1: latency, TTFT, ITL and TPOT come from these only."""

_ALONE_UNINTERRUPTED = 2
_FIRST_ALONE = 10
_LATER_WINDOWS = 3
"""Windows at concurrency 1 that are spread over the rest, where candidates take turns, so that drift is seen."""

_TURN = 20
"""Trials at least that a candidate writes before the next one takes its turn, so that heat and drift favour nobody."""


class Window(NamedTuple):
    """A stretch of a candidate's trials, from number `low` up to `high`, written alone or many at a time."""

    low: int
    high: int
    alone: bool


def plan_windows(trials: int, turn: int, *, taking_turns: bool) -> list[Window]:
    """Divide a candidate's trials (their number) into windows, in order; those of many at a time have at most `turn`.

    Where candidates take turns, a window is a turn, and some turns are written alone. Where one does all of its work in
    one go, nothing interrupts it after the first trials, which are windows of two then: smaller, but as many.
    """
    size = _ALONE if taking_turns else _ALONE_UNINTERRUPTED
    first = min(trials, _FIRST_ALONE)
    windows = [Window(low, min(low + size, first), alone=True) for low in range(0, first, size)]
    rest = trials - first
    later = min(_LATER_WINDOWS, rest // (_ALONE + turn)) if taking_turns else 0
    turns = -(-(rest - later * _ALONE) // turn)
    before = {-(-(number + 1) * turns // (later + 1)) for number in range(later)}
    low = first
    for number in range(turns + 1):
        for size, alone in ((_ALONE, True), (turn, False)):
            if low < trials and (not alone or number in before):
                windows.append(Window(low, min(low + size, trials), alone))
                low = windows[-1].high
    return windows


def count_alone(trials: int, turn: int, *, taking_turns: bool) -> int:
    """Return how many of so many trials are written alone."""
    windows = plan_windows(trials, turn, taking_turns=taking_turns)
    return sum(window.high - window.low for window in windows if window.alone)


class Trial(NamedTuple):
    """One generation to be made. `key` is a hash of all that determines the text."""

    key: str
    candidate: str
    brief: str
    replicate: int
    seed: int

    def generation(self, **happened: object) -> Generation:
        """Return the record of what happened to this trial."""
        return Generation.model_validate(
            {
                "trial": self.key,
                "candidate": self.candidate,
                "brief": self.brief,
                "replicate": self.replicate,
                "seed": self.seed,
                **happened,
            }
        )


class Plan(Record):
    """Everything that determines a run's trials, and what they ran on.

    `concurrency` is how many texts may be in flight, `endpoint_concurrency` how many at one endpoint's URL, where that is
    to be less. Candidates take turns, so that those of one URL are never in flight together. A race may need fewer than
    `brief_ids`, family by family in their order; `held_back` are briefs of other families, which confirm the score of
    those that may be chosen, and which nobody else writes. With a `placement` workers run on a cluster, and `machine` is
    only where the run was started. `card_budgets` are those of each card with memory of its own (`machine.budget.card_budgets`); runs
    of earlier versions have none. `suite_path` is the suite's file as it was named, None in runs of earlier versions.
    """

    run_id: str
    suite: Suite
    suite_file: str
    suite_path: str | None = None
    candidates: tuple[Candidate, ...]
    brief_ids: tuple[str, ...]
    seed: int
    concurrency: int
    endpoint_concurrency: int | None = None
    mode: Literal["fixed", "race"] = "fixed"
    evidence: Literal["standard", "strict"] = "standard"
    held_back: tuple[str, ...] = ()
    scorer_files: tuple[ScorerFile, ...] = ()
    machine: Machine
    budget: Budget
    accelerator_budget: Budget | None = None
    card_budgets: dict[str, Budget] = Field(default_factory=dict)
    placement: Placement | None = None
    version: str

    def briefs(self) -> list[Brief]:
        """Return the briefs of this run, in the order of `brief_ids`."""
        by_id = {brief.id: brief for brief in self.suite.briefs}
        return [by_id[brief_id] for brief_id in self.brief_ids]

    def held_back_briefs(self) -> list[Brief]:
        """Return the briefs that have no part in choosing."""
        by_id = {brief.id: brief for brief in self.suite.briefs}
        return [by_id[brief_id] for brief_id in self.held_back]

    def candidate(self, candidate_id: str) -> Candidate:
        """Return a candidate by id."""
        return next(candidate for candidate in self.candidates if candidate.id == candidate_id)

    @property
    def turn(self) -> int:
        """How many texts a turn has: it ends when its last text does, so one of few would mostly wait for that."""
        return max(_TURN, 2 * self.concurrency * self.most_workers)

    @property
    def most_workers(self) -> int:
        """How many workers a candidate may have at once."""
        return 1 if self.placement is None else self.placement.workers

    def workers_of(self, candidate_id: str) -> int:
        """Return how many workers of a candidate may write at once; somebody else's server counts as one."""
        return self.most_workers if self.candidate(candidate_id).model.is_ours_to_run else 1

    def lanes(self, block: Block) -> int:
        """Return how many texts of a block may be in flight: its concurrency at each worker, and one where it is alone."""
        return block.concurrency * (self.workers_of(block.candidate) if block.concurrency > 1 else 1)

    def concurrency_of(self, candidate_id: str) -> int:
        """Return how many texts of a candidate may be in flight."""
        if self.endpoint_concurrency is None or self.candidate(candidate_id).model.source != "endpoint":
            return self.concurrency
        return min(self.concurrency, self.endpoint_concurrency)


class Block(NamedTuple):
    """Trials of one candidate that run together, at most `concurrency` at a time; `work` has the window of each too."""

    candidate: str
    concurrency: int
    work: tuple[tuple[Trial, int], ...]

    @property
    def trials(self) -> list[Trial]:
        """The trials, in order."""
        return [trial for trial, _ in self.work]


def choose_briefs(briefs: Sequence[Brief], count: int | None, seed: int) -> tuple[str, ...]:
    """Return `count` brief ids (None: all), shuffled by `seed` within each content type.

    Any prefix of the result has the suite's proportions of content types, to within a brief or so.
    """
    shuffler = random.Random(f"briefs:{seed}")  # noqa: S311 - an order, not a secret
    by_type: dict[str, list[str]] = {}
    for brief in briefs:
        by_type.setdefault(brief.content_type, []).append(brief.id)
    for ids in by_type.values():
        shuffler.shuffle(ids)
    return tuple(in_proportion(list(by_type.values()))[:count])


def in_proportion(groups: Sequence[Sequence[Item]]) -> list[Item]:
    """Return the items of all groups, each group in its order, so that every prefix has the proportions of the whole.

    The next item is of the group that lacks most of its share (of equals, the first): groups of one size take turns. What
    follows a prefix has the same proportions too, as the rest of a whole.

    Examples:
        >>> in_proportion(["aa", "bbbbbb"])
        ['b', 'a', 'b', 'b', 'b', 'a', 'b', 'b']
    """
    total = sum(len(group) for group in groups)
    taken = [0] * len(groups)
    found = []
    for count in range(1, total + 1):
        lacking = [count * len(group) - total * had for group, had in zip(groups, taken, strict=True)]
        number = lacking.index(max(lacking))
        found.append(groups[number][taken[number]])
        taken[number] += 1
    return found


def trial_seed(run_seed: int, brief_id: str, replicate: int) -> int:
    """Return a 31-bit seed; the same for every candidate, since they are compared on the same draw of the brief."""
    digest = hashlib.sha256(f"{run_seed}:{brief_id}:{replicate}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def trials_of(plan: Plan, candidate: Candidate) -> Iterator[Trial]:
    """Yield a candidate's trials: all briefs of replicate 0, then of replicate 1, and so on."""
    return trials_for(plan, candidate, plan.briefs())


def trials_for(plan: Plan, candidate: Candidate, briefs: Sequence[Brief]) -> Iterator[Trial]:
    """Yield a candidate's trials for some briefs of the suite, in the same order."""
    digest = candidate.digest
    for replicate in range(plan.suite.replicates):
        for brief in briefs:
            seed = trial_seed(plan.seed, brief.id, replicate)
            content = content_hash([brief.prompt, brief.source, brief.content_type, plan.suite.system_prompt])
            key = content_hash([candidate.id, digest, brief.id, content, replicate, seed])
            yield Trial(key, candidate.id, brief.id, replicate, seed)


def plan_trials(plan: Plan) -> dict[str, list[Trial]]:
    """Return each candidate's trials, in the order of `trials_of`."""
    return {candidate.id: list(trials_of(plan, candidate)) for candidate in plan.candidates}


def count_unfinished(plan: Plan, finished: Collection[str]) -> dict[str, int]:
    """Return how many of each candidate's trials are not among `finished` keys."""
    if not finished:
        total = len(plan.brief_ids) * plan.suite.replicates
        return {candidate.id: total for candidate in plan.candidates}
    return {name: sum(trial.key not in finished for trial in own) for name, own in plan_trials(plan).items()}


def plan_blocks(plan: Plan, finished: Collection[str], *, together: bool) -> Iterator[Block]:
    """Yield the unfinished work in order; trials whose key is in `finished` are left out.

    Windows of a candidate run at concurrency 1 or at the plan's (`plan_windows`). With `together` (all workers fit in
    memory at once) the candidates take turns, a window each, in an order shuffled for each turn; otherwise each one does
    all of its work before the next is loaded. A lone candidate's work is not cut: nobody waits for its turn.
    """
    trials = plan_trials(plan)
    shuffler = random.Random(f"turns:{plan.seed}")  # noqa: S311 - an order, not a secret
    total = max((len(own) for own in trials.values()), default=0)
    taking_turns = together and len(trials) > 1
    windows = list(enumerate(plan_windows(total, plan.turn, taking_turns=taking_turns)))
    # In one go, what is written alone is one block, and the rest another.
    ways = [[window] for window in windows] if taking_turns else [list(way) for _, way in groupby(windows, _is_alone)]
    names = list(trials)
    for own in trials.values():
        own[:] = arrange(own, [window for _, window in windows])
    turns: list[tuple[str, list[tuple[int, Window]]]] = []
    if together:
        for way in ways:
            shuffler.shuffle(names)
            turns += [(name, way) for name in names]
    else:
        shuffler.shuffle(names)
        turns = [(name, way) for name in names for way in ways]
    for name, way in turns:
        unfinished = tuple(
            (trial, number)
            for number, window in way
            for trial in trials[name][window.low : window.high]
            if trial.key not in finished
        )
        if unfinished:
            yield Block(name, 1 if _is_alone(way[0]) else plan.concurrency_of(name), unfinished)


def arrange(trials: Sequence[Trial], windows: Sequence[Window]) -> list[Trial]:
    """Order a candidate's trials for its windows: every brief new where texts are written alone, replicates side by side.

    Replicates side by side are one prefill for engines that share it, and leave whole briefs behind when a run ends
    early. Written alone, the second of two equal prompts would look faster than it is, wherever a server remembers
    prompts; only when no other is left does a replicate come to be written alone.
    """
    by_brief: dict[str, list[Trial]] = {}
    for trial in trials:
        by_brief.setdefault(trial.brief, []).append(trial)
    texts_alone = sum(window.high - window.low for window in windows if window.alone)
    briefs = list(by_brief.values())
    alone, others = deque(briefs[:texts_alone]), deque(briefs[texts_alone:])
    begun: deque[Trial] = deque()
    ordered: list[Trial] = []
    for window in windows:
        for _ in range(window.low, window.high):
            fresh = alone if window.alone else others
            if not fresh and not begun:
                fresh = others or alone
            if begun and not (window.alone and fresh):
                ordered.append(begun.popleft())
                continue
            first, *replicates = fresh.popleft()
            ordered.append(first)
            begun += replicates
    return ordered


def _is_alone(numbered: tuple[int, Window]) -> bool:
    return numbered[1].alone
