"""The tables of `harness.py`: medians over rounds, ratios within a round, and whether each target was met."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness_tools import CONCURRENCY, TIMED_ALONE, Tool

Outcomes = Mapping[Any, Sequence[Any]]
MB = 1e6
_PACKAGES = {"Inspect": "inspect-ai", "lm-eval": "lm_eval"}


def write_report(outcomes: Outcomes, found: Mapping[str, Tool], rounds: int) -> str:
    """Return the whole page."""
    return "\n\n".join(
        [
            "# What the harness costs",
            (__doc__ or "").strip() + " Written by `benchmarks/harness.py`, which says what is measured and how.",
            _environment(found, rounds),
            "## Targets\n\n" + _targets(outcomes),
            "## An endpoint that takes no time\n\n" + _table(outcomes, 0.0),
            "## An endpoint that takes 50 ms\n\n"
            f"The ideal rate is {CONCURRENCY} / 0.05 s = {CONCURRENCY / 0.05:.0f} a second.\n\n"
            + _table(outcomes, 50.0),
            _NOTES,
        ]
    )


_NOTES = f"""## How to read it

* *samples/s while generating*: requests over the time from the first to the last request, as the stub saw them. bakeoff asks for {TIMED_ALONE} texts
  alone first (one probe, and those that latency is measured on): *at concurrency* leaves them out.
* *whole command*: samples over the wall time of the process, with start-up, scoring, statistics and report.
* *peak memory*: resident memory of the process and its children, the largest sum seen.
* bakeoff streams (it measures the time to the first token), an event and an HTTP chunk a word: its answers are 12,900
  bytes. The peers ask for answers in one piece, of 600 bytes. "1 event" is a bakeoff whose answers stream in one event.
* Each of bakeoff's texts is in SQLite before it counts as finished; its 13 gates, 6 dimensions and the statistics are in its
  figures. The peers check each answer for one string. lm-eval keeps nothing until its end.
* *load*: the machine's load average as each run began; above the number of cores, every wall time is of a shared machine."""


def _environment(found: Mapping[str, Tool], rounds: int) -> str:
    versions = ", ".join(f"{name} {_version(tool)}" for name, tool in found.items() if name != "bare client")
    given = "".join(f" --{name.lower()} ..." for name in ("Inspect", "lm-eval", "promptfoo") if name in found)
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return "\n".join(
        [
            f"Date: {dt.datetime.now(dt.UTC):%Y-%m-%d}. {_processor()}, {_cores()} cores, {machine}.",
            f"Versions: {versions}; aiohttp {importlib.metadata.version('aiohttp')}.",
            f"Rounds: {rounds}, interleaved; medians, with the range of rounds in brackets; single figures were measured once, after the rounds.",
            "",
            f"    python benchmarks/harness.py{given} --rounds {rounds} --write",
        ]
    )


def _version(tool: Tool) -> str:
    if tool.name == "bakeoff":
        return importlib.metadata.version("bakeoff")
    if tool.name in _PACKAGES:
        code = f"import importlib.metadata as m; print(m.version({_PACKAGES[tool.name]!r}))"
        return subprocess.run([tool.program, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return subprocess.run([tool.program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _cores() -> int:
    import os

    return os.cpu_count() or 0


def _spread(values: Sequence[float], digits: int = 0) -> str:
    if len(values) == 1 or min(values) == max(values):
        return f"{values[0]:,.{digits}f}"
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def _skip(case: Any) -> int:
    return TIMED_ALONE if case.tool == "bakeoff" else 0


def _table(outcomes: Outcomes, latency_ms: float) -> str:
    lines = [
        "| tool | samples | samples/s while generating | at concurrency | whole command, samples/s | wall s | first request s | CPU ms a sample | peak MB | most at once | load |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case, runs in outcomes.items():
        if case.latency_ms != latency_ms:
            continue
        name = case.tool if case.events != 1 else f"{case.tool}, 1 event"
        cells = [
            _spread([run.rate() for run in runs]),
            _spread([run.rate(_skip(case)) for run in runs]),
            _spread([case.samples / run.wall_s for run in runs]),
            _spread([run.wall_s for run in runs], 2),
            _spread([run.first_s for run in runs], 2),
            _spread([1000 * run.cpu_s / case.samples for run in runs], 2),
            _spread([run.peak_bytes / MB for run in runs]),
            _spread([float(run.most_at_once) for run in runs]) if latency_ms else "-",
            _spread([run.load_before for run in runs], 1),
        ]
        lines.append(f"| {name} | {case.samples:,} | {' | '.join(cells)} |")
    stub = [run.stub_cpu_s / run.phase_s for runs in outcomes.values() for run in runs]
    lines += ["", f"The stub was busy for at most {max(stub):.0%} of the time that it was asked in (one core)."]
    return "\n".join(lines)


def _runs(outcomes: Outcomes, tool: str, samples: int, latency_ms: float = 0.0, events: int = 64) -> Sequence[Any]:
    return next(
        (
            runs
            for case, runs in outcomes.items()
            if (case.tool, case.samples, case.latency_ms) == (tool, samples, latency_ms) and case.events == events
        ),
        [],
    )


def _against(
    outcomes: Outcomes, what: str, peer: str, size: int, least: float, ratio: Callable[[Any, Any], float]
) -> list[str]:
    """Return lines for a ratio that is to be at least `least`: with streamed answers, and with answers in one event."""
    lines = []
    for events, how in ((64, ""), (1, ", an answer in one event as the peers get it")):
        pairs = zip(_runs(outcomes, "bakeoff", size, events=events), _runs(outcomes, peer, size), strict=False)
        ratios = [ratio(ours, theirs) for ours, theirs in pairs]
        if ratios:
            met = "yes" if statistics.median(ratios) >= least else "no"
            measured = f"{_spread(ratios, 1)}x | {met}"
            lines.append(f"| {what}, {size:,} samples{how} | at least {least:g}x | {measured} |")
    return lines


def _targets(outcomes: Outcomes) -> str:
    lines = ["| target | asked | measured, median (rounds) | met |", "|---|---|---|---|"]
    sizes = sorted({case.samples for case in outcomes if case.tool == "bakeoff"})

    def limit(what: str, values: Sequence[float], most: float, digits: int, unit: str) -> None:
        if values:
            met = "yes" if statistics.median(values) <= most else "no"
            lines.append(f"| {what} | at most {most:g}{unit} | {_spread(values, digits)}{unit} | {met} |")

    for size in sizes:
        lines += _against(
            outcomes,
            "samples/s while generating, against Inspect",
            "Inspect",
            size,
            30,
            lambda a, b: a.rate() / b.rate(),
        )
        lines += _against(
            outcomes,
            "samples/s while generating, against promptfoo",
            "promptfoo",
            size,
            8,
            lambda a, b: a.rate() / b.rate(),
        )
    lines += _against(
        outcomes,
        "wall time of the whole command, lm-eval's over ours",
        "lm-eval",
        2000,
        5,
        lambda a, b: b.wall_s / a.wall_s,
    )
    for size in sizes:
        runs = _runs(outcomes, "bakeoff", size)
        limit(f"peak memory, {size:,} samples", [run.peak_bytes / MB for run in runs], 150, 0, " MB")
        limit(f"first request, {size:,} samples", [run.first_s for run in runs], 1.0, 2, " s")
    small, large = _runs(outcomes, "bakeoff", 2000), _runs(outcomes, "bakeoff", 10_000)
    growth = [b.peak_bytes / a.peak_bytes for a, b in zip(small, large, strict=False)]
    limit("peak memory at 10,000 over that at 2,000", growth, 1.3, 2, "x")
    for size in sizes:
        runs, ideal = _runs(outcomes, "bakeoff", size, 50.0), CONCURRENCY / 0.05
        for what, skip in (("at concurrency", TIMED_ALONE), (f"the {TIMED_ALONE} texts written alone included", 0)):
            shares = [100 * run.rate(skip) / ideal for run in runs]
            if shares:
                met = "yes" if statistics.median(shares) >= 95 else "no"
                lines.append(
                    f"| share of the ideal rate at 50 ms, {size:,} samples, {what} | at least 95 % | {_spread(shares, 1)} % | {met} |"
                )
    return "\n".join(lines)
