"""What the page says in words claims what was shown, of what was compared, and no more."""

from __future__ import annotations

from typing import Any

from bakeoff.core.generations import Generations, Places
from bakeoff.report.headline import headline
from bakeoff.report.page.facts import Origin, PageFacts
from bakeoff.report.page.story import how_sure, key_figures, warnings
from made_documents import document


def facts_of(found: dict[str, Any]) -> PageFacts:
    origin = Origin(state="interrupted", started="", command="", sampling={}, replicates=1)
    names = [one["id"] for one in found["candidates"]]
    return PageFacts(found, origin, {}, {name: Generations(Places()) for name in names}, {}, lambda _: [], lambda: 0)


def test_where_nobody_else_qualified_no_evidence_is_claimed() -> None:
    found = document(("ann", "bob"), gated=("bob",))
    assert headline(found) == "Run ann: no other candidate qualified."
    assert "nothing was compared" in how_sure(found)
    assert "95 %" not in how_sure(found)
    assert "evidence is past the 95 % mark" in how_sure(document())


def test_who_does_not_qualify_is_not_said_to_be_beaten() -> None:
    found = document(("ann", "bob", "cid"), gated=("cid",))
    assert headline(found) == "Run ann: it beats every other candidate that qualifies."
    assert "against every other one that qualifies" in how_sure(found)


def test_families_are_those_that_were_finished() -> None:
    found = document(briefs=60, finished=3)
    assert found["suite"]["families"] == 60
    assert found["analysed"] == {"briefs": 3, "families": 3}
    assert how_sure(found).startswith("3 families of briefs cannot carry any claim")
    assert any(line.startswith("A pilot: 3 families") for line in warnings(facts_of(found)))
    few = document(briefs=60, finished=12)
    assert any(line.startswith("A pilot: 12 families") for line in warnings(facts_of(few)))
    assert not any("A pilot" in line for line in warnings(facts_of(document(briefs=60))))


def test_a_share_that_is_not_all_does_not_read_as_all() -> None:
    found = document()
    found["candidates"][0]["publishable_rate"] |= {"estimate": 0.9955, "low": 0.98, "high": 0.9991}
    (figure,) = [figure for figure in key_figures(found) if figure.label == "Publishable texts"]
    assert (figure.value, figure.detail) == (">99 %", "95 %: 98 % to >99 %")


def test_a_race_that_ended_by_itself_is_no_pilot() -> None:
    found = document(briefs=60, finished=12) | {"mode": "race", "race": {"overall": {"ending": "decided"}}}
    assert not any("A pilot" in line for line in warnings(facts_of(found)))
    found["race"]["overall"]["ending"] = "stopped"
    assert any("A pilot: 12 families" in line for line in warnings(facts_of(found)))
