"""`docs/examples/two-kinds.yaml`: it may decide two routes only if its briefs are as many, and as different, as it says."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from bakeoff.decide.analysis import PILOT_UNDER
from bakeoff.score.facts import contains_fact
from bakeoff.score.normal import normalise
from bakeoff.study.laps import divide
from bakeoff.study.suite import Brief, Suite, find_suite, load_suite

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "two-kinds.yaml"
MOST_WORDS_IN_COMMON = 0.05


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite(EXAMPLE)


def five_grams(brief: Brief) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", brief.prompt.casefold())
    return set(zip(*(words[start:] for start in range(5)), strict=False))


def test_48_families_of_each_kind_and_enough_of_them_race_for_a_claim(suite: Suite) -> None:
    assert Counter(brief.content_type for brief in suite.briefs) == {"linkedin_post": 48, "technical_doc": 48}
    assert len({brief.family for brief in suite.briefs}) == len(suite.briefs) == 96
    racing, held_back = divide(suite.briefs, 0)
    kinds = {brief.id: brief.content_type for brief in suite.briefs}
    assert set(Counter(kinds[name] for name in racing).values()) == {36}
    assert set(Counter(kinds[name] for name in held_back).values()) == {12}
    assert PILOT_UNDER <= 36


def test_no_brief_is_another_one_again_nor_one_of_the_built_in_suite(suite: Suite) -> None:
    built_in = load_suite(find_suite(None))
    grams = [(brief.id, five_grams(brief)) for brief in (*suite.briefs, *built_in.briefs)]
    for (one, left), (other, right) in itertools.combinations(grams, 2):
        assert len(left & right) <= MOST_WORDS_IN_COMMON * len(left | right), (one, other)
    ids = [name for name, _ in grams]
    assert len(set(ids)) == len(ids)


def test_what_is_checked_stands_in_the_prompt(suite: Suite) -> None:
    for brief in suite.briefs:
        prompt = normalise(brief.prompt)
        for fact in brief.must_include:
            assert contains_fact([fact] if isinstance(fact, str) else fact, prompt), (brief.id, fact)
        for limit in brief.limits.model_dump(exclude_none=True).values():
            said = {"0": "no", "2": "two", "3": "three"}.get(str(limit), str(limit))
            assert re.search(rf"\b({limit}|{said})\b", brief.prompt, re.IGNORECASE), (brief.id, limit)


def test_a_code_block_is_asked_for_where_a_command_is_given(suite: Suite) -> None:
    for brief in suite.briefs:
        commands = re.findall(r"`([a-z][\w-]* [^`]+)`", brief.prompt)
        assert not commands or "code_block" in brief.parts, brief.id


def test_addresses_and_telephone_numbers_belong_to_nobody(suite: Suite) -> None:
    for brief in suite.briefs:
        hosts = re.findall(
            r"[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|co|de|uk|eu|app|example)\b", brief.prompt.casefold()
        )
        assert all(host.endswith(".example") for host in hosts), (brief.id, hosts)
        # 01632 960 000 to 960 999 are kept free for fiction in the United Kingdom.
        numbers = re.findall(r"\b0\d{4} \d{3} \d{3}\b", brief.prompt)
        assert all(number.startswith("01632 960 ") for number in numbers), brief.id
