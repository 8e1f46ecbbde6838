"""What a candidate's texts tell beside their scores: how long they are, who asked for a call to action and got one, how many
are as good as somebody asked for. Counted as texts come, a text in memory at a time.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from bakeoff.core.records import Estimate, Generation, Score
from bakeoff.core.spec import Record
from bakeoff.score.brief import BriefChecks
from bakeoff.score.parts import missing_parts
from bakeoff.score.text import Text
from bakeoff.stats.intervals import interval

CALL_TO_ACTION = "call_to_action"
ASKED_SCORE = 7.0
"""The score that a text must have to be suitable, where the suite states no threshold; that of the calculation this grew from."""


class TextFacts(Record):
    """Of one candidate. Shares are means over families of briefs, with intervals; token means are None where not told.

    `suitable` are publishable texts of `threshold` points at least; `call_to_action` are publishable texts that have one, of
    those whose brief asks for one, or whose content type does.
    """

    threshold: float
    prompt_tokens: float | None
    completion_tokens: float | None
    suitable: Estimate
    call_to_action: Estimate


class TextTally:
    """Counts one candidate's texts; a failure counts as a text that is neither."""

    def __init__(self, threshold: float | None) -> None:
        self._threshold = ASKED_SCORE if threshold is None else threshold
        self._tokens: tuple[list[int], list[int]] = ([], [])
        self._suitable: defaultdict[str, list[bool]] = defaultdict(list)
        self._called: defaultdict[str, list[bool]] = defaultdict(list)
        self._briefs: tuple[set[str], set[str]] = (set(), set())

    def add(self, made: Generation, score: Score | None, family: str, checks: BriefChecks) -> None:
        """Take one generation, with its score if it has one."""
        read, wrote = made.timings.prompt_tokens, made.timings.completion_tokens
        if made.text is not None and read is not None and wrote is not None:
            self._tokens[0].append(read)
            self._tokens[1].append(wrote)
        publishable = score is not None and score.publishable
        self._suitable[family].append(publishable and score is not None and score.value >= self._threshold)
        self._briefs[0].add(made.brief)
        if CALL_TO_ACTION in (*checks.parts, *checks.norms.default_parts):
            has_one = publishable and not missing_parts((CALL_TO_ACTION,), Text(made.text or ""), checks)
            self._called[family].append(has_one)
            self._briefs[1].add(made.brief)

    def facts(self) -> TextFacts:
        """Return what was counted."""
        read, wrote = (sum(tokens) / len(tokens) if tokens else None for tokens in self._tokens)
        return TextFacts(
            threshold=self._threshold,
            prompt_tokens=read,
            completion_tokens=wrote,
            suitable=_share(self._suitable, len(self._briefs[0])),
            call_to_action=_share(self._called, len(self._briefs[1])),
        )


def _share(families: dict[str, list[bool]], briefs: int) -> Estimate:
    shares = np.array([sum(found) / len(found) for found in families.values()])
    found = interval(shares, (0.0, 1.0))
    return Estimate(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        method=found.method,
        briefs=briefs,
        clusters=len(families),
    )
