"""The last screen: every outcome, every width, unknown numbers, and names that try to be markup."""

from __future__ import annotations

import io
import re
from typing import Any, get_args

import pytest
from rich.console import Console

from bakeoff.core.records import Decision, Estimate, Outcome, Route
from bakeoff.report.text import _lead, as_text, print_document, render
from contracts import check_run_document
from made_documents import TYPES, document

LONG = "/home/somebody/models/a-folder-with-a-long-name/llama-3.2-1b-instruct-float32"


def with_outcome(outcome: str) -> Any:
    made = document()
    chosen = outcome in {"winner", "best_within_eps"}
    nobody = outcome in {"none_qualified", "insufficient_data"}
    decision = Decision(
        outcome=outcome,  # type: ignore[arg-type]
        choice="ann" if chosen else None,
        leader=None if nobody else "ann",
        reasons=("because [bold]so[/bold]",),
        next=("bakeoff show x",),
    )
    nothing = Estimate(estimate=None, low=None, high=None, method="bounded", briefs=0)
    route = Route(candidate="ann" if chosen else None, outcome=decision.outcome, evidence=nothing)
    return made | {
        "decision": decision.model_dump(mode="json"),
        "routes": {name: route.model_dump(mode="json") for name in TYPES},
    }


def test_a_built_document_keeps_the_contract() -> None:
    check_run_document(document())
    check_run_document(document(("ann",)))
    check_run_document(document(("ann", "bob", "cid"), gated=("bob",)))
    check_run_document(document(("ann", "bob"), gated=("ann", "bob")))
    check_run_document(document(briefs=3))


@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_outcome_fits_every_width(outcome: str, width: int) -> None:
    text = as_text(with_outcome(outcome), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "Decision" in text
    assert "\x1b" not in text
    headline = {
        "winner": "Run ann: it beats every other candidate.",
        "best_within_eps": "Run ann: no other is better by more than 0.3 points.",
        "no_clear_winner": "No clear winner. ann leads",
        "insufficient_data": "Too few briefs to decide anything.",
        "none_qualified": "No candidate qualified.",
    }[outcome]
    assert headline.split(".")[0].split(":")[0] in text
    assert "because [bold]so[/bold]" in text
    assert ("Not decided" in text) == (outcome in {"no_clear_winner", "insufficient_data"})
    assert ("Nobody qualifies" in text) == (outcome == "none_qualified")


@pytest.mark.parametrize("width", [80, 100])
def test_long_names_leave_room_for_the_numbers(width: int) -> None:
    names = (LONG, LONG + "-q4", "bundled:baseline")
    text = as_text(document(names), width)
    assert max(len(line) for line in text.splitlines()) <= width
    # No number is folded over two lines: a row of each table holds its name and its score.
    rows = [line for line in text.splitlines() if line.strip().startswith("bundled:baseline")]
    assert any("4.2" in row and "100 %" in row and " 0 + 0 of " in row for row in rows)
    assert sum("…" in line and "instruct-float" in line for line in text.splitlines()) >= 2


def test_names_are_never_markup() -> None:
    names = ("[red]x", "[/]", ":smile:", "{choice}")
    text = as_text(document(names), 120)
    for name in names:
        assert name in text
    assert "killed [red]by[/red] \ufffd[2J signal 9" in text


def test_colour_only_on_a_terminal() -> None:
    made = document()
    plain, coloured = io.StringIO(), io.StringIO()
    print_document(made, Console(file=plain, width=80))
    print_document(made, Console(file=coloured, width=80, force_terminal=True, color_system="truecolor"))
    assert "\x1b[" not in plain.getvalue()
    assert "\x1b[" in coloured.getvalue()
    without = io.StringIO()
    print_document(made, Console(file=without, width=80, force_terminal=True, no_color=True))
    assert "\x1b[3" not in without.getvalue()


def test_unknown_numbers_are_dashes() -> None:
    made = document()
    unknown = {"estimate": None, "low": None, "high": None, "level": 0.95, "method": "bounded", "briefs": 0}
    for candidate in made["candidates"]:
        candidate |= {
            "quality": unknown,
            "publishable_rate": unknown,
            "success_rate": unknown,
            "device": None,
            "dtype": None,
        }
    for route in made["routes"].values():
        route |= {"evidence": unknown, "candidate": None, "fallbacks": []}
    text = as_text(made, 80)
    assert "None" not in text
    assert "nan" not in text


def test_nobody_leads_a_tie() -> None:
    made = with_outcome("no_clear_winner")
    made["comparisons"] = [pair | {"difference": 0.0} for pair in made["comparisons"]]
    made["comparisons_by_content_type"]["tweet"] = made["comparisons"]
    made["routes"]["tweet"]["candidate"] = "ann"
    text = as_text(made, 80)
    assert "No clear winner: ann and bob are level." in text
    assert "level [" in next(line for line in text.splitlines() if line.strip().startswith("tweet"))


def test_an_undecided_type_is_told_in_a_line_and_commands_stand_alone() -> None:
    made = with_outcome("no_clear_winner")
    reasons = [
        "ann leads with 7.1 [6.0, 8.0], which is not enough to choose it",
        "about 104 further briefs are expected",
    ]
    made["routes"]["tweet"]["reasons"] = reasons
    made["decision"]["next"] = ["bakeoff show x --texts BRIEF    reads what each candidate wrote"]
    lines = [line.strip() for line in as_text(made, 80).splitlines()]
    assert "tweet: ann leads with 7.1 [6.0, 8.0]; about 104 further briefs" in lines
    assert "bakeoff show x --texts BRIEF" in lines
    assert "reads what each candidate wrote" in lines


def test_no_routes_at_all() -> None:
    text = as_text(document() | {"routes": {}, "events": [], "notes": ["a note"]}, 80)
    assert "a note" in text


def test_failures_and_gates_are_told_with_their_counts() -> None:
    made = document()
    kinds = {"timeout": 3, "refused": 1}
    made["candidates"][0] |= {"failures_by_kind": kinds, "gates": {"empty": 2}, "failures": 4, "generations": 20}
    text = as_text(made, 100)
    assert "ann: 4 of 20 texts failed: timeout 3, refused 1" in text
    assert "ann: empty 2" in text
    row = next(line for line in text.splitlines() if line.strip().startswith("ann") and "%" in line)
    assert row.split()[-4:] == ["+", "4", "of", "20"]


def test_rendering_changes_nothing_in_the_document() -> None:
    made = document()
    before = str(made)
    render(made)
    assert str(made) == before


def test_every_candidate_is_shown_against_the_baseline():
    """The sign is the candidate's, whichever way round the pair is stored."""
    made = document()
    pair = made["comparisons"][0]
    shown = " ".join(as_text(made, 200).split())
    other = pair["b"] if pair["a"] == "ann" else pair["a"]
    sign = -1 if pair["a"] == "ann" else 1
    assert f"ann: {other} {sign * pair['difference']:+.2f} [" in shown
    assert "Against the baseline" not in as_text({**made, "baseline": None})


def test_a_route_tells_its_lead_over_the_nearest_rival_with_its_sign():
    pairs = [
        {"a": "x", "b": "y", "difference": -1.0, "low": -2.0, "high": 0.5},
        {"a": "z", "b": "x", "difference": -3.0, "low": -4.0, "high": -2.0},
        {"a": "y", "b": "z", "difference": 9.0, "low": 8.0, "high": 10.0},
        {"a": "x", "b": "w", "difference": None, "low": None, "high": None},
    ]
    assert _lead("x", pairs) == "-1.0 [-2.0, +0.5]"
    assert _lead("z", pairs) == "-9.0 [-10.0, -8.0]"
    assert _lead("w", pairs) == _lead(None, pairs) == "-"


def test_a_candidate_that_was_partly_computed_elsewhere_is_marked_beside_every_number() -> None:
    told = document()
    told["candidates"][0] |= {"device": "mps", "fallbacks": ["aten::linalg_svd"]}
    lines = [line.split() for line in as_text(told).splitlines()]
    rows = [
        words
        for words in lines
        if words and "ann" in {words[0].rstrip("‡"), *(word.rstrip("‡") for word in words[1:2])}
    ]
    assert len(rows) >= 2 + len(TYPES)  # quality, what it takes, and its routes
    assert not any("ann" in words[:2] for words in rows)
    assert any("ann‡: aten::linalg_svd" in line for line in as_text(told).splitlines())
    assert "‡" not in as_text(document())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("bundled:generalist", "bundled:generalist"),
        ("openai:m@http://h:1/v1", "openai:m@http://h:1/v1"),
        ("openai:llama3.2@http://127.0.0.1:11434/v1", "llama3.2@127.0.0.1:11434"),
        ("openai:a-model-with-a-long-name@https://api.example.org/v1", "a-model-with-a-long-nam…"),
        ("some/long/path/to/a/model/folder", "…/path/to/a/model/folder"),
    ],
)
def test_a_long_name_is_shortened_to_what_tells_it_apart(name: str, label: str) -> None:
    made = document()
    only = made["candidates"][0] | {"id": name, "failures_by_kind": {"timeout": 1}, "generations": 20}
    made |= {"candidates": [only], "comparisons": [], "routes": {}}
    assert f"  {label}: 1 of 20 texts failed" in as_text(made, 160)


def test_the_same_weights_are_compared_with_the_first_that_ran_them() -> None:
    ratio = {"estimate": 2.0, "low": 1.5, "high": 2.5, "windows": 5}
    unknown = {"estimate": None, "low": None, "high": None, "windows": 0}

    def pair(a: str, b: str) -> dict[str, Any]:
        known = {"texts": 45, "identical": 44, "difference": -1e-12, "low": -0.5, "high": 0.5, "memory": 0.25}
        return {"a": a, "b": b, "ttft": unknown, "tpot": ratio, "tokens_per_s": unknown, "weights": None, **known}

    shown = document(("ann", "bob", "cid"), same_weights=[pair("ann", "bob"), pair("ann", "cid"), pair("bob", "cid")])
    text = " ".join(as_text(shown, 200).split())
    changes = (
        "the same text for 44 of 45, score +0.00 [-0.50, +0.50], time per token x 2.00 [1.50, 2.50], memory x 0.25"
    )
    assert f"bob against ann: {changes}" in text
    assert f"cid against ann: {changes}" in text
    assert "against bob" not in text
    assert "The same weights" not in as_text(document())


def test_medians_and_rates_have_their_intervals_beside_them() -> None:
    shown = document()
    known = {"p50": 0.04, "p95": 0.08, "p99": 0.09, "count": 25, "p50_low": 0.032, "p50_high": 0.05, "windows": 5}
    wide = {**known, "p50": 0.0008, "p50_high": 0.004}
    shown["candidates"][0] |= {"latency_s": known, "itl_s": wide, "tokens_per_s": 1200.0, "tokens_per_s_high": 1320.0}
    shown["candidates"][0] |= {"load_cold_s": 3.2, "load_warm_s": 0.5}
    text = as_text(shown, 100)
    assert re.search(r"ann\s+40 ms ±25 %\s+80 ms\s+-\s+0\.8 ms ×÷5\.0\s*\n", text)
    assert re.search(r"ann\s+1,200 ±10 %\s+3\.2 s\s+500 ms\s+-\s*\n", text)
    shown["candidates"][0] |= {"tokens_per_s": 0.43, "tokens_per_s_high": 0.5}
    assert re.search(r"ann\s+0\.43 ±16 %", as_text(shown, 100))  # of a large model on a CPU: not 0
    shown["candidates"][0] |= {"tokens_per_s": 1200.0, "tokens_per_s_high": 1320.0}
    del shown["candidates"][1]["itl_s"], shown["candidates"][1]["load_cold_s"]  # as an earlier version wrote it
    assert re.search(r"bob\s+-\s+-\s+-\s+-\s*\n", as_text(shown, 100))


def test_a_route_s_score_is_marked_where_it_comes_from_other_briefs_than_the_rest() -> None:
    made = document()
    first, *rest = made["routes"].values()
    assert [route["confirmed"] for route in (first, *rest)] == [False] * len(made["routes"])
    first["confirmed"] = True
    text = " ".join(as_text(made, 100).split())
    assert f"{first['evidence']['estimate']:.2f}*" in text
    assert "the others are of the briefs that chose them, on average a little too good" in text


def test_what_each_column_counts_is_said() -> None:
    text = " ".join(as_text(document(mode="race"), 100).split())
    assert "means over families of the briefs that counted in the race" in text
    assert "gated, failed: of all texts that were written for them or beside them" in text


def test_who_does_not_qualify_is_level_with_nobody() -> None:
    made = with_outcome("no_clear_winner")
    made["comparisons"] = [pair | {"difference": 0.0} for pair in made["comparisons"]]
    made["decision"]["excluded"] = ["bob"]
    text = as_text(made, 80)
    assert "are level" not in text
    assert "No clear winner. ann leads" in text
