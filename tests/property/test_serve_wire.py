"""A connection to a model's server, fed by hand: however its bytes are cut, the same answer; what is no HTTP is an error."""

import asyncio
import contextlib
import gzip
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.core.errors import EndpointError, EndpointFailed, EndpointGarbage, EndpointTimeout, EndpointUnreachable
from bakeoff.serve.wire import MOST_HEADER_BYTES, MOST_WAITING, Wire

BODY = b'data: {"choices": []}\n\n' * 5 + "data: größer\n\n".encode()


def chunked(*parts):
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
ANSWERS = {
    "length": HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY[:7], BODY[7:40], BODY[40:]),
    "wait a moment": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "gzip": HEAD
    + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(gzip.compress(BODY)[:20], gzip.compress(BODY)[20:]),
}


class Sent(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = False
        self.paused = False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


def exchanged(feed, *, pour=False):
    """Ask, have `feed(wire)` bring the answer, return the wire, its status and body."""

    async def work():
        free = []
        wire = Wire("m", free.append)
        wire.connection_made(Sent())
        wire.ask(b"POST / HTTP/1.1\r\n\r\n")
        asyncio.get_running_loop().call_soon(feed, wire)
        async with asyncio.timeout(10):
            await wire.head()
            body = bytearray()
            if pour:
                assert await wire.pour(lambda came: body.extend(came) or True)
            else:
                while came := await wire.read():
                    body += came
        return wire, wire.status, bytes(body)

    return asyncio.run(work())


@given(st.sampled_from(sorted(ANSWERS)), st.lists(st.integers(0, 400), max_size=12), st.booleans())
@settings(max_examples=150, deadline=None)
def test_however_the_bytes_are_cut_it_is_the_same_answer(kind, cuts, pour):
    answer = ANSWERS[kind]
    places = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})

    def feed(wire):
        for start, end in pairwise(places):
            wire.data_received(answer[start:end])

    wire, status, body = exchanged(feed, pour=pour)
    assert (status, body) == (200, BODY)
    assert wire.ended
    assert wire.open


def test_a_body_without_a_length_ends_with_its_connection():
    def feed(wire):
        wire.data_received(HEAD + b"\r\n" + BODY)
        wire.connection_lost(None)

    wire, _, body = exchanged(feed)
    assert body == BODY
    assert not wire.open


def test_an_answer_that_closes_its_connection_is_whole_and_the_last():
    wire, _, body = exchanged(
        lambda wire: wire.data_received(HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nab")
    )
    assert body == b"ab"
    assert not wire.open


@pytest.mark.parametrize(
    ("sent", "lost", "kind"),
    [
        (b"", True, EndpointUnreachable),
        (b"HTTP/1.1 20", True, EndpointUnreachable),
        (HEAD + b"Content-Length: 10\r\n\r\nabc", True, EndpointFailed),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", True, EndpointFailed),
        (b"SSH-2.0-OpenSSH_9\r\n", False, EndpointGarbage),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n", False, EndpointGarbage),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!", False, EndpointGarbage),
        (HEAD + b"Content-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", False, None),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", False, EndpointGarbage),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * (2 * MOST_HEADER_BYTES), False, EndpointGarbage),
    ],
)
def test_what_breaks_off_or_is_no_http_is_an_error(sent, lost, kind):
    def feed(wire):
        wire.data_received(sent)
        if lost:
            wire.connection_lost(None)

    if kind is None:  # the answer is whole; what follows costs the connection alone
        wire, _, body = exchanged(feed)
        assert body == b"ab"
        assert not wire.open
        return
    with pytest.raises(kind) as raised:
        exchanged(feed)
    assert isinstance(raised.value, EndpointError)


def test_very_much_in_very_few_bytes_is_refused():
    packed = gzip.compress(b"\0" * (64 * MOST_WAITING))
    with pytest.raises(EndpointGarbage):
        exchanged(lambda wire: wire.data_received(HEAD + b"Content-Encoding: gzip\r\n\r\n" + packed))


def test_what_nobody_takes_keeps_the_server_from_sending_more():
    async def work():
        wire, sent = Wire("m", lambda _wire: None), Sent()
        wire.connection_made(sent)
        wire.ask(b"x")
        wire.data_received(HEAD + b"Content-Length: %d\r\n\r\n" % (4 * MOST_WAITING))
        wire.data_received(b"y" * (MOST_WAITING + 1))
        paused = sent.paused
        await wire.read()
        return paused, sent.paused

    assert asyncio.run(work()) == (True, False)


def test_bytes_that_nobody_asked_for_close_the_connection():
    async def work():
        wire, sent = Wire("m", lambda _wire: None), Sent()
        wire.connection_made(sent)
        wire.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
        return sent.closed

    assert asyncio.run(work())


@pytest.mark.parametrize("pour", [False, True])
def test_what_is_overdue_is_told_whatever_still_comes(pour):
    def feed(wire):
        wire.data_received(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b": busy\n\n")[:-5])

        def again():
            with contextlib.suppress(Exception):
                wire.data_received(b"8\r\n: busy\n\n\r\n")
            if wire.open:
                asyncio.get_running_loop().call_later(0.001, again)

        again()
        asyncio.get_running_loop().call_later(0.05, wire.overdue, EndpointTimeout("late"))

    with pytest.raises(EndpointTimeout):
        exchanged(feed, pour=pour)
