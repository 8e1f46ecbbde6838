"""What the report page costs: `bakeoff report` from process start to the file, and the file in a browser.

    python benchmarks/report.py --folder /tmp/report-runs [--rounds 5] [--out benchmarks/results/report.md]

Runs of 720, 5,000 and 50,000 texts are made once in the folder (some minutes; `--make` does only that): five or six candidates
with scores, gates, timings and loads, their texts of some 150 words drawn from the built-in suite's by how often they stand there,
so that they compress about as written text does. Then the command is run on each, and its CPU time (user and system of the
child, robust to neighbours), peak memory and file are measured; and the file is opened in headless Chromium: first contentful
paint, all briefs listed, frame times while the list is scrolled through, a brief opened, a word looked for (the first briefs
listed, all of them, the longest that the page drew no frame meanwhile), and another one.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # made runs are those of the tests

from playwright.sync_api import Browser, sync_playwright

from bakeoff.core.spec import Candidate
from bakeoff.study.suite import Brief, find_suite
from made_store import NAMES, make_plan, make_suite, store_in, write_run

SIZES = ((6, 120), (5, 1_000), (5, 10_000))
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
SCROLL = """() => new Promise((done) => {
    document.querySelector("#texts").scrollIntoView({ behavior: "instant" });
    const took = [], frames = 120, step = (document.querySelector("#briefs").offsetHeight - innerHeight) / frames;
    let before = performance.now();
    const frame = (now) => {
        took.push(now - before);
        before = now;
        if (took.length > frames) { done(took.slice(1)); return; }
        scrollBy({ top: Math.max(200, Math.min(step, 900)), behavior: "instant" });
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
})"""

# When the first briefs with the words are listed, when all are, and the longest that the page drew no frame meanwhile.
FIND = """(words) => new Promise((done) => {
    const field = document.querySelector("#f-text"), count = document.querySelector("#f-count"), began = performance.now();
    let first = null, before = began, longest = 0, over = null;
    const frame = () => {
        const now = performance.now();
        longest = Math.max(longest, now - before);
        before = now;
        if (over === null) requestAnimationFrame(frame); else done([first, over, longest]);
    };
    new MutationObserver((_, watch) => {
        const said = count.textContent, all = /^(\\d+) of (\\d+) briefs/.exec(said);
        if (first === null && (all || said.includes("so far"))) first = performance.now() - began;
        if (all && all[1] !== "0" && all[1] !== all[2]) { over = performance.now() - began; watch.disconnect(); }
    }).observe(count, { childList: true, characterData: true, subtree: true });
    field.value = words;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    requestAnimationFrame(frame);
})"""


_LOOKS = (
    "first paint",
    "all briefs listed",
    "frame",
    "frame, 95th percentile",
    "a brief opened",
    "first briefs with a word",
    "all of them",
    "longest frame meanwhile",
    "another word",
    "JS heap MB",
)


class Command(NamedTuple):
    """One `bakeoff report`."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    file_mb: float


class Look(NamedTuple):
    """One opening of the page, in milliseconds; `heap_mb` after all of it."""

    paint: float
    listed: float
    frame: float
    frame_p95: float
    opened: float
    first_found: float
    found: float
    frozen: float
    found_again: float
    heap_mb: float


def make_run(folder: Path, candidates: int, briefs: int) -> None:
    """Store a run of so many, unless it is there."""
    if (folder / "made").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["BAKEOFF_HOME"] = str(folder)
    counts = Counter(re.findall(r"[A-Za-z][a-z'-]*[,.]?", find_suite(None).read_text(encoding="utf-8")))
    words, weights = list(counts), list(counts.values())

    def write(_candidate: Candidate, brief: Brief, drawer: random.Random) -> str:
        body = drawer.choices(words, weights, k=drawer.randint(100, 200))
        return f"{brief.must_include[0]}: {' '.join(body[:60])}\n\n{' '.join(body[60:])}"

    store = store_in(folder)
    write_run(store, make_plan(make_suite(briefs), NAMES[:candidates]), write)
    store.close()
    (folder / "made").touch()


def report(folder: Path) -> Command:
    """Run the command on a made run."""
    target = folder / "page.html"
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bakeoff", "report", "latest", "-o", str(target)],
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        | {"BAKEOFF_HOME": str(folder)},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("bakeoff report failed")
    unit = 1 if sys.platform == "darwin" else 1024
    return Command(
        usage.ru_utime + usage.ru_stime,
        perf_counter() - began,
        usage.ru_maxrss * unit / 1e6,
        target.stat().st_size / 1e6,
    )


def look(browser: Browser, file: Path) -> Look:
    """Open the page, scroll through its list, open a brief, look for a word that some briefs have."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    began = perf_counter()
    tab.goto(file.as_uri(), wait_until="commit")
    tab.locator("#f-count", has_text="of").wait_for(state="attached")
    listed = 1000 * (perf_counter() - began)
    tab.wait_for_load_state()
    paint = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    frames = sorted(tab.evaluate(SCROLL))
    summary = tab.locator(".brief > summary").first
    summary.wait_for(state="attached")
    began = perf_counter()
    summary.evaluate("(found) => found.click()")
    tab.locator(".brief[open] .t").first.wait_for(state="attached")
    opened = 1000 * (perf_counter() - began)
    first_found, found, frozen = tab.evaluate(FIND, "12 March")
    _, found_again, _ = tab.evaluate(FIND, "13 March")
    heap = tab.evaluate("performance.memory.usedJSHeapSize") / 1e6
    tab.close()
    frame, p95 = statistics.median(frames), frames[int(0.95 * len(frames))]
    return Look(paint, listed, frame, p95, opened, first_found, found, frozen, found_again, heap)


def cell(values: Sequence[float], digits: float) -> str:
    """Return the median, and least and most in brackets, to so many `digits` (whole ones)."""
    digits = int(digits)
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--make", action="store_true", help="Make the runs, and measure nothing.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    homes = [options.folder / f"{candidates}x{briefs}" for candidates, briefs in SIZES]
    if options.make:
        for home, (candidates, briefs) in zip(homes, SIZES, strict=True):
            make_run(home, candidates, briefs)
        return
    # In a process of its own: the peak that the system tells of a child begins with the size of whoever started it.
    subprocess.run([sys.executable, __file__, "--folder", str(options.folder), "--make"], check=True)
    loads = [os.getloadavg()[0]]
    commands, looks = [], []
    with sync_playwright() as playwright:
        chromium = os.environ.get("BAKEOFF_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        version = browser.version
        for home, (candidates, briefs) in zip(homes, SIZES, strict=True):
            report(home)  # byte code and the disk's cache
            size = f"{candidates} x {briefs:,} = {candidates * briefs:,}"
            timed = [report(home) for _ in range(options.rounds)]
            digits = Command(2, 2, 0, 2)
            columns = zip(zip(*timed, strict=True), digits, strict=True)
            commands.append(f"| {size} | " + " | ".join(cell(values, places) for values, places in columns) + " |")
            seen = [look(browser, home / "page.html") for _ in range(options.rounds)]
            columns = zip(zip(*seen, strict=True), Look(0, 0, 1, 1, 0, 0, 0, 0, 0, 0), strict=True)
            looks.append(f"| {size} | " + " | ".join(cell(values, places) for values, places in columns) + " |")
            loads.append(os.getloadavg()[0])
        browser.close()
    where = (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, Chromium "
        f"{version} without a GPU, load average {min(loads):.1f} to {max(loads):.1f}. {options.rounds} rounds; medians, in brackets "
        "least and most. `python benchmarks/report.py --folder FOLDER`, which says what is measured and how."
    )
    written = [
        "# What the report page costs",
        "",
        where,
        "",
        "`bakeoff report`, the whole command. Asked were under 2 s of CPU time for 720 texts, and under 30 s for 50,000.",
        "",
        "| candidates x briefs = texts | CPU s | wall s | peak MB | file MB |",
        "|---|---|---|---|---|",
        *commands,
        "",
        "The file in a browser, in milliseconds; frames are 120 while the list is scrolled through.",
        "",
        f"| candidates x briefs = texts | {' | '.join(_LOOKS)} |",
        f"|---{'|---' * len(_LOOKS)}|",
        *looks,
    ]
    text = "\n".join(written) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
