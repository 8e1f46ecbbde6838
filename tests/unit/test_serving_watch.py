"""The terms of a gateway's costs: where a cloud's price is to be given that nobody knows. Grading that ends without a word."""

import asyncio

import pytest

from bakeoff.cli.serving_watch import _cloud, _graded_beside
from bakeoff.core.errors import UsageError
from bakeoff.cost.prices import UnknownPrice, find_price
from bakeoff.serve.cost_terms import CostSettings


def test_a_price_that_nobody_knows_is_asked_for_where_the_command_takes_it():
    with pytest.raises(UnknownPrice) as told:
        _cloud(CostSettings(against="gpt-4o-minni"))
    assert "did you mean gpt-4o-mini" in told.value.hint
    assert "price_in = 0.15" in told.value.hint
    assert "--price-in" not in told.value.hint
    with pytest.raises(UnknownPrice) as told:
        find_price("gpt-4o-minni")
    assert "--price-in" in told.value.hint


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("kill -9 $$", r"was ended by signal 9 \(Killed\)"),
        ("exit 3", "ended with code 3 and said nothing"),
        ("echo 'error: the store is gone' >&2; exit 1", "^the store is gone$"),
    ],
)
def test_grading_that_fails_says_why(program, said, tmp_path, monkeypatch):
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\n{program}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(stand_in))
    with pytest.raises(UsageError, match=said):
        asyncio.run(_graded_beside("--run", "r1"))
