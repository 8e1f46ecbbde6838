"""What a text costs: the sums of the calculation that this project grew from, done right, and what they leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bakeoff.cost.answer import answer
from bakeoff.cost.arithmetic import (
    Values,
    annual_saving,
    break_even_per_day,
    busy_share,
    cloud_cost,
    local_cost,
    saving_per_piece,
)
from bakeoff.cost.assumptions import Assumption, flips_sign_at, swings
from bakeoff.cost.uncertainty import Sample, TokenPrices, means_of, spread
from bakeoff.cost.watts import assumed_watts

SEED = Values(busy_s=1.588, watts=35.0, tariff=0.15, cloud_text=0.00015)


def test_the_calculation_it_grew_from() -> None:
    cost = local_cost(SEED)
    assert cost.energy_j == pytest.approx(55.58)
    assert cost.electricity == pytest.approx(2.315833e-6, rel=1e-6)
    assert (cost.idle, cost.hardware, cost.total) == (None, None, cost.electricity)
    assert 100 * saving_per_piece(SEED) / SEED.cloud_text == pytest.approx(98.4561, abs=1e-4)
    # 54 dollars a year at that margin need about a thousand texts a day, which nobody had said.
    assert 54 / 365 / saving_per_piece(SEED) == pytest.approx(1001.8, abs=0.1)
    assert annual_saving(SEED) is None


def test_what_the_machine_costs_turns_it_around() -> None:
    bought = replace(SEED, hardware_price=2000.0, years=4.0)
    assert break_even_per_day(bought) == pytest.approx(9275.6, abs=0.1)
    assert break_even_per_day(replace(bought, attribution=0.25)) == pytest.approx(2318.9, abs=0.1)
    assert break_even_per_day(replace(bought, hardware_price=3500.0)) == pytest.approx(16232.3, abs=0.1)
    assert annual_saving(replace(bought, pieces_per_day=1000.0)) == pytest.approx(-446.1, abs=0.1)
    assert break_even_per_day(replace(bought, cloud_text=2e-6)) == "never"
    assert break_even_per_day(replace(bought, cloud_text=0.0)) == "never"


def test_at_the_break_even_nothing_is_saved() -> None:
    for more in ({}, {"idle_watts": 5.0}, {"idle_watts": 5.0, "accepted": 0.5, "maintenance_per_year": 100.0}):
        values = replace(SEED, hardware_price=2000.0, **more)
        even = break_even_per_day(values)
        assert isinstance(even, float)
        if even / values.accepted * values.busy_s < 86400:
            assert annual_saving(replace(values, pieces_per_day=even)) == pytest.approx(0.0, abs=1e-6)


def test_idle_time_is_most_of_it() -> None:
    values = replace(SEED, pieces_per_day=1000.0, idle_watts=5.0)
    cost = local_cost(values)
    assert cost.idle is not None
    a_day = [part * 1000 / 0.15 for part in (cost.electricity, cost.idle)]
    assert a_day == pytest.approx([0.01544, 0.11779], abs=1e-5)  # kilowatt-hours


def test_texts_that_are_not_usable_are_paid_for() -> None:
    half = replace(SEED, accepted=0.5)
    assert local_cost(half).total == pytest.approx(2 * local_cost(SEED).total)
    assert local_cost(half).energy_j == pytest.approx(2 * 55.58)
    assert cloud_cost(replace(SEED, cloud_accepted=0.25)) == pytest.approx(0.0006)


def test_one_machine_has_a_day_of_24_hours() -> None:
    assert busy_share(SEED) is None
    assert busy_share(replace(SEED, pieces_per_day=86400 / 1.588, accepted=0.5)) == pytest.approx(2.0)
    too_much = answer(replace(SEED, pieces_per_day=50_000.0), [])
    assert too_much.one_machine_is_enough is False
    # A year of it takes more machines than the one that is priced.
    assert (too_much.annual_saving.estimate, too_much.annual_saving.low) == (None, None)
    assert answer(replace(SEED, pieces_per_day=40_000.0), []).annual_saving.estimate is not None


def test_measured_energy_counts_instead_of_watts() -> None:
    assert local_cost(replace(SEED, energy_j=100.0)).energy_j == 100.0


def test_where_the_answer_turns() -> None:
    assert flips_sign_at(SEED, "watts") == pytest.approx(35 * 0.00015 / 2.315833e-6, rel=1e-5)
    assert flips_sign_at(SEED, "cloud_text") == pytest.approx(2.315833e-6, rel=1e-5)
    assert flips_sign_at(SEED, "hardware_price") is None  # nothing is shared out without a volume
    bought = replace(SEED, hardware_price=2000.0, pieces_per_day=1000.0)
    turns = flips_sign_at(bought, "pieces_per_day")
    assert turns == pytest.approx(break_even_per_day(bought), rel=1e-6)
    # Electricity that costs nothing now may cost something.
    assert flips_sign_at(replace(SEED, tariff=0.0), "tariff") == pytest.approx(0.15 * 0.00015 / 2.315833e-6, rel=1e-5)
    assert flips_sign_at(replace(SEED, cloud_text=0.0), "cloud_text") == pytest.approx(2.315833e-6, rel=1e-5)
    assert flips_sign_at(replace(SEED, hardware_price=0.0), "hardware_price") is None
    # A share is never more than 1.
    assert flips_sign_at(replace(SEED, accepted=0.9), "accepted") == pytest.approx(2.315833e-6 / 0.00015, rel=1e-5)
    assert flips_sign_at(replace(SEED, cloud_text=1e-6, cloud_accepted=0.5), "cloud_accepted") == pytest.approx(
        0.4318, abs=1e-4
    )


def assumed(name: str, value: float, low: float, high: float) -> Assumption:
    return Assumption(name=name, value=value, low=low, high=high, unit="", provenance="assumed")


def test_the_widest_swing_comes_first() -> None:
    found = swings(SEED, [assumed("tariff", 0.15, 0.149, 0.151), assumed("watts", 35, 17, 80)])
    assert [swing.name for swing in found] == ["watts", "tariff"]
    assert found[0].at_low > found[0].at_high


def test_intervals_hold_what_is_assumed_and_what_was_measured() -> None:
    generator = np.random.default_rng(0)
    sample = Sample(
        busy_s=tuple(generator.uniform(1, 2, 40)),
        prompt_tokens=(100.0,) * 40,
        completion_tokens=tuple(generator.uniform(150, 350, 40)),
        accepted=tuple(generator.integers(0, 2, 40).astype(float)),
        texts=(1,) * 40,
    )
    prices = TokenPrices(prompt=0.15e-6, completion=0.6e-6)
    values = means_of(sample, prices, replace(SEED, pieces_per_day=100.0))
    assert values.busy_s == pytest.approx(float(np.mean(sample.busy_s)))
    assert values.cloud_text == pytest.approx(100 * 0.15e-6 + float(np.mean(sample.completion_tokens)) * 0.6e-6)
    stated = spread(values, [], sample, prices)
    doubts = [assumed("watts", 35, 17, 80), assumed("token_ratio", 1, 0.8, 1.25)]
    doubted = spread(values, doubts, sample, prices)
    for name in ("local", "cloud", "saving", "annual_saving"):
        narrow, wide = getattr(stated, name), getattr(doubted, name)
        assert narrow.low < narrow.estimate < narrow.high
        assert wide.high - wide.low > narrow.high - narrow.low
        assert narrow.briefs == 40
    assert stated == spread(values, [], sample, prices)
    assert spread(SEED, [], None, None).local.low is None  # nothing was doubted, nothing is claimed
    # What somebody stated is not drawn again; what was measured besides still is.
    flat = spread(replace(values, cloud_text=0.001), [], sample, prices, fixed={"cloud_text": 0.001})
    assert (flat.cloud.estimate, flat.cloud.low) == (0.001, None)  # nobody doubts it
    assert flat.local == stated.local


def test_a_draw_without_a_usable_text_is_no_division_by_nothing() -> None:
    sample = Sample(
        busy_s=(1.0,) * 8,
        prompt_tokens=(1.0,) * 8,
        completion_tokens=(1.0,) * 8,
        accepted=(0.0,) * 7 + (0.5,),
        texts=(2,) * 8,
    )
    prices = TokenPrices(prompt=0.0, completion=1e-6)
    values = means_of(sample, prices, SEED)
    assert values.accepted == 0.0625
    none = means_of(
        sample.model_copy(update={"accepted": (0.0,) * 8}), prices, SEED
    )  # a draw of the first family alone
    assert none.accepted == 0.5 / 16  # half a text of sixteen
    found = spread(values, [], sample, prices).local
    assert found.high is not None
    assert found.high <= local_cost(replace(values, accepted=0.5 / 16)).total * (1 + 1e-9)


def test_what_nobody_stated_costs_nobody_knows_what() -> None:
    volume = replace(SEED, pieces_per_day=1000.0)
    assert (local_cost(volume).idle, local_cost(volume).hardware) == (None, None)
    free = local_cost(replace(volume, idle_watts=0.0, hardware_price=0.0))
    assert (free.idle, free.hardware) == (0.0, 0.0)
    assert free.total == local_cost(volume).total == free.electricity
    assert local_cost(replace(volume, maintenance_per_year=365.0)).hardware == pytest.approx(0.001)


def test_a_break_even_of_a_machine_that_nobody_priced_is_not_known() -> None:
    assert break_even_per_day(SEED) is None
    assert answer(SEED, []).break_even_busy_share is None
    assert break_even_per_day(replace(SEED, cloud_text=0.0)) == "never"
    assert break_even_per_day(replace(SEED, hardware_price=0.0)) == 0.0  # a gift: the first text pays for it
    for stated in ({"hardware_price": 100.0}, {"idle_watts": 5.0}, {"maintenance_per_year": 30.0}):
        even = break_even_per_day(replace(SEED, **stated))
        assert isinstance(even, float)
        assert even > 0


def test_a_providers_tokens_are_not_the_models() -> None:
    assert cloud_cost(replace(SEED, token_ratio=1.25)) == pytest.approx(1.25 * SEED.cloud_text)
    assert flips_sign_at(SEED, "token_ratio") == pytest.approx(2.315833e-6 / 0.00015, rel=1e-5)


def test_a_break_even_that_one_machine_cannot_write() -> None:
    found = answer(replace(SEED, hardware_price=20_000.0), [])
    assert found.break_even_per_day == pytest.approx(92_756, abs=1)
    assert found.break_even_busy_share == pytest.approx(92_756 * 1.588 / 86_400, rel=1e-4)
    assert answer(replace(SEED, cloud_text=0.0), []).break_even_busy_share is None


def measured(times: NDArray[np.float64], accepted: NDArray[np.float64]) -> Sample:
    """Families of one text each."""
    count = len(times)
    tokens = tuple((100 * times).tolist())
    return Sample(
        busy_s=tuple(times.tolist()),
        prompt_tokens=(1.0,) * count,
        completion_tokens=tokens,
        accepted=tuple(accepted.tolist()),
        texts=(1,) * count,
    )


def test_few_families_have_no_interval_and_all_usable_is_not_surely_all() -> None:
    generator = np.random.default_rng(2)
    prices = TokenPrices(prompt=0.0, completion=1e-6)
    few, more = (measured(generator.lognormal(0, 0.5, count), np.ones(count)) for count in (4, 5))
    volume = replace(SEED, pieces_per_day=100.0, hardware_price=1000.0)
    found = spread(means_of(few, prices, volume), [assumed("watts", 35, 17, 80)], few, prices)
    for name in ("local", "cloud", "saving", "annual_saving"):
        assert getattr(found, name).estimate is not None
        assert (getattr(found, name).low, getattr(found, name).method) == (None, "under 5 families of briefs")
    assert found.break_even is None
    same = more.model_copy(update={"busy_s": (1.0,) * 5, "completion_tokens": (100.0,) * 5})
    here = spread(means_of(same, prices, SEED), [], same, prices).local
    assert here.high > 1.1 * here.estimate, "five usable of five may be four of six"


def test_a_break_even_has_a_range_and_a_share_of_never() -> None:
    """The margin is near nothing, and its sign open."""
    near = replace(SEED, hardware_price=2000.0, cloud_text=2.6e-6)
    found = answer(near, [assumed("watts", 35, 17, 80)])
    assert found.break_even_per_day > 1e6
    assert found.break_even_interval.high == "never"
    assert 0.2 < found.break_even_interval.never_share < 0.9
    sure = answer(replace(SEED, hardware_price=2000.0), [assumed("watts", 35, 17, 80)])
    assert sure.break_even_interval.low < sure.break_even_per_day < sure.break_even_interval.high
    assert sure.break_even_interval.never_share == 0.0
    assert answer(SEED, [assumed("watts", 35, 17, 80)]).break_even_interval is None  # the machine has no price


@given(
    watts=st.floats(1, 1000),
    busy_s=st.floats(0.01, 600),
    tariff=st.floats(0.01, 1),
    accepted=st.floats(0.01, 1),
    factor=st.floats(1.01, 10),
)
def test_more_of_anything_costs_more(
    watts: float, busy_s: float, tariff: float, accepted: float, factor: float
) -> None:
    values = Values(
        busy_s=busy_s,
        watts=watts,
        tariff=tariff,
        cloud_text=0.01,
        accepted=accepted,
        hardware_price=100.0,
        pieces_per_day=5.0,
    )
    here = local_cost(values).total
    for name in ("watts", "busy_s", "tariff", "hardware_price"):
        assert local_cost(replace(values, **{name: getattr(values, name) * factor})).total > here
    assert local_cost(replace(values, accepted=accepted / factor)).total > here
    assert local_cost(replace(values, pieces_per_day=5.0 * factor)).total < here


@pytest.mark.parametrize(
    ("device", "system"), [("mps", "Darwin"), ("cuda:0", "Linux"), ("cpu", "Darwin"), ("cpu", "Linux"), (None, "Linux")]
)
def test_assumed_watts_admit_that_they_may_be_half_off(device: str | None, system: str) -> None:
    watts = assumed_watts(device, system)
    assert watts.low <= 0.5 * watts.value
    assert watts.high >= 1.5 * watts.value
