"""Tables at every width: no name is cut, no number broken, no percentage loses its sign."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bakeoff.report.layout import Prose, cells, table

ROWS = [("bundled:generalist", "$0.00000168", "-0.6 [-2.0, +0.9]"), ("a/very/long/path/to/a/model", "$12.50", "97.6 %")]


def page(width: int, **how: bool) -> list[str]:
    out = io.StringIO()
    made = table("candidate", "a piece in the cloud", "how sure it is")
    for row in ROWS:
        made.add_row(*cells(*row))
    Console(file=out, width=width, **how).print(made)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 58, 60, 66, 80, 120])
def test_cells_stay_whole_at_every_width(width: int) -> None:
    lines = page(width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for row in ROWS:
        for cell in row:
            assert cell in text.replace("\n  ", " ")


def test_headings_fold_before_the_table_becomes_a_list() -> None:
    assert len(page(80)) == 6
    folded = page(65)
    assert len(folded) > 6
    assert "a piece in the cloud" not in " ".join(folded)
    assert folded[-2].strip().startswith("a/very/long/path")
    assert page(50)[1].rstrip() == "  a piece in the cloud $0.00000168 ·"


def test_prose_keeps_a_percentage_with_its_sign() -> None:
    text = "of these 12 % and of those 100 % are usable"
    for width in range(6, 50):
        out = io.StringIO()
        Console(file=out, width=width).print(Prose(text))
        assert not any(line.startswith("%") for line in out.getvalue().splitlines())
        assert " ".join(out.getvalue().split()) == text


def test_nothing_in_a_name_is_markup() -> None:
    out = io.StringIO()
    made = table("candidate", "score")
    made.add_row(*cells("[red]x[/red]", "1"))
    Console(file=out, width=30).print(made)
    assert "[red]x[/red]" in out.getvalue()


def test_a_last_column_that_may_fold_keeps_the_others_aligned() -> None:
    out = io.StringIO()
    made = table("run", "state", "decision")
    made.last_folds = 12
    long_name = "openai:meta-llama/Llama-3.2-1B-Instruct@http://127.0.0.1:8000/v1"
    for row in (("20261127-160133-faee", "interrupted", "-"), ("20261127-150133-faee", "done", long_name)):
        made.add_row(*cells(*row))
    Console(file=out, width=60).print(made)
    lines = [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]
    assert max(map(len, lines)) <= 60
    at = lines[0].index("decision")
    assert {line.index("interrupted") for line in lines if "interrupted" in line} == {lines[0].index("state")}
    assert "".join(line[at:] for line in lines[3:]) == long_name
    narrow = io.StringIO()
    Console(file=narrow, width=44).print(made)
    assert "state interrupted" in narrow.getvalue()  # a list, since 12 columns for the name are not left
