"""What a harness costs when the model costs nothing: bakeoff beside its peers, all asking the same stub.

    python benchmarks/harness.py --inspect PYTHON --lm-eval PYTHON --promptfoo PROGRAM [--rounds 3]
        [--samples 2000,10000] [--peer-samples 2000] [--latency-ms 0,50] [--write]

Peers with more than 5,000 samples, or with an endpoint that takes time, take minutes each, and run once, after the rounds.
PYTHON is an interpreter of an environment that has the tool (`pip install inspect-ai openai`, `pip install
'lm-eval[api]'`), PROGRAM is promptfoo's own (`npm install promptfoo`); a tool that is not named is left out. Every round runs every tool
once at every size and latency, so that a busy neighbour hits them all; medians over the rounds are printed, ratios
are taken within a round. Every tool runs as it comes, with 32 requests in flight and without a cache (`harness_tools.py`).
`--write` puts the tables into `benchmarks/results/harness.md`.

What is measured, from outside: wall time of the command, from the start of the process to its end, start-up, scoring
and report included; the stub's clock for the first and the last request; the resident memory of the whole process tree
every 20 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
from harness_report import write_report
from harness_tools import Tool, environment, tools

SAMPLED_EVERY_S = 0.02
TIME_LIMIT_S = 900
LARGE = 5000
PEERS = ("Inspect", "lm-eval", "promptfoo")


class Case(NamedTuple):
    """What is run: `events` is how many events a streamed answer comes in."""

    tool: str
    samples: int
    latency_ms: float
    events: int = 64


class Outcome(NamedTuple):
    """One run of one tool. Seconds, bytes; `arrivals` are the stub's times of all requests since the process started."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    arrivals: tuple[float, ...]
    most_at_once: int
    stub_cpu_s: float
    load_before: float

    @property
    def first_s(self) -> float:
        """Seconds from the start of the process to the first request for a text."""
        return self.arrivals[0]

    @property
    def phase_s(self) -> float:
        """Seconds from the first to the last request."""
        return self.arrivals[-1] - self.arrivals[0]

    def rate(self, skip: int = 0) -> float:
        """Return requests a second while generating, the first `skip` left out."""
        return (len(self.arrivals) - 1 - skip) / (self.arrivals[-1] - self.arrivals[skip])


@contextlib.contextmanager
def stub(latency_ms: float, events: int) -> Iterator[str]:
    """Run the stub; the value is its URL, without a path."""
    script = Path(__file__).with_name("harness_stub.py")
    arguments = [sys.executable, str(script), "--latency-ms", str(latency_ms), "--events", str(events)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def run_well(tool: Tool, case: Case) -> Outcome | None:
    """Run a case, a peer that fails a second time; None where it failed both times, which is told.

    Raises:
        SystemExit: what is no peer failed.
    """
    for _ in range(2):
        try:
            return run_once(tool, case)
        except SystemExit as error:
            if case.tool not in PEERS:
                raise
            print(error, file=sys.stderr, flush=True)
    return None


def run_once(tool: Tool, case: Case) -> Outcome:
    """Let a tool ask a fresh stub for everything, in a fresh folder.

    Raises:
        SystemExit: it failed, or did not do what was asked: nothing was measured then.
    """
    with tempfile.TemporaryDirectory() as name, stub(case.latency_ms, case.events) as url:
        folder = Path(name)
        command = tool.prepare(folder, case.samples, f"{url}/v1", tool.program)
        load = os.getloadavg()[0]
        log = folder / "log.txt"
        with log.open("w") as output:
            started = time.monotonic()
            process = subprocess.Popen(
                command.arguments,
                cwd=folder,
                env=environment(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            peak, cpu_s = _watch(process, started)
            wall_s = time.monotonic() - started
        with urllib.request.urlopen(f"{url}/stats") as answer:
            told = json.load(answer)
        arrivals = tuple(sorted(at - started for at in told["arrivals"]))
        wrong = None if process.returncode == 0 else f"exit code {process.returncode}"
        if wrong is None and not case.samples <= len(arrivals) <= case.samples + 5:
            wrong = f"{len(arrivals)} requests came"
        wrong = wrong or tool.check(folder, case.samples)
        if wrong is not None:
            sys.exit(f"{case}: {wrong}; nothing was measured. Its last words:\n{log.read_text()[-3000:]}")
        return Outcome(wall_s, cpu_s, peak, arrivals, told["most_at_once"], told["cpu_s"], load)


def _watch(process: subprocess.Popen[bytes], started: float) -> tuple[int, float]:
    """Wait for a process; return the peak of its tree's resident bytes, and its CPU seconds (its own, and reaped ones')."""
    peak = 0
    root = psutil.Process(process.pid)
    children: list[psutil.Process] = []
    looked = started
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return peak, usage.ru_utime + usage.ru_stime
        if time.monotonic() - started > TIME_LIMIT_S:
            process.kill()
        if time.monotonic() - looked > 0.5:  # walking all processes costs more than asking known ones
            looked = time.monotonic()
            with contextlib.suppress(psutil.Error):
                children = root.children(recursive=True)
        total = 0
        for each in [root, *children]:
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
        peak = max(peak, total)
        time.sleep(SAMPLED_EVERY_S)


def cases(
    names: Sequence[str], samples: Sequence[int], peer_samples: Sequence[int], latencies: Sequence[float]
) -> list[Case]:
    """Return what a round runs. bakeoff's answers come in one event as well, which is how much its peers read."""
    found = []
    for latency in latencies:
        for name in names:
            own = name in {"bakeoff", "bare client"}
            # Peers are asked for the smaller number only where each request takes time as well.
            asked = samples if own else peer_samples if latency == 0 else peer_samples[:1]
            found += [Case(name, size, latency) for size in asked]
            if name == "bakeoff" and latency == 0:
                found += [Case(name, size, latency, events=1) for size in samples[:1]]
    return found


def is_slow(case: Case) -> bool:
    """Whether a case takes minutes: a peer with many samples, or with requests that take time."""
    return case.tool in PEERS and (case.samples > LARGE or case.latency_ms > 0)


def measure(found: Mapping[str, Tool], wanted: Sequence[Case], rounds: int) -> Iterator[dict[Case, list[Outcome]]]:
    """Run everything, interleaved, slow cases once at the end; yield what is known after each round."""
    outcomes: dict[Case, list[Outcome]] = {case: [] for case in wanted}
    quick = [case for case in wanted if not is_slow(case)]
    passes = [quick if number % 2 == 0 else list(reversed(quick)) for number in range(rounds)]
    for number, order in enumerate([*passes, [case for case in wanted if is_slow(case)]]):
        for case in order:
            outcome = run_well(found[case.tool], case)
            if outcome is None:
                continue
            outcomes[case].append(outcome)
            print(
                f"round {number + 1}: {case.tool}, {case.samples} samples, {case.latency_ms:g} ms, {case.events} events: "
                f"{outcome.wall_s:.2f} s, {outcome.rate():.0f}/s, first request {outcome.first_s:.2f} s, "
                f"{outcome.peak_bytes / 1e6:.0f} MB, load {outcome.load_before:.2f}",
                file=sys.stderr,
                flush=True,
            )
        yield {case: runs for case, runs in outcomes.items() if runs}


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bakeoff", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--inspect", metavar="PYTHON")
    parser.add_argument("--lm-eval", metavar="PYTHON")
    parser.add_argument("--promptfoo", metavar="PROGRAM")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=_numbers, default=[2000, 10000], help="of bakeoff and the bare client")
    parser.add_argument("--peer-samples", type=_numbers, default=[2000, 10000])
    parser.add_argument("--latency-ms", type=_numbers, default=[0, 50])
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/harness.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep what was measured")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure and print."""
    options = read_options()
    found = {tool.name: tool for tool in tools(options.bakeoff, options.inspect, options.lm_eval, options.promptfoo)}
    wanted = cases(list(found), options.samples, options.peer_samples, options.latency_ms)
    text = ""
    for outcomes in measure(found, wanted, options.rounds):
        text = write_report(outcomes, found, options.rounds)
        if options.json is not None:
            options.json.write_text(json.dumps([[*case, *run] for case, runs in outcomes.items() for run in runs]))
        if options.write:
            results = Path(__file__).with_name("results")
            results.mkdir(exist_ok=True)
            (results / "harness.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
