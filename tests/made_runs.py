"""Runs made of numbers: generations and scores from a table of score by candidate and brief, for tests of `decide`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bakeoff.core.records import Generation, Score
from bakeoff.decide.analysis import Analysis, BriefUnit, analyse
from made_generations import columns_of


def make_briefs(count: int, types: Sequence[str] = ("tweet",), per_family: int = 1) -> list[BriefUnit]:
    """Briefs `b0`, `b1`, ..: types in turn, families of `per_family` neighbours."""
    return [
        BriefUnit(
            id=f"b{i}",
            content_type=types[i % len(types)],
            cluster=None if per_family == 1 else f"family{i // per_family}",
        )
        for i in range(count)
    ]


def generation(candidate: str, brief: str, replicate: int = 0, *, failed: bool = False) -> Generation:
    """One generation, its trial named after what it is."""
    return Generation(
        trial=f"{candidate}/{brief}/{replicate}",
        candidate=candidate,
        brief=brief,
        replicate=replicate,
        seed=replicate,
        text=None if failed else "text",
        finish_reason="error" if failed else "stop",
    )


def make_run(
    briefs: Sequence[BriefUnit], table: Mapping[str, Sequence[float | None]], gated: Sequence[str] = ()
) -> tuple[list[Generation], list[Score]]:
    """One generation a cell; None is a failure; texts of candidates in `gated` are never publishable."""
    generations, scores = [], []
    for candidate, values in table.items():
        for brief, value in zip(briefs, values, strict=True):
            made = generation(candidate, brief.id, failed=value is None)
            generations.append(made)
            if value is not None:
                scores.append(Score(trial=made.trial, value=float(value), publishable=candidate not in gated))
    return generations, scores


def analyse_table(
    briefs: Sequence[BriefUnit], table: Mapping[str, Sequence[float | None]], gated: Sequence[str] = ()
) -> Analysis:
    """Analyse such a run."""
    generations, scores = make_run(briefs, table, gated)
    return analyse(list(table), briefs, columns_of(generations, scores))
