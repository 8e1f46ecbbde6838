"""The races of a run: one over everything, and one for each content type at its share of the error budget. Pure.

A round is a family of briefs. In the race over everything a family's score is the mean of its briefs, in that of a content
type the mean of those of the type. A candidate writes a family's brief as long as any race that the brief counts in is open
and the candidate is still in it. Who is out of the race over everything may still be the best at tweets: it goes on in a
content type until it trails the overall leader there by more than a standard error, and is then withdrawn, which claims
nothing about it. So a type's verdict is about those that were left in it, and the types do not keep alive what is decided.

It is fed with what is stored, in the order of the families, and says what it wants next. The same scores give the same
verdicts, however the run was cut into pieces.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from bakeoff.decide.table import BriefUnit
from bakeoff.stats.race import Race
from bakeoff.stats.verdicts import Elimination, RaceMode, Verdict

OVERALL = None
"""The name of the race over everything; the others are named as their content types are."""


class Cell(NamedTuple):
    """A candidate's texts for one brief: mean score over replicates, and whether any of them failed."""

    quality: float
    failed: bool


Cells = Mapping[tuple[str, str], Cell]
"""By candidate and brief; only whole cells, with all replicates."""


class News(NamedTuple):
    """Who is out of which race."""

    race: str | None
    elimination: Elimination


class Contest:
    """All races of one run."""

    def __init__(
        self,
        candidates: Sequence[str],
        briefs: Sequence[BriefUnit],
        *,
        eps: float,
        level: float = 0.95,
        mode: RaceMode = "standard",
    ) -> None:
        """Set the races up.

        Args:
            candidates: at least two ids.
            briefs: in the order in which their families race; at least one.
            eps: score points not worth telling apart.
            level: of the race over everything, and of all content types' races together.
            mode: see `stats.race`.

        Raises:
            ValueError: as `Race`.
        """
        by_family: dict[object, list[BriefUnit]] = {}
        for brief in briefs:
            by_family.setdefault(brief.family, []).append(brief)
        self.families = list(by_family.values())
        self.candidates, self.mode = tuple(candidates), mode
        self.types = tuple(dict.fromkeys(brief.content_type for brief in briefs))
        self.races: dict[str | None, Race] = {
            OVERALL: Race(candidates, cap=len(self.families), eps=eps, level=level, mode=mode)
        }
        if len(self.types) > 1:
            shared = 1.0 - (1.0 - level) / len(self.types)
            for name in self.types:
                rounds = sum(any(brief.content_type == name for brief in family) for family in self.families)
                self.races[name] = Race(candidates, cap=rounds, eps=eps, level=shared, mode=mode)
        self.counted: dict[str | None, dict[str, list[BriefUnit]]] = {
            name: {candidate: [] for candidate in candidates} for name in self.races
        }
        self.lost: dict[str, tuple[str, ...]] = {}
        """The briefs that a candidate was asked for and did not write any more."""
        self._next = 0

    def race_of(self, content_type: str | None) -> Race:
        """Return the race that decides a content type; where there is one type only, that over everything."""
        return self.races.get(content_type, self.races[OVERALL])

    def counted_in(self, content_type: str | None) -> dict[str, list[BriefUnit]]:
        """Return the briefs of each candidate that counted in that race."""
        return self.counted.get(content_type, self.counted[OVERALL])

    def families_of_types(self) -> dict[str, int]:
        """Return how many families have counted in the race of each content type."""
        return {name: self.race_of(name).briefs for name in self.types}

    @property
    def over(self) -> bool:
        """Whether every race has its verdict."""
        return all(race.verdict is not None for race in self.races.values())

    def advance(self, cells: Cells, gone: Collection[str] = ()) -> list[News]:
        """Take all families that are complete, in order, until one is not or all is decided; return who is out.

        Args:
            cells: what there is.
            gone: candidates that will write no more; they are withdrawn where they lack the next text.
        """
        news: list[News] = []
        while self._next < len(self.families) and not self.over:
            family = self.families[self._next]
            wanted = self._wanted_of(family)
            missing = {
                candidate: lacking
                for candidate, briefs in wanted.items()
                if (lacking := [brief.id for brief in briefs if (candidate, brief.id) not in cells])
            }
            lost = {candidate: lacking for candidate, lacking in missing.items() if candidate in gone}
            if lost:
                self._lose(lost)
                continue
            if missing:
                break
            for name, race in self.races.items():
                if race.verdict is None:
                    news += self._take(name, race, family, cells)
            self._next += 1
            self._withdraw()
        return news

    def _lose(self, lost: Mapping[str, Sequence[str]]) -> None:
        for candidate, briefs in lost.items():
            self.lost[candidate] = tuple(briefs)
            for race in self.races.values():
                if race.verdict is None and candidate in race.survivors:
                    race.withdraw(candidate)

    def _withdraw(self) -> None:
        """Let those that are out of the race over everything go no further where they trail its leader."""
        overall = self.races[OVERALL]
        chosen = overall.verdict.equivalent if overall.verdict is not None else ()
        standing = chosen or overall.survivors
        for name, race in self.races.items():
            if name is OVERALL or race.verdict is not None:
                continue
            if overall.leader not in race.survivors:
                continue
            first = overall.leader
            out = [candidate for candidate in race.survivors if candidate not in (*standing, first)]
            for candidate in out:
                if race.is_behind(candidate, first):
                    race.withdraw(candidate)

    def wanted(self, families: int) -> dict[str, tuple[str, ...]]:
        """Return what each candidate must write for the next so many families, by what is known now; empty at the end."""
        found: dict[str, list[str]] = {}
        taken = 0
        for family in self.families[self._next :] if not self.over else ():
            wanted = self._wanted_of(family)
            if wanted:
                taken += 1
                for candidate, briefs in wanted.items():
                    found.setdefault(candidate, []).extend(brief.id for brief in briefs)
            if taken == families:
                break
        return {candidate: tuple(briefs) for candidate, briefs in found.items()}

    def stop(self) -> None:
        """End what is still open: the run was cut short."""
        for race in self.races.values():
            race.stop()

    def verdict(self, content_type: str | None = OVERALL) -> Verdict:
        """Return how a race ended.

        Raises:
            ValueError: it has not.
        """
        verdict = self.race_of(content_type).verdict
        if verdict is None:
            raise ValueError(f"the race over {content_type or 'everything'} is not over")
        return verdict

    def to_confirm(self) -> dict[str, tuple[str, ...]]:
        """Return who may be chosen, with the content types for which: their scores are quoted from fresh briefs.

        All that were shown to be within eps may be, or the leader where nobody was; in a type that is undecided the
        overall ones stand in, unless they are out there.
        """
        overall = self.verdict()
        if overall.outcome == "insufficient_data":
            return {}
        general = overall.equivalent or (overall.leader,)
        found: dict[str, list[str]] = {candidate: list(self.types) for candidate in general}
        for name in self.types:
            verdict = self.verdict(name)
            stands_in = bool(set(general) & set(verdict.survivors))
            for candidate in verdict.equivalent or (() if stands_in else (verdict.leader,)):
                types = found.setdefault(candidate, [])
                if name not in types:
                    types.append(name)
        return {candidate: tuple(types) for candidate, types in found.items()}

    def _wanted_of(self, family: Sequence[BriefUnit]) -> dict[str, list[BriefUnit]]:
        found: dict[str, list[BriefUnit]] = {}
        for candidate in self.candidates:
            briefs = [brief for brief in family if self._counts(candidate, brief)]
            if briefs:
                found[candidate] = briefs
        return found

    def _counts(self, candidate: str, brief: BriefUnit) -> bool:
        races = (self.races[OVERALL], self.races.get(brief.content_type))
        return any(race is not None and race.verdict is None and candidate in race.survivors for race in races)

    def _take(self, name: str | None, race: Race, family: Sequence[BriefUnit], cells: Cells) -> list[News]:
        briefs = [brief for brief in family if name in (OVERALL, brief.content_type)]
        if not briefs:
            return []
        scores, floored = {}, set()
        for candidate in race.survivors:
            own = [cells[candidate, brief.id] for brief in briefs]
            scores[candidate] = sum(cell.quality for cell in own) / len(own)
            if any(cell.failed or cell.quality <= race.bounds[0] for cell in own):
                floored.add(candidate)
            self.counted[name][candidate] += briefs
        return [News(name, out) for out in race.add(scores, floored)]
