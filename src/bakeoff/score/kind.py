"""Is a text another kind of thing than was asked for: an e-mail where a post was, a manual where a tweet was, JSON where prose was?

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
_PROSE = _NOT_MANUALS | {"marketing_copy"}
_FENCE = r"\A(?:```\w{0,10}\s{1,4})?"
_JSON = re.compile(_FENCE + r"(?:\{\s{0,20}[\"'][\w .-]{1,40}[\"']\s{0,4}:|\[\s{0,20}[{\"'])")
_JSON_ENDS = ("}", '"]', "']", "}]", "}\n]", '"\n]')
_SPEAKS_OF_JSON = re.compile(r"json|yaml|\bapi\b|payload|structured|schema", re.IGNORECASE)
_HTML = re.compile(
    _FENCE + r"<(?:!doctype html|html|head|body|div|section|article|main|p|h[1-6]|ul|ol|table)\b[^<>]{0,200}>",
    re.IGNORECASE,
)
_HTML_END = re.compile(r"</[a-z][a-z0-9]{0,9}>\Z", re.IGNORECASE)
_SPEAKS_OF_HTML = re.compile(r"html|markup|\btags?\b|web ?(?:page|site)|landing page|newsletter|code", re.IGNORECASE)


def find_other_kind(text: Text, checks: BriefChecks) -> tuple[str, str] | None:
    """Return the rule and the line that shows it, None where the text may be what was asked for."""

    def has(part: str) -> bool:
        return DETECTORS[part](text, checks)

    if (code := _find_code(text, checks)) is not None:
        return code
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


def _find_code(text: Text, checks: BriefChecks) -> tuple[str, str] | None:
    """Prose that is wrapped from its first character to its last."""
    if checks.content_type not in _PROSE or not text.raw.lstrip().startswith(("{", "[", "<", "`")):
        return None
    raw = text.raw.strip()
    end = raw.removesuffix("```").rstrip()
    asked = f"{checks.prompt} {checks.source or ''}"
    if _JSON.match(raw) and end.endswith(_JSON_ENDS) and not _SPEAKS_OF_JSON.search(asked):
        return f"JSON, asked for: {checks.content_type}", raw[:80]
    if _HTML.match(raw) and _HTML_END.search(end[-20:]) and not _SPEAKS_OF_HTML.search(asked):
        return f"HTML, asked for: {checks.content_type}", raw[:80]
    return None
