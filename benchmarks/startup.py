"""CPU time of `bakeoff --help` and of a command's help, against a bare interpreter start, in one run.

    python benchmarks/startup.py [--rounds 15]

Rounds are interleaved, medians and ratios are printed; CPU time (user + system of the child) is robust to other load.
Target: `bakeoff --help` under 150 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

COMMANDS = {
    "bare python": [sys.executable, "-c", "pass"],
    "python -m bakeoff --help": [sys.executable, "-m", "bakeoff", "--help"],
    "python -m bakeoff run --help": [sys.executable, "-m", "bakeoff", "run", "--help"],
    "python -m bakeoff --version": [sys.executable, "-m", "bakeoff", "--version"],
}


def cpu_ms(command: list[str]) -> float:
    """Run `command` and return the CPU milliseconds that it took."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return 1000 * (usage.ru_utime + usage.ru_stime)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(cpu_ms(command))
    bare = statistics.median(times["bare python"])
    print(f"| command | CPU ms, median of {rounds} | ratio to bare python |\n|---|---|---|")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.0f} | {median / bare:.1f} |")


if __name__ == "__main__":
    main()
