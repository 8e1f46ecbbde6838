"""The client against servers that are written byte by byte: each one's oddities, and each way to fail."""

import asyncio
import contextlib
import gzip
import json
import os
import ssl
import sys
from dataclasses import dataclass, field

import pytest

from bakeoff.core.errors import (
    AnswerEmpty,
    AnswerNull,
    AnswerRefused,
    EndpointBusy,
    EndpointFailed,
    EndpointGarbage,
    EndpointRefused,
    EndpointTimeout,
    EndpointUnreachable,
    UsageError,
)
from bakeoff.core.spec import Sampling
from bakeoff.engines.client import EndpointClient
from bakeoff.engines.deadlines import Deadlines

MESSAGES = [{"role": "user", "content": "Write."}]
DEADLINES = Deadlines(connect_s=2, first_token_s=2, stall_s=0.5, total_s=5)
KEY = "sk-secret-0123456789"
PACE_S = 0.05  # of a server that writes piece by piece


def reply(body, status="200 OK", kind="application/json", extra=""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{extra}\r\n"
    return head.encode() + data


def stream(*lines, end="\n"):
    """An event stream that ends with the connection."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return head + "".join(line + end for line in lines).encode()


def data(**value):
    return "data: " + json.dumps(value)


def chunk(text=None, finish=None, **more):
    delta = {} if text is None else {"content": text}
    return data(choices=[{"index": 0, "delta": delta, "finish_reason": finish}], **more)


@dataclass
class Server:
    """Answers each request with the next of `replies` (the last one for ever); None hangs, a list comes piece by piece. Keeps what it was sent."""

    replies: list
    bodies: list = field(default_factory=list)
    heads: list = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    connections: list = field(default_factory=list)

    async def serve(self, reader, writer):
        self.connections.append(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0
                )
                self.heads.append(head.decode())
                self.bodies.append(json.loads(await reader.readexactly(length) or b"{}"))
                answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if answer is None:
                    await reader.read()
                    return
                pieces = [answer] if isinstance(answer, bytes) else answer
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0 if piece is pieces[-1] else PACE_S)
                if b"Connection: close" in pieces[0]:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()


@contextlib.asynccontextmanager
async def serving(*replies):
    server = Server(list(replies))
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        async with EndpointClient(f"http://127.0.0.1:{port}/v1/", "m", api_key=KEY, deadlines=DEADLINES) as client:
            yield client, server
    finally:
        listener.close()
        await asyncio.gather(*server.connections)


def ask(*replies, seed=3):
    async def once():
        async with serving(*replies) as (client, server):
            return await client.generate(MESSAGES, Sampling(), seed), server

    return asyncio.run(once())


PLAIN = {"model": "m-1", "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_in_the_shape_of_openai(end):
    answer, server = ask(
        stream(
            ": keepalive 1/1",
            "",
            data(model="m-1", choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}]),
            "",
            chunk("Hel"),
            "",
            chunk("lo"),
            "",
            chunk(finish="length"),
            "",
            data(choices=[], usage=USAGE),
            "",
            "data: [DONE]",
            "",
            end=end,
        )
    )
    assert (answer.text, answer.finish_reason, answer.served_model) == ("Hello", "length", "m-1")
    assert (answer.timings.prompt_tokens, answer.timings.completion_tokens) == (4, 2)
    assert answer.timings.tokens_from == "reported"
    assert 0 < answer.timings.ttft_s <= answer.timings.latency_s
    assert server.bodies[0]["stream_options"] == {"include_usage": True}
    assert server.bodies[0]["seed"] == 3
    assert "top_k" not in server.bodies[0]
    assert f"Authorization: Bearer {KEY}" in server.heads[0]


def test_peers_that_leave_something_out():
    no_done = ask(stream(chunk("a"), "", chunk("b", finish="eos"), ""))[0]
    assert (no_done.text, no_done.finish_reason) == ("ab", "stop")
    no_finish = ask(stream(chunk("a"), "", "data: [DONE]", ""))[0]
    assert (no_finish.text, no_finish.finish_reason) == ("a", "stop")
    no_last_line = ask(stream(chunk("a"), "", chunk(finish="stop")))[0]
    assert no_last_line.text == "a"
    split_event = ask(stream('data: {"choices": [{"delta":', 'data: {"content": "x"}, "finish_reason": "stop"}]}', ""))[
        0
    ]
    assert split_event.text == "x"


def test_uncounted_tokens_are_unknown_never_chunks():
    timings = ask(stream(chunk("a"), "", chunk("b", finish="stop"), ""))[0].timings
    assert (timings.prompt_tokens, timings.completion_tokens, timings.tokens_from) == (None, None, None)


def test_times_between_tokens_are_known_only_where_each_came_by_itself():
    """Events that arrive together are pieces, not tokens: nobody knows when each token was there."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    last = f"data: {json.dumps({'choices': [], 'usage': usage})}"
    timings = ask(stream(chunk("a"), "", chunk("b", finish="stop"), "", last, ""))[0].timings
    assert (timings.completion_tokens, timings.itl_s, timings.itl_at) == (2, None, None)
    paced = [stream(), *(f"{line}\n\n".encode() for line in (chunk("a"), chunk("b", finish="stop"), last))]
    timings = ask(paced)[0].timings
    assert (len(timings.itl_s), timings.itl_at) == (1, "client")
    assert PACE_S * 0.9 < timings.itl_s[0] < timings.latency_s


def test_a_finished_answer_whose_connection_stays_open_is_not_a_timeout():
    open_end = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    event = (chunk("a", finish="stop") + "\n\n").encode()
    answer = ask(open_end + f"{len(event):x}\r\n".encode() + event + b"\r\n")[0]
    assert answer.text == "a"
    assert answer.timings.latency_s < 0.4


def test_a_server_that_answers_plainly_though_asked_to_stream():
    answer = ask(reply(PLAIN | {"usage": USAGE}))[0]
    assert (answer.text, answer.timings.ttft_s, answer.timings.completion_tokens) == ("Hello", None, 2)


def refused(message):
    return reply({"error": {"message": message, "type": "invalid_request_error"}}, "400 Bad Request")


def test_what_a_server_refuses_of_the_protocol_is_left_out_and_remembered():
    async def twice():
        replies = [
            refused("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            refused("unknown field: stream_options"),
            refused("streaming is not supported"),
            reply(PLAIN),
        ]
        async with serving(*replies) as (client, server):
            first = await client.generate(MESSAGES, Sampling(max_tokens=9), 0)
            second = await client.generate(MESSAGES, Sampling(max_tokens=9), 0)
            return first, second, server.bodies

    first, second, bodies = asyncio.run(twice())
    assert first.text == second.text == "Hello"
    assert len(bodies) == 5
    assert [("stream" in body, "stream_options" in body) for body in bodies] == [
        (True, True),
        (True, True),
        (True, False),
        (False, False),
        (False, False),
    ]
    assert "max_tokens" in bodies[0]
    assert all(body["max_completion_tokens"] == 9 and "max_tokens" not in body for body in bodies[1:])


def test_a_refusal_that_quotes_the_brief_changes_nothing_for_the_others():
    """The brief spoke of streaming, and the server of the brief: all later texts came in one piece, with no TTFT."""

    async def refused_then_asked():
        brief = "Write about our new streaming service, and its stream_options."
        policy = refused(f"against our policy: {brief!r}")
        whole = stream(chunk("Hello"), "", chunk(finish="stop"), "", "data: [DONE]", "")
        async with serving(policy, policy, policy, whole) as (client, server):
            with pytest.raises(EndpointRefused, match="against our policy"):
                await client.generate([{"role": "user", "content": brief}], Sampling(), 0)
            return await client.generate(MESSAGES, Sampling(), 0), server.bodies

    answer, bodies = asyncio.run(refused_then_asked())
    assert answer.timings.ttft_s is not None
    assert [("stream" in body, "stream_options" in body) for body in bodies] == [
        (True, True),
        (True, False),
        (False, False),
        (True, True),
    ]


def test_requests_beside_each_other_learn_from_one_refusal():
    async def three():
        replies = [*[refused("unknown field: stream_options")] * 3, reply(PLAIN)]
        async with serving(*replies) as (client, server):
            answers = await asyncio.gather(*(client.generate(MESSAGES, Sampling(), 0) for _ in range(3)))
            return answers, server.bodies

    answers, bodies = asyncio.run(three())
    assert [answer.text for answer in answers] == ["Hello"] * 3
    assert ["stream_options" in body for body in bodies] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (refused("context length exceeded"), EndpointRefused, "answered 400: context length exceeded"),
        (reply({"error": f"bad key {KEY}"}, "401 Unauthorized"), EndpointRefused, r"bad key \*\*\*"),
        (reply({"detail": "no such model"}, "404 Not Found"), EndpointRefused, "no such model"),
        (reply(b"upstream died", "502 Bad Gateway", "text/plain"), EndpointFailed, "502: upstream died"),
        (reply({}, "429 Too Many Requests", extra="Retry-After: 1.5\r\n"), EndpointBusy, "429"),
        (reply(b"", "302 Found", extra="Location: http://else/\r\n"), EndpointRefused, "redirects to http://else/"),
        (reply(b"<html>hello</html>", kind="text/html"), EndpointGarbage, "web page"),
        (reply(b"not json at all"), EndpointGarbage, "not JSON"),
        (reply({"choices": []}), EndpointGarbage, "without choices"),
        (reply({"object": "list"}), EndpointGarbage, "without choices"),
        (reply([1]), EndpointGarbage, "no completion"),
        (reply({"error": {"message": "out of memory"}}), EndpointFailed, "out of memory"),
        (reply(b"hello there", kind="text/plain"), EndpointGarbage, "without any event"),
        (stream("data: {oops", ""), EndpointGarbage, "not JSON"),
        (stream(chunk("a"), "", data(error={"message": "overloaded"}), ""), EndpointFailed, "overloaded"),
        (stream(chunk("a"), "", "event: error", 'data: {"reason": "gone"}', ""), EndpointFailed, "gone"),
        (stream(chunk("a"), ""), EndpointFailed, "without finish_reason"),
        (stream(chunk("a", finish="content_filter"), ""), AnswerRefused, "content_filter"),
        (stream(chunk("a", finish="tool_calls"), ""), EndpointFailed, "tool_calls"),
        (stream(chunk("a", finish=["stop"]), ""), EndpointGarbage, "finish_reason that is no text"),
        (stream(), EndpointFailed, "before its first token"),
        (stream(chunk(), ""), EndpointFailed, "before its first token"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\nConnection: close\r\n\r\ndata: {",
            EndpointFailed,
            "in the middle",
        ),
        (b"220 mail.example.org ESMTP\r\nConnection: close\r\n\r\n", EndpointGarbage, "does not speak HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Le",
            EndpointUnreachable,
            "without an answer",
        ),
    ],
)
def test_each_failure_has_its_error(answer, error, says):
    with pytest.raises(error, match=says) as caught:
        ask(answer)
    assert KEY not in str(caught.value) + repr(caught.value) + caught.value.hint
    if error is EndpointBusy:
        assert caught.value.retry_after_s == 1.5


def test_silence_is_a_timeout_and_says_of_what():
    with pytest.raises(EndpointTimeout, match="no first token within 2 s"):
        ask(None)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with pytest.raises(EndpointTimeout, match=r"no further token within 0.5 s"):
        ask(head + (chunk("a") + "\n\n").encode())


def test_nobody_there_and_no_such_host(tmp_path):
    async def ask_nobody(address):
        async with EndpointClient(address, "m", deadlines=DEADLINES) as client:
            await client.generate(MESSAGES, Sampling(), 0)

    for address in ("http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1", tmp_path / "no-socket"):
        with pytest.raises(EndpointUnreachable, match="cannot be reached"):
            asyncio.run(ask_nobody(address))
    with pytest.raises(EndpointUnreachable, match=r"cannot be reached: Connection refused\n"):
        asyncio.run(ask_nobody("http://127.0.0.1:9/v1"))


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://host/v1", "http://", "hello", "http://[::1"])
def test_what_is_no_url_is_refused_at_once(address):
    with pytest.raises(UsageError, match="is no"):
        EndpointClient(address, "m")


def test_passwords_and_keys_show_nowhere():
    client = EndpointClient("http://user:hunter2@127.0.0.1:1/v1", "m", api_key=KEY)
    assert "hunter2" not in client.where + repr(client)
    assert KEY not in client.where + repr(client)


def test_cancelling_closes_the_connection():
    async def cancel():
        async with serving(None) as (client, server):
            task = asyncio.create_task(client.generate(MESSAGES, Sampling(), 0))
            async with asyncio.timeout(5):
                while not server.bodies:  # noqa: ASYNC110 - the server sets no event when it has read
                    await asyncio.sleep(0.01)
            assert not server.closed.is_set()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(5):
                assert await server.closed.wait()

    asyncio.run(cancel())


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + chunk("Hel").encode() + b"\n\n"], ids=["nothing", "head", "token"])
def test_closing_the_client_ends_what_is_under_way(sent):
    """aiohttp alone would leave it to its deadline: who shares a client with the one that closed it would wait minutes."""

    async def close():
        gone, reached = asyncio.Event(), asyncio.Event()

        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            reached.set()
            await reader.read()
            writer.close()
            gone.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
            address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
            async with EndpointClient(address, "m", deadlines=Deadlines()) as client:
                calls = [asyncio.create_task(client.generate(MESSAGES, Sampling(), 0)) for _ in range(3)]
                await reached.wait()
                await asyncio.sleep(PACE_S)  # whether it has read what came makes no difference
            async with asyncio.timeout(5):
                ended = await asyncio.gather(*calls, return_exceptions=True)
                await gone.wait()
            assert [type(error) for error in ended] == [EndpointUnreachable] * 3
            assert "closed on this side" in str(ended[0])

    asyncio.run(close())


def test_models_and_health_are_quick_to_say_no():
    async def look():
        async with serving(reply({"data": [{"id": "a"}, {"id": "b"}]}), reply({"status": "ok"}), None) as (client, _):
            assert await client.models() == ["a", "b"]
            assert await client.health() == {"status": "ok"}
            with pytest.raises(EndpointTimeout, match=r"no answer within 0.3 s"):
                await client.models(timeout_s=0.3)

    asyncio.run(look())


def test_a_stream_of_comments_alone_ends_at_its_own_deadline():
    async def chatter(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b": keepalive\n\n" + chunk().encode() + b"\n\n")
                await writer.drain()
        writer.close()

    async def live():
        server = await asyncio.start_server(chatter, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        deadlines = Deadlines(connect_s=2, first_token_s=0.2, stall_s=2, total_s=30)
        async with server, EndpointClient(url, "m", deadlines=deadlines) as client:
            with pytest.raises(EndpointTimeout, match=r"no first token within 0\.2 s"):
                await client.generate(MESSAGES, Sampling())

    asyncio.run(live())


def test_a_queue_that_is_longer_than_a_whole_answer_is_waited_for():
    async def queue(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.6)
        writer.write(stream(chunk("So.", finish="stop"), "", "data: [DONE]", ""))
        await writer.drain()
        writer.close()

    async def live():
        server = await asyncio.start_server(queue, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        deadlines = Deadlines(connect_s=2, first_token_s=0.2, stall_s=2, total_s=0.4)
        async with server, EndpointClient(url, "m", deadlines=deadlines) as client:
            with pytest.raises(EndpointTimeout):
                await client.generate(MESSAGES, Sampling())
            return await client.generate(MESSAGES, Sampling(), first_token_s=5.0)

    assert asyncio.run(live()).text == "So."


def said(content=None, finish="stop", **more):
    return reply({"choices": [{"message": {"role": "assistant", "content": content} | more, "finish_reason": finish}]})


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (said(""), AnswerEmpty, "empty text"),
        (said(" \n\t"), AnswerEmpty, "empty text"),
        (said("", "length"), AnswerEmpty, "before its limit of tokens"),
        (said(None), AnswerNull, "without any text"),
        (said(None, refusal="I cannot help with that."), AnswerRefused, "I cannot help with that"),
        (said("half", "content_filter"), AnswerRefused, "content_filter"),
        (said("half", "SAFETY"), AnswerRefused, "SAFETY"),
        (said(7), EndpointGarbage, "content that is no text: 7"),
        (said(["a"]), EndpointGarbage, "content that is no text"),
        (said("a", 3), EndpointGarbage, "finish_reason that is no text"),
        (reply({"choices": [{"finish_reason": "stop"}]}), EndpointGarbage, "a choice that is none"),
        (reply({"choices": None}), EndpointGarbage, "without choices"),
        (reply({"choices": {}}), EndpointGarbage, "without choices"),
        (reply({"choices": ["text"]}), EndpointGarbage, "a choice that is none"),
        (stream(chunk(""), "", chunk(finish="stop"), "", "data: [DONE]", ""), AnswerEmpty, "empty text"),
        (stream(chunk(), "", chunk(finish="stop"), "", "data: [DONE]", ""), AnswerNull, "without any text"),
        (
            stream(data(choices=[{"delta": {"refusal": "No"}}]), "", chunk(finish="stop"), ""),
            AnswerRefused,
            "declined to answer: No",
        ),
    ],
)
def test_answers_without_a_text_are_told_apart(answer, error, says):
    with pytest.raises(error, match=says):
        ask(answer)


@pytest.mark.parametrize(
    "usage", ["many", {"prompt_tokens": "4", "completion_tokens": "two"}, {"completion_tokens": True}]
)
def test_a_usage_of_wrong_types_is_unknown(usage):
    timings = ask(reply(PLAIN | {"usage": usage}))[0].timings
    assert (timings.prompt_tokens, timings.completion_tokens, timings.tokens_from) == (None, None, None)


def test_cached_tokens_are_part_of_the_prompt():
    usage = USAGE | {"prompt_tokens_details": {"cached_tokens": 3}}
    timings = ask(stream(chunk("a"), "", chunk(finish="stop"), "", data(choices=[], usage=usage), ""))[0].timings
    assert (timings.prompt_tokens, timings.completion_tokens) == (4, 2)


def test_an_answer_in_gzip_is_read_and_a_broken_one_is_told():
    body = gzip.compress(json.dumps(PLAIN).encode())
    assert ask(reply(body, extra="Content-Encoding: gzip\r\n"))[0].text == "Hello"
    with pytest.raises(EndpointFailed, match="in the middle"):
        ask(reply(b"\x1f\x8b" + b"no gzip at all", extra="Content-Encoding: gzip\r\n"))


def test_an_answer_without_end_is_ended(monkeypatch):
    monkeypatch.setattr("bakeoff.engines.reading.MAX_ANSWER_BYTES", 10_000)
    with pytest.raises(EndpointGarbage, match="more than 10000 bytes"):
        ask(reply(PLAIN | {"padding": "x" * 20_000}))
    with pytest.raises(EndpointGarbage, match="more than 10000 bytes"):
        ask(stream(*[chunk("word " * 100), ""] * 40))


def test_a_line_without_end_is_ended():
    with pytest.raises(EndpointGarbage, match="an event of more than"):
        ask(stream("data: " + "x" * (5 * 2**20)))


def test_thoughts_are_no_text_and_keep_the_deadline_away():
    async def thinker(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for _ in range(12):
            writer.write(data(choices=[{"delta": {"reasoning_content": "hm"}}]).encode() + b"\n\n")
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write((chunk("So.", finish="stop") + "\n\n").encode())
        await writer.drain()
        writer.close()

    async def live():
        server = await asyncio.start_server(thinker, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        deadlines = Deadlines(connect_s=2, first_token_s=0.4, stall_s=0.4, total_s=30)
        async with server, EndpointClient(url, "m", deadlines=deadlines) as client:
            return await client.generate(MESSAGES, Sampling())

    answer = asyncio.run(live())
    assert answer.text == "So."
    assert answer.timings.ttft_s > 0.4


@pytest.mark.parametrize("padding", [0, 95, 100, 110])
def test_a_key_that_an_error_cuts_off_shows_not_even_in_part(padding):
    with pytest.raises(EndpointRefused) as caught:
        ask(reply(("x" * padding + " " + KEY).encode(), "401 Unauthorized", "text/plain"))
    assert KEY[:8] not in str(caught.value) + caught.value.message


def test_an_error_whose_words_never_come_is_told_by_its_status():
    head = b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 50\r\nConnection: close\r\n\r\n"
    with pytest.raises(EndpointFailed, match="answered 500: no message"):
        ask(head)


def thought(text):
    return data(choices=[{"index": 0, "delta": {"reasoning_content": text}}])


def test_the_pace_of_a_model_that_thinks_first_is_that_of_all_its_tokens():
    """Thoughts are output tokens: with the time to the first text, they would seem to have taken none."""
    pieces = [
        (f"{line}\n\n").encode()
        for line in (*[thought("hm")] * 4, *[chunk("word ")] * 2, chunk(finish="stop"), data(choices=[], usage=THOUGHT))
    ]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    timings = ask([head, *pieces, b"data: [DONE]\n\n"])[0].timings
    assert timings.pieces == 6
    assert timings.first_piece_s < timings.ttft_s
    assert timings.writing_s == timings.latency_s - timings.first_piece_s
    # Six pieces, each a pace apart: five paces of writing at the least, where the text alone took one.
    assert timings.writing_s >= 5 * PACE_S


@pytest.mark.parametrize(
    "inline",
    [
        ["<thi", "nk>hm", "hm</thi", "nk>\n\n"],
        ["<think>", "hm", "hm", "</think>\n"],
        ["hm", "hm", "hm\n</thi", "nk>"],  # opened by the prompt
    ],
)
def test_a_model_is_judged_alike_wherever_its_thoughts_stand(inline):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    rest = [*[chunk("word ")] * 2, chunk(finish="stop"), data(choices=[], usage=THOUGHT)]
    found = []
    for thoughts in ([thought("hm")] * 4, [chunk(piece) for piece in inline]):
        pieces = [f"{line}\n\n".encode() for line in (*thoughts, *rest)]
        found.append(ask([head, *pieces, b"data: [DONE]\n\n"])[0])
    apart, within = found
    assert within.text == apart.text == "word word "
    assert within.timings.pieces == apart.timings.pieces == 6
    for timings in (apart.timings, within.timings):
        # Four paces of thoughts come before the text, and the first of them at once.
        assert timings.ttft_s - timings.first_piece_s >= 4 * PACE_S
        assert timings.itl_s is None


def test_thoughts_within_a_whole_answer_are_no_text():
    message = {"content": "<think>\nhm\n</think>\n\nHello"}
    assert ask(reply({"choices": [{"message": message, "finish_reason": "stop"}]}))[0].text == "Hello"


THOUGHT = USAGE | {"completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 4}}


@pytest.mark.parametrize(
    ("lines", "pieces"),
    [
        ([chunk("Hello there", finish="stop"), data(choices=[], usage=USAGE)], 1),  # a text in one piece
        (
            [chunk("Hello "), chunk("there"), chunk(finish="stop"), data(choices=[], usage=THOUGHT)],
            2,
        ),  # unseen thoughts
    ],
)
def test_a_pace_that_nobody_saw_is_unknown(lines, pieces):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    timings = ask([head, *((f"{line}\n\n").encode() for line in lines), b"data: [DONE]\n\n"])[0].timings
    assert timings.ttft_s is not None
    assert timings.pieces == pieces
    assert timings.writing_s is None


def test_making_a_connection_is_no_part_of_a_latency():
    """A look-up of a name and a handshake are on the way to a far server; whoever keeps a connection has neither."""

    async def twice():
        async with serving(reply(PLAIN)) as (client, _):
            connector = client._session.connector
            make = connector._create_connection

            async def late(*arguments):
                await asyncio.sleep(1)
                return await make(*arguments)

            connector._create_connection = late
            return [(await client.generate(MESSAGES, Sampling(), 0)).timings for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first.latency_s < 1 <= first.connect_s
    assert second.connect_s < 1


FIELDS = ("temperature", "top_p", "seed")


def test_a_model_may_be_called_like_a_field_and_a_field_that_was_not_sent_is_not_left_out():
    async def refused_as(name, message):
        async with serving(refused(message), reply(PLAIN)) as (client, server):
            client.model, client.where = name, client.where.replace("m at", f"{name} at")
            with pytest.raises(EndpointRefused):
                await client.generate(MESSAGES, Sampling(), None)
            return len(server.bodies)

    assert asyncio.run(refused_as("seed", "context too long")) == 1
    assert asyncio.run(refused_as("m", "your seed-oss is too long")) == 1
    assert asyncio.run(refused_as("m", "no seed, please")) == 1


def test_fields_that_exclude_each_other_cost_the_lesser_one_and_it_stays_left_out():
    async def twice():
        whole = stream(chunk("Hello"), "", chunk(finish="stop"), "", "data: [DONE]", "")
        replies = [refused("`temperature` and `top_p` cannot both be specified"), refused("seed?"), whole, whole]
        async with serving(*replies) as (client, server):
            answers = [await client.generate(MESSAGES, Sampling(), 3) for _ in range(2)]
            return answers, client.left_out, server.bodies

    answers, left_out, bodies = asyncio.run(twice())
    assert left_out == {"top_p", "seed"}
    assert [[name for name in FIELDS if name in body] for body in bodies] == [
        ["temperature", "top_p", "seed"],
        ["temperature", "seed"],
        ["temperature"],
        ["temperature"],
    ]
    assert all(answer.timings.ttft_s is not None for answer in answers)


def test_a_field_that_is_refused_for_another_reason_is_sent_again():
    async def quoted():
        async with serving(*[refused("not about temperature, seed and top_p")] * 4) as (client, server):
            with pytest.raises(EndpointRefused, match="not about temperature"):
                await client.generate(MESSAGES, Sampling(), 3)
            return client.left_out, len(server.bodies)

    assert asyncio.run(quoted()) == (frozenset(), 4)


def paced(*lines):
    return [stream(), *(f"{line}\n\n".encode() for line in lines)]


def test_a_server_that_says_stop_in_every_event_is_read_to_its_end(monkeypatch):
    """Gemini's proxies do; 2 s of silence after the first of them were taken for the end, and the text was cut."""
    monkeypatch.setattr("bakeoff.engines.reading.LINGER_S", PACE_S / 5)
    answer = ask(paced(*(chunk(word, finish="stop") for word in ("one ", "two ", "three"))))[0]
    assert (answer.text, answer.finish_reason) == ("one two three", "stop")
    answer = ask(paced(chunk("one ", finish="stop"), chunk("two "), chunk("three", finish="length")))[0]
    assert (answer.text, answer.finish_reason) == ("one two three", "length")
    thinking = data(choices=[{"delta": {"reasoning_content": "Hm"}, "finish_reason": "stop"}])
    assert ask(paced(thinking, thinking, chunk("one", finish="stop")))[0].text == "one"


def test_an_ending_that_text_came_after_is_none():
    with pytest.raises(EndpointFailed, match="without finish_reason"):
        ask(stream(chunk("one "), "", chunk("two ", finish="stop"), "", chunk("three"), ""))


def test_of_a_server_that_says_stop_early_a_broken_connection_ends_no_text():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\nConnection: close\r\n\r\n"
    with pytest.raises(EndpointFailed, match="broke the connection"):
        ask(head + (chunk("one ", finish="stop") + "\n\n").encode())
    at_its_end = "".join(f"{each}\n\n" for each in (chunk("one "), chunk("two", finish="stop"))).encode()
    assert ask(head + at_its_end)[0].text == "one two"


@pytest.mark.parametrize(
    ("said_as", "meant"), [("STOP", "stop"), ("MAX_TOKENS", "length"), ("model_length", "length"), ("Length", "length")]
)
def test_endings_in_capitals_and_mistrals(said_as, meant):
    assert ask(stream(chunk("a"), "", chunk(finish=said_as), ""))[0].finish_reason == meant


def test_a_content_of_parts_is_text_and_thoughts():
    """Magistral's."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    text, more, other = {"type": "text", "text": "One"}, {"type": "text", "text": " two"}, {"type": "reference"}
    answer = ask(stream(chunk([thinking]), "", chunk([text, more, other]), "", chunk(".", finish="stop"), ""))[0]
    assert (answer.text, answer.timings.pieces) == ("One two.", 1)
    assert answer.timings.first_piece_s is not None
    assert ask(said([thinking, text]))[0].text == "One"
    with pytest.raises(AnswerEmpty):
        ask(said([thinking]))
    for broken in ([7], {"type": "text", "text": "a"}, [{"text": "a"}]):
        with pytest.raises(EndpointGarbage, match="content that is no text"):
            ask(said(broken))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for localhost, and its key."""
    cryptography = pytest.importorskip("cryptography.x509")
    from datetime import UTC, datetime, timedelta

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("certificate")
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = cryptography.Name([cryptography.NameAttribute(cryptography.NameOID.COMMON_NAME, "localhost")])
    made = (
        cryptography.CertificateBuilder(name, name, key.public_key(), cryptography.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(cryptography.SubjectAlternativeName([cryptography.DNSName("localhost")]), critical=False)
        .add_extension(cryptography.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "own.pem").write_bytes(made.public_bytes(encoding))
    (folder / "own.key").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    return folder / "own.pem", folder / "own.key"


LOOK = """
import asyncio, sys
from bakeoff.core.errors import EndpointError
from bakeoff.engines.client import EndpointClient

async def look():
    async with EndpointClient(sys.argv[1], "m") as client:
        try:
            print(await client.models(timeout_s=20))
        except EndpointError as error:
            print(f"{type(error).__name__}: {error.message} | {error.hint}")

asyncio.run(look())
"""


async def look_at(address, **environment):
    """What a process of its own finds there: which authorities are trusted is settled once in a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOOK, address, stdout=asyncio.subprocess.PIPE, env=os.environ | environment
    )
    return (await process.communicate())[0].decode().strip()


def test_a_certificate_that_is_not_trusted_is_told_with_the_way_to_trust_it(certificate):
    trusted, key = certificate

    async def look():
        server = Server([reply({"data": [{"id": "a"}]})])
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(trusted, key)
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as listener:
            address = f"https://localhost:{listener.sockets[0].getsockname()[1]}/v1"
            found = [await look_at(address), await look_at(address, SSL_CERT_FILE=str(trusted))]
        await asyncio.gather(*server.connections, return_exceptions=True)
        return address, found

    address, (refusing, trusting) = asyncio.run(look())
    assert refusing == (
        f"EndpointUnreachable: m at {address} cannot be trusted: self-signed certificate"
        " | for a certificate of your own: SSL_CERT_FILE=path/to/its-authority.pem"
    )
    assert trusting == "['a']"


def test_https_where_http_is_spoken_is_told():
    async def serve(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async def look():
        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"https://localhost:{listener.sockets[0].getsockname()[1]}/v1"
        async with listener, EndpointClient(address, "m") as client:
            await client.models(timeout_s=20)

    with pytest.raises(EndpointUnreachable, match="does not speak TLS") as caught:
        asyncio.run(look())
    assert "http:// instead of https://" in caught.value.hint


def test_a_proxy_that_is_no_url_and_a_host_that_is_no_name_are_told(monkeypatch):
    async def look(address):
        async with EndpointClient(address, "m", deadlines=DEADLINES) as client:
            await client.models()

    monkeypatch.setenv("HTTPS_PROXY", "me:hunter2@proxy.corp:3128")
    with pytest.raises(EndpointUnreachable, match="proxy is no URL") as caught:
        asyncio.run(look("https://example.invalid/v1"))
    assert "HTTPS_PROXY" in caught.value.hint
    assert "hunter2" not in str(caught.value) + caught.value.hint
    for name in ("my..host", f"{'a' * 64}.invalid"):
        with pytest.raises(EndpointUnreachable, match="it is no name of a host") as caught:
            asyncio.run(look(f"http://{name}:8000/v1"))
        assert "check the URL" in caught.value.hint
