"""The dots of the quality figure are what was averaged: in a race that wrote more than it needed, and in a run cut short."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from bakeoff.core.records import RunEvent
from bakeoff.library.conclusion import document_of
from bakeoff.library.page import page_facts
from bakeoff.report.contested import contested
from bakeoff.report.page.facts import PageFacts
from bakeoff.report.page.quality import family_means
from bakeoff.study.conclude import conclude
from bakeoff.study.pulse import GONE
from made_store import NAMES, make_plan, make_suite, store_in, write_run


def told(
    folder: Path, *, mode: str, complete: bool = True, last: int | None = None
) -> tuple[dict[str, Any], PageFacts]:
    """The document and facts of a made run; the last candidate wrote so many texts, and was given up if the run is complete."""
    plan = make_plan(make_suite(120), NAMES[:4], fixed_n=80).model_copy(update={"mode": mode})
    store = store_in(folder)
    try:
        write_run(store, plan, finish=False, most={} if last is None else {NAMES[3]: last})
        if last is not None and complete:
            gone = RunEvent(at="now", kind=GONE, candidate=NAMES[3], message="given up")
            store.add_event(plan.run_id, gone)
        conclusion = conclude(plan, store, complete=complete)
        document = document_of(plan, store, conclusion, workspace=folder)
        return document, page_facts(plan, store, document, conclusion.generations)
    finally:
        store.close()


def check(document: dict[str, Any], facts: PageFacts) -> None:
    means = family_means(facts)
    for one in document["candidates"]:
        drawn, quality = means[one["id"]], contested(one)
        assert len(drawn[False]) == quality["clusters"], one["id"]
        assert fmean(drawn[False]) == pytest.approx(quality["estimate"])
        if one["confirmed"]:
            assert len(drawn[True]) == one["quality"]["clusters"]
            assert fmean(drawn[True]) == pytest.approx(one["quality"]["estimate"])


def test_in_a_race_families_that_counted_for_nothing_are_not_drawn(tmp_path: Path) -> None:
    document, facts = told(tmp_path, mode="race")  # everybody wrote everything, and most are out early
    counted = [contested(one)["clusters"] for one in document["candidates"]]
    assert min(counted) < max(counted)
    assert any(one["confirmed"] for one in document["candidates"])
    check(document, facts)


@pytest.mark.parametrize("mode", ["race", "fixed"])
def test_texts_that_a_given_up_candidate_lacks_are_drawn_as_failures(tmp_path: Path, mode: str) -> None:
    document, facts = told(tmp_path, mode=mode, last=7)
    check(document, facts)
    assert 0.0 in family_means(facts)[NAMES[3]][False]


def test_after_a_fixed_number_all_families_are(tmp_path: Path) -> None:
    document, facts = told(tmp_path, mode="fixed")
    planned = {brief.family for brief in facts.briefs.values() if not brief.held_back}
    assert {contested(one)["clusters"] for one in document["candidates"]} == {len(planned)}
    check(document, facts)


def test_in_a_run_cut_short_only_what_all_have_finished_is_drawn(tmp_path: Path) -> None:
    document, facts = told(tmp_path, mode="fixed", complete=False, last=30)
    assert document["analysed"]["briefs"] == 30 < document["suite"]["briefs"]
    check(document, facts)
