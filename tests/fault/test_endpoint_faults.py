"""`bakeoff run` against an endpoint that misbehaves by a schedule: 300 briefs, 32 in flight, every figure exact."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from bakeoff_command import Workspace
from contracts import check_run_document
from faulty_runs import KEY, QUICK, Ended, ended, quick_workspace, run_against, write_suite
from misbehaving import MODEL, OTHER, Ask, Bucket, Misbehaving, Schedule

BRIEFS = 300


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Workspace:
    return quick_workspace(tmp_path, monkeypatch, capsys)


def be_patient(workspace: Workspace, kind: str) -> None:
    """Give good answers time, as the machine may be busy with other tests; silence is waited for no longer than it takes to be sure."""
    seconds = "3" if kind == "timeout" else "15"
    workspace.environment |= {"BAKEOFF_FIRST_TOKEN_S": seconds, "BAKEOFF_STALL_S": seconds}


def first_time(fault: str, every: int, offset: int = 7) -> Schedule:
    """`fault` for one in `every` briefs, the first time that it is asked for."""

    def schedule(ask: Ask) -> str:
        return fault if ask.brief % every == offset and ask.attempt == 1 else "good"

    return schedule


def always(fault: str, every: int, offset: int = 7) -> Schedule:
    """`fault` for one in `every` briefs, whenever it is asked for."""
    return lambda ask: fault if ask.brief % every == offset else "good"


def check(run: Ended, *, failures: dict[str, int], retries: dict[str, int], texts: int) -> None:
    assert run.code == 0, run.err
    check_run_document(run.document)
    found = run.candidate
    assert found["failures_by_kind"] == failures
    assert found["failures"] == sum(failures.values())
    assert found["retries_by_kind"] == retries
    assert found["retries"] == sum(retries.values())
    assert found["texts"] == texts
    assert sum(found["answers_by_kind"].values()) == found["generations"] == BRIEFS
    assert run.document["measured"] is True


def check_good(server: Misbehaving, texts: int, faults: int) -> None:
    """A good answer for each text and one for the preflight; and one whenever three requests in a row had failed, which
    depends on who came first: does it still write its first text?
    """
    assert texts + 1 <= server.sent["good"] <= texts + 1 + faults // 3


PASSING = [
    ("429", 10, "busy"),
    ("503", 10, "busy"),
    ("429 within a 200", 10, "busy"),
    ("500", 10, "failed"),
    ("408", 50, "failed"),
    ("HTML", 50, "malformed"),
    ("HTML as JSON", 50, "malformed"),
    ("half a JSON", 50, "malformed"),
    ("half an event", 50, "malformed"),
    ("content 7", 50, "malformed"),
    ("content a list", 50, "malformed"),
    ("choices missing", 50, "malformed"),
    ("choices null", 50, "malformed"),
    ("choices empty", 50, "malformed"),
    ("plain text", 50, "malformed"),
    ("huge line", 100, "malformed"),
    ("closed", 50, "unreachable"),
    ("error in the stream", 50, "failed"),
    ("cut before the first token", 50, "failed"),
    ("cut after the first token", 50, "failed"),
    ("ended after the first token", 50, "failed"),
    ("hang", 100, "timeout"),
    ("hang before the first token", 100, "timeout"),
    ("hang after the first token", 100, "timeout"),
    ("comments for ever", 100, "timeout"),
]


@pytest.mark.parametrize(("fault", "every", "kind"), PASSING, ids=[fault for fault, *_ in PASSING])
def test_a_fault_that_passes_costs_a_retry_and_no_text(workspace: Workspace, fault: str, every: int, kind: str) -> None:
    be_patient(workspace, kind)
    with Misbehaving(first_time(fault, every)) as server:
        run = run_against(workspace, server)
    hit = BRIEFS // every
    check(run, failures={}, retries={kind: hit}, texts=BRIEFS)
    assert run.candidate["retried_texts"] == hit
    assert server.sent[fault] == hit
    check_good(server, BRIEFS, hit)
    shown = workspace.call("show", "latest").stdout
    assert f"{hit} requests made again ({kind} {hit}), for {hit} texts, with the latency of the last" in " ".join(
        shown.split()
    )


STAYING = [
    ("400", "rejected", 1),
    ("500", "failed", 4),
    ("HTML", "malformed", 3),
    ("choices missing", "malformed", 3),
    ("hang", "timeout", 2),
    ("cut after the first token", "failed", 4),
    ("closed", "unreachable", 4),
    ("empty", "empty", 1),
    ("null", "null", 1),
    ("refusal", "refused", 1),
    ("content_filter", "refused", 1),
]


@pytest.mark.parametrize(("fault", "kind", "tries"), STAYING, ids=[fault for fault, *_ in STAYING])
def test_a_fault_that_stays_fails_its_texts_and_no_other(
    workspace: Workspace, fault: str, kind: str, tries: int
) -> None:
    be_patient(workspace, kind)
    with Misbehaving(always(fault, 30)) as server:
        run = run_against(workspace, server)
    retries = {kind: 10 * (tries - 1)} if tries > 1 else {}
    check(run, failures={kind: 10}, retries=retries, texts=BRIEFS - 10)
    assert server.sent[fault] == 10 * tries
    check_good(server, BRIEFS - 10, 10 * tries)
    assert run.document["events"] == []
    shown = " ".join(workspace.call("show", "latest").stdout.split())
    assert f"10 of 300 texts failed: {kind} 10" in shown
    # The declared rule: such a text scores 0 and is no success, and both figures are beside each other.
    assert run.candidate["success_rate"]["estimate"] == pytest.approx(290 / 300)
    assert run.candidate["quality"]["estimate"] == pytest.approx(
        run.candidate["mean_score_of_texts"] * 290 / 300, abs=0.01
    )


def test_a_text_that_is_always_refused_as_busy_fails_for_itself_and_no_other(workspace: Workspace) -> None:
    """Some say 429 to what is too long for a minute's tokens. It is asked for as long as a whole endpoint would be."""
    be_patient(workspace, "busy")
    with Misbehaving(always("429", 30)) as server:
        run = run_against(workspace, server)
    tries = server.sent["429"]
    check(run, failures={"busy": 10}, retries={"busy": tries - 10}, texts=BRIEFS - 10)
    assert 60 <= tries <= 250
    assert {event["kind"] for event in run.document["events"]} <= {"endpoint_busy"}


@pytest.mark.parametrize(("every_s", "think_s"), [(0.03, 0.0), (0.02, 0.02), (0.03, 0.05)])
def test_a_sustained_limit_of_rate_costs_time_and_no_text(workspace: Workspace, every_s: float, think_s: float) -> None:
    """20, 30 and 20 requests a minute, of 0, 2 and 5 s a text, a hundred times as quick."""
    be_patient(workspace, "busy")
    bucket = Bucket(every_s)
    with Misbehaving(bucket, bucket.retry_after, think_s=think_s) as server:
        run = run_against(workspace, server, briefs=60)
    assert run.code == 0, run.err
    assert run.candidate["failures"] == 0
    assert run.candidate["texts"] == 60
    assert run.candidate["retries_by_kind"] == {"busy": server.sent["429"]}
    assert server.sent["good"] <= 60 + 1 + 1  # what a limit leaves is spent on texts that count
    assert server.sent["429"] <= 60 * 3 + 32  # on a busy machine; else about 80
    assert [event["kind"] for event in run.document["events"]] == ["endpoint_busy"]


@pytest.mark.parametrize(
    "fault",
    [
        "plain",
        "gzip",
        "content of parts",
        "STOP",
        "no [DONE]",
        "no finish_reason",
        "no usage",
        "usage of strings",
        "cached tokens",
    ],
)
def test_another_way_of_being_right_is_no_fault(workspace: Workspace, fault: str) -> None:
    with Misbehaving(fault) as server:
        run = run_against(workspace, server, briefs=40)
    assert run.code == 0, run.err
    assert run.candidate["answers_by_kind"] == {"text": 40}
    assert (run.candidate["retries"], server.requests) == (0, 41)
    assert (run.candidate["tokens_per_s"] is not None) == (fault in {"cached tokens", "content of parts", "STOP"})


def test_a_model_that_thinks_within_its_text_is_worth_what_its_text_is(workspace: Workspace) -> None:
    with Misbehaving("thoughts within the text") as thinks, Misbehaving("good") as plain:
        run = run_against(workspace, thinks, plain, briefs=24)
    assert run.code == 0, run.err
    one, other = run.document["candidates"]
    assert one["quality"]["estimate"] == other["quality"]["estimate"] > 5
    assert one["gates"] == other["gates"]
    assert one["ttft_s"]["p50"] is not None


def test_texts_that_are_cut_off_are_scored_counted_and_not_publishable(workspace: Workspace) -> None:
    be_patient(workspace, "truncated")
    with Misbehaving(always("truncated", 10)) as server:
        run = run_against(workspace, server)
    check(run, failures={}, retries={}, texts=BRIEFS)
    assert run.candidate["answers_by_kind"] == {"text": 270, "truncated": 30}
    assert run.candidate["gates"]["truncated"] == 30
    assert run.candidate["publishable_rate"]["estimate"] == pytest.approx(0.9)
    shown = " ".join(workspace.call("show", "latest").stdout.split())
    assert "30 of 300 texts were cut off at the limit of tokens" in shown


def test_a_date_to_wait_for_is_held_against_the_servers_clock(workspace: Workspace) -> None:
    with Misbehaving(first_time("429 with a date", 20)) as server:
        begun = time.monotonic()
        run = run_against(workspace, server, briefs=40)
        took_s = time.monotonic() - begun
    assert run.candidate["retries_by_kind"] == {"busy": 2}
    assert 1.0 <= took_s < 30


def test_an_endpoint_that_dies_for_good_fails_its_candidate_and_not_the_run(workspace: Workspace) -> None:
    with (
        Misbehaving(lambda ask: "die" if ask.number > 151 else "good") as dying,
        Misbehaving("good") as healthy,
    ):
        run = run_against(workspace, dying, healthy)
        assert run.code == 0, run.err
        check_run_document(run.document)
        gone, fine = run.document["candidates"]
        assert fine["answers_by_kind"] == {"text": BRIEFS}
        assert gone["texts"] == dying.sent["good"] - 1 == 150
        assert gone["failures_by_kind"] == {"gone": 150}
        assert gone["mean_score_of_texts"] > 5
        assert run.document["decision"]["choice"] == fine["id"]
        assert any(
            "it was given up, and 150 texts that were to come from it are missing" in reason
            for reason in run.document["decision"]["reasons"]
        )
        assert [event["kind"] for event in run.document["events"]][-1] == "endpoint_gone"
        shown = " ".join(workspace.call("show", "latest").stdout.split())
        assert "150 of 300 texts failed: gone 150" in shown
        assert "was given up; 150 of its 300 texts came, and score" in shown
        assert "bakeoff run --resume" in shown
        assert "no other candidate qualified" in shown
        assert f"m@127.0.0.1:{dying.port}†" in shown
        assert "beats" not in shown  # it was compared with half a candidate
        # What was in flight, then one at a time: not 150 texts with four tries each.
        assert dying.requests <= 152 + 31
        before = workspace.generations(run.document["run_id"])
        assert len(before) == 450


def test_a_resumed_run_asks_the_dead_endpoint_for_the_missing_texts_only(workspace: Workspace) -> None:
    alive = [True]
    with Misbehaving(lambda ask: "good" if alive[0] and ask.number <= 100 else "500") as server:
        first = run_against(workspace, server)
        assert first.candidate["failures_by_kind"] == {"gone": 201}
        kept = workspace.generations(first.document["run_id"])
        assert len(kept) == 99
    # The same address, alive again.
    again = Misbehaving("good")
    again.port = server.port
    with again:
        done = workspace.call("run", "--resume", "latest", "--json")
        document = json.loads(done.stdout)
        assert done.returncode == 0
        assert document["candidates"][0]["answers_by_kind"] == {"text": BRIEFS}
        assert again.requests == 201 + 1
        assert kept.items() <= workspace.generations(document["run_id"]).items()


def test_an_endpoint_that_restarts_costs_no_text(workspace: Workspace) -> None:
    workspace.environment["BAKEOFF_GIVE_UP_S"] = "20"
    down = []

    def once(ask: Ask) -> str:
        if ask.number > 100 and not down:
            down.append(ask.number)
            return "die"
        return "good"

    with Misbehaving(once, down_s=0.5) as server:
        run = run_against(workspace, server)
    check(run, failures={}, retries=run.candidate["retries_by_kind"], texts=BRIEFS)
    assert set(run.candidate["retries_by_kind"]) <= {"unreachable", "failed"}
    assert run.candidate["retries"] >= 1
    assert [event["kind"] for event in run.document["events"]] == ["endpoint_in_doubt", "endpoint_back"]


@pytest.mark.parametrize(
    ("fault", "code", "says", "requests"),
    [
        ("500", 1, "answered 500: as scheduled", 4),
        ("429", 1, "answered 429: slow down", 6),
        ("HTML", 1, "answered with a web page", 3),
        ("400", 1, "answered 400: context too long", 1),
        ("401", 1, "answered 401: Incorrect API key provided: ***", 1),
        ("403", 1, "answered 403", 1),
        ("404", 1, "answered 404: no such model", 1),
        ("hang", 1, "sent no first token within 1 s", 1),
        ("hang before the first token", 1, "sent no first token within 1 s", 1),
        ("hang after the first token", 1, "sent no further token within 0.5 s", 1),
        ("comments for ever", 1, "sent no first token within 1 s", 1),
    ],
)
def test_an_endpoint_that_never_works_is_told_at_once(
    workspace: Workspace, fault: str, code: int, says: str, requests: int
) -> None:
    with Misbehaving(fault) as server:
        begun = time.monotonic()
        run = run_against(workspace, server)
        took_s = time.monotonic() - begun
    assert (run.code, run.out) == (code, "")
    (line,) = [line for line in run.err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert server.requests == requests
    assert took_s < 15
    assert workspace.rows("select run_id from runs") == []


def test_nobody_listening_is_told_within_seconds(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = Misbehaving("good")
        nobody.port = int(closed.getsockname()[1])
    begun = time.monotonic()
    run = run_against(workspace, nobody)
    assert time.monotonic() - begun < 5
    assert (run.code, run.out) == (2, "")
    assert "cannot be reached" in run.err
    assert "hint: start the server" in run.err
    nobody._loop.close()


@pytest.mark.parametrize("fault", ["500", "401", "hang"])
def test_where_no_model_answered_the_exit_code_says_so(workspace: Workspace, fault: str) -> None:
    with Misbehaving(lambda ask: "good" if ask.number == 1 else fault) as server:
        run = run_against(workspace, server)
    assert run.code == 1
    assert "error: nothing was measured" in run.err
    check_run_document(run.document)
    assert run.document["measured"] is False
    assert run.candidate["failures_by_kind"] == {"gone": BRIEFS}
    assert run.document["decision"]["outcome"] == "none_qualified"
    assert "Nothing was measured" in workspace.call("show", "latest").stdout
    assert server.requests < 60


@pytest.mark.parametrize(
    ("fault", "status", "most"),
    [("401", 401, 32), ("403", 403, 36), ("404", 404, 36), ("400", 400, 36)],
)
def test_an_endpoint_that_refuses_everything_from_some_text_on_is_given_up_at_once(
    workspace: Workspace, fault: str, status: int, most: int
) -> None:
    """A key that was taken back, a model that was unloaded: what came before is kept, and the other candidate goes on."""
    workspace.environment |= {"BAKEOFF_GIVE_UP_S": "600"}
    be_patient(workspace, "rejected")
    with (
        Misbehaving(lambda ask: "good" if ask.number <= 150 else fault) as server,
        Misbehaving("good") as healthy,
    ):
        run = run_against(workspace, server, healthy)
    assert run.code == 0, run.err
    check_run_document(run.document)
    assert 1 <= server.sent[fault] <= most  # those that were in flight when the first was refused, and none again
    broken, other = run.document["candidates"]
    assert broken["failures_by_kind"] == {"gone": BRIEFS - broken["texts"]}
    assert 149 - 36 <= broken["texts"] <= 149  # the preflight's is not stored; texts were asked for again to be sure
    assert broken["retries"] == 0
    assert (other["failures"], other["texts"]) == (0, BRIEFS)
    assert run.document["decision"]["choice"] == healthy.model
    (event,) = [each for each in run.document["events"] if each["kind"] == "endpoint_gone"]
    assert f"answered {status}" in event["message"]
    assert f"bakeoff run --resume {run.document['run_id']}" in " ".join(run.document["decision"]["next"])


def test_a_model_that_never_has_a_text_is_measured_and_does_not_qualify(workspace: Workspace) -> None:
    with Misbehaving("empty") as server:
        run = run_against(workspace, server)
    assert run.code == 3
    assert run.document["measured"] is True
    assert run.candidate["failures_by_kind"] == {"empty": BRIEFS}
    assert server.requests == BRIEFS + 1


def test_the_loading_of_a_model_by_a_shared_server_is_in_no_figure(workspace: Workspace) -> None:
    be_patient(workspace, "none")
    load_s = 0.5
    with Misbehaving("good", load_s=load_s) as server:
        write_suite(workspace.folder / "suite.yaml", 60)
        models = f"openai:{MODEL}@{server.url},openai:{OTHER}@{server.url}"
        run = ended(workspace.call("run", "suite.yaml", "--models", models, "--fixed-n", "60", "--json"))
    assert run.code == 0, run.err
    assert server.loads > 4  # the preflight's two, and turns
    for found in run.document["candidates"]:
        assert found["texts"] == 60
        assert found["ttft_s"]["p95"] < load_s
    # A text for each turn of another model, and the preflight's two, beside those that count.
    assert server.requests - 2 * 60 - 2 <= server.loads <= server.requests - 2 * 60


def test_an_endpoint_is_asked_no_more_at_once_than_allowed(workspace: Workspace) -> None:
    with Misbehaving("good", think_s=0.01) as server:
        run = run_against(workspace, server, briefs=60, options=("--concurrency-per-endpoint", "3"))
    assert run.code == 0
    assert server.most_in_flight == 3
    assert run.candidate["tokens_per_s_concurrency"] == 3


def test_the_key_is_sent_and_is_nowhere_else(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    keys = set()

    def quoting(ask: Ask) -> str:
        keys.add(ask.key)
        return "401" if ask.number > 200 else "good"

    with Misbehaving(quoting) as server:
        run = run_against(workspace, server)
    assert keys == {KEY}
    assert set(run.candidate["failures_by_kind"]) == {"gone"}
    assert KEY[:8] not in run.out + run.err
    stored = [path for path in workspace.home.rglob("*") if path.is_file()]
    assert len(stored) >= 3
    for path in stored:
        assert KEY[:8].encode() not in path.read_bytes(), path


def test_a_key_that_no_header_can_hold_is_refused_and_not_quoted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r\nX-Other: 1")
    with Misbehaving("good") as server:
        run = run_against(workspace, server, briefs=10)
    assert run.code == 2
    assert "error: OPENAI_API_KEY holds characters" in run.err
    assert KEY not in run.err
    assert server.requests == 0
    monkeypatch.setenv("OPENAI_API_KEY", f"  {KEY}\n")
    with Misbehaving(lambda ask: "good" if ask.key == KEY else "401") as server:
        assert run_against(workspace, server, briefs=10).code == 0


def test_a_setting_that_is_no_time_is_told_before_anything_is_asked(workspace: Workspace) -> None:
    for name in ("BAKEOFF_STALL_S", "BAKEOFF_GIVE_UP_S", "BAKEOFF_PROBE_S"):
        workspace.environment |= QUICK | {name: "a while"}
        with Misbehaving("good") as server:
            run = run_against(workspace, server, briefs=10)
        assert run.code == 2
        assert f"error: {name}: 'a while' is not a number of seconds" in run.err
        assert server.requests == 0
