"""What a status and its headers mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bakeoff.core.errors import EndpointBusy, EndpointFailed, EndpointRefused
from bakeoff.engines.http_errors import refusal, retry_after_s


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


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, EndpointRefused), (401, EndpointRefused), (429, EndpointBusy), (500, EndpointFailed), (503, EndpointBusy)],
)
def test_a_status_is_one_reaction(status, kind):
    error = refusal("m at here", status, {}, b'{"error": {"message": "why"}}')
    assert type(error) is kind
    assert error.message == f"m at here answered {status}: why"
