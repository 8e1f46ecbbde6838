"""docs/export.md describes every column as the code has it, and no other; every target can be imported."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
import pytest

from bakeoff.cli.export import TARGETS
from bakeoff.report.run_columns import COLUMNS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "export.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", COLUMNS)
def test_each_table_stands_there(table: str) -> None:
    section = re.search(rf"^### {table}\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    lines = [line for line in section[1].splitlines() if line.startswith("| `")]
    assert lines == [f"| `{column.name}` | {column.kind} | {column.meaning} |" for column in COLUMNS[table]]


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_have_one_name_each_and_units(table: str) -> None:
    names = [column.name for column in COLUMNS[table]]
    assert len(set(names)) == len(names)
    units = ("_s", "_j", "_w", "_points", "_share", "_low", "_high")
    bare = {
        "p",
        "p_adjusted",
        "p_sign_flip",
        "e_value",
        "correlation",
        "temperature",
        "top_p",
        "value",
        "cost_per_generation",
    }
    numbers = {column.name for column in COLUMNS[table] if column.kind == "number"}
    assert not {name for name in numbers - bare if not name.endswith(units)}


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_is_a_command(target: str) -> None:
    module, _, name = TARGETS[target][0].partition(":")
    command = getattr(importlib.import_module(module), name)
    assert isinstance(command, click.Command)
    assert command.name == target


def test_the_page_says_of_each_target_what_reads_it() -> None:
    page = (DOCS / "export-serving.md").read_text(encoding="utf-8")
    told = re.findall(
        r"^\| ([\w-]+) \| .+ \| .+ \|$", page.partition("## What reads each export in CI")[2], re.MULTILINE
    )
    assert sorted(told) == sorted([*TARGETS, "target"])
