"""One completion, from the request's body to its last byte: route, lease, exchange, fallback.

| what happens                                           | a stream not begun, or no stream        | a stream begun        |
|--------------------------------------------------------|-----------------------------------------|-----------------------|
| the route's model cannot be had, breaks, stalls        | the next model of the route is asked    | error event, the end  |
| no model of the route is left                          | 502 or 503 with Retry-After             | error event, the end  |
| the model's queue is full                              | 429 with Retry-After                    | error event, the end  |
| the model's server says that the request is wrong      | its own status and error                | -                     |
| - that it is too long, or asks what the model cannot   | the next model of the route is asked;   | -                     |
|                                                        | if that gives nothing, the first error  |                       |
| the client hangs up, in whichever state                | the lease is withdrawn, the exchange closed, the worker stops                   |

A stream is begun when the first piece of the answer goes to the client: what a server says before (a role, comments) is held
back until then. A candidate that the client names itself has no fallback.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from bakeoff.core.clock import Clock
from bakeoff.core.plain import printable
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.openai_protocol import as_event
from bakeoff.serve.api_errors import QUEUE_FULL, RETRY_AFTER_S, GatewayError, as_refusal
from bakeoff.serve.assembly import as_chunk, assemble
from bakeoff.serve.evidence import EvidenceHeaders
from bakeoff.serve.footprints import Footprints
from bakeoff.serve.hang_up import HangUp
from bakeoff.serve.intake import Intake, read_completion
from bakeoff.serve.key_limits import KEY_USE, KeyUse
from bakeoff.serve.lease import Ending, Leasing, Refused
from bakeoff.serve.metrics import GatewayMetrics, Happened
from bakeoff.serve.outlet import ClientGone, Outlet
from bakeoff.serve.plan import ServingPlan
from bakeoff.serve.quality_sampling import QualitySampling, content_type_of
from bakeoff.serve.refusals import RequestRefused, UpstreamFailed, as_error
from bakeoff.serve.relay import Relay
from bakeoff.serve.response_cache import Given, ResponseCache, key_of, wants_fresh
from bakeoff.serve.router import Chosen, NoSuchModel, Router
from bakeoff.serve.settings import WaitingSettings
from bakeoff.serve.spending import Spending
from bakeoff.serve.upstream import Asked, Exchange, Pools, exchange, scaled

log = logging.getLogger(__name__)

_DONE = b"data: [DONE]\n\n"
CACHE_HEADER = b"x-bakeoff-cache"


@dataclass(frozen=True, slots=True)
class Service:
    """All that answers are made with. One for a gateway."""

    plan: ServingPlan
    router: Router
    leasing: Leasing
    pools: Pools
    metrics: GatewayMetrics
    spending: Spending
    quality: QualitySampling
    evidence: EvidenceHeaders
    waiting: WaitingSettings
    clock: Clock
    write_s: float
    cache: ResponseCache | None = None
    footprints: Footprints | None = None


@dataclass(slots=True)
class Call:
    """One request under way. `key` is that of its answer in the cache, None where that is not kept; `use` what the client's API key uses,
    `relay` what came of the last model that was asked. `refused` is what the first model said, and which, where that is a limit of its own.
    """

    asked: Asked
    chosen: Chosen
    outlet: Outlet
    happened: Happened
    failures: list[GatewayError] = field(default_factory=list)
    refused: tuple[str, RequestRefused] | None = None
    key: bytes | None = None
    use: KeyUse | None = None
    relay: Relay | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the answer: as its server counted them, or, where it did not, the pieces of text that came."""
        happened = self.happened
        told = (happened.prompt_tokens or 0) + (happened.completion_tokens or 0)
        return told or (self.relay.pieces if self.relay is not None else 0)


class CompletionEndpoint:
    """`/v1/chat/completions` or `/v1/completions`, as an ASGI application; `path` is what follows `/v1/`."""

    def __init__(self, service: Service, intake: Intake, path: str) -> None:
        self._service = service
        self._intake = intake
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        begun = self._service.clock.monotonic_s()
        body, size = await read_completion(self._intake, scope, receive, chat=self._path == "chat/completions")
        try:
            chosen = self._service.router.choose(body)
        except NoSuchModel as error:
            raise GatewayError(404, str(error), param="model", code="model_not_found") from None
        streams = bool(body.get("stream"))
        outlet = Outlet(send, (), streams=streams, write_s=self._service.write_s)
        happened = Happened(self._path, chosen.route, chosen.order[0], begun)
        use = scope["extensions"].get(KEY_USE)
        call = Call(self._asked(body, size, streams=streams), chosen, outlet, happened, use=use)
        if self._service.cache is not None and await self._repeated(call, self._service.cache, scope):
            return
        await self._watched(call, HangUp(scope, lambda: outlet.finished))

    async def _repeated(self, call: Call, cache: ResponseCache, scope: Scope) -> bool:
        """Give the answer that was given before, if the same was asked for; tell whether it was."""
        if wants_fresh(scope["headers"]):
            return False
        model = call.chosen.order[0]
        call.key = key_of(self._path, call.chosen.route, model, self._for_model(call.asked, model).body)
        if call.key is None:
            return False
        if not await self._service.leasing.as_measured(model):
            cache.forget(model)
        given, outlet = cache.find(call.key, model), call.outlet
        if given is None:
            outlet.general = ((CACHE_HEADER, b"miss"),)
            outlet.kept = [] if call.asked.streams else None
            return False
        age_s = int(self._service.clock.monotonic_s() - given.at_s)
        headers = (*given.headers, (CACHE_HEADER, b"hit"), (b"age", str(age_s).encode()))
        with contextlib.suppress(ClientGone):
            if call.asked.streams:
                await outlet.begin_stream(headers)
                await outlet.end_stream(given.body)
            else:
                await outlet.whole(given.body, headers)
        outlet.close()
        return True

    def _keep(self, call: Call, model: str, body: bytes) -> None:
        """Keep an answer of the route's own model for the next one who asks the same."""
        cache, chosen = self._service.cache, call.chosen
        if cache is not None and call.key is not None and model == chosen.order[0]:
            now = self._service.clock.monotonic_s()
            cache.keep(call.key, Given(model, body, self._service.evidence.of(chosen, model), now))

    def _asked(self, body: dict[str, Any], size: int, *, streams: bool) -> Asked:
        waiting = self._service.waiting
        usual = Deadlines(first_token_s=waiting.first_token_s, stall_s=waiting.stall_s, total_s=waiting.total_s)
        return Asked(self._path, body, scaled(usual, size, waiting.first_token_per_1000_s), streams)

    async def _watched(self, call: Call, client: HangUp) -> None:
        """Answer, unless the client hangs up before the end; then everything is left at once."""
        call.outlet.on_stuck = client.leave
        self._service.metrics.begin()
        try:
            with client:
                await self._answer(call)
        except asyncio.CancelledError:
            await self._take_leave(call)
            raise
        except ClientGone:
            client.gone = True
        finally:
            await call.outlet.stop_comments()
            call.outlet.close()
            if client.gone:
                call.happened.outcome = "cancelled"
            self._note(call)

    def _note(self, call: Call) -> None:
        happened, now_s = call.happened, self._service.clock.monotonic_s()
        self._service.metrics.note(happened, now_s)
        if call.use is not None:
            call.use.spend(now_s, call.tokens)
        if happened.outcome == "answered":
            self._service.spending.note_tokens(happened.model, happened.prompt_tokens, happened.completion_tokens)
            if self._service.footprints is not None:
                self._service.footprints.note_tokens(happened.model, happened.prompt_tokens, happened.completion_tokens)

    async def _take_leave(self, call: Call) -> None:
        """The gateway ends before the answer does."""
        call.happened.fail("gateway_stopping", "broken" if call.outlet.opened else "refused")
        if not call.outlet.finished:
            with contextlib.suppress(ClientGone):
                stopping = GatewayError(503, "the gateway ends", code="gateway_stopping", retry_after_s=RETRY_AFTER_S)
                await call.outlet.error(stopping)

    async def _answer(self, call: Call) -> None:
        call.outlet.comment_every(self._service.waiting.comment_every_s)
        for model in call.chosen.order:
            call.happened.model, call.happened.stands_in = model, model != call.chosen.order[0]
            try:
                await self._try(call, model)
            except GatewayError as error:
                call.failures.append(error)
                log.warning("%s on route %s: %s", model, call.chosen.route, printable(str(error)))
                if error.code == QUEUE_FULL:  # another model would only be loaded to be overrun, too
                    break
            except RequestRefused as refused:
                if not refused.by_this_model:
                    await self._refuse(call, model, refused)
                    return
                log.info("%s on route %s refuses what another model may answer", model, call.chosen.route)
                if not call.failures and call.refused is None:
                    call.refused = model, refused
            else:
                return
        await self._give_up(call)

    async def _give_up(self, call: Call) -> None:
        """No model of the route answers: say why the first one would not, or why the last one could not."""
        if call.refused is not None:
            call.happened.model, call.happened.stands_in = call.refused[0], False
            await self._refuse(call, *call.refused)
            return
        error = call.failures[-1]
        call.happened.fail(error.code, "refused" if error.status in {429, 503} else "failed")
        await call.outlet.error(error, self._service.evidence.of_route(call.chosen))

    async def _try(self, call: Call, model: str) -> None:
        """Answer with one model, to the end.

        Raises:
            GatewayError: it gave nothing, and the client has seen nothing of it: another may be asked.
            RequestRefused: its server says that the request is wrong.
        """
        try:
            async with self._service.leasing.lease(model, self._service.waiting.model_s) as lease:
                busy, clock = self._service.spending.busy, self._service.clock
                call.happened.leased_s = clock.monotonic_s()
                busy.enter(model, call.happened.leased_s)
                content_type = content_type_of(call.chosen, call.asked.body)
                graded = self._service.quality.wants(model, content_type)
                ending: Ending = "cancelled"
                try:
                    asked = self._for_model(call.asked, model)
                    async with exchange(self._service.pools, lease.upstream, asked, keep=graded) as answer:
                        call.relay = answer.relay
                        ending = await self._serve(call, model, answer)
                    if graded and ending == "answered":
                        self._service.quality.offer(model, content_type, asked, answer)
                except RequestRefused:
                    ending = "client_error"
                    raise
                except UpstreamFailed as failed:
                    ending = failed.ending
                    raise as_error(failed) from failed
                except ClientGone:
                    ending = "cancelled"
                    raise
                finally:
                    busy.leave(model, clock.monotonic_s())
                    lease.ended(ending)
        except Refused as refused:
            raise as_refusal(refused, model) from refused

    def _for_model(self, asked: Asked, model: str) -> Asked:
        """Return the request with what a candidate was measured with, where the client says nothing else."""
        if self._service.plan.run_id is None:
            return asked
        sampling = self._service.plan.model(model).candidate.sampling
        usual: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.top_k is not None:
            usual["top_k"] = sampling.top_k
        if sampling.stop:
            usual["stop"] = list(sampling.stop)
        missing = {name: value for name, value in usual.items() if asked.body.get(name) is None}
        return Asked(asked.path, {**asked.body, **missing}, asked.deadlines, asked.streams) if missing else asked

    async def _serve(self, call: Call, model: str, answer: Exchange) -> Ending:
        """Pass an answer on.

        Raises:
            UpstreamFailed: it broke, and the client has seen nothing of it.
        """

        def begun() -> None:
            call.happened.first_token_s = self._service.clock.monotonic_s()

        headers = self._service.evidence.of(call.chosen, model)
        if call.asked.streams:
            held = await answer.begin()
            begun()
            return await self._stream(call, model, answer, held)
        await answer.to_the_end(begun)
        body = self._whole(answer, chat=call.asked.chat)
        call.happened.count(answer.relay)
        await call.outlet.whole(body, headers)
        self._keep(call, model, body)
        call.happened.outcome = "answered"
        return "answered"

    def _whole(self, answer: Exchange, *, chat: bool) -> bytes:
        if answer.whole is not None:
            answer.relay.usage = answer.completion().get("usage") or {}
            return answer.whole
        try:
            return json.dumps(assemble(answer.relay.kept, chat=chat)).encode()
        except ValueError as error:
            raise answer.failed(f"sent a stream that is no completion: {error}") from error

    async def _stream(self, call: Call, model: str, answer: Exchange, held: bytes) -> Ending:
        outlet = call.outlet
        if answer.whole is not None:
            whole = answer.completion()
            held = as_event(as_chunk(whole, chat=call.asked.chat)) + _DONE
            answer.relay.usage = whole.get("usage") or {}
        await outlet.begin_stream(self._service.evidence.of(call.chosen, model))
        try:
            await outlet.write(held)
            if answer.whole is None:
                async for piece in answer.pieces():
                    await outlet.write(piece)
                if not answer.relay.done:  # clients wait for it, and the answer is complete
                    await outlet.write(_DONE)
            call.happened.count(answer.relay)
            await outlet.end_stream()
        except UpstreamFailed as failed:
            call.happened.fail("upstream_failed", "broken")
            log.warning("on route %s, in the middle of an answer: %s", call.chosen.route, printable(failed.message))
            await outlet.error(as_error(failed))
            return failed.ending
        if outlet.kept is not None:
            self._keep(call, model, b"".join(outlet.kept))
        call.happened.outcome = "answered"
        return "answered"

    async def _refuse(self, call: Call, model: str, refused: RequestRefused) -> None:
        """Pass on what the model's server says of a wrong request."""
        call.happened.fail("invalid_request", "client_error")
        headers = self._service.evidence.of(call.chosen, model)
        await call.outlet.stop_comments()
        if call.outlet.opened:
            error = json.loads(refused.body)
            await call.outlet.end_stream(as_event(error))
        else:
            await call.outlet.whole(refused.body, headers, refused.status)
