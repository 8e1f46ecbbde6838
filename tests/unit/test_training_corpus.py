"""The training text: the same on every machine, and no prompt of the suites that come along in it."""

import hashlib
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SUITES = {
    "src/bakeoff/bundled/suites/business.yaml": 175,
    "docs/examples/two-kinds.yaml": 96,
}
DIGEST = "ed372faf123784d694a3012440566a72aca0c9653753e3700e8bad0318a256d0"
OPEN_DIGEST = "ea2de626a18b0c8798c77a60847a9930286b8dfa20229067065b9f680a8cd91c"  # of open briefs, which only the specialists are trained on
SAMPLE = 20_000

sys.path.insert(0, str(ROOT / "training"))

from corpus.sample import CONTENT_TYPES, Example, example  # noqa: E402  the training package is not installed


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def grams(text: str, size: int = 5) -> frozenset[tuple[str, ...]]:
    found = words(text)
    return frozenset(tuple(found[i : i + size]) for i in range(len(found) - size + 1))


def too_close(suite: dict[str, str], prompts: list[str]) -> list[tuple[str, str]]:
    """(brief id, corpus prompt) for each pair that is equal or shares more than half of its word 5-grams."""
    brief_grams = {key: grams(prompt) for key, prompt in suite.items()}
    equal = {" ".join(words(prompt)): key for key, prompt in suite.items()}
    where: dict[tuple[str, ...], list[str]] = {}
    for key, found in brief_grams.items():
        for gram in found:
            where.setdefault(gram, []).append(key)
    pairs = []
    for prompt in prompts:
        if (same := equal.get(" ".join(words(prompt)))) is not None:
            pairs.append((same, prompt))
            continue
        own = grams(prompt)
        near = {key for gram in own for key in where.get(gram, ())}
        pairs += [
            (key, prompt) for key in sorted(near) if len(own & brief_grams[key]) > 0.5 * len(own | brief_grams[key])
        ]
    return pairs


def stages(number: int) -> list[Example]:
    """Examples of the three stages of training, `number` in all."""
    plain = [example(1, index) for index in range(number // 2)]
    rich = [example(6, index, rich=True) for index in range(number // 4)]
    free = [example(2, index, rich=True, free=0.3) for index in range(number // 8)]
    wide = [example(3, index, rich=True, free=0.3, open_share=0.7, stories=0.5) for index in range(number // 8)]
    return plain + rich + free + wide


@pytest.fixture(scope="module")
def sample() -> list[Example]:
    return stages(SAMPLE)


@pytest.mark.parametrize(("file", "briefs"), SUITES.items())
def test_no_brief_of_a_suite_that_comes_along_is_in_the_corpus(sample, file, briefs):
    suite = {brief["id"]: brief["prompt"] for brief in yaml.safe_load((ROOT / file).read_text("utf-8"))["briefs"]}
    assert len(suite) == briefs
    assert too_close(suite, [item.prompt for item in sample]) == []


def test_the_closeness_check_finds_a_planted_brief(sample):
    planted = sample[7].prompt
    changed = planted.rsplit(" ", 1)[0] + " please"
    found = too_close({"a": planted.upper(), "b": changed}, [planted])
    assert ("a", planted) in found
    assert too_close({"b": changed}, [planted]) == [("b", planted)]


def test_the_corpus_hardly_repeats_itself(sample):
    prompts = {" ".join(words(item.prompt)) for item in sample}
    assert len(prompts) > 0.999 * SAMPLE


def test_the_same_text_in_another_process_with_another_hash_seed():
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); from corpus.sample import example\n"
        "items = [example(1, i) for i in range(300)] + [example(2, i, rich=True, free=0.4) for i in range(300)]\n"
        "wide = [example(2, i, rich=True, free=0.3, open_share=0.65, stories=i % 2) for i in range(300)]\n"
        "print(*(hashlib.sha256(repr(part).encode()).hexdigest() for part in (items, wide)))"
    )
    command = [sys.executable, "-c", code, str(ROOT / "training")]
    digests = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {f"{DIGEST} {OPEN_DIGEST}"}


def test_held_out_prompts_use_other_patterns(sample):
    def opening(text: str) -> str:
        return " ".join(words(text)[:3])

    trained = [item.prompt for item in sample[: SAMPLE // 2] if item.content_type == "tweet"]
    held = [example(900, i, held=True, mix={"tweet": 1.0}).prompt for i in range(300)]
    common = {opening(text) for text in trained}
    assert sum(opening(text) in common for text in held) < 0.5 * len(held)


def test_every_answer_keeps_the_norms_of_its_type(sample):
    for item in sample[::3]:
        if item.content_type == "tweet":
            assert len(item.answer) <= 280, item
            assert "\n" not in item.answer, item
        if item.content_type == "business_email":
            assert item.answer.startswith("Subject: "), item
        if item.content_type == "technical_doc":
            assert item.answer.startswith("# "), item
            assert item.answer.count("```") % 2 == 0, item
    assert {item.content_type for item in sample} == set(CONTENT_TYPES)


def test_answers_keep_the_word_limits_of_their_prompts(sample):
    limits = 0
    for item in sample:
        found = re.search(r"(?:[Uu]nder|[Aa]t most|than|below|Maximum) (\d+) words|(\d+) words at most", item.prompt)
        if found is None:
            continue
        limits += 1
        length = len(re.sub(r"#\S*", "", item.answer).split())
        assert length <= int(found.group(1) or found.group(2)), item
    assert limits > 0.05 * SAMPLE


def test_most_facts_of_a_prompt_stand_in_its_answer(sample):
    facts = sum(len(item.slots) for item in sample)
    assert facts / SAMPLE > 3
    assert all(slot.lower() in item.answer.lower() for item in sample[::10] for slot in item.slots)


def test_the_digest_covers_every_content_type():
    kinds = [example(1, index).content_type for index in range(300)]
    assert set(kinds) == set(CONTENT_TYPES)
    assert any(a != b for a, b in pairwise(kinds))
    assert len(hashlib.sha256(b"").hexdigest()) == len(DIGEST)
