"""Where the memory budget comes from, and that it says so."""

from __future__ import annotations

import pytest

from bakeoff.core.errors import UsageError
from bakeoff.machine.accelerators import Accelerator, read_nvidia_smi
from bakeoff.machine.budget import Budget, accelerator_budget, card_budgets, memory_budget
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


def card(budget: float | None, *, unified: bool = False, size: float | None = None) -> Accelerator:
    return Accelerator(
        kind="metal" if unified else "cuda",
        name="card",
        memory_bytes=None if size is None else int(size * GIB),
        free_bytes=None,
        power_w=None,
        source="told",
        unified=unified,
        budget_bytes=None if budget is None else int(budget * GIB),
        budget_source="told by hand",
    )


def test_what_a_container_has_left_counts() -> None:
    known = {
        "ram_bytes": 16 * GIB,
        "available_bytes": 9 * GIB,
        "memory_limit_bytes": 8 * GIB,
        "limit_left_bytes": 3 * GIB,
    }
    budget = memory_budget(MACHINE.model_copy(update=known))
    assert budget.value == 2 * GIB
    assert budget.source.startswith("what the container's limit leaves")


def test_an_accelerator_has_a_budget_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = MACHINE.model_copy(update={"ram_bytes": 16 * GIB, "available_bytes": 14 * GIB})
    assert accelerator_budget(machine, ()) is None
    # A Mac of 16 GB: the working set is the limit, whatever is free.
    metal = accelerator_budget(machine, (card(11.84, unified=True),))
    assert metal is not None
    assert (metal.value, metal.source) == (int(11.84 * GIB), "told by hand")
    # Less is free than that.
    busy = machine.model_copy(update={"available_bytes": 5 * GIB})
    assert accelerator_budget(busy, (card(11.84, unified=True),)) == memory_budget(busy)
    # A card's memory is its own; cards are never added up.
    # Engines take the fastest, which is taken to be the largest, however full it is; of equal cards the first.
    for cards, expected in (
        ((card(7, size=8), card(1, size=24)), 1),
        ((card(1, size=24), card(7, size=8)), 1),
        ((card(3, size=24), card(23, size=24)), 3),
    ):
        found = accelerator_budget(busy, cards)
        assert found is not None
        assert found.value == expected * GIB
    # NVIDIA's chips that share the machine's memory tell of none.
    assert accelerator_budget(busy, read_nvidia_smi("GPU-1, NVIDIA GB10, [N/A], [N/A], 12.30")) == memory_budget(busy)
    silent = accelerator_budget(machine, (card(None),))
    assert silent is not None
    assert silent.value is None
    monkeypatch.setenv("BAKEOFF_MEMORY_BUDGET", "8000000000")
    forced = accelerator_budget(machine, (card(24),))
    assert forced is not None
    assert forced.value == 8_000_000_000


def test_each_card_has_a_budget_and_a_name_and_a_mac_has_one_memory() -> None:
    host = Budget(value=9 * GIB, source="free")
    first, second = card(24), card(None)
    found = card_budgets((first, second, first.model_copy(update={"kind": "rocm"})), host)
    assert list(found) == ["cuda:0", "cuda:1", "rocm:0"]
    assert next(iter(card_budgets((card(7, size=8), card(20, size=24)), host))) == "cuda:1"
    assert found["cuda:0"] == Budget(value=24 * GIB, source="told by hand")
    assert found["cuda:1"].value is None
    assert card_budgets((card(12, unified=True),), host) == {}
    forced = Budget(value=GIB, source="set by BAKEOFF_MEMORY_BUDGET")
    assert card_budgets((first,), forced) == {"cuda:0": forced}
