"""The reading of one response to a request for a text: whole or as a stream, its timings, and what is wrong with it.

It knows aiohttp's response and one call's deadlines; what the bytes say is `answer`'s business.
"""

from __future__ import annotations

import asyncio
import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import aiohttp

from bakeoff.core.errors import EndpointError, EndpointFailed, EndpointGarbage, EndpointTimeout
from bakeoff.core.records import FinishReason, Timings
from bakeoff.engines.answer import Answer
from bakeoff.engines.deadlines import Watch
from bakeoff.engines.http_errors import refusal, translated
from bakeoff.engines.sse import EventParser, EventTooLong

MAX_ERROR_BYTES = 65536
# No text is as long; a server that never ends one must not fill our memory.
MAX_ANSWER_BYTES = 32 * 2**20
# How long the bytes after a finished answer are waited for: its usage, the end of the body.
LINGER_S = 2.0


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `served_model` is the name the server gave itself; `rows` how many it batched, where it says.

    `first_logprobs` are the log-probabilities of the tokens that the answer's first one might have been, behind any thoughts, where
    asked for and given: empty where the thoughts did not end.
    `device`, `dtype` and `fallbacks` are what a worker saw do the work, where it can look.
    """

    text: str
    finish_reason: FinishReason
    timings: Timings
    served_model: str | None
    rows: int | None = None
    first_logprobs: Mapping[str, float] | None = None
    device: str | None = None
    dtype: str | None = None
    fallbacks: tuple[str, ...] = ()


class Reading:
    """The reading of one response; `asked_at` is when it was asked for, `sent_at` when there was a connection to send it over."""

    def __init__(
        self, where: str, watch: Watch, response: aiohttp.ClientResponse, asked_at: float, sent_at: float
    ) -> None:
        self._where = where
        self._watch = watch
        self._response = response
        self._sent_at = sent_at
        self._connect_s = sent_at - asked_at
        self._answer = Answer(where)
        self._last_s: float | None = None
        self._tokens = 0
        self._arrivals_s: list[float] = []
        self._texts_at: list[int] = []
        self._first_piece_s: float | None = None
        self._pieces = 0

    async def refusal(self) -> EndpointError:
        """Return the error that the status stands for, with the server's words as far as they come."""
        body = b""
        with suppress(EndpointError, aiohttp.ClientError, ConnectionError):
            reading = self._response.content
            body = await self._watch.within(LINGER_S, lambda: reading.read(MAX_ERROR_BYTES))
        return refusal(self._where, self._response.status, self._response.headers, body)

    async def plain(self) -> Completion:
        """Read an answer that comes whole."""
        async with translated(self._where, started=True):
            body = await self._watch.to_the_end(lambda: read_all(self._response, MAX_ANSWER_BYTES + 1))
        if len(body) > MAX_ANSWER_BYTES:
            raise EndpointGarbage(f"{self._where} sent an answer of more than {MAX_ANSWER_BYTES} bytes")
        self._answer.take_body(body.decode(errors="replace"))
        return self._complete(latency_s=perf_counter() - self._sent_at)

    async def stream(self) -> Completion:
        """Read an answer that comes in events, to `[DONE]` or the end of the stream."""
        try:
            await self._read_events()
            await self._drain()
        except EventTooLong as error:
            raise EndpointGarbage(f"{self._where} sent {error}") from error
        except (EndpointFailed, EndpointTimeout) as error:
            if not self._is_forgiven(error):
                raise
        if not self._answer.complete:
            if self._last_s is None and self._response.content_type != "text/event-stream":
                raise EndpointGarbage(f"{self._where} answered {self._response.content_type} without any event")
            when = "before its first token" if self._answer.tokens == 0 else "in the middle of its answer"
            raise EndpointFailed(f"{self._where} ended its stream {when}, without finish_reason or [DONE]")
        return self._complete(self._last_s or 0.0)

    def _is_forgiven(self, error: EndpointFailed | EndpointTimeout) -> bool:
        """Whether a broken or silent connection took nothing but usage: the text was finished; if in doubt, silence says so."""
        if self._answer.in_doubt:
            return isinstance(error, EndpointTimeout) and not error.final
        return self._answer.complete and isinstance(error.__cause__, aiohttp.ClientError | TimeoutError)

    async def _read_events(self) -> None:
        parser = EventParser()
        size = 0
        while not self._answer.done and (chunk := await self._next_chunk()):
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise EndpointGarbage(f"{self._where} sent an answer of more than {MAX_ANSWER_BYTES} bytes")
            self._take(parser.feed(chunk))
            if self._answer.tokens > self._tokens:
                self._tokens = self._answer.tokens
                self._watch.note_token()
        self._take(parser.close())

    async def _next_chunk(self) -> bytes:
        read = self._response.content.readany
        async with translated(self._where, started=True):
            if self._answer.complete and not self._answer.in_doubt:
                return await self._watch.within(LINGER_S, read, "usage")
            return await self._watch.for_token(read)

    def _take(self, events: Sequence[str]) -> None:
        if not events:
            return
        texts, tokens = len(self._answer.texts), self._answer.tokens
        now = perf_counter() - self._sent_at  # of all events of a chunk: they came together
        self._answer.take(events)
        self._last_s = now
        if self._answer.tokens > tokens:
            self._pieces += 1
            if self._first_piece_s is None:
                self._first_piece_s = now
        if len(self._answer.texts) > texts:
            self._arrivals_s.append(now)
            self._texts_at.append(len(self._answer.texts))

    async def _drain(self) -> None:
        """Read the end of the body, so that the connection can serve again; without it, it is closed."""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(LINGER_S):
                while await self._response.content.readany():
                    continue

    def _complete(self, latency_s: float) -> Completion:
        answer = self._answer
        if (thoughts := answer.set_thoughts_apart()) > 0:
            self._arrivals_s = self._arrivals_s[bisect_right(self._texts_at, thoughts) :]
        answer.require_text()
        counted = answer.timings.get("completion_tokens") is not None
        # Some servers say 0 when they did not count; a text without tokens does not exist.
        tokens = answer.count("completion_tokens")
        tokens = None if tokens == 0 and answer.text else tokens
        own_gaps_s = answer.gaps_s()
        thought_unseen = not answer.thoughts and answer.reasoning_tokens > 0
        gaps_s = own_gaps_s if own_gaps_s is not None else _gaps(self._arrivals_s, tokens)
        timings = Timings(
            latency_s=latency_s,
            ttft_s=next(iter(self._arrivals_s), None),
            queue_s=answer.seconds("queue_s"),
            prefill_s=answer.seconds("prefill_s"),
            decode_s=answer.seconds("decode_s"),
            prompt_tokens=answer.count("prompt_tokens"),
            completion_tokens=tokens,
            tokens_from=None if tokens is None else "measured" if counted else "reported",
            itl_s=gaps_s,
            itl_at=None if gaps_s is None else "client" if own_gaps_s is None else "worker",
            connect_s=self._connect_s,
            first_piece_s=None if thought_unseen else self._first_piece_s,
            pieces=self._pieces or None,
        )
        rows = answer.timings.get("rows")
        return Completion(
            text=answer.text,
            finish_reason=answer.finish_reason or "stop",
            timings=timings,
            served_model=answer.model,
            rows=rows if isinstance(rows, int) else None,
            first_logprobs=answer.first_logprobs,
            device=answer.told("device"),
            dtype=answer.told("dtype"),
            fallbacks=answer.fallbacks(),
        )


async def read_all(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body, or as much of it as passes `limit` bytes first."""
    body = bytearray()
    while len(body) < limit and (chunk := await response.content.readany()):
        body += chunk
    return bytes(body)


def _gaps(arrivals_s: Sequence[float], tokens: int | None) -> tuple[float, ...] | None:
    """Return the times between pieces of text if each was one token (the end of text may be counted, and is no piece)."""
    if tokens is None or len(arrivals_s) < 2 or len(arrivals_s) not in {tokens, tokens - 1}:
        return None
    return tuple(round(later - earlier, 6) for earlier, later in itertools.pairwise(arrivals_s))
