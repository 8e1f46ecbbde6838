"""What a judge's questions cost, where somebody else's machine answered them."""

from __future__ import annotations

from typing import Any

from bakeoff.core.spec import Candidate
from bakeoff.cost.prices import UnknownPrice, find_price
from bakeoff.study.judging import Judged
from bakeoff.study.preflight import is_remote

_MILLION = 1e6


def judge_cost(judge: Candidate, judged: Judged) -> dict[str, Any]:
    """Return US dollars with where the price is from; None for a judge on this machine, or one that nobody has a price of."""
    if not is_remote(judge):
        return {"value": None, "currency": None, "provenance": None, "reason": "it judged on this machine"}
    try:
        price = find_price(judge.model.remote_model or judge.model.name)
    except UnknownPrice as error:
        return {"value": None, "currency": None, "provenance": None, "reason": error.message}
    value = judged.prompt_tokens * price.input_per_million + judged.completion_tokens * price.output_per_million
    reason = f"its tokens at the prices of {price.catalogue}, {price.date}"
    return {"value": value / _MILLION, "currency": "USD", "provenance": "derived", "reason": reason}
