"""What a stored run is served as: the decision's own words, also where nobody won, and who steps in for who cannot be served."""

import json
import re
from types import SimpleNamespace

import pytest

from bakeoff.catalog.references import bundled_folder, folder_spec
from bakeoff.cli.planned import Planned, ready_document, ready_lines
from bakeoff.cli.served_run import find_run
from bakeoff.cli.serving_plan import plan_of_models, plan_of_run
from bakeoff.cli.serving_routes import UnservedModels
from bakeoff.core.errors import UsageError
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.machine.budget import Budget
from bakeoff.serve.cost_terms import CostTerms, Figure
from bakeoff.serve.keeping import Keeping, ModelKeeping
from bakeoff.serve.need import admitted_on
from bakeoff.serve.page import status_page
from bakeoff.serve.settings import ServeSettings
from bakeoff.study.admission import Budgets

TARIFF = Figure(value=0.2, provenance="assumed")
WIDE = Budgets(Budget(value=None, source="test"))


def quality(mean, briefs=20):
    return {
        "estimate": mean,
        "low": mean - 1,
        "high": mean + 1,
        "level": 0.95,
        "method": "bounded",
        "briefs": briefs,
        "clusters": briefs,
    }


def ours(name):
    return Candidate(
        id=name, model=folder_spec(bundled_folder() / name, name, name), engine="onnx", sampling=Sampling(top_k=40)
    )


def other(name, source="endpoint"):
    location = "http://127.0.0.1:9/v1" if source == "endpoint" else "/nowhere.jsonl"
    spec = ModelSpec(reference=name, name=name, source=source, location=location, digest=name, remote_model=name)
    return Candidate(id=name, model=spec, engine=source, sampling=Sampling())


def told(name, mean, publishable=0.9):
    return {
        "id": name,
        "quality": quality(mean),
        "by_content_type": {"tweet": quality(mean + 0.5, 7)},
        "publishable_rate": {"estimate": publishable},
        "peak_memory_bytes": 1000,
        "load_s": 0.5,
        "ttft_s": {"p50": 0.1, "p95": 0.2},
        "tokens_per_s": 100.0,
        "tokens_per_s_low": 90.0,
        "tokens_per_s_high": 110.0,
        "tokens_per_s_concurrency": 8,
    }


def decision(outcome, choice=None, leader=None, equivalent=()):
    return {
        "outcome": outcome,
        "choice": choice,
        "leader": leader,
        "equivalent": list(equivalent),
        "reasons": ["as told"],
    }


def route(candidate, *fallbacks, outcome="winner"):
    evidence = quality(7.7, 7)
    return {
        "candidate": candidate,
        "fallbacks": list(fallbacks),
        "outcome": outcome,
        "evidence": evidence,
        "reasons": [],
    }


def served(candidates, means, /, decided, routes=None, own=None, budgets=WIDE, admission=admitted_on, **document):
    row = SimpleNamespace(
        run_id="r1",
        suite="small",
        result={
            "candidates": [told(candidate.id, mean) for candidate, mean in zip(candidates, means, strict=True)],
            "decision": decided,
            "routes": routes or {},
            "eps": 0.3,
            **document,
        },
    )
    plan = SimpleNamespace(candidates=tuple(candidates), concurrency=4)
    return plan_of_run(row, plan, budgets, (), own or {}, admission)


def test_a_winner_serves_with_its_measurements():
    found = served(
        [ours("social"), ours("baseline")],
        [7, 5],
        decision("winner", "social", "social"),
        {"tweet": route("social", "baseline")},
    )
    plan = found.plan
    assert (plan.run_id, plan.general.candidate, plan.general.fallbacks) == ("r1", "social", ("baseline",))
    assert plan.routes["tweet"].evidence.estimate == 7.7
    model = plan.model("social")
    assert (model.load_s, model.ttft_s, model.tokens_per_s, model.peak_memory_bytes) == (0.5, 0.1, 100.0, 1000)
    assert model.need_high_bytes > model.need_bytes > 1e6
    assert found.notes == ()
    assert type(plan).model_validate(json.loads(plan.model_dump_json())) == plan


@pytest.mark.parametrize("outcome", ["no_clear_winner", "insufficient_data"])
def test_where_nobody_won_the_leader_serves_and_the_outcome_says_so(outcome):
    found = served([other("a"), other("b")], [6, 7], decision(outcome, None, "b"))
    assert (found.plan.general.candidate, found.plan.general.outcome) == ("b", outcome)


def test_where_none_qualified_the_best_serves_and_the_outcome_says_so():
    none = {**route(None, outcome="none_qualified")}
    found = served([other("a"), other("b")], [6, 7], decision("none_qualified"), {"tweet": none})
    assert (found.plan.general.candidate, found.plan.general.outcome) == ("b", "none_qualified")
    tweet = found.plan.routes["tweet"]
    assert (tweet.candidate, tweet.outcome) == ("b", "none_qualified")
    assert "no candidate qualified" in tweet.reasons[-1]


def test_where_none_qualified_for_a_content_type_the_best_mean_there_serves():
    """The leader over everything writes worse here than another one, and one that has no score here comes last."""
    candidates = [other("leader"), other("better"), other("unscored")]
    stored = [told(each.id, mean) for each, mean in zip(candidates, (6.0, 4.0, 5.0), strict=True)]
    for each, mean in zip(stored, (3.2, 4.5, None), strict=True):
        each["by_content_type"] = {} if mean is None else {"technical_doc": quality(mean)}
    none = {"technical_doc": {**route(None, outcome="none_qualified"), "evidence": quality(3.2)}}
    decided = decision("no_clear_winner", None, "leader")
    found = served(candidates, (6.0, 4.0, 5.0), decided, none, candidates=stored).plan
    technical = found.routes["technical_doc"]
    assert technical.order == ("better", "leader", "unscored")
    assert (technical.outcome, technical.sure, technical.evidence.estimate) == ("none_qualified", "none qualified", 4.5)
    assert (
        technical.reasons[-1]
        == "better serves: it has the best mean here; no candidate qualified for this content type"
    )
    assert found.general.candidate == "leader"


def test_recorded_texts_answer_nothing_and_the_next_one_serves():
    candidates = [other("old", "recorded"), other("b")]
    found = served(candidates, [9, 5], decision("winner", "old", "old"), {"tweet": route("old", "b")})
    assert [model.id for model in found.plan.models] == ["b"]
    tweet = found.plan.routes["tweet"]
    assert tweet.candidate == "b"
    assert tweet.evidence.estimate == 5.5  # its own in this content type, not the winner's
    assert "old cannot be served" in tweet.reasons[-1]
    assert found.plan.general.reasons[0] == "old cannot be served"
    assert found.notes == ("old is not served: it is a file of recorded texts, which answers nothing new",)


def test_a_model_whose_files_changed_or_vanished_is_left_out():
    changed = ours("social")
    changed = changed.model_copy(update={"model": changed.model.model_copy(update={"digest": "other"})})
    gone = ours("technical")
    gone = gone.model_copy(update={"model": gone.model.model_copy(update={"location": "/nowhere"})})
    found = served([changed, gone, ours("baseline")], [8, 7, 5], decision("winner", "social", "social"))
    assert found.plan.general.candidate == "baseline"
    assert len(found.notes) == 2


def test_a_model_larger_than_the_budget_is_left_out():
    tight = Budgets(Budget(value=1000, source="test"))
    found = served([ours("social"), other("b")], [8, 7], decision("winner", "social", "social"), budgets=tight)
    assert found.plan.general.candidate == "b"
    assert "may need" in found.notes[0]
    with pytest.raises(UsageError, match="no model of run r1 can be served") as told_so:
        served([ours("social")], [8], decision("winner", "social", "social"), budgets=tight)
    assert "--budget" in told_so.value.hint
    assert "need_bytes" in told_so.value.hint


def test_the_start_leaves_out_what_would_never_be_admitted_and_nothing_else():
    """A run measured 1,000 bytes: far below the prediction, and what the model is admitted on, with a margin of 15 %."""
    won = decision("winner", "social", "social")

    def budget(size):
        return Budgets(Budget(value=size, source="test"))

    plan = served([ours("social")], [8], won, budgets=budget(1150)).plan
    assert plan.models[0].need_high_bytes > 1150
    assert Keeping(budget_bytes=1150).model_rules(plan.models[0]).need == {"host": 1150}
    with pytest.raises(UsageError, match="it may need"):
        served([ours("social")], [8], won, budgets=budget(1149))
    said = Keeping(models={"social": ModelKeeping(need_bytes=700)})
    assert served([ours("social")], [8], won, budgets=budget(700), admission=said.need).plan.models
    with pytest.raises(UsageError, match="it may need 700 B, and the budget is 699 B"):
        served([ours("social")], [8], won, budgets=budget(699), admission=said.need)
    assert plan_of_models([ours("social")], budget(700), (), {}, said.need).plan.models
    with pytest.raises(UsageError, match="it may need") as told_so:
        plan_of_models([ours("social")], budget(700), (), {})
    assert "need_bytes" in told_so.value.hint


def test_a_model_on_a_card_must_fit_into_both_memories():
    torch = ours("social").model_copy(update={"engine": "transformers"})

    def start(host, card, said):
        wide = Budget(value=None, source="test")
        cards = Budgets(Budget(value=host, source="test"), wide, {"cuda:0": Budget(value=card, source="test")})
        return plan_of_models([torch], cards, (), {}, Keeping(models={"social": ModelKeeping(need_bytes=said)}).need)

    assert start(30, 50, {"host": 30, "cuda:0": 50}).plan.models
    with pytest.raises(UsageError, match="it may need 31 B of host, and the budget is 30 B\n"):
        start(30, 50, {"host": 31, "cuda:0": 50})
    with pytest.raises(UsageError, match="it may need 51 B of cuda:0, and the budget is 50 B\n"):
        start(30, 50, {"host": 30, "cuda:0": 51})


def test_an_engine_that_is_not_there_leaves_its_model_out():
    odd = ours("social").model_copy(update={"engine": "nope"})
    found = served([odd, other("b")], [8, 7], decision("winner", "social", "social"))
    assert "there is no engine called 'nope'" in found.notes[0]


def test_routes_of_the_users_own_are_marked_as_nobodys_decision():
    own = {"tweet": ["b"], "general": ["b", "a"], "haiku": ["a"]}
    found = served([other("a"), other("b")], [8, 7], decision("winner", "a", "a"), {"tweet": route("a", "b")}, own)
    plan = found.plan
    assert (plan.routes["tweet"].candidate, plan.routes["tweet"].outcome) == ("b", None)
    assert plan.routes["tweet"].evidence.estimate == 7.5
    assert plan.routes["haiku"].evidence is None
    assert plan.general.order == ("b", "a")
    with pytest.raises(UnservedModels, match=r"routes.tweet: 'c' is not served"):
        served([other("a")], [8], decision("winner", "a", "a"), own={"tweet": ["c"]})


DEMO = {
    "decided": decision("best_within_eps", "all", "all", ["odd"]),
    "routes": {
        "blog": route("all", "odd", outcome="no_clear_winner"),
        "haiku": route("odd", "all", outcome="no_clear_winner"),
        "tweet": route("all", "odd", outcome="best_within_eps"),
    },
}


def sure(found):
    return {**{name: each.how_sure for name, each in found.plan.routes.items()}, "else": found.plan.general.how_sure}


def test_how_sure_a_route_is_is_said_as_the_run_says_it():
    assert sure(served([other("all"), other("odd")], [7, 6.9], **DEMO)) == {
        "blog": "as overall",  # others may lead there: it serves for what was shown over everything
        "haiku": "leads, undecided",
        "tweet": "none better by more than 0.3",
        "else": "none better by more than 0.3",
    }


def test_a_leader_over_everything_is_no_leader_of_each_type():
    decided = decision("no_clear_winner", None, "all")
    found = served([other("all"), other("odd")], [7, 6.9], decided, DEMO["routes"])
    assert sure(found)["blog"] == "leads overall, undecided"
    assert sure(found)["else"] == "leads, undecided"


def test_who_stands_in_is_not_called_the_winner():
    found = served(
        [other("old", "recorded"), other("b")], [9, 5], decision("winner", "old", "old"), {"t": route("old", "b")}
    )
    assert sure(found) == {"t": "stands in for old", "else": "stands in for old"}


@pytest.mark.parametrize(
    ("reasons", "names", "said"),
    [
        (["a alone qualifies; nobody else"], "ab", "no other qualifies"),
        ([], "a", "compared with no other"),
        ([], "ab", "beats all others"),
    ],
)
def test_a_winner_of_one_beats_nobody(reasons, names, said):
    decided = {**decision("winner", "a", "a"), "reasons": reasons}
    assert sure(served([other(name) for name in names], [7, 5][: len(names)], decided))["else"] == said


def test_the_start_table_stays_within_80_columns_and_says_how_sure():
    candidates = [other("bundled:generalist"), other("bundled:technical")]
    routes = {
        "marketing_copy": route("bundled:generalist", outcome="best_within_eps"),
        "technical_doc": route("bundled:generalist", outcome="no_clear_winner"),
    }
    found = served(
        candidates, [7, 6], decision("winner", "bundled:generalist"), routes, {"business_email": ["bundled:technical"]}
    )
    document = Planned(found.plan, found.budgets, found.notes, CostTerms(watts={}, devices={}, tariff=TARIFF))
    lines = ready_lines("http://127.0.0.1:8080", document, None)
    table = lines[3 : lines.index("", 4)]
    assert max(len(line) for line in table) <= 80
    said = " ".join(" ".join(table).split())
    assert "7.7 [6.7, 8.7], none better by more than 0.3" in said
    assert "bakeoff/technical_doc bundled:generalist 7.7 [6.7, 8.7], as overall" in said
    assert "bakeoff/business_email bundled:technical set in the settings" in said
    assert "anything else bundled:generalist 7.0 [6.0, 8.0], beats all others" in said


def test_what_models_share_is_told_of_each_memory():
    found = served([other("a")], [7], decision("winner", "a"))
    one = {"host": Budget(value=8 << 30, source="free")}
    for budgets, said in (
        (one, "together within 8.0 GiB (free)."),
        (
            {**one, "cuda:0": Budget(value=None, source="not told")},
            "8.0 GiB of host (free) and - of cuda:0 (not told).",
        ),
    ):
        document = Planned(found.plan, budgets, (), CostTerms(watts={}, devices={}, tariff=TARIFF))
        assert said in " ".join(ready_lines("http://127.0.0.1:8080", document, None))
        told = ready_document("http://127.0.0.1:8080", document)
        assert list(told["memory"]) == list(budgets)
        assert (told["budget_bytes"] is None) == (len(budgets) > 1)
        assert document.keeping(ServeSettings()).budgets == {name: budget.value for name, budget in budgets.items()}


def test_the_status_page_tells_each_memory():
    plan = served([other("a")], [7], decision("winner", "a")).plan
    sizes = {"need_bytes": 1, "held_bytes": 3 << 30, "peak_bytes": None}
    host = {"budget_bytes": 8 << 30, "committed_bytes": 3 << 30}
    snapshot = {"memory": {"host": host}, "models": {"a": {"memory": {"host": sizes}}}}
    page = status_page(plan, snapshot, "http://127.0.0.1:8080")
    assert "3.0 GiB of 8.0 GiB committed" in page
    assert "<td class=n>3.0 GiB</td>" in page
    both = {"host": sizes | {"held_bytes": 1 << 30}, "cuda:0": sizes}
    snapshot = {"memory": {"host": host, "cuda:0": host}, "models": {"a": {"memory": both}}}
    page = status_page(plan, snapshot, "http://127.0.0.1:8080")
    assert "host 3.0 GiB of 8.0 GiB, cuda:0 3.0 GiB of 8.0 GiB committed" in page
    assert "host 1.0 GiB, cuda:0 3.0 GiB" in page


def test_a_run_says_what_a_model_takes_of_each_memory_where_it_saw_it_on_a_card():
    torch = ours("social").model_copy(update={"engine": "transformers"})
    wide = Budget(value=None, source="test")
    cards = Budgets(wide, wide, {"cuda:0": wide})
    seen = {"device_peak_bytes": 700, "process_peak_bytes": 300, "peak_memory_bytes": 700}
    row = SimpleNamespace(
        run_id="r1",
        suite="small",
        result={
            "candidates": [told("social", 7) | seen],
            "decision": decision("winner", "social"),
            "routes": {},
            "eps": 0.3,
        },
    )
    found = plan_of_run(row, SimpleNamespace(candidates=(torch,), concurrency=4), cards, (), {})
    (model,) = found.plan.models
    assert (model.memory, model.device_peak_bytes, model.host_peak_bytes) == ("cuda:0", 700, 300)
    assert model.host_high_bytes > 1 << 30
    assert list(found.budgets) == ["host", "cuda:0"]
    row.result["candidates"][0] |= {"device_peak_bytes": None}
    (model,) = plan_of_run(row, SimpleNamespace(candidates=(torch,), concurrency=4), cards, (), {}).plan.models
    assert (model.device_peak_bytes, model.host_peak_bytes) == (None, None)  # it ran on the CPU there


def test_the_status_page_says_who_was_set_and_who_was_named():
    found = served([other("a"), other("b")], [8, 7], decision("winner", "a", "a"), own={"tweet": ["b"]})
    page = status_page(found.plan, {}, "http://127.0.0.1:8080")
    assert page.count("<div class=wide role=region aria-label=") == page.count("<table>") == 2
    row = next(part for part in page.split("<tr>") if "bakeoff/tweet" in part)
    assert "7.50" in row
    assert "set in the settings" in row
    assert "not measured" not in row
    page = status_page(plan_of_models([ours("social")], WIDE, (), {}).plan, {}, "http://127.0.0.1:8080")
    assert "named first, not measured" in page


def test_a_run_that_measured_nothing_is_not_served():
    with pytest.raises(UsageError, match="measured nothing"):
        served([other("a")], [0], decision("none_qualified"), measured=False)


def test_models_without_a_run():
    found = plan_of_models([ours("social"), other("b")], WIDE, (), {})
    assert (found.plan.run_id, found.plan.general.order, found.plan.routes) == (None, ("social", "b"), {})
    assert found.plan.general.outcome is None
    with pytest.raises(UsageError, match="recorded texts"):
        plan_of_models([other("old", "recorded")], WIDE, (), {})


OUTCOMES = {"done": "winner", "undecided": "no_clear_winner", "few": "insufficient_data"}


class Runs:
    """Runs by name, the newest first: their state, or the outcome of one that is done."""

    def __init__(self, **states):
        self._outcomes = {name: OUTCOMES.get(state) for name, state in states.items()}
        self._states = {name: "done" if state in OUTCOMES else state for name, state in states.items()}

    def runs(self):
        return [
            SimpleNamespace(run_id=name, state=state, outcome=self._outcomes[name])
            for name, state in self._states.items()
        ]

    def run_ids(self, beginning=""):
        return [name for name in self._states if name.startswith(beginning)]

    def state(self, name):
        return self._states.get(name)

    def claimed(self, run_ids):
        return {name for name in run_ids if self._states[name] == "running"}

    def run(self, name):
        state = self._states.get(name)
        result = {"decision": {}} if state == "done" else None
        return None if state is None else SimpleNamespace(run_id=name, result=result)


@pytest.mark.parametrize(
    ("wanted", "runs", "taken", "said"),
    [
        (None, Runs(new="done", old="done"), "new", None),
        (None, Runs(new="undecided", old="done"), "new", None),
        (None, Runs(new="few", old="done"), "old", "run new is newer, but has too few briefs.*--run new serves it"),
        (None, Runs(new="few", old="few"), "new", None),
        (
            None,
            Runs(new="interrupted", old="few"),
            "old",
            r"run new .* no result \(interrupted\).* the newest that has one",
        ),
        (None, Runs(new="interrupted", middle="few", old="done"), "old", "Taken is run old, the newest that decided"),
        ("latest", Runs(new="few", old="done"), "new", None),
        (
            "latest",
            Runs(new="running", few="few", old="done"),
            "few",
            r"run new .* no result \(running\).*Taken is run few",
        ),
        ("old", Runs(new="interrupted", old="done"), "old", None),
    ],
)
def test_the_newest_run_is_taken_and_a_newer_one_that_is_not_is_named(wanted, runs, taken, said):
    found = find_run(runs, wanted)
    assert found.row.run_id == taken
    assert len(found.notes) == (0 if said is None else 1)
    assert said is None or re.search(said, found.notes[0])


@pytest.mark.parametrize(
    ("runs", "wanted", "said"),
    [
        (Runs(), None, "there is no run in this workspace"),
        (Runs(a="interrupted"), None, "the newest is a"),
        (Runs(a="interrupted"), "a", "has no result yet"),
        (Runs(a="done"), "b", "there is no run 'b'"),
    ],
)
def test_without_a_run_the_error_says_what_to_do(runs, wanted, said):
    with pytest.raises(UsageError, match=said) as error:
        find_run(runs, wanted)
    assert error.value.hint
