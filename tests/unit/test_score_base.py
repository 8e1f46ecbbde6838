"""The scorer protocol, its conformance suite, and plug-ins found by entry point."""

from __future__ import annotations

import sys

import pytest

from bakeoff.core.plugins import PluginFailed, PluginUnknown, list_plugins, load_plugin
from bakeoff.score.base import GROUP, ScorerBroken, check_scorer, installed_scorers, load_scorer, scaled_score
from bakeoff.score.brief import BriefChecks
from bakeoff.score.composite import score_text
from bakeoff.score.validity import ALL_BUSINESS, VALIDITY, sentence_of, validity_lines, validity_of

CHECKS = BriefChecks(prompt="", content_type="tweet")


class Vowels:
    name = "vowels"
    value_range = (0.0, 1.0)

    def score(self, text: str, checks: BriefChecks) -> float | None:
        return sum(letter in "aeiou" for letter in text) / len(text) if text else None


class Unbounded(Vowels):
    def score(self, text, checks):
        return float(len(text))


class Fickle(Vowels):
    calls = 0

    def score(self, text, checks):
        self.calls += 1
        return self.calls % 2


class Fragile(Vowels):
    def score(self, text, checks):
        return float(text[0] == "a")


def test_a_proper_scorer_passes_and_is_scaled():
    check_scorer(Vowels())
    assert scaled_score(Vowels(), "ab", CHECKS) == 5
    assert scaled_score(Vowels(), "", CHECKS) is None


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (object(), "has no name"),
        (type("S", (Vowels,), {"name": "Two Words"})(), "no lower-case identifier"),
        (type("S", (Vowels,), {"value_range": (1, 1)})(), "below the best"),
        (type("S", (Vowels,), {"value_range": (0, float("inf"))})(), "no pair of finite numbers"),
        (type("S", (Vowels,), {"value_range": "0-1"})(), "no pair of finite numbers"),
        (type("S", (Vowels,), {"score": lambda self, text, checks: "good"})(), "expected a finite number"),
        (type("S", (Vowels,), {"score": lambda self, text, checks: float("nan")})(), "expected a finite number"),
        (Unbounded(), "outside its range"),
        (Fickle(), "two calls on an empty text"),
    ],
)
def test_what_breaks_the_protocol_is_named(scorer, message):
    with pytest.raises(ScorerBroken, match=message):
        check_scorer(scorer)


def test_an_exception_of_the_scorer_comes_through():
    with pytest.raises(IndexError):
        check_scorer(Fragile())


def test_an_extra_scorer_counts_only_with_a_weight():
    text = "aaaa eeee, said the boat on the lake."
    plain, beside = score_text(text, "stop", CHECKS), score_text(text, "stop", CHECKS, scorers=[Vowels()])
    assert beside.value == plain.value
    assert beside.dimensions["vowels"] == pytest.approx(10 * sum(map(text.count, "aeiou")) / len(text))
    weighed = score_text(text, "stop", CHECKS, {"*": {"vowels": 5.0}}, [Vowels()])
    assert weighed.value < plain.value


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package installed in a folder of its own: one good scorer, one whose module cannot be imported, one that is none."""
    (tmp_path / "shop_scorers.py").write_text(
        "class Shop:\n    name = 'shop'\n    value_range = (0, 1)\n    def score(self, text, checks):\n        return None\nnothing = 3\n"
    )
    (tmp_path / "shop_broken.py").write_text("import package_that_is_not_there\n")
    info = tmp_path / "shop_scorers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-scorers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\nshop = shop_scorers:Shop\nbroken = shop_broken:Scorer\nmissing = shop_scorers:Gone\nnothing = shop_scorers:nothing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("shop_scorers", "shop_broken"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("installed")
def test_listing_imports_nothing_and_loading_imports_one():
    assert {"shop", "broken"} <= set(installed_scorers())
    assert "shop_scorers" not in sys.modules
    assert load_scorer("shop").name == "shop"
    ref = next(ref for ref in list_plugins(GROUP) if ref.name == "shop")
    assert str(ref) == "bakeoff.scorers: shop = shop_scorers:Shop (shop-scorers)"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "cause"), [("broken", "package_that_is_not_there"), ("missing", "Gone")])
def test_a_plug_in_that_cannot_be_imported_is_named_with_its_cause(name, cause):
    with pytest.raises(PluginFailed, match=cause) as caught:
        load_scorer(name)
    assert f"bakeoff.scorers: {name} = " in caught.value.entry_point
    assert "shop-scorers" in caught.value.hint


@pytest.mark.usefixtures("installed")
def test_unknown_names_list_the_known_and_non_scorers_are_refused():
    with pytest.raises(PluginUnknown) as caught:
        load_plugin(GROUP, "shops")
    assert "shop" in caught.value.hint
    with pytest.raises(ScorerBroken, match="nothing"):
        load_scorer("nothing")


def test_validity_lines_are_complete_and_own_up():
    lines = validity_lines(["email", "business_email", "haiku"])
    assert [line["content_type"] for line in lines] == ["business_email", "haiku", ALL_BUSINESS]
    assert lines[1]["agreement"]["estimate"] is None
    assert lines[1]["pairs"] == 0
    for line in VALIDITY.values():
        assert line.agreement.low <= line.agreement.estimate <= line.agreement.high
        assert line.agreement.briefs <= line.pairs
    assert validity_of("haiku").content_type == ALL_BUSINESS
    assert "does not rank decent" in sentence_of(VALIDITY[ALL_BUSINESS])
