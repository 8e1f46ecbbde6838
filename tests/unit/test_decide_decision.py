"""The five outcomes, each from a run that should end in it, and what they say."""

import numpy as np
import pytest

from bakeoff.decide.decision import Requirements, decide
from bakeoff.decide.footprint import Footprint
from bakeoff.decide.pairs import pairs_of
from made_runs import analyse_table, make_briefs


def field(*centres, count=60, seed=1, spread=0.8):
    generator = np.random.default_rng(seed)
    shared = generator.normal(0, 0.8, count)
    names = "abcdef"
    return {
        names[k]: np.clip(centre + shared + generator.normal(0, spread, count), 0, 10).tolist()
        for k, centre in enumerate(centres)
    }


def section(table, per_family=1, gated=()):
    count = len(next(iter(table.values())))
    return analyse_table(make_briefs(count, per_family=per_family), table, gated).overall


def test_a_winner_beats_every_other_and_says_by_how_much():
    found = section(field(8, 6.5, 6))
    decision = decide(found)
    assert (decision.outcome, decision.choice, decision.leader) == ("winner", "a", "a")
    assert decision.next == ()
    assert decision.reasons[0].startswith("a scores ")
    ahead = pairs_of(found, "a")[0]
    assert f"beats b by {ahead.difference:.2f} points [{ahead.low:.2f}, {ahead.high:.2f}]" in decision.reasons[1]
    assert "on 60 briefs, p < 0.0001 after Holm" in decision.reasons[1]
    assert len(decision.reasons) == 3


def test_families_are_named_beside_briefs():
    decision = decide(section(field(8, 6, count=90), per_family=3))
    assert "on 90 briefs (30 families)" in decision.reasons[1]


def test_the_order_of_candidates_does_not_decide():
    table = field(6, 6.5, 8)
    forward = decide(section(table))
    backward = decide(section(dict(reversed(table.items()))))
    assert forward.choice == backward.choice == "c"
    assert sorted(forward.reasons) == sorted(backward.reasons)


def test_a_close_second_is_enough_to_win_nothing():
    decision = decide(section(field(7.0, 7.0, 5.0, count=30, spread=1.5)))
    assert (decision.outcome, decision.choice) == ("no_clear_winner", None)
    assert decision.leader in ("a", "b")
    assert any(reason.startswith("not told apart: ") for reason in decision.reasons)
    assert any("further briefs are expected to be needed" in reason for reason in decision.reasons)
    assert not any("not told apart: ahead of c" in reason for reason in decision.reasons)


def test_a_tie_is_called_level():
    decision = decide(section(field(7.0, 7.0, count=20, spread=0.0)), eps=0.1)
    told = [reason for reason in decision.reasons if "apart" in reason or "within" in reason]
    assert told
    assert not any("ahead of" in reason and "by 0.0" in reason for reason in told)


def test_nobody_leads_a_tie():
    decision = decide(section(field(7.0, 7.0, count=10, spread=0.0)))
    assert decision.outcome == "no_clear_winner"
    assert decision.reasons[0].startswith("a and b are level at ")
    assert not any("lead" in reason or "ahead" in reason for reason in decision.reasons)


def test_equal_candidates_on_many_briefs_are_equivalent_and_the_cheapest_is_chosen():
    table = field(7, 7, 4, count=400, spread=0.5)
    prints = {
        "a": Footprint(cost_per_generation=0.002, latency_p50_s=1.0),
        "b": Footprint(cost_per_generation=0.001, latency_p50_s=9.0),
    }
    decision = decide(section(table), footprints=prints)
    assert decision.outcome == "best_within_eps"
    assert sorted(decision.equivalent) == ["a", "b"]
    assert decision.choice == "b"
    assert "b costs least among them (0.001 a generation)" in decision.reasons
    assert "no other is better than b by more than" in decision.reasons[1]


@pytest.mark.parametrize(
    ("a", "b", "choice", "why"),
    [
        (Footprint(latency_p50_s=1.0), Footprint(cost_per_generation=0.0, latency_p50_s=2.0), "a", "fastest"),
        (Footprint(cost_per_generation=1.0), Footprint(cost_per_generation=1.0), None, "highest mean"),
        (Footprint(peak_memory_bytes=2_000_000_000), Footprint(peak_memory_bytes=35_000_000), "b", "35 MB"),
    ],
)
def test_an_unknown_number_never_chooses(a, b, choice, why):
    found = section(field(7, 7, count=400, spread=0.5))
    decision = decide(found, footprints={"a": a, "b": b})
    assert decision.outcome == "best_within_eps"
    assert decision.choice == (choice or decision.leader)
    assert why in decision.reasons[-1]


@pytest.mark.parametrize(
    ("a", "b", "choice"),
    [
        # b is faster by a hair, and needs nine times the memory.
        (
            Footprint(latency_p50_s=0.51234, peak_memory_bytes=10**9),
            Footprint(latency_p50_s=0.51233, peak_memory_bytes=9 * 10**9),
            "a",
        ),
        # Its median is lower by 20 %, and was measured no better than that.
        (
            Footprint(latency_p50_s=1.0, latency_low_s=0.7, latency_high_s=1.3, peak_memory_bytes=10**9),
            Footprint(latency_p50_s=0.8, latency_low_s=0.6, latency_high_s=1.0, peak_memory_bytes=9 * 10**9),
            "a",
        ),
        (
            Footprint(latency_p50_s=1.0, latency_low_s=0.95, latency_high_s=1.05, peak_memory_bytes=10**9),
            Footprint(latency_p50_s=0.8, latency_low_s=0.75, latency_high_s=0.85, peak_memory_bytes=9 * 10**9),
            "b",
        ),
    ],
)
def test_noise_in_a_median_chooses_nobody(a, b, choice):
    decision = decide(section(field(7, 7, count=400, spread=0.5)), footprints={"a": a, "b": b})
    assert (decision.outcome, decision.choice) == ("best_within_eps", choice)
    assert decision.reasons[-1].endswith("; not told apart by latency") == (choice == "a")


def test_a_small_eps_asks_for_more():
    found = section(field(7, 7, count=400, spread=0.5))
    assert decide(found, eps=0.0).outcome == "no_clear_winner"
    with pytest.raises(ValueError, match="eps"):
        decide(found, eps=-0.1)


@pytest.mark.parametrize(("families", "outcome"), [(4, "insufficient_data"), (5, "no_clear_winner")])
def test_under_five_families_nothing_is_said(families, outcome):
    decision = decide(section(field(9, 2, count=families * 3), per_family=3))
    assert (decision.outcome, decision.choice, decision.leader) == (outcome, None, "a")


def test_an_empty_run_is_insufficient_and_has_no_leader():
    found = analyse_table(make_briefs(0), {"a": [], "b": []}).overall
    decision = decide(found)
    assert (decision.outcome, decision.leader) == ("insufficient_data", None)
    assert decision.reasons[0].startswith("too few: 0 briefs; ")


def test_a_pilot_claims_no_difference_however_large():
    decision = decide(section(field(9.5, 1, count=14)))
    assert (decision.outcome, decision.choice, decision.leader) == ("no_clear_winner", None, "a")
    assert any(reason.startswith("pilot: 14 briefs") for reason in decision.reasons)
    assert any(
        reason.startswith("ahead of b by 7.96 points") and "without a test" in reason for reason in decision.reasons
    )
    assert any("about 1 further brief" in reason for reason in decision.reasons)


def test_a_pilot_claims_no_equivalence_either():
    equal = {"a": [7.0] * 14, "b": [7.0] * 14}
    assert decide(section(equal), eps=10.0).outcome == "no_clear_winner"


def test_from_15_to_29_families_the_decision_calls_itself_approximate():
    decision = decide(section(field(9, 3, count=20)))
    assert decision.outcome == "winner"
    assert decision.reasons[-1].startswith("approximate: ")


def test_a_candidate_without_one_publishable_text_cannot_win():
    table = field(9, 6, 5)
    decision = decide(section(table, gated=["a"]))
    assert (decision.outcome, decision.choice) == ("winner", "b")
    assert "a does not qualify: none of its texts is publishable (60 briefs)" in decision.reasons
    nobody = decide(section(table, gated=["a", "b", "c"]))
    assert (nobody.outcome, nobody.choice, nobody.leader) == ("none_qualified", None, None)
    assert len(nobody.reasons) == 3


def test_a_threshold_is_passed_by_the_lower_bound():
    found = section(field(7.5, 5))
    quality = found.result("a").quality
    assert quality.low < 7.4 < quality.estimate
    assert decide(found, requirements=Requirements(threshold=7.4)).outcome == "none_qualified"
    passed = decide(found, requirements=Requirements(threshold=6.5))
    assert (passed.outcome, passed.choice) == ("winner", "a")
    assert any("b does not qualify: its score" in reason for reason in passed.reasons)


def test_rates_are_required_by_their_lower_bounds():
    table = field(8, 6)
    table["a"][:6] = [None] * 6
    found = section(table)
    needs = Requirements(min_success_rate=0.88)
    assert found.result("a").success_rate.estimate == pytest.approx(0.9)
    assert decide(found, requirements=needs).choice == "b"
    reason = decide(found, requirements=Requirements(min_publishable_rate=0.95)).reasons[0]
    assert "publishable rate 90 % [" in reason


def test_an_only_candidate_is_called_what_it_is():
    decision = decide(section(field(7)))
    few = decide(section(field(7, count=8)))
    assert (few.outcome, few.choice, few.leader) == ("no_clear_winner", None, "a")
    assert (decision.outcome, decision.choice) == ("winner", "a")
    assert "only candidate, compared with none" in decision.reasons[0]


def test_rare_catastrophes_count():
    generator = np.random.default_rng(3)
    steady = np.full(100, 6.9) + generator.normal(0, 0.2, 100)
    brittle = np.where(np.arange(100) % 4 == 0, 0.0, 8.0)
    decision = decide(section({"brittle": brittle.tolist(), "steady": steady.tolist()}))
    assert (decision.outcome, decision.choice) == ("winner", "steady")


def test_a_tie_of_constants_says_how_little_is_known():
    decision = decide(section({"a": [7.0] * 30, "b": [7.0] * 30}))
    assert decision.outcome == "no_clear_winner"
    assert any("p = 1 after Holm" in reason for reason in decision.reasons)


def test_a_hopeless_comparison_is_capped():
    generator = np.random.default_rng(5)
    table = {name: generator.choice([0.0, 10.0], 40).tolist() for name in "ab"}
    decision = decide(section(table), eps=0.01)
    text = " ".join(decision.reasons)
    assert decision.outcome == "no_clear_winner"
    assert "further briefs are expected to be needed" in text


def test_a_rival_that_does_not_qualify_is_none_that_was_beaten():
    table = field(8, 6.5, 8.2)
    decision = decide(section(table), requirements=Requirements(excluded={"c": "it was given up"}))
    assert decision.choice == "a"
    assert decision.excluded == ("c",)
    assert "c does not qualify: it was given up" in decision.reasons
    near = decide(section(field(7.0, 7.02, 8.2, spread=0.2)), requirements=Requirements(excluded={"c": "too slow"}))
    assert near.outcome == "best_within_eps"
    assert near.reasons[1].startswith("no other that qualifies is better than")
