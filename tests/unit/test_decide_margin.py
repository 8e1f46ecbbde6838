"""Not worse by a margin: three answers, the side of the interval that decides, error rates by simulation, and what is said."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bakeoff.core.errors import UsageError
from bakeoff.core.records import Comparison
from bakeoff.decide.duel import duel
from bakeoff.decide.margin import BriefPair, not_worse, not_worse_in_race
from bakeoff.decide.versus import Versus


def pairs(differences, per_family=1):
    return [
        BriefPair(brief=f"b{i}", content_type="tweet", family=f"f{i // per_family}", a=5 + d / 2, b=5 - d / 2)
        for i, d in enumerate(differences)
    ]


def drawn(mean, sd, n, seed=0):
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 1, n)
    return (found - found.mean()) / found.std(ddof=1) * sd + mean


def test_the_lower_end_decides_for_not_worse_and_the_upper_end_for_worse():
    # 40 families, sd 1: the one-sided 5 % bounds lie 0.266 from the mean.
    level = not_worse("new", "old", pairs(drawn(0.0, 1.0, 40)), 0.3)
    assert (level.verdict, bool(level)) == ("not_worse", True)
    assert (level.low, level.high) == (pytest.approx(-0.2664, abs=1e-3), pytest.approx(0.2664, abs=1e-3))
    assert level.level == pytest.approx(0.9)
    assert level.p < 0.05
    close = not_worse("new", "old", pairs(drawn(-0.05, 1.0, 40)), 0.3)
    assert (close.verdict, bool(close)) == ("undecided", False)
    assert close.p > 0.05
    # Better beyond doubt, worse beyond doubt; a margin above all of it forgives what is significantly worse.
    assert not_worse("new", "old", pairs(drawn(1.0, 1.0, 40)), 0.3).verdict == "not_worse"
    assert not_worse("new", "old", pairs(drawn(-0.5, 1.0, 40)), 0.3).verdict == "worse"
    assert not_worse("new", "old", pairs(drawn(-0.5, 1.0, 40)), 1.0).verdict == "not_worse"


def test_few_families_claim_nothing_however_clear_it_looks():
    for differences in ([-9.0] * 14, [9.0] * 14, list(drawn(-3, 0.5, 14))):
        found = not_worse("new", "old", pairs(differences), 0.3)
        assert (found.verdict, found.why) == ("undecided", "under 15 families of briefs nothing is claimed")
    # Thirty briefs in ten families are ten.
    assert not_worse("new", "old", pairs(drawn(0, 0.1, 30), per_family=3), 0.3).families == 10
    assert not_worse("new", "old", [], 0.3).verdict == "undecided"


def test_no_variance_is_no_certainty():
    """Equal scores on twenty briefs do not rule out a rare total loss."""
    assert not_worse("new", "old", pairs([0.0] * 20), 0.3).verdict == "undecided"


@pytest.mark.parametrize(("truth", "wrong"), [(-0.3, "not_worse"), (0.0, "worse")])
def test_neither_claim_is_wrong_more_often_than_alpha(truth, wrong):
    """At the edge of each claim, 25 families: no more than 5 % and its Monte Carlo error (4 standard errors)."""
    rng = np.random.default_rng(7)
    trials = 1500
    made = sum(not_worse("a", "b", pairs(rng.normal(truth, 1.2, 25)), 0.3).verdict == wrong for _ in range(trials))
    assert made / trials <= 0.05 + 4 * (0.05 * 0.95 / trials) ** 0.5
    assert made > 0


def test_what_would_settle_it_does_in_four_of_five():
    first = not_worse("a", "b", pairs(drawn(0.0, 1.5, 30)), 0.3)
    assert first.verdict == "undecided"
    assert 100 < first.settled_by < 250
    rng = np.random.default_rng(3)
    settled = [bool(not_worse("a", "b", pairs(rng.normal(0, 1.5, first.settled_by)), 0.3)) for _ in range(400)]
    assert 0.72 <= sum(settled) / 400 <= 0.88


def test_what_is_said_is_what_was_measured_and_fits_a_test_runners_line():
    found = not_worse("bundled:a-rather-long-name", "b", pairs(drawn(-0.1, 1.5, 40), per_family=2), 0.3)
    said = str(found)
    for part in ("-0.10 points", "40 briefs (20 families)", "further brief", '"not worse"', "90%"):
        assert part in said, said
    assert len(repr(found)) <= 240  # pytest cuts longer ones
    assert "undecided by 0.3" in repr(found)
    assert str(not_worse("a", "b", pairs(drawn(-1, 1, 40)), 0.3)).startswith("a is worse than b")
    assert str(not_worse("a", "b", pairs(drawn(1, 1, 40)), 0.3)).startswith("a is not worse than b by 0.3 points")


def test_two_answers_never_stand_beside_the_same_numbers():
    """The lower end lies just above the margin, and just under it."""
    differences = np.asarray(drawn(0.3, 1.5, 40))
    low = not_worse("a", "b", pairs(differences), 0.3).low
    shown, hidden = (not_worse("a", "b", pairs(differences - low - 0.3 + by), 0.3) for by in (0.0004, -0.0004))
    assert (shown.verdict, hidden.verdict) == ("not_worse", "undecided")
    assert "[-0.2996, " in repr(shown)
    assert "[-0.3004, " in repr(hidden)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.2, 0.9, "not_worse"),
        (-0.9, -0.1, "worse"),
        (-0.9, 0.4, "undecided"),
        (None, None, "undecided"),
        (None, -0.1, "worse"),
    ],
)
def test_a_race_answers_from_its_own_interval_either_way_round(low, high, verdict):
    own = Comparison(a="a", b="b", difference=0.1, low=low, high=high, briefs=40, clusters=20, method="race-t-mixture")
    found = not_worse_in_race("a", "b", own, 0.3)
    assert found.verdict == verdict
    assert found.families == 20
    turned = own.model_copy(
        update={
            "a": "b",
            "b": "a",
            "difference": -0.1,
            "low": None if high is None else -high,
            "high": None if low is None else -low,
        }
    )
    again = not_worse_in_race("a", "b", turned, 0.3)
    assert again == found
    assert ("--fixed-n" in found.why) == (verdict == "undecided")
    assert not_worse_in_race("a", "b", None, 0.3).verdict == "undecided"


def versus(differences, **changed):
    made = pairs(differences)
    return Versus(
        run_id="r",
        mode="fixed",
        a="a",
        b="b",
        duel=duel("a", "b", [], {}),
        run_comparison=None,
        pairs=tuple(made),
        content_types=("tweet",),
    ).model_copy(update=changed)


def test_what_stands_in_the_way_goes_before_figures_and_no_change_before_doubt():
    better = drawn(2, 1, 40)
    assert versus(better).not_worse_by(0.3)
    found = versus(better, unfit="run r is not finished (interrupted)").not_worse_by(0.3)
    assert (found.verdict, found.why) == ("undecided", "run r is not finished (interrupted)")
    assert versus([0.0] * 20, same=True).not_worse_by(0.3).verdict == "not_worse"
    assert versus([0.0] * 20, same=True, unfit="no").not_worse_by(0.3).verdict == "undecided"
    assert versus(better, mode="race").not_worse_by(0.3).verdict == "undecided"  # no comparison of the race's own


@pytest.mark.parametrize(
    ("margin", "alpha"), [(0, 0.05), (-1, 0.05), (10, 0.05), (float("nan"), 0.05), ("1", 0.05), (0.3, 0.5), (0.3, None)]
)
def test_nonsense_is_refused(margin, alpha):
    with pytest.raises(UsageError, match=r"must be"):
        versus([0.0] * 20).not_worse_by(margin, alpha=alpha)


def test_an_assertion_that_fails_tells_what_was_measured(tmp_path):
    verdict = not_worse("new", "old", pairs(drawn(-0.1, 1.5, 40)), 0.3)
    (tmp_path / "test_it.py").write_text(
        "from bakeoff.decide.margin import MarginVerdict\n\n"
        f"def test_it():\n    verdict = MarginVerdict(**{verdict.model_dump()!r})\n    assert verdict\n"
    )
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1
    assert "undecided by 0.3: a - b is -0.10 points" in shown.stdout
    assert "families settle it" in shown.stdout
