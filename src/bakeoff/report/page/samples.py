"""What the sample browser shows: each brief with every candidate's text side by side, and how each text came about.

A page that opens quickly has room for so many texts. Those of a larger run are packed into it, and a script unpacks what it
shows; without one, the briefs stand there that tell most: where candidates disagree, of every content type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal, NamedTuple, TypeVar

from markupsafe import Markup

from bakeoff.core.outlines import GateOutline, GenerationOutline, ScoreOutline, outline_generation
from bakeoff.core.records import GateHit, Generation
from bakeoff.core.units import seconds_text
from bakeoff.measure.timing import time_per_output_token_s
from bakeoff.report.page.facts import BriefText, PageFacts
from bakeoff.report.page.visible import Piece, pieces_of, visible

MOST_TEXTS = 3000
MOST_BYTES = 2_650_000
"""Of all that is written about briefs on a page that a script need not unpack: with all the rest it stays under 3 MB."""
MOST_TEXTS_UNPACKED, MOST_BYTES_UNPACKED = 200, 600_000
"""Of what a larger run's page shows where no script runs."""
MOST_PACKED_BYTES = 400_000_000
"""Of the records of the texts on one page, as they are stored; packed they take a quarter of that or less."""
State = Literal["failed", "unscored", "publishable", "gated"]
_AROUND_TEXT, _AROUND_BRIEF = 1250, 1000
"""Bytes of what stands around a text, and around a brief."""
_MOST_EVIDENCE = 160


Made = TypeVar("Made", GenerationOutline, Generation)


class Cell(NamedTuple):
    """One candidate's text for one brief. `score` is None where nobody scored it."""

    candidate: str
    replicate: int
    text: list[Piece] | None
    score: float | None
    state: State
    gates: list[tuple[str, str, list[Piece]]]
    dimensions: list[tuple[str, float]]
    made: list[tuple[str, str]]
    error: list[Piece] | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One brief with its texts. `slots` has the first text of each candidate of the run. `spread` is the largest difference between candidates' scores, None with one text."""

    number: int
    brief: BriefText
    prompt: list[Piece]
    source: list[Piece] | None
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


@dataclass(slots=True)
class Samples:
    """All that is shown, and of how many briefs and texts.

    `shown` stands on the page as it is written. Where that is not all, `packed` are the ids of the briefs that a script
    loads as they are shown; `rows` has what is known of every text without reading it, `place` the order of candidates.
    """

    shown: list[Sample]
    briefs: int
    texts: int
    rows: Mapping[str, Sequence[GenerationOutline]]
    place: Mapping[str, int]
    packed: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, briefs: Sequence[str]) -> None:
        """Give the briefs that can be looked at their numbers."""
        self.numbers = {brief: number for number, brief in enumerate(briefs, 1)}

    def ordered(self, made: Iterable[Made]) -> list[Made]:
        """Return a brief's texts in the order in which they are shown."""
        return sorted(made, key=lambda one: (self.place.get(one.candidate, len(self.place)), one.replicate))

    def sample(self, facts: PageFacts, brief: str, written: Iterable[Generation]) -> Sample:
        """Return a brief with its texts."""
        return _sample(self.numbers[brief], facts, facts.briefs[brief], self.ordered(written), list(self.place))

    def read(self, facts: PageFacts, briefs: Sequence[str]) -> list[Sample]:
        """Return some briefs with their texts, read from the store."""
        written = _read(facts, self.rows, briefs)
        return [self.sample(facts, brief, written[brief]) for brief in briefs]


def read_samples(facts: PageFacts, order: Sequence[str], *, everything: bool = False) -> Samples:
    """Return the samples; candidates of each in `order`.

    With `everything`, no brief is left out of what is loaded as it is shown: whoever serves the page has them all.
    """
    rows: dict[str, list[GenerationOutline]] = defaultdict(list)
    for made in facts.generations:
        if made.brief in facts.briefs:
            rows[made.brief].append(made)
    asked = [brief for brief in facts.briefs if brief in rows]
    texts = sum(len(found) for found in rows.values())
    place = {name: number for number, name in enumerate(order)}
    found = Samples([], len(asked), texts, rows, place)
    if texts <= MOST_TEXTS:
        written = _read(facts, rows, asked)
        if sum(_size(facts.briefs[brief], written[brief]) for brief in asked) <= MOST_BYTES:
            kept = [brief for brief in asked if written[brief]]
            found.number(kept)
            found.shown = [found.sample(facts, brief, written[brief]) for brief in kept]
            return found
    share = 1.0 if everything else min(1.0, MOST_PACKED_BYTES / max(1, facts.text_bytes()))
    asked = [brief for brief in asked if any(made.attempts for made in rows[brief])]
    found.packed = asked if share == 1.0 else _most_telling(facts, rows, int(share * texts))
    found.number(found.packed)
    chosen = _most_telling(facts, {brief: rows[brief] for brief in found.packed}, MOST_TEXTS_UNPACKED)
    written = _read(facts, rows, chosen)
    kept = _that_fit(facts, written, chosen)
    found.shown = [found.sample(facts, brief, written[brief]) for brief in kept]
    return found


def _read(
    facts: PageFacts, rows: Mapping[str, Sequence[GenerationOutline]], briefs: Sequence[str]
) -> dict[str, list[Generation]]:
    """Return the stored texts of some briefs, as they are wanted."""
    written: dict[str, list[Generation]] = {brief: [] for brief in briefs}
    for generation in facts.read_texts([made.trial for brief in briefs for made in rows[brief] if made.attempts]):
        written[generation.brief].append(generation)
    return written


def _most_telling(facts: PageFacts, rows: Mapping[str, Sequence[GenerationOutline]], most: int) -> list[str]:
    """Return briefs with at most `most` texts: content types in turn, the widest disagreement first in each."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for brief in sorted(rows, key=lambda found: -_spread([score_of(facts.scores, made) for made in rows[found]])):
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
    kept, left = set(), MOST_BYTES_UNPACKED
    telling = sorted(chosen, key=lambda brief: -_spread([score_of(facts.scores, made) for made in written[brief]]))
    for brief in telling:
        size = _size(facts.briefs[brief], written[brief])
        if written[brief] and size <= left:
            kept.add(brief)
            left -= size
    return [brief for brief in chosen if brief in kept]


def _size(brief: BriefText, written: Sequence[Generation]) -> int:
    """Return about how many bytes a brief takes on the page, its texts with it."""
    texts = (brief.prompt, brief.source or "", *(made.text or "" for made in written))
    return (
        _AROUND_BRIEF
        + _AROUND_TEXT * len(written)
        + sum(len(visible(text).encode("utf-8", "replace")) for text in texts)
    )


def score_of(scores: Mapping[str, ScoreOutline], made: GenerationOutline | Generation) -> float | None:
    """Return a text's score: 0 for one that never came, None where nobody scored it."""
    if made.failed:
        return 0.0
    found = scores.get(made.trial)
    return None if found is None else found.value


def _spread(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return max(known) - min(known) if len(known) > 1 else 0.0


def _sample(
    number: int, facts: PageFacts, brief: BriefText, ordered: Sequence[Generation], names: Sequence[str]
) -> Sample:
    cells = [_cell(made, facts.scores.get(made.trial)) for made in ordered]
    values = [cell.score for cell in cells if cell.score is not None]
    gates = sorted({gate for cell in cells for gate, _, _ in cell.gates})
    failed = any(made.failed for made in ordered)
    return Sample(
        number=number,
        brief=brief,
        prompt=pieces_of(brief.prompt),
        source=None if brief.source is None else pieces_of(brief.source),
        facts=[" or ".join(fact) for fact in brief.must_include],
        cells=cells,
        slots=[next((cell for cell in cells if cell.candidate == name), None) for name in names],
        low=min(values, default=None),
        high=max(values, default=None),
        spread=max(values) - min(values) if len(values) > 1 else None,
        gates=gates,
        failed=failed,
        clean=not failed and all(cell.state == "publishable" for cell in cells),
    )


def state_of(made: GenerationOutline | Generation, score: ScoreOutline | None) -> State:
    """Return what became of a text."""
    if made.failed:
        return "failed"
    if score is None:
        return "unscored"
    return "publishable" if score.publishable else "gated"


def _cell(made: Generation, score: ScoreOutline | None) -> Cell:
    hits = () if score is None or made.failed else score.gates
    marks = {hit.evidence: f"{hit.gate}: {hit.rule}" for hit in hits}
    return Cell(
        candidate=made.candidate,
        replicate=made.replicate,
        text=None if made.text is None else pieces_of(made.text, marks),
        score=0.0 if made.failed else None if score is None else score.value,
        state=state_of(made, score),
        gates=[(hit.gate, hit.rule, pieces_of(_short(hit.evidence))) for hit in hits],
        dimensions=[]
        if score is None or made.failed
        else [(name, value) for name, value in score.dimensions.items() if value is not None],
        made=list(_provenance(made)),
        error=None if made.error is None else pieces_of(f"{made.error_kind or 'failed'}: {made.error}"),
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
    numbers = samples.numbers
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
