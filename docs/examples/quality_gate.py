"""Did a change of prompt or model make texts worse? For a pull request; the workflow is in github-action.yml.

    python quality_gate.py --suite suite.yaml --model ollama:llama3.2 --base-suite base/suite.yaml [--base-model ...]

Both sides write the same briefs with the same seeds, and are compared in pairs. Exit codes:

    0  not worse: a loss of --margin points (of ten) or more is ruled out
    1  worse: significantly, and such a loss is not ruled out
    2  wrong usage, or a file that is wrong
    3  undecided: neither is shown. That is not "not worse": more briefs settle it, and the message says about how many
    4  the measurement failed: a model did not start, or did not answer
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import bakeoff

EXITS = {"not_worse": 0, "worse": 1, "undecided": 3}
WRONG, FAILED = 2, 4
WORDS = {"not_worse": "notice", "worse": "error", "undecided": "warning"}


def main() -> int:
    """Run both sides, compare, and say what came of it."""
    options = read_options()
    try:
        verdict = measure(options)
    except bakeoff.BakeoffError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        # Whose server is down is named rightly: there is nothing to correct in the job.
        wrong = isinstance(error, bakeoff.UsageError) and not isinstance(error, bakeoff.EndpointAway)
        return WRONG if wrong else FAILED
    # One line that GitHub shows beside the change, and the same on the job's page.
    print(f"::{WORDS[verdict.verdict]}::{str(verdict).replace(chr(10), ' ')}")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(f"### Texts: {verdict.verdict.replace('_', ' ')}\n\n{verdict}\n")
    return EXITS[verdict.verdict]


def measure(options: argparse.Namespace) -> bakeoff.MarginVerdict:
    """Return whether the changed side is not worse than the base."""
    base = bakeoff.run(
        options.base_suite, [options.base_model or options.model], fixed_n=options.briefs, send=options.send
    )
    changed = bakeoff.run(options.suite, [options.model], fixed_n=options.briefs, send=options.send)
    for side in (base, changed):
        if not side.measured:
            raise bakeoff.BakeoffError(f"nothing was measured in run {side.id}", f"see: bakeoff show {side.id}")
    return changed.compare(changed.candidates[0], base.candidates[0], base=base).not_worse_by(options.margin)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Did a change of prompt or model make texts worse?")
    parser.add_argument("--suite", required=True, help="the suite with the change")
    parser.add_argument("--base-suite", required=True, help="the suite before it")
    parser.add_argument("--model", required=True, help="the model with the change, as `bakeoff run --models` takes it")
    parser.add_argument("--base-model", help="the model before it (default: the same)")
    parser.add_argument("--briefs", type=int, help="how many briefs (default: all of the suite)")
    parser.add_argument("--margin", type=float, default=0.3, help="points of ten that would matter (default: 0.3)")
    parser.add_argument("--send", action="store_true", help="briefs may be sent to another machine")
    options = parser.parse_args()
    if not 0 < options.margin < 10:
        parser.error(f"--margin {options.margin:g}: points of ten, above 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
