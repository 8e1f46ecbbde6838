"""Gateways for tests: a real server on loopback over a real supervisor, with fake workers, real ones, or endpoints behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bakeoff.core.clock import SystemClock
from bakeoff.core.records import Estimate
from bakeoff.core.spec import Candidate, ModelSpec, Sampling
from bakeoff.engines.process import WorkerCommand
from bakeoff.serve.app import Gateway, Keys
from bakeoff.serve.cost_terms import CostTerms
from bakeoff.serve.keeping import Keeping
from bakeoff.serve.plan import ServedModel, ServedRoute, ServingPlan
from bakeoff.serve.server import GatewayServer, base_url, listen
from bakeoff.serve.settings import ServerSettings, ServeSettings, WaitingSettings
from bakeoff.serve.supervisor import Supervisor
from worker_processes import fake_command

QUICK = WaitingSettings(
    model_s=20.0,
    comment_every_s=0.2,
    first_token_s=2.0,  # a machine that is busy with other tests must not look silent
    first_token_per_1000_s=0.0,
    stall_s=2.0,
    total_s=20.0,
)
EVIDENCE = Estimate(estimate=7.25, low=6.5, high=8.0, method="bounded", briefs=20, clusters=18)


def make_model(name: str, source: str = "folder", location: str = "/nowhere") -> ServedModel:
    spec = ModelSpec.model_validate(
        {"reference": name, "name": name, "source": source, "location": location, "digest": name, "remote_model": "m"}
    )
    candidate = Candidate(id=name, model=spec, engine="fake", sampling=Sampling())
    return ServedModel(candidate=candidate, need_bytes=1 << 20, need_high_bytes=1 << 20, quality=EVIDENCE)


def make_plan(
    *models: str | ServedModel, routes: Mapping[str, Sequence[str]] | None = None, run: str | None = "r1"
) -> ServingPlan:
    """The first model serves, the others stand in; so do routes' own lists."""
    served = tuple(model if isinstance(model, ServedModel) else make_model(model) for model in models)
    names = [model.id for model in served]
    made = {
        name: ServedRoute(candidate=order[0], fallbacks=tuple(order[1:]), outcome="winner", evidence=EVIDENCE)
        for name, order in (routes or {}).items()
    }
    general = ServedRoute(candidate=names[0], fallbacks=tuple(names[1:]), outcome="no_clear_winner", evidence=EVIDENCE)
    return ServingPlan(run_id=run, suite="small" if run else None, models=served, routes=made, general=general)


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that listens at `url` (without `/v1`)."""

    url: str
    gateway: Gateway
    supervisor: Supervisor
    server: GatewayServer
    client: aiohttp.ClientSession
    settings: ServeSettings

    def post(self, body: Any, path: str = "/v1/chat/completions", **options: Any) -> Any:
        return self.client.post(self.url + path, json=body, **options)

    async def ask(self, model: str, path: str = "/v1/chat/completions", **fields: Any) -> Answer:
        """Ask, and read the whole answer."""
        async with self.post(request(model, **fields), path) as response:
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
            )

    def metric(self, name: str, **labels: str) -> float | None:
        return self.gateway.metrics.registry.get_sample_value(name, labels)

    def leases(self) -> int:
        return sum(model["leases"] + model["waiting"] for model in self.supervisor.snapshot()["models"].values())


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.json["choices"][0]["message"]["content"]

    @property
    def events(self) -> list[Any]:
        """The data of each event, parsed; `[DONE]` as it is."""
        data = [block[6:] for block in self.body.decode().split("\n\n") if block.startswith("data: ")]
        return [found if found == "[DONE]" else json.loads(found) for found in data]

    @property
    def streamed(self) -> str:
        chunks = [event for event in self.events if event != "[DONE]" and event.get("choices")]
        return "".join(chunk["choices"][0].get("delta", {}).get("content") or "" for chunk in chunks)


def request(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Say w0 w1."}], **fields}


def fakes(**knobs: Sequence[str]) -> dict[str, WorkerCommand]:
    """A fake worker for each name, with its knobs; the one completion that shows it ready is as it should be."""
    return {name: fake_command("--good", "1", *own, name=name) for name, own in knobs.items()}


@asynccontextmanager
async def endpoint(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], path: str = "chat/completions"
) -> AsyncIterator[str]:
    """A server of others in this event loop, at the URL that is yielded (with `/v1`)."""
    app = web.Application()
    app.router.add_post(f"/v1/{path}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def stream_of(request: web.Request, *values: Any) -> web.StreamResponse:
    """Answer with these events."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for value in values:
        await response.write(b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n")
    return response


def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    """A piece of a streamed chat completion."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


@asynccontextmanager
async def running(
    plan: ServingPlan,
    folder: Path,
    *,
    commands: Mapping[str, WorkerCommand] | None = None,
    waiting: WaitingSettings = QUICK,
    server: ServerSettings | None = None,
    keeping: Keeping | None = None,
    keys: Keys | None = None,
    terms: CostTerms | None = None,
    **more: Any,
) -> AsyncIterator[Running]:
    """Run a gateway in this event loop; nothing of it is left afterwards."""
    settings = ServeSettings(
        server=server or ServerSettings(port=0, drain_s=2), waiting=waiting, keeping=keeping or Keeping(), **more
    )
    async with Supervisor(plan, settings.keeping, folder / "logs", commands=commands) as supervisor:
        gateway = Gateway(plan, supervisor, settings, SystemClock(), keys, terms)
        listener = listen("127.0.0.1", 0)
        ready = asyncio.Event()
        serving = GatewayServer(gateway, settings.server, ready.set)
        task = asyncio.create_task(serving.serve(sockets=[listener]))
        await ready.wait()
        async with aiohttp.ClientSession() as client:
            try:
                yield Running(base_url(listener), gateway, supervisor, serving, client, settings)
            finally:
                await client.close()
                serving.stop()
                await task
                await gateway.close()
