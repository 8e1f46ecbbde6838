"""What a text says and its brief does not: dates out of thin air, statements turned around."""

from __future__ import annotations

import random
import time

import pytest

from bakeoff.score.brief import make_checks
from bakeoff.score.compliance import contradictions
from bakeoff.score.composite import score_text
from bakeoff.score.dates import invented_dates
from bakeoff.score.polarity import turned_around
from bakeoff.score.text import Text

MOVES = "Tell Ms Keller that the report moves from Friday 6 June to Wednesday 11 June. Offer a call on Thursday."


@pytest.mark.parametrize(
    ("text", "brief", "found"),
    [
        ("It moves from Friday 6 June to Wednesday 11 June.", MOVES, ()),
        ("It moves from June 6th to June 11.", MOVES, ()),
        ("It moves to Monday 2 June.", MOVES, ("Monday 2 June",)),
        ("It moves to the 2nd of June, yes, 2 June.", MOVES, ("2nd of June",)),
        ("It moves to Jun 12.", MOVES, ("Jun 12",)),
        # "a call on Thursday" of a brief about Friday 6 June is Thursday 5 June, or the 12th.
        ("Could we speak on Thursday 5 June?", MOVES, ()),
        ("Could we speak on Thursday, June 12?", MOVES, ()),
        ("Could we speak on Thursday 6 June?", MOVES, ()),
        ("Could we speak on Thursday 4 June?", MOVES, ("Thursday 4 June",)),
        # No month, no date; no date in the brief, nothing to compare with.
        ("It takes 12 days and may march on.", MOVES, ()),
        ("Join us on 14 May.", "Write about our webinar.", ()),
        ("Join us on 15 May.", "Write about our webinar on 2026-05-14.", ("15 May",)),
        ("Join us on 14 May.", "Write about our webinar on 2026-05-14.", ()),
        # 5/6 may be two days: nothing is said.
        ("Join us on 15 May.", "Our webinar is on 5/6, and on 14 May.", ()),
        ("On 31 February we rest.", "We open on 3 May.", ()),
    ],
)
def test_dates_that_the_brief_does_not_give(text: str, brief: str, found: tuple[str, ...]) -> None:
    assert invented_dates(text, brief) == found


@pytest.mark.parametrize(
    ("text", "brief", "found"),
    [
        ("A revoked key can be restored.", "Note that revoked keys cannot be restored.", ("can be restored",)),
        ("A revoked key cannot be restored.", "Note that revoked keys cannot be restored.", ()),
        ("It can't be restored. A backup can be restored.", "Revoked keys can not be restored.", ()),
        ("Tickets are refundable.", "Tickets aren't refundable.", ("are refundable",)),
        ("Tickets are no longer refundable.", "Tickets aren't refundable.", ()),
        ("We will use it.", "Do not use jargon.", ()),
        ("The shop will open early.", "The shop won't open early.", ("will open",)),
    ],
)
def test_statements_turned_around(text: str, brief: str, found: tuple[str, ...]) -> None:
    assert turned_around(text, brief) == found


def test_a_wrong_date_costs_more_than_any_other_number() -> None:
    checks = make_checks(MOVES, "business_email")
    right = "Subject: Site report\n\nDear Ms Keller,\n\nThe report moves from Friday 6 June to Wednesday 11 June. {} Could we speak on Thursday?\n\nKind regards,\nTom"
    plain, number, date = (
        score_text(right.format(added), "stop", checks) for added in ("", "It has 57 pages.", "You get it on 2 June.")
    )
    assert (
        plain.dimensions["brief_compliance"]
        > number.dimensions["brief_compliance"]
        > date.dimensions["brief_compliance"]
    )
    assert plain.value - date.value >= 1.5
    assert date.publishable  # a date may be right and the brief silent: it is no gate


CHAIRS = "Say that we cannot deliver the chairs before 3 May."
DISCOUNT = "Write that there is no discount on the June order."
FEES = "Write copy for an account with no hidden fees."
PHONES = "Remind staff that nobody may use private phones at the till."
SERVER = "The server does not start after the update."
BOUGHT = "Write a post: the mill Venn bought Aldous."
COVER = "Write a mail from Anna Weber to Mr Okoye at Nordwind for the job as baker."


@pytest.mark.parametrize(
    ("brief", "text"),
    [
        (CHAIRS, "We are unable to deliver the chairs before 3 May."),
        (DISCOUNT, "We're unable to provide a discount on the June order."),
        (FEES, "Tired of hidden fees? So were we. Open an account today."),
        (PHONES, "Private phones stay in the locker while you work at the till."),
        (SERVER, "After the update the server fails to start."),
        (BOUGHT, "Aldous has been sold to the mill Venn."),
        (COVER, "Dear Hiring Manager,\n\nI bake.\n\nKind regards,\nAnna Weber"),
    ],
)
def test_other_words_for_the_same_contradict_nothing(brief: str, text: str) -> None:
    assert contradictions(Text(text), make_checks(brief, "email")) == ()


@pytest.mark.parametrize(
    ("brief", "text"),
    [
        (CHAIRS, "We can deliver the chairs before 3 May."),
        (DISCOUNT, "We give a discount on the June order."),
        (FEES, "Our account has hidden fees."),
        (PHONES, "You may use private phones at the till."),
        ("Remind staff that nobody smokes in the hall.", "Smoke in the hall as you like."),
        (SERVER, "After the update the server will start."),
        (BOUGHT, "The mill Venn has sold Aldous."),
        (COVER, "Dear Mr Hansen,\n\nI bake.\n\nKind regards,\nAnna Weber"),
        (
            "Write a post: in May the mill Venn acquires the bakery, and Aldous advises Venn.",
            "Here Venn advises Aldous.",
        ),
    ],
)
def test_the_opposite_in_nearly_the_same_words_does(brief: str, text: str) -> None:
    assert contradictions(Text(text), make_checks(brief, "email"))


def test_a_brief_of_many_names_takes_no_longer_than_it_is() -> None:
    """200 names took half a minute while every pair of them was looked for on its own."""
    drawer = random.Random(7)
    names = [f"{_name(drawer)} {_name(drawer)}" for _ in range(200)]
    checks = make_checks(f"Write an invitation to our party for {', '.join(names)}.", "email")
    start = time.process_time()
    score_text(f"Dear {', '.join(names)},\n\nplease come to our party.\n\nKind regards,\nAnna", "stop", checks)
    assert time.process_time() - start < 2.0


def _name(drawer: random.Random) -> str:
    return "".join(drawer.choice("abcdeilmnorst") for _ in range(7)).title()
