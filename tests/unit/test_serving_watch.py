"""The terms of a gateway's costs: where a cloud's price is to be given that nobody knows."""

import pytest

from bakeoff.cli.serving_watch import _cloud
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
