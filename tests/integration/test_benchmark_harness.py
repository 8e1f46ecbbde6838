"""The benchmark of the harness: its leg for bakeoff works, its stub is what it says, and its page can be written."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def harness() -> Iterator[object]:
    """The benchmark's modules import each other by name, as a script's do."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import harness as modules

        yield modules
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def outcome(harness):
    tool = harness.tools(sys.executable, None, None, None)[0]
    return harness.run_once(tool, harness.Case("bakeoff", 200, 0.0))


def test_bakeoffs_leg_reports_sane_numbers(outcome):
    assert len(outcome.arrivals) == 201  # one text each, and one probe
    assert 0 < outcome.first_s < outcome.arrivals[-1] < outcome.wall_s < 60
    assert outcome.rate() > 50
    assert outcome.cpu_s > outcome.stub_cpu_s > 0


def test_a_run_stays_small(outcome):
    """150 MB are promised for 10,000 texts; 200 take about 110, most of it imported code."""
    assert 30e6 < outcome.peak_bytes < 135e6


def test_the_page_says_what_was_measured(harness, outcome):
    case = harness.Case("bakeoff", 200, 0.0)
    tool = harness.tools(sys.executable, None, None, None)[0]
    page = harness.write_report({case: [outcome, outcome]}, {"bakeoff": tool}, 2)
    assert "| bakeoff | 200 |" in page
    assert "first request, 200 samples" in page
    assert str(Path.home()) not in page
    assert sys.executable not in page


@pytest.mark.parametrize("events", [1, 64])
def test_the_stubs_answers_are_whole_whichever_way_they_are_asked_for(harness, events):
    def ask(url: str, *, stream: bool) -> str:
        body = json.dumps({"messages": [{"content": "about the bakery, number 42."}], "stream": stream}).encode()
        request = urllib.request.Request(f"{url}/v1/chat/completions", body)
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    with harness.stub(0, events) as url:
        whole = json.loads(ask(url, stream=False))["choices"][0]["message"]["content"]
        pieces = [json.loads(line[6:]) for line in ask(url, stream=True).split("\n\n") if line[6:7] == "{"]
        with urllib.request.urlopen(f"{url}/stats") as told:
            assert len(json.load(told)["arrivals"]) == 2
    streamed = [piece["choices"][0]["delta"].get("content") for piece in pieces if piece["choices"]]
    assert "".join(text or "" for text in streamed) == whole
    assert whole.startswith("000000042 Our bakery")
    assert len(whole.split()) == 64
    assert sum(bool(text) for text in streamed) == events


NOT_BEFORE_THE_END = (
    "numpy",
    "scipy",
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "mlx",
    "llama_cpp",
)


def test_a_run_of_an_endpoint_imports_nothing_heavy():
    """Everything up to the last text is there without numpy; and no engine's runtime is ever imported beside a run."""
    code = (
        "import sys, bakeoff.cli.run, bakeoff.library.workspace, bakeoff.study.execute, bakeoff.cli.progress\n"
        f"print([name for name in {NOT_BEFORE_THE_END!r} if name in sys.modules])\n"
        "import bakeoff.library.conclusion, bakeoff.study.conclude, bakeoff.report.text\n"
        f"print([name for name in {NOT_BEFORE_THE_END[2:]!r} if name in sys.modules], 'scipy.stats' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[] False"]
