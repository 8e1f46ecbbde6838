"""What a run tells about cost: time, tokens and acceptance of each candidate's texts, family by family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bakeoff.core.outlines import GenerationOutline, ScoreOutline
from bakeoff.cost.uncertainty import Sample
from bakeoff.measure.busy import busy_seconds
from bakeoff.measure.energy import EnergySummary
from bakeoff.measure.memory import moved_work
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


class _Text(NamedTuple):
    family: str
    content_type: str
    latency_s: float
    prompt_tokens: int
    completion_tokens: int
    accepted: float


def read_work(plan: Plan, store: Store) -> list[Work]:
    """Read what every candidate of a run wrote; a text that was gated, or never came, was not accepted.

    Raises:
        StoreError: the store refuses.
        BakeoffError: a scorer that cannot be loaded.
    """
    scored = Scored.of(plan, store)
    return work_of(plan, store, scored.generations, scored.scores.values())


def work_of(
    plan: Plan, store: Store, generations: Iterable[GenerationOutline], scores: Iterable[ScoreOutline]
) -> list[Work]:
    """Return what every candidate wrote, for who has read the run already. What was never asked for counts nowhere.

    Raises:
        StoreError: the store refuses.
    """
    made: dict[str, list[GenerationOutline]] = defaultdict(list)
    for generation in generations:
        if generation.attempts:
            made[generation.candidate].append(generation)
    accepted = {score.trial for score in scores if score.publishable}
    briefs = {brief.id: (brief.cluster or brief.id, brief.content_type) for brief in plan.suite.briefs}
    drawn = read_energy(plan, store)
    moved = moved_work(store.loads(plan.run_id))
    found = []
    for candidate in plan.candidates:
        texts = made[candidate.id]
        known = [_read(text, briefs[text.brief], accepted) for text in texts]
        complete = [text for text in known if text is not None]
        busy_s = busy_seconds(texts)
        missing = _missing(texts, complete, busy_s)
        device = next((text.device for text in reversed(texts) if text.device), None)
        remote = candidate.model.source == "endpoint"
        if missing or busy_s is None:
            found.append(Work(candidate.id, None, {}, missing, device, remote))
            continue
        # Texts that were written side by side shared the machine: their times add up to more than it worked.
        share = busy_s / sum(text.latency_s for text in complete)
        kinds = sorted({text.content_type for text in complete})
        by_type = {kind: _sample([text for text in complete if text.content_type == kind], share) for kind in kinds}
        found.append(
            Work(
                candidate.id,
                _sample(complete, share),
                by_type,
                "",
                device,
                remote,
                drawn[candidate.id],
                moved.get(candidate.id, ()),
            )
        )
    return found


def _read(text: GenerationOutline, brief: tuple[str, str], accepted: Iterable[str]) -> _Text | None:
    """Return what a text tells; None where its time or tokens are not known."""
    timings = text.timings
    if timings.latency_s is None or timings.prompt_tokens is None or timings.completion_tokens is None:
        return None
    return _Text(
        *brief, timings.latency_s, timings.prompt_tokens, timings.completion_tokens, float(text.trial in accepted)
    )


def _missing(texts: Sequence[GenerationOutline], complete: Sequence[_Text], busy_s: float | None) -> str:
    if not texts:
        return "it wrote nothing"
    if all(text.recorded for text in texts):
        return "its texts existed before: nobody saw what they took"
    if not complete:
        return "how many tokens it read and wrote was not told"
    return "" if busy_s is not None else "how long it worked is not known"


def _sample(texts: Sequence[_Text], share: float) -> Sample:
    """Return the means of each family; `share` is the part of a text's latency that the machine worked for it."""
    families: dict[str, list[_Text]] = defaultdict(list)
    for text in texts:
        families[text.family].append(text)
    groups = list(families.values())
    return Sample(
        busy_s=tuple(share * _mean(text.latency_s for text in group) for group in groups),
        prompt_tokens=tuple(_mean(text.prompt_tokens for text in group) for group in groups),
        completion_tokens=tuple(_mean(text.completion_tokens for text in group) for group in groups),
        accepted=tuple(_mean(text.accepted for text in group) for group in groups),
        texts=tuple(len(group) for group in groups),
    )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
