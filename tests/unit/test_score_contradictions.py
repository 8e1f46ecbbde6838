"""What a text says and its brief does not: dates out of thin air, statements turned around."""

from __future__ import annotations

import pytest

from bakeoff.score.brief import make_checks
from bakeoff.score.composite import score_text
from bakeoff.score.dates import invented_dates
from bakeoff.score.polarity import turned_around

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
