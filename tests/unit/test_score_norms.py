"""Known answers: X's counting, the seed's heuristic, aliases, and briefs that are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bakeoff.score.brief import BriefChecks, make_checks
from bakeoff.score.facts import contains_fact, find_forbidden, prompt_facts
from bakeoff.score.keyword_heuristic import keyword_heuristic
from bakeoff.score.normal import normalise
from bakeoff.score.norms import NORMS, PART_NAMES, canonical_content_type, norms_for, weighted_length
from bakeoff.score.numerals import known_numbers
from bakeoff.score.parts import DETECTORS


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("Hello, world", 12),
        ("café", 4),
        ("cafe\u0301", 4),  # counted after composition
        ("Привет", 6),  # U+0400 to U+04FF are below U+10FF
        ("日本語", 6),
        ("“quoted” – dash…", 17),  # the ellipsis, U+2026, is outside the light ranges
        ("\u2032\u2033", 2),
        ("😀", 2),
        ("👩‍👩‍👧‍👦", 2),
        ("👍🏽", 2),
        ("🇩🇪🇫🇷", 4),
        ("1️⃣", 2),
        ("❤️", 2),
        ("https://example.com/a/very/long/path?with=query", 23),
        ("See https://example.com.", 4 + 23 + 1),
        ("example.com", 23),
        ("notes: harlow.example/a", 23),  # .example is no domain to X: counted letter by letter
        ("€", 2),
        ("£5", 2),
    ],
)
def test_weighted_length(text, length):
    assert weighted_length(text) == length


SEED_TWEET = (
    "Coldstore 2.4 is out. Restores run 3x faster because chunks are now fetched in parallel, and nothing changes in your config file. "
    "Upgrade notes and downloads: coldstore.example/2-4"
)


@pytest.mark.parametrize(
    ("text", "content_type", "score"),
    [
        (SEED_TWEET, "tweet", 6.0),
        ("", "tweet", 5.0),
        ("word " * 50, "twitter", 8.0),
        ("word " * 100, "twitter", 8.0),
        ("word " * 101, "twitter", 5.0),
        ("word " * 75, "email", 8.0),
        ("word " * 80, "marketing", 8.0),
        ("word " * 150, "technical_docs", 8.0),
        ("word " * 100, "linkedin", 8.0),
        ("Strategy. Optimizations.", "tweet", 5 + 0.6 + 1),
        ("proven proven proven", "tweet", 5.3),
        (
            "optimization strategy implementation architecture demonstrated proven expertise competitive advantage "
            * 10
            + ". .",
            "other",
            10.0,
        ),
    ],
)
def test_the_keyword_heuristic_is_the_old_one(text, content_type, score):
    assert keyword_heuristic(text, content_type) == pytest.approx(score)


def test_the_old_tweet_has_27_words():
    assert len(SEED_TWEET.split()) == 27


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("LinkedIn", "linkedin_post"),
        ("x", "tweet"),
        ("Twitter", "tweet"),
        ("E-mail", "business_email"),
        ("technical-docs", "technical_doc"),
        ("Press Release", "press_release"),
    ],
)
def test_aliases(alias, name):
    assert canonical_content_type(alias) == name
    assert norms_for(alias).content_type == name


def test_a_type_of_the_users_own_has_no_demands_and_every_canonical_name_is_its_own_alias():
    own = norms_for("haiku")
    assert (own.hard_limit, own.soft_words, own.default_parts) == (None, None, ())
    assert all(canonical_content_type(name) == name for name in NORMS)
    assert set(PART_NAMES) == set(DETECTORS)


def test_checks_resolve_aliases_norms_and_single_facts():
    checks = make_checks(
        "p",
        "email",
        must_include=["Orion", ["14", "fourteen"]],
        limits={"max_words": 90},
        parts=["subject"],
        language="pt-BR",
    )
    assert checks.content_type == "business_email"
    assert checks.norms == NORMS["business_email"]
    assert checks.must_include == (("Orion",), ("14", "fourteen"))
    assert checks.language == "pt"
    assert BriefChecks.model_validate(checks.model_dump()) == checks


@pytest.mark.parametrize(
    "declared",
    [
        {"limits": {"max_word": 10}},
        {"limits": {"min_words": 20, "max_words": 10}},
        {"limits": {"max_words": "many"}},
        {"parts": ["greetings"]},
        {"must_include": [""]},
        {"must_include": [[]]},
        {"must_not_include": [" "]},
        {"must_includes": ["x"]},
    ],
)
def test_misspelt_and_senseless_checks_are_refused(declared):
    with pytest.raises(ValidationError):
        make_checks("p", "tweet", **declared)


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("Harlow & Pike", "HARLOW and\n Pike's best"),
        ("14 March", "on March 14th"),
        ("14 March", "the 14th of March"),
        ("Thursday 5 June", "Thursday, 5 June"),
        ("Saturday 8 June at 10 am", "Saturday, June 8, at 10 a.m."),
        ("10 am", "10:00 AM sharp"),
        ("9 am", "at 9am."),
        ("18 percent", "18% more"),
        ("14 staircases", "fourteen staircases"),
        ("repair cafe", "the Repair Café"),
        ("£24", "for £24."),
        ("sudo dpkg -i lumen.deb", "run `sudo dpkg -i lumen.deb`"),
        ("40 minutes", "**40** minutes"),
        ("customer", "our customers"),
        ("#FixIt", "see you there #fixit"),
    ],
)
def test_facts_in_other_clothes_are_found(fact, text):
    assert contains_fact((fact,), normalise(text))


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("14", "2014"),
        ("14", "14.5"),
        ("14", "1,400"),
        ("£2", "£24"),
        ("Orion", "Orionid showers"),
        ("3 May", "13 May"),
        ("14 March", "March 4"),
        ("art", "start"),
    ],
)
def test_parts_of_words_and_numbers_are_no_facts(fact, text):
    assert not contains_fact((fact,), normalise(text))


def test_bans_reach_inflections_and_stop_there():
    assert find_forbidden("guarantee", normalise("Results are Guaranteed.")) == "guaranteed"
    assert find_forbidden("free", normalise("freedom and freestyle")) is None


def test_facts_and_numbers_of_a_prompt():
    prompt = 'Write 2 tweets of at most 40 words for Nimbus Cycles: "Fix It Day" on 8 June, £5, run `fix --now`, nimbus.example/fix, 3x faster.'
    facts = {alternatives[0] for alternatives in prompt_facts(prompt)}
    assert facts == {"fix --now", "Fix It Day", "nimbus.example/fix", "8", "5", "3x", "Nimbus Cycles"}
    assert {14.0, 2.0, 3.0, 15.0, 12.5, 1250.0} <= known_numbers("fourteen, twice, 3 pm, 12.5 and 1,250")
