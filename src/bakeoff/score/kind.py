"""Is a text another kind of thing than was asked for: an e-mail where a post was, a manual where a tweet was?

Nobody can publish such a text as it stands, however many of the brief's facts it holds. Judged by the marks that make
a kind, several at once, and never where the brief itself speaks of the other kind. An e-mail that lacks its marks is
left to `structure_quality`: on 30 public pairs, people did not mind the lack as much as a gate would.
"""

from __future__ import annotations

import re

from bakeoff.score.brief import BriefChecks
from bakeoff.score.parts import DETECTORS
from bakeoff.score.text import Text

_NOT_MAILS = frozenset({"linkedin_post", "tweet", "marketing_copy", "technical_doc"})
_NOT_MANUALS = frozenset({"linkedin_post", "tweet", "business_email"})
_SPEAKS_OF_MAIL = re.compile(r"mail|newsletter|subject line|letter|message|template", re.IGNORECASE)
_SPEAKS_OF_MANUAL = re.compile(
    r"markdown|heading|steps?\b|how-to|guide|manual|instruction|documentation|readme|template", re.IGNORECASE
)


def find_other_kind(text: Text, checks: BriefChecks) -> tuple[str, str] | None:
    """Return the rule and the line that shows it, None where the text may be what was asked for."""

    def has(part: str) -> bool:
        return DETECTORS[part](text, checks)

    first = text.lines[0][:80] if text.lines else ""
    asked = checks.prompt
    kind, manual = checks.content_type, has("code_block") or has("numbered_steps")
    if kind in _NOT_MAILS and has("subject") and has("greeting") and not _SPEAKS_OF_MAIL.search(asked):
        return f"an e-mail (subject line and greeting), asked for: {kind}", first
    if (
        kind in _NOT_MANUALS
        and first.startswith("# ")
        and has("headings")
        and manual
        and not _SPEAKS_OF_MANUAL.search(asked)
    ):
        return f"a manual (title, headings, steps or code), asked for: {kind}", first
    return None
