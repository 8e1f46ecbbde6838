"""In which order candidates stand: by people, by a judge that people validate, or by the rules, and said so."""

from __future__ import annotations

from bakeoff.core.records import Estimate
from bakeoff.decide.labelling import LabelReport, WinRate
from bakeoff.report.ranking import rank_candidates


def estimate(value: float) -> Estimate:
    return Estimate(estimate=value, low=0.0, high=1.0, method="m", briefs=5)


def document() -> dict[str, object]:
    def candidate(name: str, rate: float, quality: float) -> dict[str, object]:
        return {"id": name, "publishable_rate": {"estimate": rate}, "quality": {"estimate": quality}}

    return {"candidates": [candidate("a", 0.9, 5.0), candidate("b", 0.9, 7.0), candidate("c", 1.0, 1.0)]}


def report(labels: int, scorer: str | None) -> LabelReport:
    rates = [
        WinRate(candidate=name, win_rate=estimate(rate), labelled=labels, scorer=scorer)
        for name, rate in (("a", 0.8), ("b", 0.5), ("c", 0.2))
    ]
    return LabelReport(labels=labels, skipped=0, repeated=0, consistent=0, agreements=(), win_rates=tuple(rates))


def test_rules_where_nobody_labelled() -> None:
    found = rank_candidates(document())
    assert (found["by"], found["order"]) == ("rules", ["c", "b", "a"])
    assert "no label of yours" in found["why"]
    few = rank_candidates(document(), report(12, None))
    assert (few["by"], few["order"]) == ("rules", ["c", "b", "a"])
    assert "fewer than 40 labels" in few["why"]


def test_people_from_forty_labels_on() -> None:
    found = rank_candidates(document(), report(40, None))
    assert (found["by"], found["order"]) == ("people", ["a", "b", "c"])
    assert "40 pairs" in found["why"]
    helped = rank_candidates(document(), report(40, "ollama:judge"))
    assert helped["by"] == "people"
    assert "corrected by the ollama:judge" in helped["why"]


def test_a_judge_that_fewer_labels_validate() -> None:
    found = rank_candidates(document(), report(15, "ollama:judge"))
    assert (found["by"], found["order"]) == ("judge", ["a", "b", "c"])
    assert "15 labels of yours" in found["why"]
    # The rule score is no judge: its win rates rank nobody before people have said enough.
    assert rank_candidates(document(), report(15, "rule score"))["by"] == "rules"
