"""Continuous batching over any `TokenModel`: one thread, one loop, one token for every running request per turn.

A turn: drop what was cancelled; admit waiting requests, first come first served, while rows and KV tokens allow;
prefill them; choose and hand out tokens; drop what finished; decode one token for every row that is left. So a request
joins while others decode, and leaves the moment it ends; a cancelled one costs at most the token being computed.

KV memory is bounded by reservation: engines pad ragged batches, so `rows x longest reserved length` must stay within
`max_kv_tokens`. Nothing running is ever evicted.

Deliveries are gathered and handed to `deliver` together, in the loop's thread: at once when a request begins or ends,
otherwise at intervals, so that fast models do not drown their readers in wake-ups.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from bakeoff.core.errors import UsageError, WorkerError
from bakeoff.core.spec import Sampling
from bakeoff.engines.base import KnowsPeak, LooksAgain, Sight, TokenModel
from bakeoff.engines.requests import BatcherClosed, Delivery, Finish, ModelFailed, PromptTooLong, Request, TokenLogprobs
from bakeoff.engines.sampling import choose_tokens, is_finite, seeded_generator, top_logprobs
from bakeoff.engines.text import TextCodec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

# 50 a second is more than a reader sees. Tokens/s of 16 streams of a 3M model, against delivery in every turn: 1.05 times
# at 8 ms, 1.17 times at 20 ms (medians of 15 interleaved rounds, 2 shared cores, 2026-11).
DELIVERY_INTERVAL_S = 0.02
# Many streams share what their readers, and the event loop between, may take of the machine: together they get about
# this many pieces a second, and each at least 4.
PIECES_PER_S = 200.0
LONGEST_INTERVAL_S = 0.25
# Prompts prefilled in one call: enough to fill the arithmetic units, not so many that running requests stall.
MAX_PREFILL_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_rows` sequences run together, in at most `max_kv_tokens` tokens of KV cache, padding included."""

    max_rows: int = 16
    max_kv_tokens: int = 32768


def deliver_directly(deliveries: Sequence[Delivery]) -> None:
    """Call each request's sink in the loop's thread."""
    for delivery in deliveries:
        delivery.request.sink(delivery)


class Batcher:
    """Runs requests on a model. Start it once, `submit` from any thread, close it once.

    `ended` is called in the loop's thread when the loop has ended, for whatever reason. `broken` is what ended the loop for good: the model could not even be emptied after an error.
    """

    def __init__(
        self,
        model: TokenModel,
        codec: TextCodec,
        limits: Limits | None = None,
        deliver: Callable[[Sequence[Delivery]], None] = deliver_directly,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._model = model
        self._codec = codec
        self._limits = limits or Limits()
        self._deliver = deliver
        self._ended = ended
        facts = model.facts()
        self.context_length = min(facts.context_length, self._limits.max_kv_tokens)
        self.vocab_size = facts.vocab_size
        self._waiting: deque[Request] = deque()
        self._running: list[_Row] = []
        self._changed = threading.Condition()
        self._closing = False
        self._outbox: list[Delivery] = []
        self._delivered_at = 0.0
        self._sight: Sight | None = None
        self._urgent = False  # a first token or an end is handed out at once
        self.broken: BaseException | None = None
        self.generated_tokens = 0
        self.memory_bytes = model.memory_bytes()
        self._peak_seen_bytes = self.memory_bytes
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)

    def start(self) -> None:
        """Begin to run requests."""
        self._thread.start()

    def submit(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        seed: int,
        sink: Callable[[Delivery], None],
        top_logprobs: int | None = None,  # see `Request`
    ) -> Request:
        """Queue a request; `max_tokens` is cut to what the context holds.

        Raises:
            PromptTooLong: the prompt leaves no room for a single token.
            BatcherClosed: the batcher was closed, or its model is broken.
        """
        room = self.context_length - len(prompt)
        if not prompt:
            raise UsageError("the prompt has no tokens", "send at least one word")
        if room < 1:
            raise PromptTooLong(
                f"the prompt has {len(prompt)} tokens, and the context holds {self.context_length} with the answer",
                "shorten the messages",
            )
        max_new = min(sampling.max_tokens, room)
        request = Request(prompt, sampling, seed, sink, max_new=max_new, top_logprobs=top_logprobs)
        with self._changed:
            if self._closing or self.broken is not None:
                raise BatcherClosed("the worker is ending")
            self._waiting.append(request)
            self._changed.notify()
        return request

    @property
    def in_flight(self) -> int:
        """Requests that wait or run."""
        return len(self._waiting) + len(self._running)

    @property
    def peak_memory_bytes(self) -> int | None:
        """Most bytes that the engine's allocator held: its own memory of it, or else the most that was seen here."""
        known = self._model.peak_memory_bytes() if isinstance(self._model, KnowsPeak) else None
        return self._peak_seen_bytes if known is None else known

    def close(self, timeout_s: float = 1.0) -> bool:
        """End every request with `BatcherClosed`, then the loop; tell whether the loop ended within `timeout_s`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                self._turn()
        except BaseException as error:  # the loop's outer wall: recorded, and every request is told
            log.exception("the batching loop ended")
            self.broken = error
        with self._changed:
            self._closing = True
            left = [row.request for row in self._running] + list(self._waiting)
            self._waiting.clear()
        self._running.clear()
        self._fail(left, BatcherClosed("the worker is ending"))
        self._flush()
        self._ended()

    def _wait_for_work(self) -> bool:
        """Wait until there is something to run; return False when it is time to end."""
        with self._changed:
            while not (self._closing or self._waiting or self._running):
                self._changed.wait()
            return not self._closing

    def _turn(self) -> None:
        self._drop([row for row in self._running if row.request.cancelled])
        self._admit()
        if self._running:
            try:
                logits = self._model.decode([row.token for row in self._running])
            except Exception as error:  # noqa: BLE001 - engines raise what they like; every request in the batch is told
                self._recover([row.request for row in self._running], error)
            else:
                self._advance(self._running, logits)
        self._flush_if_due()

    def _admit(self) -> None:
        """Prefill the waiting requests that fit now."""
        admitted = self._take_waiting()
        if not admitted:
            return
        now = perf_counter()
        rows_before = len(self._running)
        for request in admitted:
            request.prefill_at = now
        try:
            logits = self._model.prefill([request.prompt for request in admitted])
        except Exception as error:  # noqa: BLE001 - as in `_turn`
            self._recover(admitted, error)
            return
        fresh = [_Row(request, self._codec) for request in admitted]
        self._running += fresh
        for row in self._running:
            row.request.rows = max(row.request.rows, rows_before + len(fresh))
        self._advance(fresh, logits)
        self._flush_if_due()

    def _take_waiting(self) -> list[Request]:
        """Take requests off the queue, in order, as far as the limits allow."""
        taken: list[Request] = []
        longest = max((row.request.reserved for row in self._running), default=0)
        prompt_tokens = 0
        with self._changed:
            while self._waiting:
                request = self._waiting[0]
                if request.cancelled:
                    self._waiting.popleft()
                    continue
                rows = len(self._running) + len(taken) + 1
                longest = max(longest, request.reserved)
                prompt_tokens += len(request.prompt)
                if rows > self._limits.max_rows or rows * longest > self._limits.max_kv_tokens:
                    break
                if taken and prompt_tokens > MAX_PREFILL_TOKENS:
                    break
                taken.append(self._waiting.popleft())
        return taken

    def _advance(self, rows: Sequence[_Row], logits: NDArray[np.float32]) -> None:
        """Choose a token for each of `rows`, hand out text, drop what ended."""
        finite = is_finite(logits)
        if not finite.all():
            sick = [row for row, ok in zip(rows, finite, strict=True) if not ok]
            self._fail([row.request for row in sick], ModelFailed("the model computed logits that are not finite"))
            self._drop(sick)
            rows = [row for row, ok in zip(rows, finite, strict=True) if ok]
            logits = logits[finite]
        if not rows:
            return
        self._sight = None
        tokens = choose_tokens(logits, [row.request.sampling for row in rows], [row.generator for row in rows])
        now = perf_counter()
        for row, of_row, token in zip(rows, logits, tokens.tolist(), strict=True):
            if row.request.top_logprobs is not None:
                row.request.logprobs.append(self._logprobs(of_row, token, row.request.top_logprobs))
        self.generated_tokens += len(rows)
        ended = [row for row, token in zip(rows, tokens.tolist(), strict=True) if self._take_token(row, token, now)]
        self._drop(ended)

    def _logprobs(self, logits: NDArray[np.float32], token: int, top: int) -> TokenLogprobs:
        found = top_logprobs(logits, token, top)
        named = tuple((self._codec.decode([id_]), value) for id_, value in found[1:])
        return TokenLogprobs(self._codec.decode([token]), found[0][1], named)

    def _take_token(self, row: _Row, token: int, now: float) -> bool:
        """Account for one token of one row; return whether it was its last."""
        request = row.request
        row.token = token
        request.count_token(now)
        if request.produced == 1:
            self._urgent = True
        finish: Finish | None = None
        if token in self._codec.eos_ids:
            finish = "stop"
        else:
            request.pending += row.stream.push(token)
            if row.stream.stopped:
                finish = "stop"
            elif request.produced >= request.max_new:
                finish = "length"
        if finish is None:
            return False
        text = request.pending + row.stream.finish()
        request.pending = ""
        if row.stream.stopped:  # a stop string may end in what was held back
            finish = "stop"
        self._post(Delivery(request, text, finish, request.timings(self._look())))
        return True

    def _look(self) -> Sight | None:
        """Look at what does the work, once a turn; None where the engine cannot tell."""
        if self._sight is None and isinstance(self._model, LooksAgain):
            self._sight = self._model.look()
        return self._sight

    def _drop(self, rows: Sequence[_Row]) -> None:
        """Take rows out of the model."""
        if not rows:
            return
        gone = {id(row) for row in rows}
        kept = [index for index, row in enumerate(self._running) if id(row) not in gone]
        self._running = [self._running[index] for index in kept]
        self._model.keep(kept)

    def _recover(self, requests: Sequence[Request], error: Exception) -> None:
        """Fail the requests that an engine error hit; when the cache cannot be trusted any more, all of them."""
        log.error("the model failed with %d requests in its batch", len(requests), exc_info=error)
        failure = ModelFailed(f"the model failed: {type(error).__name__}: {error}")
        self._fail(requests, failure)
        running = [row.request for row in self._running]
        if requests != running and self._model.rows == len(running):
            return  # a failed prefill that left the others' cache alone
        self._fail([request for request in running if request not in requests], failure)
        self._running = []
        self._model.keep([])

    def _fail(self, requests: Sequence[Request], error: WorkerError) -> None:
        for request in requests:
            self._post(Delivery(request, "", error=error))

    def _post(self, delivery: Delivery) -> None:
        self._outbox.append(delivery)
        self._urgent = True

    def _flush_if_due(self) -> None:
        interval_s = min(LONGEST_INTERVAL_S, max(DELIVERY_INTERVAL_S, len(self._running) / PIECES_PER_S))
        if self._urgent or perf_counter() - self._delivered_at >= interval_s:
            self._flush()

    def _flush(self) -> None:
        """Hand out what has gathered."""
        for row in self._running:
            request = row.request
            if request.pending:
                self._outbox.append(Delivery(request, request.pending))
                request.pending = ""
        deliveries = [delivery for delivery in self._outbox if not delivery.request.cancelled]
        self._outbox = []
        self._urgent = False
        self._delivered_at = perf_counter()
        self.memory_bytes = self._model.memory_bytes()
        if self.memory_bytes is not None:
            self._peak_seen_bytes = max(self._peak_seen_bytes or 0, self.memory_bytes)
        if deliveries:
            self._deliver(deliveries)


class _Row:
    """A running request: its generator, its text so far, and the token that the next decode appends."""

    __slots__ = ("generator", "request", "stream", "token")

    def __init__(self, request: Request, codec: TextCodec) -> None:
        self.request = request
        self.generator = seeded_generator(request.seed)
        self.stream = codec.stream(request.sampling.stop)
        self.token = 0
