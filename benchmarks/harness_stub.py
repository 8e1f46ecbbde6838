"""The endpoint that `harness.py` lets every tool ask: OpenAI's chat completions with nothing behind them.

    python benchmarks/harness_stub.py [--latency-ms 50] [--events 64]

It prints its port, and answers every prompt with 64 words after `--latency-ms`, streamed (an event a word, each in an
HTTP chunk of its own, as servers send them) where the request says so, whole otherwise. Requests are not parsed beyond
what that takes, so that it costs far less than any client: `harness.py` says how much. `GET /stats` tells, and
`GET /reset` forgets, what came since: when (seconds of CLOCK_MONOTONIC, which all processes of a machine share), how
many at once, and the CPU seconds spent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time

WORDS = [
    "Our",
    "bakery",
    "opens",
    "its",
    "doors",
    "on",
    "Saturday",
    "at",
    "nine",
    "and",
    "the",
    "first",
    "fifty",
    "guests",
    "get",
    "a",
    "warm",
    "loaf",
    "of",
    "rye",
    "for",
    "free",
    "so",
    "bring",
    "your",
    "friends",
    "your",
    "family",
    "and",
    "an",
    "honest",
    "appetite",
    "because",
    "every",
    "crust",
    "was",
    "baked",
    "this",
    "morning",
    "by",
    "people",
    "who",
    "love",
    "what",
    "they",
    "do",
    "and",
    "the",
    "coffee",
    "is",
    "on",
    "us",
    "until",
    "noon",
    "come",
    "early",
    "stay",
    "late",
    "and",
    "tell",
    "us",
    "which",
    "bread",
    "you",
    "liked",
    "best",
    "of",
    "all.",
]
_ITEM = re.compile(rb"number (\d{1,9})")
_PROMPT_TOKENS = 24


def _chunk(value: object) -> bytes:
    event = b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


def _event(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": [choice]}


def _usage(words: int) -> dict[str, int]:
    return {"prompt_tokens": _PROMPT_TOKENS, "completion_tokens": words, "total_tokens": words + _PROMPT_TOKENS}


class Answers:
    """Every answer has the same words but one, the number of the prompt: no two of a run are alike."""

    def __init__(self, events: int) -> None:
        words = WORDS[:63]
        pieces = ["000000000", *(f" {word}" for word in words)]
        size = -(-len(pieces) // events)
        texts = ["".join(pieces[i : i + size]) for i in range(0, len(pieces), size)]
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        usage = _event({}) | {"choices": [], "usage": _usage(len(pieces))}
        body = [_event({"role": "assistant", "content": ""}), *(_event({"content": text}) for text in texts)]
        sent = b"".join(map(_chunk, [*body, _event({}, "stop"), usage, b"[DONE]"])) + b"0\r\n\r\n"
        self._streamed = (head + sent).partition(b"000000000")
        whole = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "stub",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "".join(pieces)},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _usage(len(pieces)),
        }
        self._whole = _plain(json.dumps(whole).encode()).partition(b"000000000")

    def answer(self, request: bytes) -> bytes:
        """Return the whole HTTP response to one request's body."""
        number = _ITEM.search(request)
        streaming = b'"stream": true' in request or b'"stream":true' in request
        before, _, after = self._streamed if streaming else self._whole
        return before + (number.group(1) if number else b"0").zfill(9) + after


def _plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Seen:
    """What came since the last reset."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.in_flight = self.most = 0
        self._cpu_s = time.process_time()

    def begin(self) -> None:
        """A request is complete."""
        self.arrivals.append(time.monotonic())
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)

    def told(self) -> bytes:
        """Return it as JSON."""
        cpu_s = time.process_time() - self._cpu_s
        return json.dumps({"arrivals": self.arrivals, "most_at_once": self.most, "cpu_s": cpu_s}).encode()


class Stub(asyncio.Protocol):
    """One connection."""

    seen = Seen()

    def __init__(self, answers: Answers, latency_s: float) -> None:
        self._answers = answers
        self._latency_s = latency_s
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """Whoever asked is gone."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Cut requests out of the bytes; every one that is complete is answered."""
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line[:15].lower() == b"content-length:":
                    length = int(line[15:])
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._take(head, rest[:length])

    def _take(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            Stub.seen.begin()
            if self._latency_s:
                asyncio.get_running_loop().call_later(self._latency_s, self._answer, body)
            else:
                self._answer(body)
        elif b"/stats " in head:
            self._write(_plain(Stub.seen.told()))
        elif b"/reset " in head:
            Stub.seen = Seen()
            self._write(_plain(b"{}"))
        else:
            self._write(_plain(b'{"object": "list", "data": [{"id": "stub", "object": "model"}]}'))

    def _answer(self, body: bytes) -> None:
        Stub.seen.in_flight -= 1
        self._write(self._answers.answer(body))

    def _write(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)


async def serve(latency_s: float, events: int) -> None:
    """Print the port, and answer until killed."""
    answers = Answers(events)
    server = await asyncio.get_running_loop().create_server(lambda: Stub(answers, latency_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--events", type=int, default=64, help="events that the words of a streamed answer come in")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options.latency_ms / 1000, options.events))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
