"""How fast the rule score is, what it catches, and how far it agrees with people.

    python benchmarks/scoring.py                                   speed, on the texts of tests/data/score
    python benchmarks/scoring.py --battery FILE --pairs FILE       and: broken texts, human preferences

`--pairs`: JSON lines with `prompt, a, b, label (a | b | tie), content_type, business, source`; ties in the label are
left out, ties in a score count one half. `--battery`: JSON lines with `id, content_type, brief, text, kind, counterpart`.
Neither file is part of this repository; docs/scoring.md says which were used.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.score.brief import BriefChecks, make_checks
from bakeoff.score.composite import score_text
from bakeoff.score.keyword_heuristic import keyword_heuristic
from bakeoff.score.norms import NORMS, canonical_content_type

TEXTS = Path(__file__).parent.parent / "tests" / "data" / "score" / "briefs.jsonl"
PairScorer = Callable[[BriefChecks, str], float]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Parse JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def wilson(successes: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a proportion; half successes (score ties) are allowed."""
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def clustered(won: Sequence[float], prompts: Sequence[str], draws: int = 4000) -> tuple[float, float]:
    """95 % percentile bootstrap over prompts: pairs that share a prompt are drawn together."""
    groups: dict[str, list[float]] = {}
    for value, prompt in zip(won, prompts, strict=True):
        groups.setdefault(prompt, []).append(value)
    sums = np.array([(sum(group), len(group)) for group in groups.values()])
    picked = np.random.default_rng(7).integers(0, len(sums), size=(draws, len(sums)))
    totals = sums[picked].sum(axis=1)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    return float(low), float(high)


def measure_speed(repeats: int = 20) -> None:
    """Print milliseconds a text."""
    work = [
        (
            text,
            make_checks(
                row["prompt"],
                row["content_type"],
                **{key: row[key] for key in ("must_include", "must_not_include", "limits", "parts")},
            ),
        )
        for row in read_lines(TEXTS)
        for text in row["texts"].values()
    ]
    times: list[float] = []
    for _ in range(repeats):
        for text, checks in work:
            start = time.perf_counter()
            score_text(text, "stop", checks)
            times.append(1000 * (time.perf_counter() - start))
    first, warm = times[: len(work)], times[len(work) :]
    words = statistics.mean(len(text.split()) for text, _ in work)
    print(f"speed: {len(work)} texts of {words:.0f} words on average, {repeats} rounds")
    print(f"  first round (patterns compiled): median {statistics.median(first):.2f} ms a text")
    print(
        f"  after it: median {statistics.median(warm):.2f} ms, 99th percentile {sorted(warm)[int(0.99 * len(warm))]:.2f} ms a text"
    )


def run_battery(path: Path) -> None:
    """Print how often a good text stands above its broken twin, and what is gated."""
    rows = read_lines(path)
    for name, scorer in (("rule composite", composite), ("keyword heuristic", seed)):
        value = {row["id"]: scorer(make_checks(row["brief"], row["content_type"]), row["text"]) for row in rows}
        bad = [row for row in rows if row.get("counterpart")]
        gaps = [value[row["counterpart"]] - value[row["id"]] for row in bad]
        print(
            f"{name}: good above bad {sum(gap > 0 for gap in gaps)} of {len(gaps)}, by 2 or more {sum(gap >= 2 for gap in gaps)}"
        )
    results = {
        row["id"]: score_text(row["text"], "stop", make_checks(row["brief"], row["content_type"])) for row in rows
    }
    good = [row["id"] for row in rows if not row.get("counterpart")]
    print(
        f"gated: bad {sum(not results[row['id']].publishable for row in bad)} of {len(bad)}, good {sum(not results[i].publishable for i in good)} of {len(good)}"
    )
    for row in bad:
        if results[row["id"]].publishable:
            print(
                f"  not gated: {row['id']} ({results[row['id']].value:.2f} against {results[row['counterpart']].value:.2f})"
            )


def composite(checks: BriefChecks, text: str) -> float:
    """The score that bakeoff reports."""
    return score_text(text, "stop", checks).value


def seed(checks: BriefChecks, text: str) -> float:
    """The keyword heuristic, for comparison."""
    return keyword_heuristic(text, checks.content_type)


def longer(_checks: BriefChecks, text: str) -> float:
    """The baseline to beat: more words."""
    return float(len(text.split()))


def checks_of(row: dict[str, Any]) -> BriefChecks:
    """Prompt and, where the prompt carries material below a blank line, that material as the source."""
    _, _, material = row["prompt"].partition("\n\n")
    kind = canonical_content_type(row["content_type"])
    return make_checks(row["prompt"], kind if kind in NORMS else "other", source=material or None)


def report_pairs(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print each scorer on decided pairs: accuracy with Wilson interval, and the mean of both length halves."""
    prompts = len({row["prompt"] for row in rows})
    print(f"\n{title}: {len(rows)} decided pairs, {prompts} prompts")
    for name, scorer in (("rule composite", composite), ("keyword heuristic", seed), ("longer wins", longer)):
        won: list[float] = []
        # True where the preferred text is the longer one; None (equal length) counts in neither half.
        longer_won: list[bool | None] = []
        for row in rows:
            checks = checks_of(row)
            preferred, other = (row["a"], row["b"]) if row["label"] == "a" else (row["b"], row["a"])
            ours, theirs = scorer(checks, preferred), scorer(checks, other)
            won.append(1.0 if ours > theirs else 0.5 if ours == theirs else 0.0)
            extra = len(preferred.split()) - len(other.split())
            longer_won.append(extra > 0 if extra else None)
        low, high = wilson(sum(won), len(won))
        wide = clustered(won, [row["prompt"] for row in rows])
        halves = [
            statistics.mean(half)
            for flag in (True, False)
            if (half := [w for w, is_longer in zip(won, longer_won, strict=True) if is_longer is flag])
        ]
        balanced = statistics.mean(halves) if len(halves) == 2 else float("nan")
        print(
            f"  {name:18} {statistics.mean(won):.3f} [{low:.3f}, {high:.3f}]  by prompt [{wide[0]:.3f}, {wide[1]:.3f}]  length-balanced {balanced:.3f}  ties {sum(w == 0.5 for w in won)}"
        )


def run_pairs(path: Path) -> None:
    """Print agreement by content type and in all."""
    rows = [row for row in read_lines(path) if row["label"] in {"a", "b"}]
    business = [row for row in rows if row["business"]]
    for kind in NORMS:
        some = [row for row in business if canonical_content_type(row["content_type"]) == kind]
        if some:
            report_pairs(kind, some)
    report_pairs("all business writing", business)
    report_pairs("all pairs but adversarial ones", [row for row in rows if row["source"] != "llmbar-adv"])


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="human preferences")
    parser.add_argument("--battery", type=Path, help="good and broken texts")
    arguments = parser.parse_args()
    measure_speed()
    if arguments.battery is not None:
        run_battery(arguments.battery)
    if arguments.pairs is not None:
        run_pairs(arguments.pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
