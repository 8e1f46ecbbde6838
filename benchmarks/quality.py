"""What each score is worth: agreement with human preferences, and what is caught of a battery of broken texts.

    python benchmarks/quality.py                         from the folder BAKEOFF_DATA, by default ../shared/data
    python benchmarks/quality.py --out benchmarks/results/quality.md

Read from its folder `quality/`, none of it ours to ship; what is absent is skipped, and said so:

    human-pairs-*.jsonl         pairs of texts and which one people preferred: prompt, a, b, label (a | b | tie), content_type,
                                business, source. PandaLM's test set (Apache-2.0), LLMBar (MIT), a part of MT-Bench (by LLMBar).
    quality-*.jsonl             good texts and broken ones of the same brief: id, content_type, brief, text, kind, severity,
                                counterpart (the id of the good one); source, language and finish_reason where they matter.
                                The repository's own two batteries, of the same form, are used as well.
    alpaca-system-level.csv     not used: its texts are not there, so that no score can be computed again.

Every scorer sees the same pairs in the same run. Ties in the label are left out, ties in a score count one half. Intervals are
a bootstrap over prompts: pairs of one prompt are drawn together. "balanced" is the mean of the accuracies where the longer and
where the shorter text was preferred: 0.50 for a score that sees length alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
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
from bakeoff.stats.preference import preference_agreement

OWN = Path(__file__).parent.parent / "tests" / "data" / "score"
OWN_BATTERIES = ("battery.jsonl", "defects.jsonl")
Row = dict[str, Any]
PairScorer = Callable[[BriefChecks, str], float]


def read_lines(path: Path) -> list[Row]:
    """Parse JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def clustered(right: Sequence[float], prompts: Sequence[str], draws: int = 4000) -> tuple[float, float]:
    """95 % percentile bootstrap over prompts."""
    groups: dict[str, list[float]] = {}
    for value, prompt in zip(right, prompts, strict=True):
        groups.setdefault(prompt, []).append(value)
    sums = np.array([(sum(group), len(group)) for group in groups.values()])
    picked = np.random.default_rng(7).integers(0, len(sums), size=(draws, len(sums)))
    totals = sums[picked].sum(axis=1)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    return float(low), float(high)


def composite(checks: BriefChecks, text: str) -> float:
    """The score that bakeoff reports."""
    return score_text(text, "stop", checks).value


def only_gates(checks: BriefChecks, text: str) -> float:
    """Publishable or not."""
    return float(score_text(text, "stop", checks).publishable)


def seed(checks: BriefChecks, text: str) -> float:
    """The keyword heuristic that the project started from."""
    return keyword_heuristic(text, checks.content_type)


def longer(_checks: BriefChecks, text: str) -> float:
    """The baseline to beat: more words."""
    return float(len(text.split()))


def at_random(_checks: BriefChecks, text: str) -> float:
    """One draw, so that its row shows the noise of a row."""
    return random.Random(f"quality:{text}").random()


SCORERS: dict[str, PairScorer] = {
    "rule score": composite,
    "gates alone": only_gates,
    "seed (keyword heuristic)": seed,
    "longer wins": longer,
    "random": at_random,
}


def checks_of(row: Row) -> BriefChecks:
    """Prompt and, where the prompt carries material below a blank line, that material as the source."""
    _, _, material = row["prompt"].partition("\n\n")
    kind = canonical_content_type(row["content_type"])
    return make_checks(row["prompt"], kind if kind in NORMS else "other", source=material or None)


class Report:
    """Lines of Markdown, printed as they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *lines: str) -> None:
        """Add lines."""
        for line in lines:
            print(line, flush=True)
            self.lines.append(line)


def report_pairs(report: Report, name: str, rows: Sequence[Row]) -> None:
    """A table of all scorers on the decided pairs of some rows."""
    decided = [row for row in rows if row["label"] in {"a", "b"}]
    if not decided:
        return
    prompts = [row["prompt"] for row in decided]
    human = [1.0 if row["label"] == "a" else -1.0 for row in decided]
    length = [len(row["a"].split()) - len(row["b"].split()) for row in decided]
    checks = [checks_of(row) for row in decided]
    report.say("", f"**{name}**: {len(decided)} decided pairs, {len(set(prompts))} prompts", "")
    report.say("| scorer | accuracy | 95 %, by prompt | balanced | kappa | tied |", "|---|---|---|---|---|---|")
    for scorer, score in SCORERS.items():
        values = [score(of, row["a"]) - score(of, row["b"]) for of, row in zip(checks, decided, strict=True)]
        found = preference_agreement(human, values, length)
        right = [(1.0 + sign * float(np.sign(value))) / 2.0 for sign, value in zip(human, values, strict=True)]
        low, high = clustered(right, prompts)
        report.say(
            f"| {scorer} | {found.agreement:.3f} | {low:.2f} to {high:.2f} | {_number(found.length_balanced)} | "
            f"{_number(found.kappa)} | {100 * statistics.mean(value == 0 for value in values):.0f} % |"
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def battery_checks(row: Row) -> BriefChecks:
    """The brief of a row, as far as the row tells it."""
    return make_checks(row["brief"], row["content_type"], source=row.get("source"), language=row.get("language", "en"))


def report_battery(report: Report, name: str, rows: Sequence[Row]) -> None:
    """How often the good text stands above its broken twin, by kind of defect, and what the gates do to good texts."""
    bad = [row for row in rows if row.get("counterpart")]
    good = [row for row in rows if not row.get("counterpart")]
    results = {
        row["id"]: score_text(row["text"], row.get("finish_reason", "stop"), battery_checks(row)) for row in rows
    }
    report.say("", f"**{name}**: {len(good)} good texts, {len(bad)} broken ones", "")
    report.say(
        "| scorer | good above broken | of mechanical | of semantic | by 2 points or more |", "|---|---|---|---|---|"
    )
    for scorer, score in SCORERS.items():
        if score is only_gates:
            continue
        value = {row["id"]: score(battery_checks(row), row["text"]) for row in rows}
        if score is composite:  # it is told how the generation ended
            value = {name: result.value for name, result in results.items()}
        won = {row["id"]: value[row["counterpart"]] - value[row["id"]] for row in bad}
        parts = [[row for row in bad if row.get("severity") == kind] for kind in ("mechanical", "semantic")]
        shares = [f"{sum(won[row['id']] > 0 for row in part)} of {len(part)}" for part in (bad, *parts)]
        gap = "-" if score in (longer, at_random) else f"{sum(gap >= 2 for gap in won.values())} of {len(bad)}"
        report.say(f"| {scorer} | {' | '.join(shares)} | {gap} |")
    mechanical = [row for row in bad if row.get("severity") == "mechanical"]
    stopped = sum(not results[row["id"]].publishable for row in mechanical)
    report.say("", f"Mechanical defects gated: {stopped} of {len(mechanical)}")
    gated = [row["id"] for row in good if not results[row["id"]].publishable]
    report.say(f"Good texts gated: {len(gated)} of {len(good)} {gated or ''}".rstrip())
    missed = [
        f"{row['kind']} ({results[row['id']].value:.1f} against {results[row['counterpart']].value:.1f})"
        for row in bad
        if results[row["counterpart"]].value <= results[row["id"]].value + 0.5
    ]
    report.say(f"Not told from the good one by more than half a point: {', '.join(missed) or 'none'}.")


def report_speed(report: Report, rows: Sequence[Row], rounds: int = 5) -> None:
    """Texts a second, one process, patterns compiled."""
    work = [(row["text"], make_checks(row["brief"], row["content_type"])) for row in rows]
    rates = []
    for _ in range(rounds):
        start = time.perf_counter()
        for text, checks in work:
            score_text(text, "stop", checks)
        rates.append(len(work) / (time.perf_counter() - start))
    report.say(
        "", f"Speed: {statistics.median(rates):,.0f} texts a second on one core (median of {rounds} rounds; 200 asked)."
    )


def main() -> int:
    """Report on what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the report here, too")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("BAKEOFF_DATA", "../shared/data")) / "quality"
    report = Report()
    report.say(
        "# What the scores are worth", "", "    python benchmarks/quality.py --out benchmarks/results/quality.md"
    )
    pairs = sorted(folder.glob("human-pairs-*.jsonl"))
    pairs = [path for path in pairs if "keys" not in path.name]
    for path in pairs:
        rows = read_lines(path)
        report.say("", f"## {path.name}: agreement with people")
        business = [row for row in rows if row["business"]]
        report_pairs(report, "PandaLM, business", [row for row in business if row["source"] == "pandalm"])
        report_pairs(report, "PandaLM, all", [row for row in rows if row["source"] == "pandalm"])
        report_pairs(report, "all business prompts", business)
        for source in sorted({row["source"] for row in rows} - {"pandalm"}):
            report_pairs(report, source, [row for row in rows if row["source"] == source])
    if not pairs:
        report.say("", f"No human preferences: {folder}/human-pairs-*.jsonl is not there (see --help); skipped.")
    batteries = sorted(folder.glob("quality-*.jsonl"))
    for path in batteries:
        report.say("", f"## {path.name}: broken texts")
        report_battery(report, path.name, read_lines(path))
    report.say("", "## The repository's own batteries")
    for name in OWN_BATTERIES:
        report_battery(report, f"tests/data/score/{name}", read_lines(OWN / name))
    report_speed(report, read_lines(OWN / OWN_BATTERIES[0]))
    if arguments.out is not None:
        arguments.out.write_text("\n".join(report.lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
