"""A process that writes trials into a store: `python store_writers.py URL FIRST LAST`, for tests with several of them."""

from __future__ import annotations

import sys

from bakeoff.core.records import Generation
from bakeoff.store.db import Store


def main(url: str, first: int, last: int) -> None:
    """Store trials FIRST to LAST - 1, and say how many were new."""
    store = Store(url)
    new = 0
    for number in range(first, last):
        made = Generation(
            trial=f"t{number}",
            candidate="ann",
            brief="b",
            replicate=number,
            seed=number,
            text="text " * 100,
            finish_reason="stop",
        )
        new += store.add_generation("r", made)
    store.close()
    sys.stdout.write(f"{new}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
