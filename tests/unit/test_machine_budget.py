"""Where the memory budget comes from, and that it says so."""

from __future__ import annotations

import pytest

from bakeoff.core.errors import UsageError
from bakeoff.machine.budget import memory_budget
from sample_runs import MACHINE

GIB = 1 << 30


@pytest.fixture(autouse=True)
def _no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_MEMORY_BUDGET", raising=False)


@pytest.mark.parametrize(
    ("ram", "available", "limit", "value", "source"),
    [
        (16, 9, None, 8, "available memory"),
        (16, 9, 5, 4, "container limit"),
        (8, None, 16, 7, "physical memory"),
        (None, None, 3, 2, "container limit"),
        (16, 0.5, None, 0, "available memory"),
    ],
)
def test_the_smallest_known_number_counts(
    ram: float | None, available: float | None, limit: float | None, value: float, source: str
) -> None:
    sizes = {"ram_bytes": ram, "available_bytes": available, "memory_limit_bytes": limit}
    known = {name: None if size is None else int(size * GIB) for name, size in sizes.items()}
    budget = memory_budget(MACHINE.model_copy(update=known))
    assert budget.value == value * GIB
    assert budget.source == f"{source} less 1 GiB (assumed) for the system"


def test_a_machine_that_says_nothing_has_no_budget() -> None:
    budget = memory_budget(MACHINE)
    assert budget.value is None
    assert "does not say" in budget.source


def test_the_user_knows_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_MEMORY_BUDGET", "8000000000")
    budget = memory_budget(MACHINE)
    assert (budget.value, budget.source) == (8_000_000_000, "set by BAKEOFF_MEMORY_BUDGET")


@pytest.mark.parametrize("wanted", ["", "0", "-5", "8GB", "8e9", "1.5", " 5", "²", "٥", "9" * 5000])
def test_a_budget_that_is_no_number_of_bytes(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("BAKEOFF_MEMORY_BUDGET", wanted)
    with pytest.raises(UsageError, match="BAKEOFF_MEMORY_BUDGET") as caught:
        memory_budget(MACHINE)
    assert "8000000000" in caught.value.hint
