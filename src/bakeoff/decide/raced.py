"""What a raced run says: the same sections as a run of a fixed number of briefs, from races that stopped when they did.

A candidate's quality in a section comes from the briefs that counted in that race, as long as it was in it. Differences carry
intervals that hold whenever the race stopped, and e-values in place of p-values. Whoever may be chosen was chosen *for*
its score, which is therefore too good on those briefs: its quality is quoted from held-back briefs where there are any.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import exp

from bakeoff.core.outlines import GenerationOutline, ScoreOutline
from bakeoff.core.records import Comparison
from bakeoff.core.spec import Record
from bakeoff.decide.analysis import Analysis, CandidateResult, Section, result_of
from bakeoff.decide.confirmation import confirm
from bakeoff.decide.contest import Cell, Contest
from bakeoff.decide.table import FLOOR, BriefUnit, tabulate
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


def cells_of(
    generations: Sequence[GenerationOutline], scores: Mapping[str, ScoreOutline], replicates: int
) -> dict[tuple[str, str], Cell]:
    """Return the whole cells of what is stored: all replicates there, and scored where there is a text."""
    values: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for generation in generations:
        key = (generation.candidate, generation.brief)
        if generation.failed:
            values.setdefault(key, []).append((FLOOR, True))
        elif generation.trial in scores:
            values.setdefault(key, []).append((scores[generation.trial].value, False))
    return {
        key: Cell(sum(value for value, _ in found) / len(found), any(failed for _, failed in found))
        for key, found in values.items()
        if len(found) == replicates
    }


def analyse_raced(
    contest: Contest,
    held_back: Sequence[BriefUnit],
    generations: Sequence[GenerationOutline],
    scores: Sequence[ScoreOutline],
    *,
    level: float = 0.95,
) -> Analysis:
    """Analyse a run whose races are over.

    Args:
        contest: all of its races have a verdict.
        held_back: the briefs that raced for nobody.
        generations: all that are stored, and those counted as failed.
        scores: by trial.
        level: as the contest's.

    Raises:
        BakeoffError: a generation without a score, or anything given twice.
    """
    made: dict[str, list[GenerationOutline]] = {candidate: [] for candidate in contest.candidates}
    for generation in generations:
        if generation.candidate in made:
            made[generation.candidate].append(generation)
    source = _Source(contest, made, scores)
    types = contest.types
    shared = 1.0 - (1.0 - level) / len(types)
    chosen = Analysis(
        overall=_section(source, None, level),
        by_content_type={name: _section(source, name, shared) for name in types},
        notes=_notes(contest, held_back),
    )
    return confirm(chosen, contest.to_confirm(), held_back, generations, scores)


class _Source:
    """What sections are made of."""

    def __init__(
        self,
        contest: Contest,
        made: Mapping[str, Sequence[GenerationOutline]],
        scores: Sequence[ScoreOutline],
    ) -> None:
        self.contest = contest
        self._made = made
        self._scores = {score.trial: score for score in scores}
        raced = [brief for family in contest.families for brief in family]
        self._types = {brief.id: brief.content_type for brief in raced}

    def result(
        self, candidate: str, briefs: Sequence[BriefUnit], level: float, content_type: str | None
    ) -> CandidateResult:
        """Return the result of a candidate over these briefs; its counts are those of all of the type that it wrote in the race."""
        names = {brief.id for brief in briefs}
        own = [made for made in self._made[candidate] if made.brief in names]
        table = tabulate([candidate], briefs, own, self._of(own))
        found = result_of(table, candidate, range(len(briefs)), content_type=content_type, level=level)
        every = [
            made
            for made in self._made[candidate]
            if made.brief in self._types and content_type in (None, self._types[made.brief])
        ]
        scored = self._of(every)
        return found.model_copy(
            update={
                "generations": len(every),
                "failures": sum(made.failed for made in every),
                "gated": sum(not score.publishable for score in scored),
            }
        )

    def _of(self, generations: Collection[GenerationOutline]) -> list[ScoreOutline]:
        return [self._scores[made.trial] for made in generations if not made.failed and made.trial in self._scores]


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
        candidates=tuple(source.result(name, counted[name], level, content_type) for name in contest.candidates),
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
