"""What the sample browser shows: each brief with every candidate's text side by side, and how each text came about.

A page that opens quickly has room for so many texts. Of a larger run the briefs are chosen that tell most - where
candidates disagree, where texts failed or were gated, and a spread over content types - and the page says how many are missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from markupsafe import Markup

from bakeoff.core.outlines import GateOutline, GenerationOutline, ScoreOutline, outline_generation
from bakeoff.core.records import GateHit, Generation
from bakeoff.core.units import seconds_text
from bakeoff.measure.timing import time_per_output_token_s
from bakeoff.report.page.facts import BriefText, PageFacts
from bakeoff.report.page.visible import visible

MOST_TEXTS = 3000
MOST_BYTES = 2_650_000
"""Of all that is written about briefs on one page: with all the rest it stays under 3 MB."""
_AROUND_TEXT, _AROUND_BRIEF = 1250, 1000
"""Bytes of what stands around a text, and around a brief."""
_MOST_EVIDENCE = 160


class Cell(NamedTuple):
    """One candidate's text for one brief. `score` is None where nobody scored it."""

    candidate: str
    replicate: int
    text: Markup | None
    score: float | None
    state: str
    gates: list[tuple[str, str, Markup]]
    dimensions: list[tuple[str, float]]
    made: list[tuple[str, str]]
    error: Markup | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One brief with its texts. `slots` has the first text of each candidate of the run. `spread` is the largest difference between candidates' scores, None with one text."""

    number: int
    brief: BriefText
    prompt: Markup
    source: Markup | None
    facts: list[str]
    cells: list[Cell]
    slots: list[Cell | None]
    low: float | None
    high: float | None
    spread: float | None
    gates: list[str]
    failed: bool
    clean: bool


class Example(NamedTuple):
    """One text that a gate stopped, or that never came."""

    what: str
    candidate: str
    brief: str
    number: int | None
    rule: str
    evidence: Markup


class Samples(NamedTuple):
    """All that is shown, and of how many briefs."""

    shown: list[Sample]
    briefs: int
    texts: int


def read_samples(facts: PageFacts, order: Sequence[str]) -> Samples:
    """Return the samples; candidates of each in `order`."""
    rows: dict[str, list[GenerationOutline]] = defaultdict(list)
    for made in facts.generations:
        if made.brief in facts.briefs:
            rows[made.brief].append(made)
    asked = [brief for brief in facts.briefs if brief in rows]
    chosen = asked
    if sum(len(rows[brief]) for brief in asked) > MOST_TEXTS:
        chosen = _most_telling(facts, rows, MOST_TEXTS)
    written: dict[str, list[Generation]] = defaultdict(list)
    for generation in facts.read_texts(set(chosen)):
        written[generation.brief].append(generation)
    kept = _that_fit(facts, written, chosen)
    place = {name: number for number, name in enumerate(order)}
    shown = [_sample(number, facts, facts.briefs[brief], written[brief], place) for number, brief in enumerate(kept, 1)]
    return Samples(shown, len(asked), sum(len(found) for found in rows.values()))


def _most_telling(facts: PageFacts, rows: Mapping[str, Sequence[GenerationOutline]], most: int) -> list[str]:
    """Return briefs with at most `most` texts: content types in turn, the widest disagreement first in each."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for brief in sorted(rows, key=lambda found: -_spread([_score(facts.scores, made) for made in rows[found]])):
        by_type[facts.briefs[brief].content_type].append(brief)
    chosen, texts = set(), 0
    for turn in zip_longest(*by_type.values()):
        for brief in turn:
            if brief is not None and texts + len(rows[brief]) <= most:
                chosen.add(brief)
                texts += len(rows[brief])
    return [brief for brief in facts.briefs if brief in chosen]


def _that_fit(facts: PageFacts, written: Mapping[str, Sequence[Generation]], chosen: Sequence[str]) -> list[str]:
    """Return the chosen briefs, in their order, as long as they fit; those of widest disagreement first."""
    sizes = {brief: _size(facts.briefs[brief], written[brief]) for brief in chosen}
    if sum(sizes.values()) <= MOST_BYTES:
        return [brief for brief in chosen if written[brief]]
    kept, left = set(), MOST_BYTES
    telling = sorted(chosen, key=lambda brief: -_spread([_score(facts.scores, made) for made in written[brief]]))
    for brief in telling:
        if written[brief] and sizes[brief] <= left:
            kept.add(brief)
            left -= sizes[brief]
    return [brief for brief in chosen if brief in kept]


def _size(brief: BriefText, written: Sequence[Generation]) -> int:
    """Return about how many bytes a brief takes on the page, its texts with it."""
    texts = (brief.prompt, brief.source or "", *(made.text or "" for made in written))
    return (
        _AROUND_BRIEF
        + _AROUND_TEXT * len(written)
        + sum(len(visible(text).encode("utf-8", "replace")) for text in texts)
    )


def _score(scores: Mapping[str, ScoreOutline], made: GenerationOutline | Generation) -> float | None:
    if made.failed:
        return 0.0
    found = scores.get(made.trial)
    return None if found is None else found.value


def _spread(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return max(known) - min(known) if len(known) > 1 else 0.0


def _sample(
    number: int, facts: PageFacts, brief: BriefText, written: Sequence[Generation], place: Mapping[str, int]
) -> Sample:
    ordered = sorted(written, key=lambda made: (place.get(made.candidate, len(place)), made.replicate))
    cells = [_cell(made, facts.scores.get(made.trial)) for made in ordered]
    values = [cell.score for cell in cells if cell.score is not None]
    gates = sorted({gate for cell in cells for gate, _, _ in cell.gates})
    failed = any(made.failed for made in ordered)
    return Sample(
        number=number,
        brief=brief,
        prompt=visible(brief.prompt),
        source=None if brief.source is None else visible(brief.source),
        facts=[" or ".join(fact) for fact in brief.must_include],
        cells=cells,
        slots=[next((cell for cell in cells if cell.candidate == name), None) for name in place],
        low=min(values, default=None),
        high=max(values, default=None),
        spread=max(values) - min(values) if len(values) > 1 else None,
        gates=gates,
        failed=failed,
        clean=not failed and all(cell.state == "publishable" for cell in cells),
    )


def _cell(made: Generation, score: ScoreOutline | None) -> Cell:
    hits = () if score is None or made.failed else score.gates
    state = (
        "failed" if made.failed else "unscored" if score is None else "publishable" if score.publishable else "gated"
    )
    return Cell(
        candidate=made.candidate,
        replicate=made.replicate,
        text=None
        if made.text is None
        else visible(made.text, {hit.evidence: f"{hit.gate}: {hit.rule}" for hit in hits}),
        score=0.0 if made.failed else None if score is None else score.value,
        state=state,
        gates=[(hit.gate, hit.rule, visible(_short(hit.evidence))) for hit in hits],
        dimensions=[]
        if score is None or made.failed
        else [(name, value) for name, value in score.dimensions.items() if value is not None],
        made=list(_provenance(made)),
        error=None if made.error is None else visible(f"{made.error_kind or 'failed'}: {made.error}"),
    )


def _provenance(made: Generation) -> Iterator[tuple[str, str]]:
    """Yield what is known of how a text came about; what nobody knows is left out."""
    timings = made.timings
    yield "seed", str(made.seed)
    if timings.completion_tokens is not None:
        read = "" if timings.prompt_tokens is None else f"{timings.prompt_tokens} read, "
        yield (
            "tokens",
            f"{read}{timings.completion_tokens} written"
            + ("" if timings.tokens_from in {None, "reported"} else f" ({timings.tokens_from})"),
        )
    if timings.latency_s is not None:
        first = "" if timings.ttft_s is None else f", first token {seconds_text(timings.ttft_s)}"
        each = time_per_output_token_s(outline_generation(made))
        rate = "" if each is None else f", {seconds_text(each)} a token"
        yield "time", f"{seconds_text(timings.latency_s)}{first}{rate}" + (" (reported)" if made.recorded else "")
    worker = [
        f"{name} {seconds_text(value)}"
        for name, value in (("queue", timings.queue_s), ("prefill", timings.prefill_s), ("decode", timings.decode_s))
        if value is not None
    ]
    if worker:
        yield "in the worker", ", ".join(worker)
    if made.concurrency is not None:
        yield "in flight", "alone" if made.concurrency == 1 else f"up to {made.concurrency}"
    where = " ".join(part for part in (made.device, made.dtype) if part)
    if where:
        yield "ran on", where
    if made.attempts != 1 or made.retried:
        yield "requests", f"{made.attempts} ({', '.join(made.retried) or 'asked again'})"
    yield (
        "finished",
        {"stop": "by itself", "length": "cut off at the limit of tokens", "error": "with an error"}[made.finish_reason],
    )
    if made.recorded:
        yield "source", "recorded earlier"
    yield "trial", made.trial


def gate_examples(facts: PageFacts, samples: Samples, most: int = 2) -> dict[str, list[Example]]:
    """Return up to `most` examples for each gate, of different candidates where there are."""
    numbers = {sample.brief.id: sample.number for sample in samples.shown}
    found: dict[str, list[Example]] = defaultdict(list)
    for made in sorted(facts.generations, key=lambda one: one.brief not in numbers):
        score = None if made.failed else facts.scores.get(made.trial)
        for hit in () if score is None else score.gates:
            known = found[hit.gate]
            if len(known) < most and all(example.candidate != made.candidate for example in known):
                known.append(_example(hit, made, numbers.get(made.brief)))
    return dict(sorted(found.items()))


def _example(hit: GateHit | GateOutline, made: GenerationOutline, number: int | None) -> Example:
    return Example(hit.gate, made.candidate, made.brief, number, hit.rule, visible(_short(hit.evidence)))


def _short(evidence: str) -> str:
    return evidence if len(evidence) <= _MOST_EVIDENCE else f"{evidence[:_MOST_EVIDENCE]}…"
