"""Scores stand on one axis only where they come from the briefs that candidates competed on."""

from __future__ import annotations

from bakeoff.core.generations import Generations, Places
from bakeoff.report.contested import contest_note, same_briefs
from bakeoff.report.page.facts import Origin, PageFacts
from bakeoff.report.page.quality import evidence_words, glance_chart, type_chart, verdict_words
from bakeoff.report.page.speed import tradeoffs
from bakeoff.report.page.story import leads_of
from bakeoff.report.ranking import rank_candidates
from bakeoff.report.text import as_text
from made_documents import TYPES, document

NAMES = {"ann": "ann", "bob": "bob"}


def test_a_score_confirmed_on_harder_briefs_ranks_nobody_down() -> None:
    found = document(fresh=3.0)  # ann is ahead by two points, and has 3 on fresh briefs, where bob has none
    ann, bob = found["candidates"]
    assert ann["confirmed"]
    assert ann["quality"]["estimate"] < bob["quality"]["estimate"] < ann["quality_in_selection"]["estimate"]
    assert rank_candidates(found)["order"] == ["ann", "bob"]
    assert "of the briefs that they competed on" in rank_candidates(found)["why"]
    del found["ranked_by"]
    text = as_text(found, 100)
    assert text.index(" ann ") < text.index(" bob ")
    assert "score and publishable share from briefs held back to confirm them" in " ".join(text.split())


def test_charts_of_several_candidates_show_what_may_be_compared() -> None:
    found = document(fresh=3.0)
    order = found["candidates"]
    for chart in (glance_chart(found, order, NAMES), *(type_chart(name, found, order, NAMES) for name in TYPES)):
        assert "ann 8.2" in chart
        assert "ann 3.0" not in chart
        assert "Scores here are those of the briefs that candidates competed on" in chart
    plain = document()
    assert contest_note(plain) == ""
    assert "competed on" not in glance_chart(plain, plain["candidates"], NAMES)


def test_the_front_is_of_scores_on_the_same_briefs() -> None:
    found = document(fresh=3.0)
    for one, latency in zip(found["candidates"], (0.2, 0.3), strict=True):
        one["latency_s"] |= {"p50": latency, "p95": latency, "p99": latency, "count": 30}
    origin = Origin(state="done", started="", command="", sampling={}, replicates=1)
    facts = PageFacts(found, origin, {}, {name: Generations(Places()) for name in NAMES}, {}, lambda _: [], lambda: 0)
    latency = next(each for each in tradeoffs(facts, found["candidates"], NAMES) if each.heading == "Latency")
    assert latency.front == ["ann"]  # better and faster; by its fresh briefs bob would stand there too


def test_who_left_a_race_wrote_fewer_and_that_is_said() -> None:
    found = document()
    assert same_briefs(found)
    found["candidates"][1]["quality"]["briefs"] = 12
    assert not same_briefs(found)
    assert "wrote fewer of them" in contest_note(found)


def test_a_pilot_claims_no_equivalence() -> None:
    """Eight families: the evidence is `too few families for a test`, and the verdict claims no more than that."""
    found = document(briefs=8)
    (lead,) = leads_of("ann", found["comparisons"])
    lead = lead._replace(difference=5.99, low=0.08, high=7.47)
    assert evidence_words(lead.pair) == "too few families for a test"
    assert verdict_words(lead, found) == "too few families for a claim"
