"""What judges cost: small sums are no zeros."""

from __future__ import annotations

import io

from rich.console import Console

from bakeoff.report.judges import print_judges


def test_a_small_cost_is_told_with_digits_that_count() -> None:
    cost = {"value": 0.0000231, "currency": "USD", "provenance": "derived", "reason": "by its price list"}
    judge = {"judge": "openai:j", "candidates": (), "counts": None, "agreement": None, "cost": cost}
    console = Console(file=io.StringIO(), width=100)
    print_judges({"judges": [judge], "briefs": 2, "warnings": (), "jury_alpha": None}, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "$0.0000231 (by its price list)" in said
    assert "0.0000 USD" not in said
