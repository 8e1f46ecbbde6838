"""What electricity costs and emits by country: a small dated table, which the user's own figure always overrides."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Record

ASSUMED_TARIFF = (0.15, 0.08, 0.45)
"""Dollars a kWh where nobody said: value, low, high. The value is that of the calculation this project grew from; the range
covers households from Hungary to Germany (Eurostat, second half of 2024)."""


class Country(Record):
    """A row of the table; None where there is no figure. `price` is one kWh's in `currency`, `co2` grams a kWh."""

    code: str
    price: float | None = None
    currency: str | None = None
    co2: float | None = None


def find_country(code: str) -> Country:
    """Return the row of a country by its two letters.

    Raises:
        UsageError: it has none.
    """
    table = tomllib.loads((files("bakeoff.bundled") / "electricity.toml").read_text(encoding="utf-8"))
    name = code.strip().upper()
    if name not in table:
        raise UsageError(
            f"--country {code}: there is no row for it", f"countries: {', '.join(sorted(table))}; or give --tariff"
        )
    return Country(code=name, **table[name])
