"""The built-in suite read as plain YAML: its size and balance, and that every check follows from its own prompt."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest
import yaml

SUITE = Path(__file__).parents[2] / "src" / "bakeoff" / "bundled" / "suites" / "business.yaml"
TYPES = {"linkedin_post", "tweet", "business_email", "technical_doc", "marketing_copy"}
PARTS = {
    "hook", "question", "call_to_action", "hashtags", "paragraphs", "subject", "greeting", "sign_off", "recipient", "sender",
    "title", "headings", "numbered_steps", "bullets", "code_block", "warning", "prerequisites", "headline",
}  # fmt: skip
LIMITS = {
    "min_words", "max_words", "min_characters", "max_characters", "min_sentences", "max_sentences", "min_hashtags",
    "max_hashtags", "max_emoji", "max_paragraphs",
}  # fmt: skip
TOP_KEYS = {"version", "name", "description", "baseline", "replicates", "eps", "sampling", "briefs"}
BRIEF_KEYS = {
    "id",
    "content_type",
    "cluster",
    "difficulty",
    "prompt",
    "must_include",
    "must_not_include",
    "limits",
    "parts",
}
BRIEF_NEEDS = {"id", "content_type", "cluster", "difficulty", "prompt", "must_include"}
NUMBER_WORDS = {1: "one", 2: "two", 3: "three"}


@cache
def load() -> dict:
    return yaml.safe_load(SUITE.read_text(encoding="utf-8"))


def briefs(content_type: str | None = None) -> list[dict]:
    return [brief for brief in load()["briefs"] if content_type in (None, brief["content_type"])]


def squeeze(text: str) -> str:
    return " ".join(text.casefold().split())


def alternatives(item: str | list[str]) -> list[str]:
    return [item] if isinstance(item, str) else item


def holds(text: str, wanted: str) -> bool:
    """Whether `wanted` stands in `text` as whole words, ignoring case and white space."""
    return re.search(rf"(?<!\w){re.escape(squeeze(wanted))}(?!\w)", squeeze(text)) is not None


def shortest(brief: dict) -> int:
    """Characters of the shortest wording of all required facts, with a space after each."""
    return sum(min(map(len, alternatives(item))) + 1 for item in brief["must_include"])


def five_grams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(zip(*(words[start:] for start in range(5)), strict=False))


def test_settings_of_the_suite() -> None:
    suite = load()
    assert set(suite) == TOP_KEYS
    assert (suite["version"], suite["name"], suite["baseline"]) == (1, "business", "bundled:baseline")
    assert (suite["replicates"], suite["eps"]) == (1, 0.3)
    assert suite["sampling"] == {"temperature": 0.7, "top_p": 0.95, "max_tokens": 320}


def test_keys_and_values_are_of_known_kinds() -> None:
    for brief in briefs():
        where = brief["id"]
        assert set(brief) >= BRIEF_NEEDS, where
        assert set(brief) <= BRIEF_KEYS, where
        assert brief["difficulty"] in {"easy", "medium", "hard"}, where
        assert set(brief.get("parts", [])) <= PARTS, where
        assert len(set(brief.get("parts", []))) == len(brief.get("parts", [])), where
        assert set(brief.get("limits", {})) <= LIMITS, where
        assert all(type(value) is int and value >= 0 for value in brief.get("limits", {}).values()), where
        texts = [text for item in brief["must_include"] for text in alternatives(item)] + brief.get(
            "must_not_include", []
        )
        assert all(isinstance(text, str) and text == text.strip() != "" for text in texts), where
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", where), where


def test_35_briefs_of_each_type_and_a_third_of_each_difficulty() -> None:
    types = Counter(brief["content_type"] for brief in briefs())
    assert set(types) == TYPES
    assert set(types.values()) == {35}
    for content_type in TYPES:
        grades = Counter(brief["difficulty"] for brief in briefs(content_type))
        assert all(0.25 <= grades[grade] / types[content_type] <= 0.42 for grade in ("easy", "medium", "hard")), (
            content_type,
            grades,
        )


def test_families_are_small_and_within_one_type() -> None:
    families = defaultdict(list)
    for brief in briefs():
        families[brief["cluster"]].append(brief)
    for name, members in families.items():
        assert 1 <= len(members) <= 3, name
        assert len({brief["content_type"] for brief in members}) == 1, name


def test_each_type_has_families_enough_for_a_claim() -> None:
    # Nothing is claimed for a content type under 15 families; 20 leave room for families whose runs fail.
    for content_type in TYPES:
        assert len({brief["cluster"] for brief in briefs(content_type)}) >= 20, content_type


def test_ids_are_unique() -> None:
    assert [name for name, count in Counter(brief["id"] for brief in briefs()).items() if count > 1] == []


def test_prompts_are_of_a_readable_length() -> None:
    lengths = {brief["id"]: len(brief["prompt"].split()) for brief in briefs()}
    assert {name: words for name, words in lengths.items() if not 25 <= words <= 110} == {}


def test_no_two_prompts_are_near_duplicates() -> None:
    grams = {brief["id"]: five_grams(brief["prompt"]) for brief in briefs()}
    for (one, left), (other, right) in itertools.combinations(grams.items(), 2):
        assert len(left & right) / len(left | right) < 0.05, (one, other)


def test_no_sentence_occurs_in_two_prompts() -> None:
    seen: dict[str, str] = {}
    for brief in briefs():
        for sentence in re.split(r"(?<=[.!?]) ", squeeze(brief["prompt"])):
            if len(sentence.split()) >= 4:
                assert seen.setdefault(sentence, brief["id"]) == brief["id"], sentence


def test_every_required_fact_stands_in_its_prompt() -> None:
    for brief in briefs():
        prompt = squeeze(brief["prompt"])
        for item in brief["must_include"]:
            assert any(squeeze(text) in prompt for text in alternatives(item)), (brief["id"], item)


def test_facts_are_listed_once() -> None:
    for brief in briefs():
        first = [squeeze(alternatives(item)[0]) for item in brief["must_include"]]
        assert len(set(first)) == len(first), brief["id"]
        for item in brief["must_include"]:
            assert len(set(alternatives(item))) == len(alternatives(item)), (brief["id"], item)


def test_no_fact_needs_a_forbidden_text() -> None:
    for brief in briefs():
        for item in brief["must_include"]:
            usable = [
                text
                for text in alternatives(item)
                if not any(holds(text, ban) for ban in brief.get("must_not_include", []))
            ]
            assert usable, (brief["id"], item)


def test_limits_are_stated_in_the_prompt_and_leave_room_for_the_facts() -> None:
    for brief in briefs():
        prompt = squeeze(brief["prompt"])
        limits = brief.get("limits", {})
        for key, value in limits.items():
            if key.endswith(("words", "characters")):
                assert holds(prompt, str(value)), (brief["id"], key)
            else:
                noun = {"hashtags": "hashtag", "emoji": "emoji"}[key.split("_")[1]]
                assert noun in prompt, (brief["id"], key)
                assert value == 0 or "#" in prompt or holds(prompt, NUMBER_WORDS[value]) or str(value) in prompt, (
                    brief["id"],
                    key,
                )
        words = sum(min(len(text.split()) for text in alternatives(item)) for item in brief["must_include"])
        assert words <= 0.45 * limits.get("max_words", 1000), brief["id"]
        for what in ("words", "characters", "hashtags"):
            assert limits.get(f"min_{what}", 0) <= limits.get(f"max_{what}", 10_000), brief["id"]


def test_hard_briefs_ask_for_more_than_easy_ones() -> None:
    for brief in briefs():
        facts = len(brief["must_include"])
        if brief["difficulty"] == "hard":
            assert facts >= 4, brief["id"]
            assert facts >= 6 or brief.get("must_not_include") or brief.get("limits"), brief["id"]
        if brief["difficulty"] == "easy":
            assert not brief.get("must_not_include"), brief["id"]
    load_of = {
        grade: [
            len(b["must_include"]) + len(b.get("must_not_include", [])) + len(b.get("limits", {}))
            for b in briefs()
            if b["difficulty"] == grade
        ]
        for grade in ("easy", "medium", "hard")
    }
    easy, medium, hard = (sum(load_of[grade]) / len(load_of[grade]) for grade in ("easy", "medium", "hard"))
    assert easy + 0.5 < medium < hard - 2


def test_tweets_can_hold_their_facts() -> None:
    for brief in briefs("tweet"):
        room = brief.get("limits", {}).get("max_characters", 280)
        assert room <= 280, brief["id"]
        assert shortest(brief) <= 0.6 * room, brief["id"]


@pytest.mark.parametrize(
    ("content_type", "norm"),
    [
        ("linkedin_post", {"paragraphs"}),
        ("business_email", {"subject", "greeting", "sign_off", "sender"}),
        ("technical_doc", {"title"}),
    ],
)
def test_parts_that_the_norm_of_a_type_demands(content_type: str, norm: set[str]) -> None:
    assert [brief["id"] for brief in briefs(content_type) if not norm <= set(brief["parts"])] == []


def test_a_code_block_is_asked_for_where_a_command_is_given() -> None:
    for brief in briefs("technical_doc"):
        commands = [text for text in re.findall(r"`([^`]+)`", brief["prompt"]) if re.match(r"[a-z]+ ", text)]
        assert ("code_block" in brief["parts"]) == bool(commands), brief["id"]
        required = {alternatives(item)[0] for item in brief["must_include"]}
        assert not commands or required & set(commands), brief["id"]


def test_parts_are_asked_for_in_the_prompt() -> None:
    wording = {
        "hashtags": r"#\w|hashtag",
        "question": r"question|ask",
        "hook": r"open with|first line",
        "headline": r"headline",
        "warning": r"warn",
        "bullets": r"bullet|list",
        "recipient": r" to |tell|inviting|reply|complains|answer|turns down|write her email",
    }
    for brief in briefs():
        for part in brief.get("parts", []):
            if part in wording:
                assert re.search(wording[part], squeeze(brief["prompt"])), (brief["id"], part)


def test_addresses_and_telephone_numbers_belong_to_nobody() -> None:
    for brief in briefs():
        hosts = re.findall(
            r"[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|co|de|uk|eu|app|example)\b", brief["prompt"].casefold()
        )
        assert all(host.endswith(".example") for host in hosts), (brief["id"], hosts)
        # 01632 960 000 to 960 999 are kept free for fiction in the United Kingdom.
        assert all(
            number.startswith("01632 960 ") for number in re.findall(r"\b0\d{4} \d{3} \d{3}\b", brief["prompt"])
        ), brief["id"]
