"""Settings into rules: what a model is admitted on, how long its load may take, and what cannot be served."""

import pytest

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
