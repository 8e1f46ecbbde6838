"""What a run says to the process that scores its texts: lines of JSON."""

from __future__ import annotations

from bakeoff.core.spec import Record
from bakeoff.score.brief import BriefChecks


class Wanted(Record):
    """A text whose score is wanted."""

    trial: str
    text: str
    finish_reason: str
    checks: BriefChecks
