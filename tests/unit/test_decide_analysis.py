"""From a run to estimates and comparisons: which unit, which interval, which share of the error budget."""

import numpy as np
import pytest

from bakeoff.core.records import Score
from bakeoff.decide.analysis import Analysis, analyse
from bakeoff.stats.intervals import interval, proportion_interval
from bakeoff.stats.multiple import holm
from bakeoff.stats.paired import paired_difference
from made_generations import columns_of
from made_runs import analyse_table, generation, make_briefs, make_run


def scores_around(*centres, count=60, seed=0, spread=1.0):
    generator = np.random.default_rng(seed)
    shared = generator.normal(0, 0.7, count)
    return [np.clip(centre + shared + generator.normal(0, spread, count), 0, 10).tolist() for centre in centres]


def test_the_family_is_the_unit_of_every_estimate():
    briefs = make_briefs(60, per_family=3)
    a, b = scores_around(7, 6)
    analysis = analyse_table(briefs, {"a": a, "b": b})
    families = np.array(a).reshape(20, 3).mean(axis=1)
    quality = analysis.overall.result("a").quality
    assert (quality.briefs, quality.clusters, quality.method, quality.level) == (60, 20, "bounded", 0.95)
    assert (quality.estimate, quality.low, quality.high) == pytest.approx(interval(families)[:3])
    beside = analysis.overall.result("a").t_interval
    assert (beside.low, beside.high, beside.method) == (*interval(families, method="t")[1:3], "t")
    assert (analysis.overall.briefs, analysis.overall.clusters, analysis.overall.pilot) == (60, 20, False)


def test_comparisons_are_paired_by_family_with_holm_over_all_pairs():
    briefs = make_briefs(60, per_family=2)
    table = dict(zip("abc", scores_around(7, 6.8, 6.2), strict=True))
    section = analyse_table(briefs, table).overall
    families = {name: np.array(values).reshape(30, 2).mean(axis=1) for name, values in table.items()}
    pairs = [(c.a, c.b) for c in section.comparisons]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]
    expected = [paired_difference(families[a], families[b]) for a, b in pairs]
    assert [c.difference for c in section.comparisons] == pytest.approx([e.estimate for e in expected])
    assert [(c.low, c.high) for c in section.comparisons] == [(e.low, e.high) for e in expected]
    assert [c.p_adjusted for c in section.comparisons] == pytest.approx(list(holm([e.p for e in expected])))
    assert {(c.briefs, c.clusters) for c in section.comparisons} == {(60, 30)}


def test_simultaneous_bounds_spend_the_budget_on_the_rivals_of_one():
    briefs = make_briefs(40)
    table = dict(zip("abc", scores_around(7, 6.8, 6.2, count=40), strict=True))
    first = analyse_table(briefs, table).overall.comparisons[0]
    wide = paired_difference(table["a"], table["b"], level=1 - 2 * 0.05 / 2)
    assert (first.simultaneous_low, first.simultaneous_high) == pytest.approx((wide.low, wide.high))


def test_content_types_share_the_error_budget():
    briefs = make_briefs(60, types=("tweet", "business_email"))
    a, b = scores_around(7, 6)
    analysis = analyse_table(briefs, {"a": a, "b": b})
    assert list(analysis.by_content_type) == ["tweet", "business_email"]
    section = analysis.by_content_type["business_email"]
    assert section.level == pytest.approx(0.975)
    assert section.result("b").quality.estimate == pytest.approx(np.mean(b[1::2]))
    assert section.result("b").quality.level == section.comparisons[0].level == section.level
    assert section.result("b").generations == 30


def test_failures_lower_the_mean_and_the_success_rate():
    briefs = make_briefs(20)
    section = analyse_table(briefs, {"a": [None, None] + [9.0] * 18}).overall
    result = section.result("a")
    assert result.quality.estimate == pytest.approx(8.1)
    exact = proportion_interval(18, 20)
    assert (result.success_rate.estimate, result.success_rate.low) == (exact.estimate, exact.low)
    assert result.success_rate.method == "clopper-pearson"
    assert (result.generations, result.failures, result.gated) == (20, 2, 0)


def test_rates_of_mixed_families_are_not_counted_by_brief():
    briefs = make_briefs(60, per_family=3)
    # Failures come by the family: 6 of 20 families fail whole, and one brief of another.
    values = [None if i < 19 else 8.0 for i in range(60)]
    rate = analyse_table(briefs, {"a": values}).overall.result("a").success_rate
    assert rate.estimate == pytest.approx(41 / 60)
    assert rate.method == "bounded"
    by_brief = proportion_interval(41, 60)
    assert rate.high - rate.low > by_brief.high - by_brief.low


def test_gated_texts_are_counted_and_are_not_failures():
    briefs = make_briefs(6)
    result = analyse_table(briefs, {"a": [5] * 5 + [None]}, gated=["a"]).overall.result("a")
    assert (result.generations, result.failures, result.gated) == (6, 1, 5)
    assert result.publishable_rate.estimate == 0


def test_few_families_are_a_pilot_without_p_values():
    briefs = make_briefs(42, per_family=3)
    a, b = scores_around(9, 2, count=42)
    section = analyse_table(briefs, {"a": a, "b": b}).overall
    assert section.pilot
    assert section.comparisons[0].p_adjusted is None
    assert section.comparisons[0].method == "bounded"


def test_an_incomplete_run_says_what_was_left_out():
    briefs = make_briefs(10)
    generations, scores = make_run(briefs, {"a": [5] * 10, "b": [6] * 10})
    analysis = analyse(["a", "b"], briefs, columns_of(generations[:-1], scores), incomplete=True)
    assert analysis.left_out == ("b9",)
    assert "1 of 10 briefs" in analysis.notes[0]
    assert analysis.overall.briefs == 9


def test_an_empty_run_has_no_numbers_and_no_error():
    analysis = analyse(["a", "b"], make_briefs(3), {}, incomplete=True)
    result = analysis.overall.result("a")
    assert (result.quality.estimate, result.quality.low, result.success_rate.high) == (None, None, None)
    assert analysis.overall.comparisons[0].difference is None
    assert analysis.overall.clusters == 0


def test_the_record_survives_storage():
    a, b = scores_around(7, 6, count=20)
    analysis = analyse_table(make_briefs(20, types=("x", "y")), {"a": a, "b": b})
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis


def test_replicates_do_not_narrow_what_briefs_do_not_support():
    briefs = make_briefs(20)
    (values,) = scores_around(6, count=20)
    once = analyse_table(briefs, {"a": values}).overall.result("a").quality
    generations = [generation("a", brief.id, k) for brief in briefs for k in range(5)]
    scores = [
        Score(trial=f"a/{brief.id}/{k}", value=value, publishable=True)
        for brief, value in zip(briefs, values, strict=True)
        for k in range(5)
    ]
    five_times = analyse(["a"], briefs, columns_of(generations, scores)).overall.result("a").quality
    assert (five_times.low, five_times.high) == pytest.approx((once.low, once.high))


def test_there_must_be_something_to_analyse():
    with pytest.raises(ValueError, match="no candidates"):
        analyse([], [], {})
    with pytest.raises(ValueError, match="level"):
        analyse(["a"], [], {}, level=0.3)


def test_unknown_candidates_are_key_errors():
    with pytest.raises(KeyError):
        analyse_table(make_briefs(1), {"a": [5]}).overall.result("z")
