"""Settings into rules: what a model is admitted on, how long its load may take, and what cannot be served."""

import pytest
from pydantic import ValidationError

from bakeoff.core.errors import DoesNotFit, UsageError
from bakeoff.engines.process import WorkerCommand
from bakeoff.serve.keeping import Keeping, ModelKeeping, external_upstream, load_deadline_s
from serving_plans import MIB, plan_of, served


@pytest.mark.parametrize(
    ("facts", "own", "need"),
    [
        ({}, None, 100 * MIB),  # the upper bound of the prediction
        ({"peak_memory_bytes": 200 * MIB}, None, 250 * MIB),  # what a run measured, with the margin
        ({"peak_memory_bytes": 200 * MIB}, 300 * MIB, 300 * MIB),  # what people say
    ],
)
def test_a_model_is_admitted_on(facts, own, need):
    keeping = Keeping(margin=0.25, models={"a": ModelKeeping(need_bytes=own)})
    assert keeping.model_rules(served("a", 100, **facts)).need == {"host": need}


@pytest.mark.parametrize(
    ("facts", "own", "need"),
    [
        ({}, None, {"cuda:0": 100, "host": 30}),  # both predicted
        (
            {"device_peak_bytes": 80 * MIB},
            None,
            {"cuda:0": 100, "host": 30},
        ),  # measured with the margin: 80 MiB and a quarter
        ({"device_peak_bytes": 120 * MIB, "host_peak_bytes": 40 * MIB}, None, {"cuda:0": 150, "host": 50}),
        (
            {"peak_memory_bytes": 900 * MIB},
            None,
            {"cuda:0": 100, "host": 30},
        ),  # of a run on the CPU: nothing was seen of the card
        ({"device_peak_bytes": 120 * MIB}, 70 * MIB, {"cuda:0": 70, "host": 30}),  # of the memory with the weights
        ({}, {"host": 10 * MIB, "cuda:0": 0}, {"cuda:0": 0, "host": 10}),
    ],
)
def test_a_model_on_a_card_is_admitted_on_what_it_takes_of_each_memory(facts, own, need):
    keeping = Keeping(margin=0.25, models={"a": ModelKeeping(need_bytes=own)})
    on_card = served("a", 100, memory="cuda:0", host_high_bytes=30 * MIB, **facts)
    assert keeping.model_rules(on_card).need == {pool: size * MIB for pool, size in need.items()}


@pytest.mark.parametrize(
    "wrong", ["much", -1, True, 1.5, [1], {"host": "x"}, {"host": -1}, {"host": True}, {"host": 10**26}]
)
def test_what_is_no_size_is_told_once(wrong):
    with pytest.raises(ValidationError) as caught:
        Keeping(budget_bytes=wrong)
    (told,) = caught.value.errors()
    assert (told["loc"], told["msg"]) == (
        ("budget_bytes",),
        "a whole number of bytes, or a table of them by memory",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget_bytes": 0},
        {"budget_bytes": {"host": 5, "cuda:0": 0}},
        {"models": {"a": {"need_bytes": 0}}},
        {"models": {"a": {"need_bytes": {"host": 0}}}},
    ],
)
def test_nothing_is_no_size(wrong):
    with pytest.raises(ValidationError, match="more than 0 bytes"):
        Keeping.model_validate(wrong)


def test_a_model_must_not_need_a_memory_that_is_not_here():
    plan = plan_of(served("a", 100))
    keeping = Keeping(models={"a": ModelKeeping(need_bytes={"cuda:3": 5})})
    with pytest.raises(UsageError, match="a needs some of 'cuda:3'") as caught:
        keeping.all_rules(plan)
    assert caught.value.hint == "memories here: host"


def test_endpoints_of_others_take_nothing_of_the_budget():
    far = served("far", source="endpoint", location="http://127.0.0.1:1/v1", remote="m")
    assert Keeping().model_rules(far).need is None
    assert external_upstream(far, "key").served_name == "m"


def test_recorded_texts_cannot_be_served():
    with pytest.raises(UsageError, match="old cannot be served: it is a file of recorded texts"):
        external_upstream(served("old", source="recorded"), None)


def test_pinned_models_must_fit_together():
    plan = plan_of(served("a", 100), served("b", 100))
    pinned = {name: ModelKeeping(pinned=True) for name in "ab"}
    assert len(Keeping(budget_bytes=200 * MIB, models=pinned).all_rules(plan)) == 2
    with pytest.raises(
        DoesNotFit, match=r"may need 200.0 MiB \(a 100.0 MiB, b 100.0 MiB\), and the budget is 199.0 MiB"
    ):
        Keeping(budget_bytes=199 * MIB, models=pinned).all_rules(plan)


def test_pinned_models_must_fit_together_into_each_memory():
    plan = plan_of(*(served(name, 100, memory="cuda:0", host_high_bytes=10 * MIB) for name in "ab"), served("c", 500))
    pinned = {name: ModelKeeping(pinned=True) for name in "abc"}
    sizes = {"host": 520 * MIB, "cuda:0": 200 * MIB}
    assert len(Keeping(budget_bytes=sizes, models=pinned).all_rules(plan)) == 3
    with pytest.raises(DoesNotFit, match=r"may need 200.0 MiB of cuda:0 .* and the budget is 199.0 MiB"):
        Keeping(budget_bytes={**sizes, "cuda:0": 199 * MIB}, models=pinned).all_rules(plan)


def test_settings_for_nobody_are_told():
    with pytest.raises(UsageError, match="settings for 'c', which is not served"):
        Keeping(models={"c": ModelKeeping()}).all_rules(plan_of(served("a"), served("b")))


def test_a_load_may_take_as_long_as_its_size_wants():
    assert load_deadline_s(served("a", 100, load_s=4.0)) == 30 + 5 * 4
    assert load_deadline_s(served("a", 10_000)) == pytest.approx(30 + 5 * 10_000 * MIB / 100e6)
    assert load_deadline_s(served("a", 100, engine="vllm", load_s=4.0)) > 1200  # it compiles


def test_a_worker_runs_as_many_texts_at_a_time_as_there_are_slots():
    command = WorkerCommand.of(served("a").candidate, max_rows=7)
    assert (command.name, command.max_rows) == ("a", 7)
