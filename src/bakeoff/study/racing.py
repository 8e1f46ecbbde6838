"""Running a race: write a lap, score it, look, and go on with those who are still in; then confirm the chosen ones' scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from bakeoff.core.errors import BakeoffError
from bakeoff.core.records import Generation
from bakeoff.decide.cells import cells_of
from bakeoff.decide.confirmation import worth_confirming
from bakeoff.decide.contest import Cells, Contest, News
from bakeoff.decide.race_decision import news_in_words, out_in_words, standing_in_words
from bakeoff.decide.table import BriefUnit
from bakeoff.store.db import Store
from bakeoff.study.confirming import write_held_back
from bakeoff.study.gathering import Gathering, Reloading
from bakeoff.study.laps import lap_blocks, lap_size, next_lap, trials_of
from bakeoff.study.plan import Plan, trials_for
from bakeoff.study.runner import Runner, gone_generation
from bakeoff.study.scoring import Scored
from bakeoff.study.units import units_of


def contest_of(plan: Plan) -> Contest:
    """Return the races of a plan, before their start."""
    names = [candidate.id for candidate in plan.candidates]
    return Contest(names, units_of(plan.briefs()), eps=plan.suite.eps, mode=plan.evidence)


def race_cells(plan: Plan, scored: Scored) -> Cells:
    """Return the whole cells of what is stored."""
    return cells_of(scored.generations, plan.suite.replicates)


def counted_briefs(plan: Plan, scored: Scored, given_up: Collection[str]) -> dict[str, list[BriefUnit]]:
    """Return the briefs of each candidate that counted: in the race over everything, or all that were planned without one.

    A race's verdict rests on these. More may be written: what was under way, what a content type's own race took, and
    what confirms a score.
    """
    if plan.mode != "race":
        return {candidate.id: units_of(plan.briefs()) for candidate in plan.candidates}
    contest = contest_of(plan)
    contest.advance(race_cells(plan, scored), given_up)
    return contest.counted_in(None)


def lacking(plan: Plan, scored: Scored, given_up: Collection[str]) -> set[str]:
    """Return those of the given up that lack texts which count: a run that was gone on with has them."""
    lost: Mapping[str, Collection[str]] = dict.fromkeys(given_up, plan.brief_ids)
    if plan.mode == "race":
        contest = contest_of(plan)
        contest.advance(race_cells(plan, scored), given_up)
        lost = contest.lost
    return {name for name, missing in gone_trials(plan, scored, lost).items() if missing}


def gone_trials(plan: Plan, scored: Scored, lost: Mapping[str, Collection[str]]) -> dict[str, list[Generation]]:
    """Return a failure for each trial of the briefs `lost` by a candidate that was given up, as far as it is not stored."""
    found = {}
    for candidate in plan.candidates:
        brief_ids = set(lost.get(candidate.id, ()))
        if brief_ids:
            finished = scored.generations[candidate.id].trials_of(brief_ids)
            trials = trials_for(plan, candidate, [brief for brief in plan.briefs() if brief.id in brief_ids])
            found[candidate.id] = [gone_generation(trial) for trial in trials if trial.key not in finished]
    return found


async def run_race(
    plan: Plan, store: Store, runner: Runner, gathering: Gathering, reloading: Reloading, *, together: bool
) -> None:
    """Race until all is decided, then have the held-back briefs written by those who may be chosen.

    Raises:
        StoreError: the store refuses; nothing stored before is lost.
        BakeoffError: a scorer that cannot be loaded.
    """
    scored = Scored.of(plan, store)
    contest = contest_of(plan)
    number = next_lap(scored.generations)
    size = lap_size(reloading.load_s, reloading.text_s * _texts_a_family(plan), together=together)
    while True:
        news = contest.advance(race_cells(plan, scored), runner.given_up)
        wanted = contest.wanted(size)
        _tell(plan, contest, news, scored, gathering)
        if not wanted:
            break
        await _write(plan, runner, scored, gathering, wanted, number, together=together)
        number += 1
    asked = worth_confirming(contest.to_confirm(), units_of(plan.held_back_briefs()), contest.families_of_types())
    await write_held_back(plan, runner, gathering, asked, scored.generations, together=together)


def _unwritten(plan: Plan, name: str, brief_ids: Sequence[str], scored: Scored) -> int:
    """Return how many texts of these briefs a candidate still has to write."""
    wanted, finished = set(brief_ids), scored.generations[name].trials_of(brief_ids)
    briefs = [brief for brief in plan.suite.briefs if brief.id in wanted]
    return sum(trial.key not in finished for trial in trials_for(plan, plan.candidate(name), briefs))


async def _write(
    plan: Plan,
    runner: Runner,
    scored: Scored,
    gathering: Gathering,
    wanted: Mapping[str, Sequence[str]],
    number: int,
    *,
    together: bool,
) -> None:
    before = len(scored)
    finished = trials_of(scored.generations, wanted)
    blocks = list(lap_blocks(plan, number, wanted, finished, together=together, loaded=runner.loaded))
    await runner.write(blocks, together=together)
    scored.add(gathering.take())
    if blocks and len(scored) == before and not set(wanted) & set(runner.given_up):
        raise BakeoffError("a lap of the race wrote nothing, and nobody was given up")


class Standing(NamedTuple):
    """Where a race stands, in lines; how many texts each candidate may still have to write; who is out of it, and why."""

    lines: list[str]
    left: dict[str, int]
    out: dict[str, str]


def left_in_race(plan: Plan, scored: Scored, given_up: Collection[str]) -> Standing:
    """Return where a race stands, by what is scored, for who looks on: all of its news, not only the last."""
    contest = contest_of(plan)
    return _standing(plan, contest, contest.advance(race_cells(plan, scored), given_up), scored)


def _tell(plan: Plan, contest: Contest, news: Sequence[News], scored: Scored, gathering: Gathering) -> None:
    gathering.standing(*_standing(plan, contest, news, scored))


def _standing(plan: Plan, contest: Contest, news: Sequence[News], scored: Scored) -> Standing:
    left = dict.fromkeys((candidate.id for candidate in plan.candidates), 0)
    left |= {name: _unwritten(plan, name, ids, scored) for name, ids in contest.wanted(len(contest.families)).items()}
    lines = [news_in_words(found) for found in news]
    if contest.races[None].briefs:
        lines.append(standing_in_words(contest))
    out = {found.elimination.model: out_in_words(found) for found in news if found.race is None}
    return Standing(lines, left, out)


def _texts_a_family(plan: Plan) -> float:
    families = len({brief.family for brief in plan.briefs()})
    return len(plan.brief_ids) * plan.suite.replicates / families
