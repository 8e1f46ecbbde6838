"""The list of runs stays a table in a terminal of 80 columns, whatever became of the runs and whoever was chosen."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bakeoff.cli.runs import _listing
from bakeoff.store.db import RunSummary

LONG = "openai:meta-llama/Llama-3.2-1B-Instruct@http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(("choice", "folds"), [("bundled:generalist", False), (LONG, True)])
def test_an_interrupted_run_does_not_make_the_table_a_list(choice: str, folds: bool) -> None:
    rows = [
        RunSummary("20261127-170000-beef", "business", "2026-11-27T17:00:00", "interrupted", 12, None, None),
        RunSummary("20261127-160133-faee", "business", "2026-11-27T16:01:33", "done", 432, "winner", choice),
    ]
    states = [row.state for row in rows]
    console = Console(file=io.StringIO(), width=80)
    assert not _listing(rows, states, with_start=True).fits(console)
    made = _listing(rows, states, with_start=False)
    assert made.fits(console) is not folds
    console.print(made)
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]
    at = lines[0].index("decision")
    assert max(map(len, lines)) <= 80
    assert lines[2].index("interrupted") == lines[3].index("done") == lines[0].index("state")
    assert "".join(line[at:] for line in lines[3:]) == choice
