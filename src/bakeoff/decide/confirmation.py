"""Scores quoted from briefs that had no part in choosing: the highest of several means is on average too high where it was seen.

Who may be chosen writes held-back briefs too; its quality comes from those alone, and what it had where it was chosen is
kept beside it. Rankings and comparisons stay those of the briefs that everybody wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bakeoff.core.generations import Generations
from bakeoff.decide.analysis import Analysis, CandidateResult, Section, result_of
from bakeoff.decide.decision import DEFAULT_EPS, FEWEST_CLUSTERS, Requirements, decide
from bakeoff.decide.table import BriefUnit, ScoreTable, tabulate


def to_confirm(
    analysis: Analysis, *, eps: float = DEFAULT_EPS, requirements: Requirements | None = None
) -> dict[str, tuple[str, ...]]:
    """Return who may be chosen after a fixed number of briefs, with the content types for which.

    All of those within eps may be, whatever they take to run, and else the leader; in a type of its own, only who was
    shown to be best there.

    Args:
        analysis: of the briefs that everybody wrote.
        eps: as in `decide`.
        requirements: as in `decide`.
    """
    overall = decide(analysis.overall, eps=eps, requirements=requirements)
    if overall.outcome == "insufficient_data" or overall.leader is None:
        return {}
    found = {name: list(analysis.by_content_type) for name in overall.equivalent or (overall.choice or overall.leader,)}
    for content_type, section in analysis.by_content_type.items():
        here = decide(section, eps=eps, requirements=requirements)
        for name in here.equivalent or ((here.choice,) if here.choice is not None else ()):
            types = found.setdefault(name, [])
            if content_type not in types:
                types.append(content_type)
    return {name: tuple(types) for name, types in found.items()}


def confirm(
    analysis: Analysis,
    asked: Mapping[str, Collection[str]],
    fresh: Sequence[BriefUnit],
    generations: Mapping[str, Generations],
) -> Analysis:
    """Return the analysis with the quality of those that were asked taken from fresh briefs, where they wrote them all.

    A section with fewer than 5 fresh families stays as it is: they would say nothing.

    Args:
        analysis: of the briefs that chose.
        asked: content types by candidate.
        fresh: the held-back briefs.
        generations: all of the run, by candidate, with their scores.

    Raises:
        BakeoffError: a generation without a score, or anything given twice.
    """
    wrote = {name for name in asked if name in generations and generations[name].wrote([brief.id for brief in fresh])}

    def over(section: Section) -> Section:
        briefs = [brief for brief in fresh if section.content_type in (None, brief.content_type)]
        needed = set(analysis.by_content_type) if section.content_type is None else {section.content_type}
        results = []
        for result in section.candidates:
            if result.candidate in wrote:
                table = tabulate([result.candidate], briefs, generations, incomplete=True)
                enough = len({brief.family for brief in briefs}) >= FEWEST_CLUSTERS and not table.left_out
                confirms = enough and needed <= set(asked[result.candidate])
                results.append(_with_fresh(section, result, table, confirms=confirms))
            else:
                results.append(result)
        return section.model_copy(update={"candidates": tuple(results)})

    return analysis.model_copy(
        update={
            "overall": over(analysis.overall),
            "by_content_type": {name: over(section) for name, section in analysis.by_content_type.items()},
        }
    )


def _with_fresh(section: Section, result: CandidateResult, table: ScoreTable, *, confirms: bool) -> CandidateResult:
    """Count the fresh texts, and quote the quality from them where they confirm."""
    found = result_of(
        table, result.candidate, range(len(table.briefs)), content_type=section.content_type, level=section.level
    )
    counted = {name: getattr(result, name) + getattr(found, name) for name in ("generations", "failures", "gated")}
    if not confirms:
        return result.model_copy(update=counted)
    quoted = {"quality": found.quality, "t_interval": found.t_interval, "in_selection": result.quality}
    return result.model_copy(update=counted | quoted)
