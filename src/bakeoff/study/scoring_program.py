"""A program that scores texts by the rules: a line of JSON in, a line of JSON out, until its input ends.

    python -m bakeoff.study.scoring_program

The first line is the suite's weights, each further one a text with what can be checked about it; a score comes back for
each. It imports what scoring takes and nothing else, so that it costs a run a third of the memory that the run itself takes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress

from bakeoff.core.garbage import look_seldom
from bakeoff.core.spec import Record
from bakeoff.score.brief import BriefChecks
from bakeoff.score.composite import score_written
from bakeoff.score.weights import Weights


class Wanted(Record):
    """A text whose score is wanted."""

    trial: str
    text: str
    finish_reason: str
    checks: BriefChecks


def scored(line: str | bytes, weights: Weights) -> str:
    """Return the score that a line asks for, as JSON."""
    wanted = Wanted.model_validate_json(line)
    return score_written(wanted.trial, wanted.text, wanted.finish_reason, wanted.checks, weights).model_dump_json()


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's to answer
    _give_way()
    look_seldom()
    lines = sys.stdin.buffer
    weights = json.loads(lines.readline())
    for line in lines:
        sys.stdout.write(scored(line, weights) + "\n")
        sys.stdout.flush()


def _give_way() -> None:
    """Take processor time that nobody else wants: what answers the requests may be on this machine."""
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    os.nice(19)


if __name__ == "__main__":
    main()
