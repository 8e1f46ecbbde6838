"""What a run tells about cost: time, tokens and acceptance of each candidate's texts, family by family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.core.generations import Generations, Places
from bakeoff.cost.uncertainty import Sample
from bakeoff.measure.busy import worker_seconds
from bakeoff.measure.energy import EnergySummary
from bakeoff.measure.memory import moved_work
from bakeoff.measure.selecting import Mask, Rows, publishable, where
from bakeoff.store.db import Store
from bakeoff.study.energy_watch import read_energy
from bakeoff.study.plan import Plan
from bakeoff.study.scoring import Scored


class Work(NamedTuple):
    """One candidate's texts. `sample` is None where `missing` says what nobody knows; `by_content_type` likewise.

    `device` is where it ran, None for somebody else's server, and `fallbacks` what it computed elsewhere.
    """

    candidate: str
    sample: Sample | None
    by_content_type: dict[str, Sample]
    missing: str
    device: str | None
    remote: bool
    energy: EnergySummary = EnergySummary()
    fallbacks: tuple[str, ...] = ()


def read_work(plan: Plan, store: Store) -> list[Work]:
    """Read what every candidate of a run wrote; a text that was gated, or never came, was not accepted.

    Raises:
        StoreError: the store refuses.
        BakeoffError: a scorer that cannot be loaded.
    """
    return work_of(plan, store, Scored.of(plan, store).generations)


def work_of(plan: Plan, store: Store, generations: Mapping[str, Generations]) -> list[Work]:
    """Return what every candidate wrote, for who has read the run already. What was never asked for counts nowhere.

    Raises:
        StoreError: the store refuses.
    """
    briefs = {brief.id: (brief.cluster or brief.id, brief.content_type) for brief in plan.suite.briefs}
    drawn = read_energy(plan, store)
    moved = moved_work(store.loads(plan.run_id))
    found = []
    for candidate in plan.candidates:
        made = generations[candidate.id]
        asked = np.flatnonzero(where(made, lambda way: way.attempts > 0))
        complete = asked[_complete(made)[asked]]
        # Workers of a cluster are at work at the same time, each with a machine of its own.
        busy_s = worker_seconds(made, plan.workers_of(candidate.id), asked)
        missing = _missing(made, asked, complete, busy_s)
        device = _last_device(made, asked)
        remote = candidate.model.source == "endpoint"
        if missing or busy_s is None:
            found.append(Work(candidate.id, None, {}, missing, device, remote))
            continue
        # Texts that were written side by side shared the machine: their times add up to more than it worked.
        share = busy_s / _sum(np.asarray(made.latency_s)[complete])
        about = np.array([briefs[name] for name in made.briefs], dtype=object)[np.asarray(made.brief)[complete]]
        families, kinds = about.T
        by_type = {
            kind: _sample(made, complete[kinds == kind], families[kinds == kind], share) for kind in sorted(set(kinds))
        }
        whole = _sample(made, complete, families, share)
        fallbacks = moved.get(candidate.id, ())
        found.append(Work(candidate.id, whole, by_type, "", device, remote, drawn[candidate.id], fallbacks))
    return found


def _complete(made: Generations) -> Mask:
    """Return where time and tokens are known."""
    known = (made.latency_s, made.prompt_tokens, made.completion_tokens)
    complete: Mask = ~np.logical_or.reduce([np.isnan(np.asarray(column)) for column in known])
    return complete


def _last_device(made: Generations, rows: Rows) -> str | None:
    """Return where the last text was written of which it is known."""
    known = rows[where(made, lambda way: bool(way.device), rows)]
    return list(made.ways)[made.way[known[-1]]].device if known.size else None


def _missing(made: Generations, asked: Rows, complete: Rows, busy_s: float | None) -> str:
    if not asked.size:
        return "it wrote nothing"
    if where(made, lambda way: way.recorded, asked).all():
        return "its texts existed before: nobody saw what they took"
    if not complete.size:
        return "how many tokens it read and wrote was not told"
    return "" if busy_s is not None else "how long it worked is not known"


def _sample(made: Generations, rows: Rows, families: NDArray[np.object_], share: float) -> Sample:
    """Return the means of each family; `share` is the part of a text's latency that the machine worked for it."""
    numbers = Places()
    group = np.array([numbers[family] for family in families], dtype=np.intp)
    texts = np.bincount(group)

    def means(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(group, values) / texts

    return Sample(
        busy_s=tuple((share * means(np.asarray(made.latency_s)[rows])).tolist()),
        prompt_tokens=tuple(means(np.asarray(made.prompt_tokens)[rows]).tolist()),
        completion_tokens=tuple(means(np.asarray(made.completion_tokens)[rows]).tolist()),
        accepted=tuple(means(publishable(made)[rows].astype(np.float64)).tolist()),
        texts=tuple(texts.tolist()),
    )


def _sum(values: NDArray[np.float64]) -> float:
    """Return the sum, added up in order."""
    return float(np.add.accumulate(values)[-1])
