"""For any text and brief: a score between 0 and 10, the same twice, and gates that only take away."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.score.base import check_scorer
from bakeoff.score.brief import BriefChecks, make_checks
from bakeoff.score.composite import score_text
from bakeoff.score.facts import contains_fact
from bakeoff.score.normal import normalise
from bakeoff.score.norms import NORMS, PART_NAMES, weighted_length
from bakeoff.score.text import Text
from bakeoff.score.weights import DIMENSIONS

words = st.sampled_from(
    [
        "The",
        "boat",
        "is",
        "ready.",
        "Come",
        "3",
        "May",
        "£24",
        "#Oars",
        "🚣",
        "👩\u200d👩\u200d👧",
        "`ls`",
        "```\n",
        "\n\n",
        "Dear",
        "Tom,",
        "Subject:",
        "1.",
        "-",
        "##",
        "**",
        "[Name]",
        "and",
        "of",
        "a,",
        "(",
        '"',
        "http://x.example",
        "Kind",
        "regards,\n",
        "日本",
        "\u200b",
    ]
)
texts = st.one_of(st.text(max_size=300), st.lists(words, max_size=60).map(" ".join))
facts = st.text(min_size=1, max_size=20).filter(normalise)
briefs = st.builds(
    make_checks,
    st.text(max_size=120),
    st.sampled_from([*NORMS, "own type"]),
    must_include=st.lists(facts, max_size=3),
    must_not_include=st.lists(facts, max_size=2),
    parts=st.lists(st.sampled_from(PART_NAMES), max_size=4),
    limits=st.fixed_dictionaries({}, optional={"max_words": st.integers(1, 50), "max_emoji": st.integers(0, 3)}),
)


@settings(max_examples=200, deadline=None)
@given(texts, briefs, st.sampled_from(["stop", "length"]))
def test_any_text_gets_a_score_between_0_and_10_and_the_same_twice(text: str, checks: BriefChecks, finish: str):
    result = score_text(text, finish, checks)
    assert 0 <= result.value <= 10
    assert set(result.dimensions) == set(DIMENSIONS)
    assert all(value is None or 0 <= value <= 10 for value in result.dimensions.values())
    assert result.publishable is (not result.gates)
    if result.gates:
        assert result.value <= 4.0 - 0.5 * (len(result.gates) - 1)
        assert len({hit.gate for hit in result.gates}) == len(result.gates)
    assert score_text(text, finish, checks) == result


@settings(max_examples=200, deadline=None)
@given(texts)
def test_taking_a_text_apart_loses_no_count(text: str):
    parsed = Text(text)
    assert len(parsed.emoji) <= len(text)
    assert parsed.word_count <= len(text.split())
    assert 0 <= weighted_length(text) <= 23 * max(1, len(text))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab1 9.£&-:\n", min_size=1, max_size=15).filter(lambda fact: any(map(str.isalnum, fact))))
def test_a_fact_is_found_in_a_text_that_holds_it_on_its_own(fact: str):
    assert contains_fact((fact,), normalise(f"x {fact} x"))


class Composite:
    """The built-in score in a scorer's clothes: it must pass the suite that others must pass."""

    name = "composite"
    value_range = (0.0, 10.0)

    def score(self, text: str, checks: BriefChecks) -> float | None:
        return score_text(text, "stop", checks).value


def test_the_built_in_score_keeps_its_own_protocol():
    check_scorer(Composite())
