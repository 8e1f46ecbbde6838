"""The pages about the dimensions: their examples are scored here, so that a page never says what the code does not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff.score.brief import make_checks
from bakeoff.score.composite import score_text
from bakeoff.score.gates import GATES
from bakeoff.score.weights import DIMENSIONS

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "scoring"
EXAMPLES = [
    json.loads(line)
    for line in (ROOT / "tests/data/score/dimension_examples.jsonl").read_text(encoding="utf-8").splitlines()
]
DECLARED = ("must_include", "limits", "parts")


def test_every_dimension_has_a_page_with_examples_at_2_5_and_9() -> None:
    for dimension in DIMENSIONS:
        assert [row["near"] for row in EXAMPLES if row["dimension"] == dimension] == [2, 5, 9]
        page = (PAGES / f"{dimension}.md").read_text(encoding="utf-8")
        assert all(f"## {heading}" in page for heading in ("About 2", "About 5", "About 9", "What fools it"))
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert all(f"({dimension}.md)" in index for dimension in (*DIMENSIONS, "judge_quality", "keyword_heuristic"))


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: f"{row['dimension']}-{row['near']}")
def test_an_example_gets_what_its_page_says(row: dict[str, Any]) -> None:
    checks = make_checks(row["brief"], row["content_type"], **{name: row[name] for name in DECLARED if name in row})
    value = score_text(row["text"], "stop", checks).dimensions[row["dimension"]]
    assert value == pytest.approx(row["near"], abs=1.0)
    page = (PAGES / f"{row['dimension']}.md").read_text(encoding="utf-8")
    section = page.partition(f"## About {row['near']}")[2].partition("\n## ")[0]
    assert f"**{value:.1f}**" in section
    shown = "\n".join(line.removeprefix("    ") for line in section.splitlines())
    assert row["text"] in shown


def test_every_gate_is_on_the_page_of_gates() -> None:
    page = (PAGES / "gates.md").read_text(encoding="utf-8")
    for gate in ("empty", *GATES):
        assert f"| `{gate}` |" in page
