"""What a status and its headers mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bakeoff.core.errors import EndpointBusy, EndpointDenied, EndpointFailed, EndpointGarbage, EndpointRefused
from bakeoff.engines.answer import Answer
from bakeoff.engines.http_errors import refusal, retry_after_s, without


@pytest.mark.parametrize(("value", "expected"), [("3", 3.0), ("0.5", 0.5), ("-4", 0.0), ("soon", None)])
def test_seconds_to_wait(value, expected):
    assert retry_after_s({"Retry-After": value}) == expected


def test_no_header_is_no_advice():
    assert retry_after_s({}) is None


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_date_to_wait_for(zone):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60)).replace("+0000", zone)
    assert 55 < retry_after_s({"Retry-After": until}) <= 60
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=60)).replace("+0000", zone)
    assert retry_after_s({"Retry-After": past}) == 0.0


def test_a_date_is_held_against_the_servers_own_clock():
    server = datetime.now(UTC) - timedelta(days=2)
    headers = {"Date": format_datetime(server), "Retry-After": format_datetime(server + timedelta(seconds=30))}
    assert retry_after_s(headers) == 30.0


@pytest.mark.parametrize(
    "value", ["nan", "", "Wed, 99 Foo 2026 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +9999999999999"]
)
def test_what_is_neither_seconds_nor_a_date_is_no_advice(value):
    assert retry_after_s({"Retry-After": value}) is None


def test_a_server_error_may_say_how_long_it_takes():
    assert refusal("m", 502, {"Retry-After": "4"}, b"").retry_after_s == 4.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, EndpointRefused),
        (401, EndpointDenied),
        (408, EndpointFailed),
        (429, EndpointBusy),
        (500, EndpointFailed),
        (503, EndpointBusy),
    ],
)
def test_a_status_is_one_reaction(status, kind):
    error = refusal("m at here", status, {}, b'{"error": {"message": "why"}}')
    assert type(error) is kind
    assert error.message == f"m at here answered {status}: why"


def test_json_too_deep_to_read_is_quoted_and_no_crash():
    assert "answered 500" in refusal("m", 500, {}, b"[" * 100_000).message
    with pytest.raises(EndpointGarbage, match="not JSON"):
        Answer("m").take_body("[" * 100_000)


def test_a_secret_is_taken_out_of_what_a_server_says():
    assert without("it serves Bearer sk-SECRETSECRET1234", "sk-SECRETSECRET1234") == "it serves Bearer ***"
    assert without("none of that", "none") == "none of that"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"detail": [{"loc": ["body", "seed"], "msg": "Extra"}, {"loc": ["body", "n"], "msg": "Low"}]}', "body.seed: Extra; body.n: Low"),
        (b'{"object": "error", "message": {"detail": [{"loc": ["body", "seed"], "msg": "Extra"}]}}', "body.seed: Extra"),
        (b'[{"error": {"code": 400, "message": "Unknown name"}}]', "Unknown name"),
        (b'{"error": {"message": "Unsupported value", "param": "temperature"}}', "Unsupported value (temperature)"),
        (b'{"error": {"message": "no temperature", "param": "temperature"}}', "no temperature"),
        (b'{"message": {"message": {}}, "detail": 7}', '{"message": {"message": {}}, "detail": 7}'),
    ],
)  # fmt: skip
def test_what_a_refusal_names_is_read_in_every_shape(body, said):
    assert refusal("m", 422, {}, body).message == f"m answered 422: {said}"
