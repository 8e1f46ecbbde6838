"""An e-mail where a post was asked for is not publishable, however many facts it holds."""

import pytest

from bakeoff.score.brief import make_checks
from bakeoff.score.composite import score_text

MAIL = "Subject: Opening\n\nDear Ms Vale,\n\nKiln Cafe opens on 3 May at 9 am. Please tell me if you can come.\n\nBest regards,\nTom Reed"
MANUAL = "# Open the cafe\n\nThis opens Kiln Cafe.\n\n## Steps\n\n1. Unlock the door on 3 May.\n2. Switch on the oven.\n\n```bash\noven --on\n```"
POST = "Kiln Cafe opens its doors on 3 May.\n\nWe have baked for six weeks to get here, and the first batch is yours.\n\nWill you be there?"


def gates(text, content_type, prompt="Write something: Kiln Cafe opens on 3 May."):
    checks = make_checks(prompt, content_type, must_include=["Kiln Cafe", "3 May"])
    return [hit.gate for hit in score_text(text, "stop", checks).gates]


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        *((MAIL, content_type) for content_type in ("linkedin_post", "tweet", "marketing_copy", "technical_doc")),
        *((MANUAL, content_type) for content_type in ("linkedin_post", "tweet", "business_email")),
    ],
)
def test_another_kind_than_asked_for_is_gated(text, content_type):
    assert "wrong_kind" in gates(text, content_type)


@pytest.mark.parametrize(
    ("text", "content_type"),
    [(MAIL, "business_email"), (MANUAL, "technical_doc"), (POST, "linkedin_post"), (POST, "marketing_copy")],
)
def test_the_kind_asked_for_is_not(text, content_type):
    assert "wrong_kind" not in gates(text, content_type)


@pytest.mark.parametrize(
    ("text", "content_type", "prompt"),
    [
        (MAIL, "marketing_copy", "Write a marketing e-mail: Kiln Cafe opens on 3 May."),
        (MANUAL, "linkedin_post", "Write a post with Markdown headings and steps: Kiln Cafe opens on 3 May."),
        (MAIL, "press_release", "Kiln Cafe opens on 3 May."),
    ],
)
def test_a_brief_that_speaks_of_the_other_kind_and_unknown_types_are_left_alone(text, content_type, prompt):
    assert "wrong_kind" not in gates(text, content_type, prompt)
