"""What a cloud model's tokens cost: the catalogue of the package genai-prices, offline, or a file of the user's own.

The catalogue prices by date and says of itself that it is not always right, so every price is told with its version.
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bakeoff.core.errors import InvalidFile, Problem, UsageError
from bakeoff.core.spec import Record

_PROBE_TOKENS = 1000
"""Few enough for the price of short texts, where a provider asks more for long ones."""
_PER_MILLION = 1_000_000 // _PROBE_TOKENS


_BY_OPTIONS = "or give its price:  --price-in 0.15 --price-out 0.60 (dollars per million tokens)"


class UnknownPrice(UsageError):
    """A model that the catalogue does not have. `meant` has names like it, "" where there are none."""

    def __init__(self, message: str, meant: str, instead: str) -> None:
        """Keep the names apart from how else a price is given: that differs from command to command."""
        super().__init__(message, f"{meant}{instead}")
        self.meant = meant


class CloudPrice(Record):
    """US dollars per million tokens. `catalogue` says whose word that is; `date` is the day that it was looked up for."""

    model: str
    provider: str | None
    input_per_million: float
    output_per_million: float
    catalogue: str
    date: str


def find_price(model: str, own: dict[str, CloudPrice] | None = None) -> CloudPrice:
    """Return the price of `model`, or of `PROVIDER:MODEL`; `own` come first.

    Raises:
        UnknownPrice: nobody has one; the hint has names like it.
    """
    if own and model in own:
        return own[model]
    from genai_prices import Usage, calc_price

    provider, colon, name = model.rpartition(":")
    asked = provider if colon else None
    now = datetime.now(UTC)
    try:
        into = calc_price(
            Usage(input_tokens=_PROBE_TOKENS), model_ref=name, genai_request_timestamp=now, provider_id=asked
        )
        out = calc_price(
            Usage(output_tokens=_PROBE_TOKENS), model_ref=name, genai_request_timestamp=now, provider_id=asked
        )
    except LookupError:
        near = difflib.get_close_matches(name, _names(own), n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownPrice(f"no price is known for {model!r} ({catalogue_name()})", meant, _BY_OPTIONS) from None
    return CloudPrice(
        model=into.model.id,
        provider=into.provider.id,
        input_per_million=float(into.total_price * _PER_MILLION),
        output_per_million=float(out.total_price * _PER_MILLION),
        catalogue=catalogue_name(),
        date=now.date().isoformat(),
    )


def catalogue_name() -> str:
    """Return the catalogue's name and version."""
    return f"genai-prices {version('genai-prices')}"


def _names(own: dict[str, CloudPrice] | None) -> list[str]:
    from genai_prices.data import providers

    return [*(own or {}), *dict.fromkeys(model.id for provider in providers for model in provider.models)]


def read_prices(file: Path) -> dict[str, CloudPrice]:
    """Read a user's own prices: a TOML table for each model, `input` and `output` in dollars per million tokens.

    Raises:
        InvalidFile: it cannot be read, is no TOML, or has a price that is none.
    """
    if file.exists() and not file.is_file():
        raise _invalid(file, "", "is no regular file", "a TOML file")
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _invalid(file, "", f"cannot be read ({error.strerror})", "a readable file") from None
    except ValueError as error:
        raise _invalid(file, "", f"is not TOML: {error}", _SHAPE) from None
    return {name: _own_price(file, name, table) for name, table in tables.items()}


_SHAPE = '["my-model"], then input = 0.15 and output = 0.60, dollars per million tokens'


def _own_price(file: Path, name: str, table: Any) -> CloudPrice:
    if not isinstance(table, dict):
        raise _invalid(file, name, "is no table", _SHAPE)
    prices = []
    for field in ("input", "output"):
        price = table.get(field)
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < 1e9:
            raise _invalid(file, f"{name}.{field}", f"is {str(price)[:40]}", "dollars per million tokens")
        prices.append(float(price))
    return CloudPrice(
        model=name,
        provider=None,
        input_per_million=prices[0],
        output_per_million=prices[1],
        catalogue=str(file),
        date=str(table.get("date", datetime.now(UTC).date().isoformat())),
    )


def _invalid(file: Path, field: str, wrong: str, expected: str) -> InvalidFile:
    return InvalidFile((Problem(str(file), None, field, wrong, expected),))
