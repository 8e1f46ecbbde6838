"""The combination: order of texts, caps, weights, failed generations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Generation
from bakeoff.score.brief import BriefChecks, make_checks
from bakeoff.score.composite import score_generation, score_text
from bakeoff.score.weights import DEFAULT_WEIGHTS, DIMENSIONS, weights_for

DATA = Path(__file__).parent.parent / "data" / "score"
BRIEFS = [json.loads(line) for line in (DATA / "briefs.jsonl").read_text(encoding="utf-8").splitlines()]
BATTERY = {row["id"]: row for row in map(json.loads, (DATA / "battery.jsonl").read_text(encoding="utf-8").splitlines())}
# What rules without a dictionary or understanding cannot tell apart.
BEYOND_RULES = {"misspelled-broken-grammar", "contradiction"}


def checks_of(row) -> BriefChecks:
    declared = {key: row[key] for key in ("must_include", "must_not_include", "limits", "parts")}
    return make_checks(row["prompt"], row["content_type"], **declared)


@pytest.mark.parametrize("row", BRIEFS, ids=lambda row: row["id"])
def test_good_above_mediocre_above_the_rest(row):
    value = {kind: score_text(text, "stop", checks_of(row)) for kind, text in row["texts"].items()}
    assert value["good"].value >= 8
    assert value["good"].publishable
    assert value["good"].value - value["mediocre"].value >= 1
    assert value["mediocre"].value > value["ignoring"].value
    assert value["ignoring"].value <= 5
    assert value["broken"].value <= 4
    assert not value["broken"].publishable


@pytest.mark.parametrize("row", [row for row in BATTERY.values() if "counterpart" in row], ids=lambda row: row["id"])
def test_broken_texts_score_well_below_their_good_twins(row):
    bad, good = (
        score_text(each["text"], "stop", make_checks(each["brief"], each["content_type"])).value
        for each in (row, BATTERY[row["counterpart"]])
    )
    assert good >= 8
    if row["kind"] in BEYOND_RULES:
        assert bad <= good
    else:
        assert good - bad >= 2


CHECKS = make_checks(
    "Tweet that Kiln Cafe opens on 3 May at 9 am.", "tweet", must_include=["Kiln Cafe", "3 May", "9 am", "buns"]
)


def test_a_gate_caps_at_four_and_each_further_one_half_a_point_lower():
    text = "Kiln Cafe opens on 3 May at 9 am. Come and try our first buns!"
    whole = score_text(text, "stop", CHECKS)
    assert [name for name, value in whole.dimensions.items() if value != 10] == ["substance_quality"]
    assert score_text(text, "length", CHECKS).value == 4.0
    two = score_text("Sure! Here is your tweet:\n\n" + text, "length", CHECKS)
    assert [hit.gate for hit in two.gates] == ["meta_chatter", "truncated"]
    assert (two.value, two.capped_by, two.publishable) == (3.5, "gates", False)


def test_losing_declared_facts_scales_down_without_a_cliff():
    facts = ["Kiln Cafe", "3 May", "9 am", "buns"]
    values = []
    for kept in range(5):
        text = f"Good morning, early birds of the old town: come and see us. {', '.join(facts[:kept])}."
        values.append(score_text(text, "stop", CHECKS))
    assert [value.capped_by for value in values[1:]] == ["facts", None, None, None]
    numbers = [value.value for value in values]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 5


def test_empty_texts_score_nothing():
    result = score_text(" \n", "stop", CHECKS)
    assert (result.value, result.publishable, result.capped_by) == (0.0, False, "empty")
    assert set(result.dimensions) == set(DIMENSIONS)
    assert all(value is None for value in result.dimensions.values())


def test_the_value_is_the_weighted_mean_of_what_applies():
    result = score_text(
        "Kiln Cafe opens on 3 May. Come and try our very first batch of warm cardamom buns!", "stop", CHECKS
    )
    assert result.capped_by is None
    assert sum(result.weights.values()) == pytest.approx(1)
    mean = sum(weight * (result.dimensions[name] or 0) for name, weight in result.weights.items())
    assert result.value == pytest.approx(mean, abs=1e-3)
    free = score_text(
        "A line about nothing at all, which is fine.", "stop", BriefChecks(prompt="", content_type="anything")
    )
    assert free.dimensions["brief_compliance"] is None
    assert free.dimensions["length_quality"] is None
    assert set(free.weights) == {"structure_quality", "language_quality", "business_quality"}


def test_default_weights_are_those_of_the_documentation():
    assert sum(DEFAULT_WEIGHTS.values()) == pytest.approx(1)
    page = (Path(__file__).parents[2] / "docs" / "scoring" / "README.md").read_text(encoding="utf-8")
    for name, weight in DEFAULT_WEIGHTS.items():
        assert f"| `{name}` | {weight:g} |" in page


def test_weights_lie_over_the_defaults_all_types_first():
    weights = {"*": {"length_quality": 0.0}, "email": {"structure_quality": 0.5}}
    assert weights_for("business_email", weights) == {
        **DEFAULT_WEIGHTS,
        "length_quality": 0.0,
        "structure_quality": 0.5,
    }
    assert weights_for("tweet", weights)["structure_quality"] == 0.2
    text = "Kiln Cafe opens on 3 May."
    only = {"*": dict.fromkeys(DIMENSIONS, 0.0), "tweet": {"brief_compliance": 1.0}}
    result = score_text(
        text, "stop", make_checks("", "tweet", must_include=["Kiln Cafe", "3 May", "9 am", "buns"]), only
    )
    assert result.value == 5.0
    assert result.weights == {"brief_compliance": 1.0}


@pytest.mark.parametrize(
    ("weights", "hint"),
    [
        ({"tweet": {"brief_complience": 1.0}}, "did you mean brief_compliance?"),
        ({"tweet": {"length_quality": -1.0}}, "from 0 up"),
        ({"*": dict.fromkeys(DIMENSIONS, 0.0)}, "at least one"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weights, hint):
    with pytest.raises(UsageError) as caught:
        weights_for("tweet", weights)
    assert hint in caught.value.hint


def generation(**fields) -> Generation:
    base = {
        "trial": "t1",
        "candidate": "c",
        "brief": "b",
        "replicate": 0,
        "seed": 1,
        "text": None,
        "finish_reason": "stop",
    }
    return Generation(**{**base, **fields})


def test_generations_carry_their_trial_and_the_comparison_score():
    score = score_generation(generation(text="Kiln Cafe opens on 3 May at 9 am with buns."), CHECKS)
    assert score.trial == "t1"
    assert score.publishable
    assert score.comparison_only == {"keyword_heuristic": 5.0}


def test_a_failed_generation_scores_nothing_and_says_why():
    score = score_generation(generation(finish_reason="error", error_kind="timeout", error="no byte in 60 s"), CHECKS)
    assert (score.value, score.publishable) == (0.0, False)
    assert [(hit.gate, hit.rule, hit.evidence) for hit in score.gates] == [("failed", "timeout", "no byte in 60 s")]


def test_a_megabyte_is_read_at_both_ends():
    text = "Kiln Cafe opens on 3 May at 9 am with buns. " + "The oven is warm and the street is quiet. " * 30_000
    result = score_text(text, "stop", CHECKS)
    assert {"platform_limit", "repetition"} <= {hit.gate for hit in result.gates}


def test_inline_code_of_white_space_alone_is_no_command():
    brief = make_checks("Say how to list files with `ls -l`.", "technical_doc", must_include=["ls -l"])
    assert 0 <= score_text("# List files\n\nRun ` ` and then `ls -l` to see them.", "stop", brief).value <= 10
