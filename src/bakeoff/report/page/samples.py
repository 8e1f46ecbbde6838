"""What the sample browser shows: each brief with every candidate's text side by side, and how each text came about.

A page that opens quickly has room for so many texts. Those of a larger run are packed into it, and a script unpacks what it
shows; without one, the briefs stand there that tell most: where candidates disagree, of every content type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from math import isnan, nan
from typing import Literal, NamedTuple

from markupsafe import Markup

from bakeoff.core.generations import Generations, Verdict, Way
from bakeoff.core.records import Generation, Score, Timings
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


Written = tuple[Generation, Score]


class Row(NamedTuple):
    """What is known of one text without reading it. `asked` is False of one that was never asked for."""

    trial: str
    candidate: str
    brief: str
    replicate: int
    asked: bool
    score: float | None
    state: State
    gates: tuple[str, ...]


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
    rows: Mapping[str, Sequence[Row]]
    place: Mapping[str, int]
    packed: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, briefs: Sequence[str]) -> None:
        """Give the briefs that can be looked at their numbers."""
        self.numbers = {brief: number for number, brief in enumerate(briefs, 1)}

    def ordered(self, made: Iterable[Row]) -> list[Row]:
        """Return a brief's rows in the order in which they are shown."""
        return sorted(made, key=self._place)

    def sample(self, facts: PageFacts, brief: str, written: Iterable[Written]) -> Sample:
        """Return a brief with its texts."""
        ordered = sorted(written, key=lambda one: self._place(one[0]))
        return _sample(self.numbers[brief], facts.briefs[brief], ordered, list(self.place))

    def _place(self, made: Row | Generation) -> tuple[int, int]:
        return self.place.get(made.candidate, len(self.place)), made.replicate

    def read(self, facts: PageFacts, briefs: Sequence[str]) -> list[Sample]:
        """Return some briefs with their texts, read from the store."""
        written = _read(facts, self.rows, briefs)
        return [self.sample(facts, brief, written[brief]) for brief in briefs]


def read_samples(facts: PageFacts, order: Sequence[str], *, everything: bool = False) -> Samples:
    """Return the samples; candidates of each in `order`.

    With `everything`, no brief is left out of what is loaded as it is shown: whoever serves the page has them all.
    """
    rows: dict[str, list[Row]] = defaultdict(list)
    for candidate, made in facts.generations.items():
        for row in _rows(candidate, made):
            if row.brief in facts.briefs:
                rows[row.brief].append(row)
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
    asked = [brief for brief in asked if any(row.asked for row in rows[brief])]
    found.packed = asked if share == 1.0 else _most_telling(facts, rows, int(share * texts))
    found.number(found.packed)
    chosen = _most_telling(facts, {brief: rows[brief] for brief in found.packed}, MOST_TEXTS_UNPACKED)
    written = _read(facts, rows, chosen)
    kept = _that_fit(facts, written, chosen)
    found.shown = [found.sample(facts, brief, written[brief]) for brief in kept]
    return found


def _rows(candidate: str, made: Generations) -> Iterator[Row]:
    names, ways, verdicts = list(made.briefs), list(made.ways), list(made.verdicts)
    columns = zip(made.brief, made.replicate, made.way, made.verdict, made.score, strict=True)
    for number, (brief, replicate, way, verdict, score) in enumerate(columns):
        state = _state_of(ways[way], verdicts[verdict])
        yield Row(
            trial=made.trial(number),
            candidate=candidate,
            brief=names[brief],
            replicate=replicate,
            asked=ways[way].attempts > 0,
            score=0.0 if state == "failed" else None if state == "unscored" else score,
            state=state,
            gates=() if state == "failed" else verdicts[verdict].gates,
        )


def _state_of(way: Way, verdict: Verdict) -> State:
    """Return what became of a text."""
    if way.failed:
        return "failed"
    if not verdict.scored:
        return "unscored"
    return "publishable" if verdict.publishable else "gated"


def _read(facts: PageFacts, rows: Mapping[str, Sequence[Row]], briefs: Sequence[str]) -> dict[str, list[Written]]:
    """Return the stored texts of some briefs, as they are wanted."""
    written: dict[str, list[Written]] = {brief: [] for brief in briefs}
    for generation, score in facts.read_texts([row.trial for brief in briefs for row in rows[brief] if row.asked]):
        written[generation.brief].append((generation, score))
    return written


def _most_telling(facts: PageFacts, rows: Mapping[str, Sequence[Row]], most: int) -> list[str]:
    """Return briefs with at most `most` texts: content types in turn, the widest disagreement first in each."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for brief in sorted(rows, key=lambda found: -_spread([row.score for row in rows[found]])):
        by_type[facts.briefs[brief].content_type].append(brief)
    chosen, texts = set(), 0
    for turn in zip_longest(*by_type.values()):
        for brief in turn:
            if brief is not None and texts + len(rows[brief]) <= most:
                chosen.add(brief)
                texts += len(rows[brief])
    return [brief for brief in facts.briefs if brief in chosen]


def _that_fit(facts: PageFacts, written: Mapping[str, Sequence[Written]], chosen: Sequence[str]) -> list[str]:
    """Return the chosen briefs, in their order, as long as they fit; those of widest disagreement first."""
    kept, left = set(), MOST_BYTES_UNPACKED
    telling = sorted(chosen, key=lambda brief: -_spread([_score_of(*one) for one in written[brief]]))
    for brief in telling:
        size = _size(facts.briefs[brief], written[brief])
        if written[brief] and size <= left:
            kept.add(brief)
            left -= size
    return [brief for brief in chosen if brief in kept]


def _size(brief: BriefText, written: Sequence[Written]) -> int:
    """Return about how many bytes a brief takes on the page, its texts with it."""
    texts = (brief.prompt, brief.source or "", *(made.text or "" for made, _ in written))
    return (
        _AROUND_BRIEF
        + _AROUND_TEXT * len(written)
        + sum(len(visible(text).encode("utf-8", "replace")) for text in texts)
    )


def _score_of(made: Generation, score: Score) -> float:
    """Return a text's score: 0 for one that never came."""
    return 0.0 if made.failed else score.value


def _spread(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return max(known) - min(known) if len(known) > 1 else 0.0


def _sample(number: int, brief: BriefText, ordered: Sequence[Written], names: Sequence[str]) -> Sample:
    cells = [_cell(made, score) for made, score in ordered]
    values = [cell.score for cell in cells if cell.score is not None]
    gates = sorted({gate for cell in cells for gate, _, _ in cell.gates})
    failed = any(made.failed for made, _ in ordered)
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


def _cell(made: Generation, score: Score) -> Cell:
    hits = () if made.failed else score.gates
    marks = {hit.evidence: f"{hit.gate}: {hit.rule}" for hit in hits}
    return Cell(
        candidate=made.candidate,
        replicate=made.replicate,
        text=None if made.text is None else pieces_of(made.text, marks),
        score=_score_of(made, score),
        state="failed" if made.failed else "publishable" if score.publishable else "gated",
        gates=[(hit.gate, hit.rule, pieces_of(_short(hit.evidence))) for hit in hits],
        dimensions=[]
        if made.failed
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
        rate = _rate(timings)
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


def _rate(timings: Timings) -> str:
    parts = timings.writing_s, timings.completion_tokens
    each = time_per_output_token_s(*(nan if part is None else part for part in parts))
    return "" if isnan(each) else f", {seconds_text(float(each))} a token"


def gate_examples(facts: PageFacts, samples: Samples, most: int = 2) -> dict[str, list[Example]]:
    """Return up to `most` examples for each gate, of different candidates where there are."""
    numbers = samples.numbers
    stopped = (row for rows in samples.rows.values() for row in rows if row.gates)
    chosen: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(stopped, key=lambda one: (one.brief not in numbers, one.trial)):
        for gate in row.gates:
            known = chosen[gate]
            if len(known) < most and all(example.candidate != row.candidate for example in known):
                known.append(row)
    trials = {row.trial for rows in chosen.values() for row in rows}
    scores = {made.trial: score for made, score in facts.read_texts(sorted(trials))}
    return {
        gate: [_example(gate, scores[row.trial], row, numbers.get(row.brief)) for row in rows if row.trial in scores]
        for gate, rows in sorted(chosen.items())
    }


def _example(gate: str, score: Score, row: Row, number: int | None) -> Example:
    hit = next(hit for hit in score.gates if hit.gate == gate)
    return Example(gate, row.candidate, row.brief, number, hit.rule, visible(_short(hit.evidence)))


def _short(evidence: str) -> str:
    return evidence if len(evidence) <= _MOST_EVIDENCE else f"{evidence[:_MOST_EVIDENCE]}…"
