"""The race: what ends it, what it claims, and what it must not claim."""

import numpy as np
import pytest

from bakeoff.stats.race import Race

MODELS = ("a", "b", "c")


def drive(race, rows):
    for row in rows:
        race.add(dict(zip(race.models, row, strict=True)))
        if race.verdict is not None:
            break
    return race


def draw(means, rounds, seed=1, sd=1.5):
    generator = np.random.default_rng(seed)
    prompt = generator.normal(0, 0.8, (rounds, 1))
    scores = np.array(means) + prompt + generator.normal(0, sd, (rounds, len(means)))
    return np.clip(scores, 0.25, 10.0)


def test_a_far_better_model_wins_long_before_the_cap():
    race = drive(Race(MODELS, cap=200, eps=0.01), draw([8.5, 5.0, 4.0], 200))
    assert race.verdict.outcome == "winner"
    assert race.verdict.equivalent == ("a",)
    assert race.verdict.ending == "decided"
    assert race.verdict.briefs < 40
    assert {out.model for out in race.eliminations} == {"b", "c"}
    assert all(out.log_e >= np.log(2 / 0.01) for out in race.eliminations)


def test_a_large_eps_decides_before_everybody_is_out():
    race = drive(Race(MODELS, cap=200, eps=2.0), draw([8.5, 7.5, 4.0], 200))
    assert race.verdict.outcome == "best_within_eps"
    assert "a" in race.verdict.equivalent
    assert race.verdict.briefs < 20


def test_a_hopeless_model_is_out_before_the_t_mixture_may_speak():
    race = Race(("good", "silent"), cap=200)
    for _ in range(12):
        out = race.add({"good": 8.0, "silent": 0.0}, floored={"silent"})
        if out:
            break
    assert race.verdict.outcome == "winner"
    assert race.verdict.briefs < 13


def test_an_eliminated_model_needs_no_scores_any_more():
    race = Race(MODELS, cap=200)
    rows = draw([7.0, 7.0, 2.0], 60, seed=3)
    for row in rows:
        scores = dict(zip(MODELS, row, strict=True))
        race.add({name: scores[name] for name in race.survivors})
    assert race.survivors == ("a", "b")
    assert race.verdict is None


def test_equals_end_without_a_claim_and_within_the_cap():
    race = drive(Race(MODELS, cap=60), draw([7.0, 7.0, 7.0], 60, seed=5, sd=2.5))
    assert race.verdict.outcome == "no_clear_winner"
    assert race.verdict.equivalent == ()
    assert race.verdict.ending == "futile"
    assert race.verdict.briefs % 5 == 0


def test_the_look_at_the_cap_is_the_paired_t_bound():
    from scipy import stats

    outcomes = set()
    for seed in range(40):
        rows = draw([7.6, 7.0], 40, seed=seed)
        d = rows[:, 0] - rows[:, 1]
        race = drive(Race(("a", "b"), cap=40), rows)
        if race.verdict.ending != "cap":
            continue
        margin = stats.t.ppf(1 - 0.04, 39) * d.std(ddof=1) / np.sqrt(40)
        if max(d.mean(), -d.mean()) > margin:
            expected = "winner"
        else:
            expected = "best_within_eps" if max(d.mean(), -d.mean()) - margin >= -0.3 else "no_clear_winner"
        assert race.verdict.outcome == expected
        outcomes.add(expected)
    assert outcomes == {"winner", "best_within_eps", "no_clear_winner"}


def test_a_floored_text_makes_the_look_harder():
    claims = {True: 0, False: 0}
    for seed in range(40):
        for failed in (True, False):
            race = Race(("a", "b"), cap=40)
            for number, (a, b) in enumerate(draw([7.6, 7.0], 40, seed=seed)):
                race.add({"a": a, "b": b}, floored={"a"} if failed and number == 0 else ())
                if race.verdict is not None:
                    break
            assert race.floored is failed
            claims[failed] += bool(race.verdict.equivalent)
    assert 0 < claims[True] < claims[False]


def test_within_eps_names_those_that_were_shown_to_be():
    race = drive(Race(("a", "b", "bad"), cap=400), draw([7.0, 7.0, 3.0], 400, seed=2, sd=0.5))
    assert race.verdict.ending == "decided"
    assert race.verdict.outcome == "best_within_eps"
    assert set(race.verdict.equivalent) <= {"a", "b"}
    assert race.survivors == ("a", "b")


def test_strict_claims_less_and_makes_no_look_at_the_cap():
    rows = draw([7.6, 7.0], 40, seed=8, sd=0.8)
    race = drive(Race(("a", "b"), cap=40, mode="strict"), rows)
    assert race.verdict.ending == "cap"
    assert race.verdict.outcome == "no_clear_winner"


def test_strict_thresholds_are_the_specified_ones():
    race = drive(Race(MODELS, cap=400, mode="strict"), draw([8.5, 5.0, 4.0], 400))
    assert all(out.log_e >= np.log(2 / 0.05) for out in race.eliminations)


def test_the_evidence_of_a_pair_is_that_of_the_functions():
    from bakeoff.stats.evalues import betting_log_e, t_mixture_log_e

    rows = draw([6.5, 6.0], 30, seed=4)
    race = drive(Race(("a", "b"), cap=200), rows)
    (pair,) = race.evidence()
    d = rows[: pair.briefs, 0] - rows[: pair.briefs, 1]
    assert pair.difference == pytest.approx(d.mean())
    assert pair.sd == pytest.approx(d.std(ddof=1))
    ahead = np.sign(d.mean()) * d
    expected = float(betting_log_e(ahead / 10))
    if pair.briefs >= 10:
        expected = max(expected, float(t_mixture_log_e(d)) + np.log(2))
    assert pair.log_e == pytest.approx(expected)
    for limit in (pair.low, pair.high):
        assert float(t_mixture_log_e(d, limit)) == pytest.approx(np.log(20))


def test_a_strict_interval_is_where_the_bets_stop_refuting():
    from bakeoff.stats.evalues import betting_log_e

    rows = draw([6.5, 6.0], 30, seed=4)
    race = drive(Race(("a", "b"), cap=200, mode="strict"), rows)
    (pair,) = race.evidence()
    d = (rows[:, 0] - rows[:, 1]) / 10
    assert pair.low < d.mean() * 10 < pair.high
    assert float(betting_log_e(d, pair.low / 10)) == pytest.approx(np.log(40), abs=1e-3)
    assert float(betting_log_e(-d, -pair.high / 10)) == pytest.approx(np.log(40), abs=1e-3)


def test_a_constant_lead_is_judged_by_the_bets_alone():
    race = Race(("a", "b"), cap=30)
    while race.verdict is None:
        race.add({"a": 7.1, "b": 7.0})
    assert race.verdict.outcome == "no_clear_winner"


def test_a_constant_lead_that_is_large_enough_wins_at_the_cap():
    race = Race(("a", "b"), cap=40)
    while race.verdict is None:
        race.add({"a": 8.0, "b": 7.0})
    assert race.verdict.ending == "cap"
    # The bound of forty equal differences of 1: (1 + 10) 0.04^(1/40) - 10.
    (pair,) = race.evidence()
    assert pair.low == pytest.approx(11 * 0.04 ** (1 / 40) - 10)
    assert race.verdict.outcome == ("winner" if pair.low > 0 else "best_within_eps")


def test_a_strict_race_says_how_long_it_may_be_expected_to_take():
    rows = draw([7.2, 6.6], 400, seed=6)
    race = drive(Race(("a", "b"), cap=30, mode="strict"), rows)
    assert race.verdict.outcome == "no_clear_winner"
    expected = race.rounds_expected(race.verdict.leader)
    longer = drive(Race(("a", "b"), cap=400, mode="strict"), rows)
    assert longer.verdict.ending == "decided"
    assert expected / 4 < longer.verdict.briefs < expected * 4


def test_few_rounds_are_insufficient():
    race = Race(("a", "b"), cap=3)
    for _ in range(3):
        race.add({"a": 9.0, "b": 1.0})
    assert race.verdict.outcome == "insufficient_data"


def test_a_stopped_race_keeps_what_was_shown():
    race = Race(MODELS, cap=200)
    for row in draw([7.0, 7.0, 2.0], 40, seed=3):
        race.add(dict(zip(MODELS, row, strict=True)))
    verdict = race.stop()
    assert verdict.ending == "stopped"
    assert verdict.outcome == "no_clear_winner"
    assert verdict.survivors == ("a", "b")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"a": 5.0}, "no score of b"),
        ({"a": 5.0, "b": float("nan")}, "b scores nan"),
        ({"a": 5.0, "b": 10.5}, "b scores 10.5"),
    ],
)
def test_a_score_that_is_none_is_refused_with_its_round_and_model(scores, said):
    race = Race(("a", "b"), cap=10)
    race.add({"a": 5.0, "b": 5.0})
    with pytest.raises(ValueError, match=f"round 2.*{said}"):
        race.add(scores)


@pytest.mark.parametrize(
    "arguments",
    [
        {"models": ("a",), "cap": 10},
        {"models": ("a", "a"), "cap": 10},
        {"models": ("a", "b"), "cap": 0},
        {"models": ("a", "b"), "cap": 10, "eps": 0.0},
        {"models": ("a", "b"), "cap": 10, "bounds": (10.0, 0.0)},
        {"models": ("a", "b"), "cap": 10, "mode": "auto"},
        {"models": ("a", "b"), "cap": 10, "level": 1.0},
    ],
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=r".+"):
        Race(**arguments)


def test_no_round_after_the_end():
    race = Race(("a", "b"), cap=1)
    race.add({"a": 5.0, "b": 5.0})
    with pytest.raises(ValueError, match="over"):
        race.add({"a": 5.0, "b": 5.0})
