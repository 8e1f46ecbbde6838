"""A program that scores texts by the rules: a line of JSON in, a line out, until its input ends. Nobody imports it.

    python -m bakeoff.study.scoring_program

The first line in is the suite's weights, the first line out is empty: it is ready. Then comes a `Wanted` a line, and goes a
`Score`. It imports what scoring takes and nothing else, so that it takes a third of the memory that a run takes, and that only
when it has given way to everybody else.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

from bakeoff.core.garbage import look_seldom


def main() -> None:
    """Answer until the input ends."""
    _give_way()
    look_seldom()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever else is printed
    from bakeoff.score.composite import score_written
    from bakeoff.study.scoring_lines import Wanted

    lines = sys.stdin.buffer
    weights = json.loads(lines.readline() or "{}")
    answers.write(b"\n")
    for line in lines:
        wanted = Wanted.model_validate_json(line)
        score = score_written(wanted.trial, wanted.text, wanted.finish_reason, wanted.checks, weights)
        answers.write(score.model_dump_json().encode() + b"\n")


def _give_way() -> None:
    """Take processor time that nobody else wants: what answers the requests may be on this machine."""
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    os.nice(19)


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # the run has ended before it was answered
        main()
