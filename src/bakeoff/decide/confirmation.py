"""Scores quoted from briefs that had no part in choosing: the highest of several means is on average too high where it was seen.

Who may be chosen writes held-back briefs too; its quality and rates come from those alone, and what it had where it was chosen
is kept beside them. Rankings and comparisons stay those of the briefs that everybody wrote; requirements are held against both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from bakeoff.core.generations import Generations
from bakeoff.decide.analysis import Analysis, CandidateResult, Section, result_of, total
from bakeoff.decide.decision import DEFAULT_EPS, FEWEST_CLUSTERS, Requirements, decide
from bakeoff.decide.table import BriefUnit, Counts, ScoreTable, tabulate

_FEWEST_OF_A_TYPE = 10
"""Fresh families that tell a content type's score in place of more that chose."""


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


def worth_confirming(
    asked: Mapping[str, Collection[str]], fresh: Sequence[BriefUnit], families: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """Return what of `asked` the held-back briefs can confirm: nothing else of it is worth writing.

    Args:
        asked: content types by candidate.
        fresh: the held-back briefs.
        families: how many chose in each content type of the run.
    """
    enough = {name for name, chose in families.items() if _is_enough(fresh, name, chose)}
    everything = _is_enough(fresh, None, 0)
    found = {}
    for name, wanted in asked.items():
        whole = everything and set(families) <= set(wanted)
        if kept := tuple(each for each in wanted if whole or each in enough):
            found[name] = kept
    return found


def _is_enough(fresh: Sequence[BriefUnit], content_type: str | None, chose: int) -> bool:
    """Whether fresh briefs are to speak for a section where `chose` families chose."""
    families = len({brief.family for brief in fresh if content_type in (None, brief.content_type)})
    return families >= max(FEWEST_CLUSTERS, 0 if content_type is None else min(_FEWEST_OF_A_TYPE, chose))


def confirm(
    analysis: Analysis,
    asked: Mapping[str, Collection[str]],
    fresh: Sequence[BriefUnit],
    generations: Mapping[str, Generations],
    chose: Callable[[str, str | None], Sequence[BriefUnit]],
) -> Analysis:
    """Return the analysis with quality and rates of those that were asked taken from fresh briefs, where they wrote them all.

    A section with fewer than 5 fresh families stays as it is, and a content type with fewer than 10 unless no more chose there:
    at its share of alpha five texts that score 10 have a lower bound of 3.5. What both tell together is added in any case.

    Args:
        analysis: of the briefs that chose.
        asked: content types by candidate.
        fresh: the held-back briefs.
        generations: all of the run, by candidate, with their scores.
        chose: the briefs that count for a candidate in a section, which is named by its content type (None: everything).

    Raises:
        BakeoffError: a generation without a score, or anything given twice.
    """
    wrote = {name for name in asked if name in generations and generations[name].wrote([brief.id for brief in fresh])}

    def over(section: Section) -> Section:
        briefs = [brief for brief in fresh if section.content_type in (None, brief.content_type)]
        needed = set(analysis.by_content_type) if section.content_type is None else {section.content_type}
        enough = _is_enough(fresh, section.content_type, section.clusters)

        def told(result: CandidateResult) -> CandidateResult:
            name = result.candidate
            if name not in wrote:
                return result
            table = tabulate([name], briefs, generations, incomplete=True)
            counted = _with_counts(result, total(table, name, section.content_type))
            if table.left_out or not needed <= set(asked[name]):
                return counted
            both = tabulate([name], [*chose(name, section.content_type), *briefs], generations, incomplete=True)
            counted = counted.model_copy(update={"altogether": _result(section, name, both).measured})
            return _quoted(counted, _result(section, name, table)) if enough else counted

        return section.model_copy(update={"candidates": tuple(told(result) for result in section.candidates)})

    return analysis.model_copy(
        update={
            "overall": over(analysis.overall),
            "by_content_type": {name: over(section) for name, section in analysis.by_content_type.items()},
        }
    )


def _result(section: Section, candidate: str, table: ScoreTable) -> CandidateResult:
    everything = range(len(table.briefs))
    return result_of(table, candidate, everything, content_type=section.content_type, level=section.level)


def _with_counts(result: CandidateResult, more: Counts) -> CandidateResult:
    added = {name: getattr(result, name) + getattr(more, name) for name in ("generations", "failures", "gated")}
    return result.model_copy(update=added)


def _quoted(result: CandidateResult, fresh: CandidateResult) -> CandidateResult:
    """Quote quality and rates from fresh briefs, and keep beside them what chose."""
    told = ("quality", "t_interval", "publishable_rate", "success_rate")
    return result.model_copy(update={name: getattr(fresh, name) for name in told} | {"in_selection": result.measured})
