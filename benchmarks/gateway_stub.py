"""An upstream that takes no time: raw asyncio, answers prepared bytes, 64 tokens as 64 writes. For `gateway.py` alone.

python benchmarks/gateway_stub.py PORT
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

TOKENS = 64
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n"


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": [choice]}
    event = b"data: " + json.dumps(body).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


USAGE = {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": TOKENS + 9}
MESSAGE = {"role": "assistant", "content": "word " * TOKENS}
WHOLE = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
        "usage": USAGE,
    }
).encode()
PLAIN = _HEAD % b"application/json" + b"content-length: %d\r\n\r\n" % len(WHOLE) + WHOLE
EVENTS = [_chunk({"role": "assistant", "content": "word "}), *(_chunk({"content": "word "}) for _ in range(TOKENS - 1))]
_LAST = b"data: [DONE]\n\n"
END = [_chunk({}, "stop"), b"%x\r\n%b\r\n0\r\n\r\n" % (len(_LAST), _LAST)]
STREAM_HEAD = _HEAD % b"text/event-stream" + b"transfer-encoding: chunked\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            body = await reader.readexactly(int(found[1])) if found else b""
            if b'"stream": true' not in body and b'"stream":true' not in body:
                writer.write(PLAIN)
                continue
            writer.write(STREAM_HEAD)
            for event in (*EVENTS, *END):
                writer.write(event)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Listen for ever."""
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
