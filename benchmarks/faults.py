"""What a run makes of an endpoint that misbehaves, from real runs, as the table of docs/faults.md.

    python benchmarks/faults.py                       # prints the table: about 5 minutes, most of them waited on purpose
    python benchmarks/faults.py --only "always 500"   # rows whose name holds this
    python benchmarks/faults.py --write docs/faults.md

Each row is one `bakeoff run` in a process of its own, 300 briefs, 32 in flight, every setting at its default but where the
row says otherwise, against the server of tests/misbehaving.py on the same machine. The figures of other harnesses are not
made here: they were measured once, elsewhere, with faults of the same kinds and rates at random (`PEERS` says which).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # the server and the workspace of the tests

from bakeoff_command import Workspace
from faulty_runs import write_suite
from misbehaving import Ask, Misbehaving, Schedule

BRIEFS = 300
CONCURRENCY = 32
PEERS = ("Inspect 0.3.285", "lm-eval 0.4.13", "promptfoo 0.121.20")
BEGINS, ENDS = "<!-- table begins -->", "<!-- table ends -->"
NOT_RUN = "not run"


@dataclass(frozen=True)
class Row:
    """One fault. `peers` are what the harnesses of `PEERS` did; `settings` are environment variables of our run."""

    name: str
    schedule: Schedule | str | None
    peers: tuple[str, str, str] = (NOT_RUN, NOT_RUN, NOT_RUN)
    settings: Mapping[str, str] = field(default_factory=dict)
    retry_after: str = "1"
    down_s: float | None = None
    beside: bool = False


def _some(fault: str, every: int, *, first: bool = False) -> Schedule:
    """`fault` for one brief in `every`: always, or for its `first` request."""
    return lambda ask: fault if ask.brief % every == 7 and (ask.attempt == 1 or not first) else "good"


def _empty_or_null(ask: Ask) -> str:
    return {7: "empty", 17: "null"}.get(ask.brief % 20, "good")


def _once_down() -> Schedule:
    down: list[int] = []

    def schedule(ask: Ask) -> str:
        if ask.number <= 100 or down:
            return "good"
        down.append(ask.number)
        return "die"

    return schedule


ROWS = (
    Row(
        "always 500",
        "500",
        (
            "retries without end; after 45 s 288 requests and not one line that says so",
            "633 requests in 2 s, 5,812 lines of tracebacks, exit 1",
            '1 try each, "300 errors (100%)", exit 100',
        ),
    ),
    Row(
        "429 for 10 %, `Retry-After: 1`",
        _some("429", 10, first=True),
        (
            "all 300 right, 31 retries shown",
            "the run dies after 299 good answers, **all lost**, exit 1",
            "all 300 right, 38 extra requests, 9 s",
        ),
    ),
    Row(
        "2 % HTML instead of JSON",
        _some("HTML", 50, first=True),
        ("all right, 11 retries", "all right, 6 retries", "4 rows are errors, exit 100"),
    ),
    Row(
        "2 % JSON of the wrong shape",
        _some("choices null", 50, first=True),
        (
            'stops at 37 of 300, "NoneType is not iterable", 144 lines, exit **0**',
            "**scored 0 in silence**, exit 0",
            "6 rows are errors",
        ),
    ),
    Row(
        "2 % JSON of the wrong shape, each time",
        _some("choices null", 50),
    ),
    Row(
        "1 % hang",
        _some("hang", 100, first=True),
        ("still waiting at 45 s, no message", "still waiting at 45 s", "still waiting at 45 s"),
        settings={"BAKEOFF_FIRST_TOKEN_S": "5"},
    ),
    Row(
        "10 % empty or null",
        _empty_or_null,
        ("accuracy drops to 0.893, not flagged", "null scored as an empty text, exit 0", NOT_RUN),
    ),
    Row("10 % cut at max tokens", _some("truncated", 10), ("not flagged in the summary", NOT_RUN, NOT_RUN)),
    Row("3 % refused by the model", _some("refusal", 30)),
    Row("3 % of streams cut in the middle", _some("cut after the first token", 30, first=True)),
    Row(
        "always 401",
        "401",
        ("170 lines of tracebacks, exit **0**", NOT_RUN, NOT_RUN),
    ),
    Row(
        "always 404",
        "404",
        ("170 lines of tracebacks, exit **0**", "retried, tracebacks, exit 1", NOT_RUN),
    ),
    Row(
        "nothing listening",
        None,
        ("no output within 20 s", "3 tries, 132 lines, exit 1", NOT_RUN),
    ),
    Row("every request hangs", "hang"),
    Row("comments for ever, never a token", "comments for ever"),
    Row("401 after 150 texts, beside a healthy one", lambda ask: "401" if ask.number > 151 else "good", beside=True),
    Row("500 from the 2nd request on", lambda ask: "good" if ask.number == 1 else "500"),
    Row("dies after 150 texts, beside a healthy one", lambda ask: "die" if ask.number > 151 else "good", beside=True),
    Row("down for 5 s after 100 requests", _once_down(), down_s=5.0),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a row: `said` is what the user read of it."""

    code: int
    seconds: float
    requests: int
    said: tuple[str, ...]
    result: Mapping[str, Any] | None

    def cell(self) -> str:
        """The cell of the table."""
        figures = f"exit {self.code}, {self.seconds:.1f} s, {self.requests} request{'s' * (self.requests != 1)}"
        if self.result is not None:
            figures = f"{self.result['texts']} of {BRIEFS} texts; {figures}"
        return "<br>".join([figures, *(f"“{line}”" for line in self.said)])


def try_row(row: Row) -> Outcome:
    """Run one row."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        own = {name: value for name, value in workspace.environment.items() if not name.startswith("BAKEOFF_")}
        workspace.environment = own | {"BAKEOFF_HOME": str(workspace.home), "COLUMNS": "400"} | row.settings
        write_suite(workspace.folder / "suite.yaml", BRIEFS)
        if row.schedule is None:
            with socket.create_server(("127.0.0.1", 0)) as closed:
                port = closed.getsockname()[1]
            return _run(workspace, [f"openai:m@http://127.0.0.1:{port}/v1"], None)
        with Misbehaving(row.schedule, retry_after=row.retry_after, down_s=row.down_s) as server:
            if not row.beside:
                return _run(workspace, [server.model], server)
            with Misbehaving("good") as healthy:
                return _run(workspace, [server.model, healthy.model], server)


def _run(workspace: Workspace, models: list[str], server: Misbehaving | None) -> Outcome:
    begun = time.perf_counter()
    done = workspace.call(
        "run", "suite.yaml", "--models", ",".join(models), "--concurrency", str(CONCURRENCY), timeout_s=600
    )
    seconds = time.perf_counter() - begun
    shown = workspace.call("show", "latest", "--json")
    result = json.loads(shown.stdout)["candidates"][0] if shown.returncode == 0 else None
    said = [line.strip() for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    said += _went_wrong(done.stdout)
    if len(models) > 1 and done.returncode == 0:
        said.append(next(line.strip("│ ") for line in done.stdout.splitlines() if line.startswith("│")))
    requests = 0 if server is None else server.requests
    return Outcome(done.returncode, seconds, requests, tuple(_shorter(line) for line in said), result)


def _went_wrong(screen: str) -> Iterator[str]:
    """Yield the lines of "What went wrong" on the last screen."""
    _, found, rest = screen.partition("What went wrong")
    for line in rest.splitlines()[1:] if found else ():
        if not line.startswith("  "):
            return
        yield line.strip()


def _shorter(line: str) -> str:
    """Leave out what is another address in each run."""
    line = re.sub(r"(openai:)?m(@| at )(http://)?127\.0\.0\.1:\d+(/v1)?", "M", line)
    return line.replace("|", "\\|").strip()


def table(rows: tuple[Row, ...]) -> str:
    """Run all rows; return the table, and show on stderr how far it is."""
    lines = [f"| fault | {' | '.join(PEERS)} | bakeoff |", "|---|---|---|---|---|"]
    for row in rows:
        sys.stderr.write(f"{row.name} ...\n")
        with_settings = "".join(f" (`{name}={value}`)" for name, value in row.settings.items())
        lines.append(f"| {row.name}{with_settings} | {' | '.join(row.peers)} | {try_row(row).cell()} |")
    return "\n".join(lines)


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description="Runs against an endpoint that misbehaves.")
    parser.add_argument("--only", default="", metavar="WORDS", help="rows whose name holds these words")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks of this file")
    wanted = parser.parse_args()
    os.environ.pop("OPENAI_API_KEY", None)
    made = table(tuple(row for row in ROWS if wanted.only in row.name))
    print(made)
    if wanted.write is not None:
        before, _, rest = wanted.write.read_text(encoding="utf-8").partition(BEGINS)
        _, _, after = rest.partition(ENDS)
        wanted.write.write_text(f"{before}{BEGINS}\n{made}\n{ENDS}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
