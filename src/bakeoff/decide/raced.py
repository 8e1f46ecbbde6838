"""What a raced run says: the same sections as a run of a fixed number of briefs, from races that stopped when they did.

A candidate's quality in a section comes from the briefs that counted in that race, as long as it was in it, and from those
that it lacked when it was given up, which are failures. Differences carry intervals that hold whenever the race stopped, and
e-values in place of p-values. Whoever may be chosen was chosen *for* its score, which is therefore too good on those briefs:
its quality is quoted from held-back briefs where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp

from bakeoff.core.generations import Generations
from bakeoff.core.records import Comparison
from bakeoff.core.spec import Record
from bakeoff.decide.analysis import Analysis, CandidateResult, Section, result_of, total
from bakeoff.decide.confirmation import confirm
from bakeoff.decide.contest import Contest
from bakeoff.decide.table import BriefUnit, tabulate
from bakeoff.decide.wording import plural
from bakeoff.stats.race import Race
from bakeoff.stats.verdicts import PairEvidence

_MOST_LOG_E = 700.0
"""Beyond, e itself is no floating-point number."""


class Out(Record):
    """Who was out, after how many families, since who was better, and the evidence for it."""

    candidate: str
    by: str
    after: int
    e_value: float


class RaceFact(Record):
    """How one race went: `families` of `cap` that counted, and why it ended there."""

    outcome: str
    ending: str
    families: int
    cap: int
    survivors: tuple[str, ...]
    equivalent: tuple[str, ...]
    eliminations: tuple[Out, ...]
    withdrawn: tuple[str, ...]
    floored: bool


class RaceFacts(Record):
    """All races of a run. `briefs_raced` counts candidate x brief, of `briefs_fixed`: what a fixed number of briefs for everybody would be."""

    evidence: str
    overall: RaceFact
    by_content_type: dict[str, RaceFact]
    briefs_raced: int
    briefs_fixed: int


def race_facts(contest: Contest) -> RaceFacts:
    """Return how the races of a contest went; all of them have a verdict."""
    needed = {
        (candidate, brief.id)
        for counted in contest.counted.values()
        for candidate, briefs in counted.items()
        for brief in briefs
    }
    return RaceFacts(
        evidence=contest.mode,
        overall=_fact(contest, None),
        by_content_type={name: _fact(contest, name) for name in contest.types},
        briefs_raced=len(needed),
        briefs_fixed=len(contest.candidates) * sum(len(family) for family in contest.families),
    )


def _fact(contest: Contest, content_type: str | None) -> RaceFact:
    race, verdict = contest.race_of(content_type), contest.verdict(content_type)
    return RaceFact(
        outcome=verdict.outcome,
        ending=verdict.ending,
        families=verdict.briefs,
        cap=race.cap,
        survivors=verdict.survivors,
        equivalent=verdict.equivalent,
        eliminations=tuple(
            Out(candidate=out.model, by=out.by, after=out.round_number, e_value=exp(min(out.log_e, _MOST_LOG_E)))
            for out in race.eliminations
        ),
        withdrawn=tuple(race.withdrawn),
        floored=race.floored,
    )


def analyse_raced(
    contest: Contest,
    held_back: Sequence[BriefUnit],
    generations: Mapping[str, Generations],
    *,
    level: float = 0.95,
) -> Analysis:
    """Analyse a run whose races are over.

    Args:
        contest: all of its races have a verdict.
        held_back: the briefs that raced for nobody.
        generations: all that are stored, with their scores, and those counted as failed; by candidate.
        level: as the contest's.

    Raises:
        BakeoffError: a generation without a score, or anything given twice.
    """
    source = _Source(contest, generations)
    types = contest.types
    shared = 1.0 - (1.0 - level) / len(types)
    chosen = Analysis(
        overall=_section(source, None, level),
        by_content_type={name: _section(source, name, shared) for name in types},
        notes=_notes(contest, held_back),
    )
    return confirm(chosen, contest.to_confirm(), held_back, generations, source.briefs)


class _Source:
    """What sections are made of."""

    def __init__(self, contest: Contest, generations: Mapping[str, Generations]) -> None:
        self.contest = contest
        self._generations = generations
        raced = [brief for family in contest.families for brief in family]
        self._raced = raced
        self._written = tabulate(contest.candidates, raced, generations, incomplete=True)

    def lost(self, candidate: str, content_type: str | None) -> list[BriefUnit]:
        """Return the briefs that a candidate lacked when it was given up: they count as failures, and ended its race."""
        ids = set(self.contest.lost.get(candidate, ()))
        return [brief for brief in self._raced if brief.id in ids and content_type in {None, brief.content_type}]

    def briefs(self, candidate: str, content_type: str | None) -> list[BriefUnit]:
        """Return the briefs that count for a candidate: as long as it was in the race, and those that it lacked then."""
        return [*self.contest.counted_in(content_type)[candidate], *self.lost(candidate, content_type)]

    def result(
        self, candidate: str, briefs: Sequence[BriefUnit], level: float, content_type: str | None
    ) -> CandidateResult:
        """Return the result of a candidate over these briefs; its counts are those of all of the type that it wrote in the race."""
        table = tabulate([candidate], briefs, self._generations)
        found = result_of(table, candidate, range(len(briefs)), content_type=content_type, level=level)
        counts = total(self._written, candidate, content_type)
        return found.model_copy(
            update={"generations": counts.generations, "failures": counts.failures, "gated": counts.gated}
        )


def _section(source: _Source, content_type: str | None, level: float) -> Section:
    contest = source.contest
    race = contest.race_of(content_type)
    counted = contest.counted_in(content_type)
    longest = max(counted.values(), key=len)
    return Section(
        content_type=content_type,
        briefs=len(longest),
        clusters=race.briefs,
        level=level,
        candidates=tuple(
            source.result(name, source.briefs(name, content_type), level, content_type) for name in contest.candidates
        ),
        comparisons=tuple(_comparison(race, pair, counted) for pair in race.evidence()),
    )


def _comparison(race: Race, pair: PairEvidence, counted: Mapping[str, Sequence[BriefUnit]]) -> Comparison:
    width = race.bounds[1] - race.bounds[0]
    limited = pair.low > -width or pair.high < width  # else nothing is known but the scale
    return Comparison(
        a=pair.a,
        b=pair.b,
        difference=pair.difference,
        low=pair.low if limited else None,
        high=pair.high if limited else None,
        e_value=exp(min(pair.log_e, _MOST_LOG_E)),
        briefs=min(len(counted[pair.a]), len(counted[pair.b])),
        method="race-t-mixture" if race.mode == "standard" else "race-betting",
        level=race.level,
        clusters=pair.briefs,
        sd_difference=pair.sd,
    )


def _notes(contest: Contest, held_back: Sequence[BriefUnit]) -> tuple[str, ...]:
    if held_back:
        return ()
    size = len(contest.families)
    said = f"the suite is too small ({plural(size, 'family', 'families')}) to hold any back"
    return (f"{said}: the score of the one that leads is what made it lead, and on average too good",)
