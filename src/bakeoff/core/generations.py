"""A candidate's generations and their scores, column by column: all that is computed with, in some 100 bytes a text.

A `Generation` with its text takes 3 to 10 kB of memory, so that a large run's do not fit; the store has them whole. Columns are
arrays of the standard library, which grow, and which numpy reads in place (`np.asarray(made.latency_s)`). A number that is not known is
NaN here, where records have None. Field names and units are those of the records.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Literal, NamedTuple

from bakeoff.core.records import FinishReason, Generation, Score

if TYPE_CHECKING:
    Floats = array[float]
    Ints = array[int]

NO_WINDOW = -1
HEURISTIC = "keyword_heuristic"
"""The one grade that is for comparison only."""
_UNKNOWN = float("nan")
_KEY_DIGITS = 16


class Way(NamedTuple):
    """How a text came about, as far as many have it in common. `blank`: there is no text, or none that one could see."""

    failed: bool
    blank: bool
    finish_reason: FinishReason
    error_kind: str | None
    concurrency: int | None
    attempts: int
    tried: bool
    retried: tuple[str, ...]
    device: str | None
    dtype: str | None
    recorded: bool
    itl_at: Literal["worker", "client"] | None


class Verdict(NamedTuple):
    """What a text's score says besides numbers: `scored` is whether there is one, `gates` are those that hit, each once."""

    scored: bool
    publishable: bool
    gates: tuple[str, ...]


_UNSCORED = Verdict(scored=False, publishable=False, gates=())


class Total:
    """A sum of so many values."""

    __slots__ = ("count", "sum")

    def __init__(self) -> None:
        self.sum = 0.0
        self.count = 0

    @property
    def mean(self) -> float | None:
        """Return the mean, None of no values."""
        return self.sum / self.count if self.count else None


class Places(dict[str, int]):
    """Names in the order in which they were met, each with its place."""

    def __missing__(self, name: str) -> int:
        self[name] = place = len(self)
        return place


class Generations:
    """The generations of one candidate, in the order in which they were added; row i of every column is one of them.

    `brief` numbers the briefs by `briefs`, which the candidates of a run share; `way` and `verdict` number those of `ways` and `verdicts`.
    `text_digest` is 0 without a text, `score` and `heuristic` are NaN without a score. Times between tokens are many to a text:
    `gap_s` has them all, `gap_row` says of each which row it is of. `dimensions` are of texts that came.
    """

    def __init__(self, briefs: Places) -> None:
        self.briefs = briefs
        self.ways: dict[Way, int] = {}
        self.verdicts: dict[Verdict, int] = {}
        self.dimensions: dict[str, Total] = {}
        self._trials: Ints = array("Q")
        self._odd_trials: dict[int, str] = {}
        self.brief: Ints = array("I")
        self.replicate: Ints = array("I")
        self.window: Ints = array("i")
        self.way: Ints = array("I")
        self.verdict: Ints = array("I")
        self.text_digest: Ints = array("Q")
        self.latency_s: Floats = array("d")
        self.ttft_s: Floats = array("d")
        self.writing_s: Floats = array("d")
        self.prompt_tokens: Floats = array("d")
        self.completion_tokens: Floats = array("d")
        self.finished_unix_s: Floats = array("d")
        self.score: Floats = array("d")
        self.heuristic: Floats = array("d")
        self.gap_s: Floats = array("d")
        self.gap_row: Ints = array("I")

    def __len__(self) -> int:
        return len(self.brief)

    def add(self, made: Generation, score: Score | None) -> None:
        """Add a generation, with its score if it has one."""
        row, timings = len(self), made.timings
        self._add_trial(row, made.trial)
        self.brief.append(self.briefs[made.brief])
        self.replicate.append(made.replicate)
        self.window.append(NO_WINDOW if made.window is None else made.window)
        way = Way(
            failed=made.text is None,
            blank=not made.text or made.text.isspace(),
            finish_reason=made.finish_reason,
            error_kind=made.error_kind,
            concurrency=made.concurrency,
            attempts=made.attempts,
            tried=made.tried,
            retried=made.retried,
            device=made.device,
            dtype=made.dtype,
            recorded=made.recorded,
            itl_at=timings.itl_at,
        )
        self.way.append(self.ways.setdefault(way, len(self.ways)))
        self.text_digest.append(int.from_bytes(made.text_digest or b""))
        self.latency_s.append(_known(timings.latency_s))
        self.ttft_s.append(_known(timings.ttft_s))
        self.writing_s.append(_known(timings.writing_s))
        self.prompt_tokens.append(_known(timings.prompt_tokens))
        self.completion_tokens.append(_known(timings.completion_tokens))
        self.finished_unix_s.append(_known(made.finished_unix_s))
        for gap_s in timings.itl_s or ():
            self.gap_s.append(gap_s)
            self.gap_row.append(row)
        self._add_score(score, failed=made.text is None)

    def _add_score(self, score: Score | None, *, failed: bool) -> None:
        if score is None:
            self.score.append(_UNKNOWN)
            self.heuristic.append(_UNKNOWN)
            verdict = _UNSCORED
        else:
            self.score.append(score.value)
            self.heuristic.append(score.comparison_only.get(HEURISTIC, _UNKNOWN))
            gates = tuple(dict.fromkeys(hit.gate for hit in score.gates)) if score.gates else ()
            verdict = Verdict(scored=True, publishable=score.publishable, gates=gates)
            if not failed:
                self._add_dimensions(score.dimensions)
        self.verdict.append(self.verdicts.setdefault(verdict, len(self.verdicts)))

    def _add_dimensions(self, values: Mapping[str, float | None]) -> None:
        for name, value in values.items():
            total = self.dimensions.get(name)
            if total is None:
                total = self.dimensions[name] = Total()
            if value is not None:
                total.sum += value
                total.count += 1

    def _add_trial(self, row: int, trial: str) -> None:
        """Keep a trial's key: 8 bytes where it is the hash that it is in a run."""
        try:
            number = int(trial, 16) if len(trial) == _KEY_DIGITS else -1
        except ValueError:
            number = -1
        if number < 0 or f"{number:016x}" != trial:
            self._odd_trials[row], number = trial, 0
        self._trials.append(number)

    def trial(self, row: int) -> str:
        """Return the key of a row's trial."""
        return self._odd_trials.get(row) or f"{self._trials[row]:016x}"

    def trials_of(self, brief_ids: Collection[str]) -> set[str]:
        """Return the keys of the trials for some briefs."""
        wanted = {self.briefs[brief] for brief in brief_ids if brief in self.briefs}
        return {self.trial(row) for row, brief in enumerate(self.brief) if brief in wanted}

    def wrote(self, brief_ids: Collection[str]) -> bool:
        """Return whether there is a generation for any of these briefs."""
        wanted = {self.briefs[brief] for brief in brief_ids if brief in self.briefs}
        return any(brief in wanted for brief in self.brief)

    def count_ways(self) -> Iterator[tuple[Way, int]]:
        """Yield each way with how many generations came about so, in the order in which they were met."""
        counts = Counter(self.way)
        return ((way, counts[number]) for way, number in self.ways.items())

    def with_failures(self, failed: Collection[Generation]) -> Generations:
        """Return these generations and some that never came; without any, these themselves."""
        if not failed:
            return self
        more = copy(self)
        for name, column in vars(self).items():
            if isinstance(column, array | dict) and name != "briefs":
                setattr(more, name, copy(column))
        for made in failed:
            more.add(made, None)
        return more


def _known(value: float | None) -> float:
    return _UNKNOWN if value is None else value
