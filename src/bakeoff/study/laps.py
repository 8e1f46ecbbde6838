"""How a race is written: in laps of a few families, so that engines have enough in flight and models are loaded rarely. Pure.

The verdict is looked for after every family of a lap, in order, whatever the lap's size. What a lap wrote beyond it is kept,
and counts nowhere.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import ceil

from bakeoff.core.generations import Generations
from bakeoff.study.plan import Block, Plan, Trial, Window, arrange, in_proportion, plan_windows, trials_for
from bakeoff.study.suite import Brief

LAP = 10
"""Families of a lap where all models stay loaded: a look at every tenth brief costs little of what a race saves."""

_RELOADING_SHARE = 0.2
"""Where models must take turns in memory, a lap is so long that loading takes a fifth of its time at most."""

_HELD_BACK_SHARE = 0.25
_MOST_HELD_BACK = 30
_FEWEST_TO_DIVIDE = 20
_FEWEST_TO_CONFIRM = 5

_ALONE = 5
_LAPS_WITH_SOME_ALONE = 4
_WINDOWS_OF_A_LAP = 1000


def draw_families(briefs: Sequence[Brief], seed: int) -> list[list[Brief]]:
    """Return the families in racing order: shuffled by `seed` within each content type, in the suite's proportions throughout.

    A race may stop after any family, and answers for the suite: so every prefix is made up as the suite is, and so is what
    is left behind it. A family of several content types stands with its first brief's.
    """
    shuffler = random.Random(f"families:{seed}")  # noqa: S311 - an order, not a secret
    families: dict[str, list[Brief]] = {}
    for brief in briefs:
        families.setdefault(brief.family, []).append(brief)
    by_type: dict[str, list[list[Brief]]] = {}
    for family in families.values():
        by_type.setdefault(family[0].content_type, []).append(family)
    for found in by_type.values():
        shuffler.shuffle(found)
    return in_proportion(list(by_type.values()))


def divide(briefs: Sequence[Brief], seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of the briefs that race, in order, and of those held back: a quarter of the families, at most 30.

    Under 20 families none is held back: too few would be left to race.
    """
    families = draw_families(briefs, seed)
    spare = min(_MOST_HELD_BACK, int(len(families) * _HELD_BACK_SHARE)) if len(families) >= _FEWEST_TO_DIVIDE else 0
    racing, held_back = families[: len(families) - spare], families[len(families) - spare :]
    return _ids(racing), _ids(held_back)


def left_over(briefs: Sequence[Brief], chosen: Collection[str], seed: int) -> tuple[str, ...]:
    """Return briefs of families of which none was `chosen`: at most a third of the chosen families, and 30.

    Fewer than 5 families are none: too few to say anything.
    """
    taken = {brief.family for brief in briefs if brief.id in chosen}
    families = draw_families([brief for brief in briefs if brief.family not in taken], seed)
    most = min(_MOST_HELD_BACK, int(len(taken) * _HELD_BACK_SHARE / (1.0 - _HELD_BACK_SHARE)))
    return _ids(families[:most]) if min(most, len(families)) >= _FEWEST_TO_CONFIRM else ()


def _ids(families: Sequence[Sequence[Brief]]) -> tuple[str, ...]:
    return tuple(brief.id for family in families for brief in family)


def lap_size(load_s: float, family_s: float, *, together: bool) -> int:
    """Return how many families a lap has.

    Args:
        load_s: what loading all models once takes.
        family_s: what all of them take to write a family's briefs.
        together: whether all fit in memory at once.
    """
    if together or load_s <= 0 or family_s <= 0:
        return LAP
    return max(LAP, ceil(load_s * (1.0 - _RELOADING_SHARE) / _RELOADING_SHARE / family_s))


def next_lap(generations: Mapping[str, Generations]) -> int:
    """Return the number of the lap after those that wrote these."""
    last = [max(made.window) for made in generations.values() if made.window]
    return 1 + max(0, *last) // _WINDOWS_OF_A_LAP if last else 0


def trials_of(generations: Mapping[str, Generations], wanted: Mapping[str, Collection[str]]) -> set[str]:
    """Return the keys of the trials that are stored, of the briefs that each candidate is to write."""
    return {key for name, brief_ids in wanted.items() for key in generations[name].trials_of(brief_ids)}


def lap_blocks(
    plan: Plan,
    number: int,
    wanted: Mapping[str, Sequence[str]],
    finished: Collection[str],
    *,
    together: bool,
    loaded: str | None = None,
) -> Iterator[Block]:
    """Yield the unfinished work of a lap.

    The first ten texts of a candidate are written alone, for the latency, and the first five of the next three laps, so
    that drift is seen. Together, candidates take turns, a window each, in shuffled order; otherwise each does its whole
    lap, beginning with the one that is loaded.

    Args:
        plan: of the run.
        number: of the lap, from 0.
        wanted: brief ids by candidate.
        finished: keys of trials that are stored.
        together: whether all workers are in memory at once.
        loaded: whose worker is, otherwise.
    """
    briefs = {brief.id: brief for brief in plan.suite.briefs}
    shuffler = random.Random(f"laps:{plan.seed}:{number}")  # noqa: S311 - an order, not a secret
    work: dict[str, list[tuple[Window, list[Trial]]]] = {}
    for name, ids in wanted.items():
        trials = list(trials_for(plan, plan.candidate(name), [briefs[brief_id] for brief_id in ids]))
        windows = _windows(len(trials), number, plan.turn)
        ordered = arrange(trials, windows)
        work[name] = [(window, ordered[window.low : window.high]) for window in windows]
    names = list(work)
    shuffler.shuffle(names)
    if not together:
        names.sort(key=lambda name: name != loaded)
        turns = [(name, position) for name in names for position in range(len(work[name]))]
    else:
        turns = []
        for position in range(max((len(found) for found in work.values()), default=0)):
            shuffler.shuffle(names)
            turns += [(name, position) for name in names if position < len(work[name])]
    for name, position in turns:
        window, trials = work[name][position]
        mark = number * _WINDOWS_OF_A_LAP + position
        unfinished = tuple((trial, mark) for trial in trials if trial.key not in finished)
        if unfinished:
            yield Block(name, 1 if window.alone else plan.concurrency_of(name), unfinished)


def _windows(trials: int, number: int, turn: int) -> list[Window]:
    if number == 0:
        return [window for window in plan_windows(trials, turn, taking_turns=True) if window.high <= trials]
    alone = min(_ALONE, trials) if number < _LAPS_WITH_SOME_ALONE else 0
    windows = [Window(0, alone, alone=True)] if alone else []
    windows += [Window(low, min(low + turn, trials), alone=False) for low in range(alone, trials, turn)]
    return windows
