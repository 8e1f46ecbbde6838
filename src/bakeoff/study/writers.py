"""Who writes: one writer a candidate, whatever stands behind it (a worker process, a URL, a file of recorded texts).

A writer turns a trial into a generation or raises a typed error; what an error leads to is the runner's business.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bakeoff.core.errors import DeviceChanged, EndpointError, TextMissing, UsageError, WorkerDied, WorkerError
from bakeoff.core.records import Generation, Timings, WorkerLoad
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.engines.base import ALLOW_HINT
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.recorded import RecordedTexts, read_recorded
from bakeoff.measure.page_cache import drop_from_cache, model_files
from bakeoff.study.placement import RunningWorker, Start, Started, start_here
from bakeoff.study.plan import Trial

if TYPE_CHECKING:
    from bakeoff.engines.client import EndpointClient
    from bakeoff.engines.process import WorkerFacts
    from bakeoff.engines.reading import Completion

_REAP_WITHIN_S = 2.0
DRAWN_AT = 0.7
"""Temperature at which answers of a judge are drawn, where it is asked several times."""
Message = Mapping[str, str]


class Writer(Protocol):
    """Opened before the first trial, closed at the end; `open` again after a death starts anew."""

    @property
    def loads(self) -> Sequence[WorkerLoad]:
        """What each start took, the last one as far as is known; empty where nothing is started."""
        ...

    async def open(self) -> None:
        """Make ready to write. Does nothing when ready already.

        Raises:
            WorkerError: it cannot be made ready, or a process behind it had died meanwhile.
        """
        ...

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Write one text; `first_token_s` is a deadline for its first token other than the usual one, in seconds.

        Raises:
            WorkerDied: the process behind it is gone.
            EndpointError: the answer did not come, or was none.
        """
        ...

    async def measure(self) -> None:
        """Bring the last of `loads` up to date: the peak memory so far."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class Judging(Protocol):
    """A writer that can be asked for a verdict instead of a text."""

    async def open(self) -> None:
        """Make ready; as `Writer.open`."""
        ...

    async def judge(self, messages: Sequence[Message], top_logprobs: int, draw: int | None = None) -> Completion:
        """Return the likeliest answer, with the log-probabilities of its first token where the server gives them.

        With `draw` it is a random one, another for each number.

        Raises:
            WorkerDied: the process behind it is gone.
            EndpointError: the answer did not come, or was none.
        """
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


def make_judge(judge: Candidate, logs: Path) -> Judging:
    """Return what asks a judge.

    Raises:
        UsageError: recorded texts judge nothing.
    """
    if judge.model.source == "recorded":
        raise UsageError(f"{judge.id} cannot judge: it is a file of recorded texts", "name a model or an endpoint")
    return EndpointWriter(judge) if judge.model.source == "endpoint" else WorkerWriter(judge, start_here(logs))


def make_writer(candidate: Candidate, logs: Path) -> Writer:
    """Return the writer for a candidate; `logs` is where workers' logs go."""
    if candidate.model.source == "recorded":
        return RecordedWriter(candidate)
    if candidate.model.source == "endpoint":
        return EndpointWriter(candidate)
    return WorkerWriter(candidate, start_here(logs))


class WorkerWriter:
    """A model of ours: a process with one model, wherever `start` starts it."""

    def __init__(self, candidate: Candidate, start: Start) -> None:
        self._candidate = candidate
        self._start = start
        self._worker: RunningWorker | None = None
        self._client: EndpointClient | None = None
        self._told_dead = False
        self._loads: list[WorkerLoad] = []
        self._opening = asyncio.Lock()

    @property
    def loads(self) -> Sequence[WorkerLoad]:
        """What each start took."""
        return tuple(self._loads)

    async def open(self) -> None:
        """Start the worker unless it runs; several callers at once start one.

        Raises:
            WorkerDied: it ran, and was found dead; told once, the next call starts it anew.
            WorkerNotStarted: it did not become ready.
        """
        async with self._opening:
            if self._worker is not None and self._worker.alive:
                return
            died_idle = self._worker if not self._told_dead else None
            await self._close()
            if died_idle is not None:
                raise died_idle.died()
            self._told_dead = False
            started = await self._start(self._candidate)
            self._worker = started.worker
            self._client = self._worker.client(Deadlines.from_environment())
            await self._client.__aenter__()
            self._loads.append(_load_record(self._candidate.id, started))

    async def until_gone(self) -> WorkerError:
        """Wait until the worker that runs has ended by itself; return how. It is told by that: the next `open` starts anew."""
        worker, _ = self._running()
        await worker.wait()
        self._told_dead = True
        return worker.died()

    async def forget_files(self) -> None:
        """Have the next start read the model's files from the disk, where the system lets us."""
        await asyncio.to_thread(lambda: drop_from_cache(model_files(Path(self._candidate.model.location))))

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Write one text; an error of a worker that is gone becomes `WorkerDied`, a text from elsewhere `DeviceChanged`."""
        worker, client = self._running()
        load = len(self._loads) - 1
        async with self._watching(worker):
            seen, generation = await _ask(client, self._candidate, trial, messages, concurrency, first_token_s)
        device, dtype = seen.device or worker.facts.device, seen.dtype or worker.facts.dtype
        self._note_moves(load, _moves(worker.facts, device, dtype, seen.fallbacks))
        return generation.model_copy(update={"device": device, "dtype": dtype})

    def _note_moves(self, number: int, moves: Sequence[str]) -> None:
        """Note with a start what its worker computed elsewhere since.

        Raises:
            DeviceChanged: nobody allowed that.
        """
        if moves and not self._candidate.allow_fallback:
            raise DeviceChanged(f"{self._candidate.id} went on elsewhere than it began: {', '.join(moves)}", ALLOW_HINT)
        known = self._loads[number].fallbacks
        if not set(moves) <= set(known):
            both = tuple(dict.fromkeys((*known, *moves)))
            self._loads[number] = self._loads[number].model_copy(update={"fallbacks": both})

    async def judge(self, messages: Sequence[Message], top_logprobs: int, draw: int | None = None) -> Completion:
        """Have it judge; see `Judging`."""
        worker, client = self._running()
        async with self._watching(worker):
            return await client.generate(
                messages, _judging(self._candidate, draw), draw or 0, top_logprobs=top_logprobs
            )

    def _running(self) -> tuple[RunningWorker, EndpointClient]:
        if self._worker is None or self._client is None:
            raise WorkerDied(f"the worker of {self._candidate.id} is not running")
        return self._worker, self._client

    @asynccontextmanager
    async def _watching(self, worker: RunningWorker) -> AsyncIterator[None]:
        try:
            yield
        except EndpointError:
            # A process that was killed is reaped a moment after its socket breaks.
            if await worker.ended_within(_REAP_WITHIN_S):
                self._told_dead = True
                raise worker.died() from None
            raise

    async def measure(self) -> None:
        """Ask the worker for its peak memory so far."""
        if self._client is None or not self._loads:
            return
        try:
            health = await self._client.health()
        except EndpointError:
            return
        told = {"peak_memory_bytes": "peak_rss_bytes", "device_peak_bytes": "device_peak_bytes"}
        peaks = {field: health.get(name) for field, name in told.items()}
        known = {field: peak for field, peak in peaks.items() if isinstance(peak, int)}
        self._loads[-1] = self._loads[-1].model_copy(update=known)

    async def close(self) -> None:
        """Note the peak memory, then stop the worker and its process group."""
        async with self._opening:
            await self.measure()
            await self._close()

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.__aexit__(None, None, None)
            self._client = None
        if self._worker is not None:
            await self._worker.stop()
            self._worker = None


class EndpointWriter:
    """Somebody else's server. The key, if it needs one, is OPENAI_API_KEY."""

    loads: Sequence[WorkerLoad] = ()

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._client: EndpointClient | None = None

    async def open(self) -> None:
        """Make the connection pool."""
        from bakeoff.engines.client import EndpointClient

        if self._client is None:
            key = _api_key()
            deadlines = Deadlines.from_environment()
            self._client = EndpointClient(self._candidate.model.location, self.remote_model, key, deadlines)
            await self._client.__aenter__()

    @property
    def remote_model(self) -> str:
        """The model's name at that URL."""
        return self._candidate.model.remote_model or self._candidate.model.name

    @property
    def address(self) -> str:
        """Its base URL."""
        return self._candidate.model.location

    async def served_models(self) -> Sequence[str]:
        """Return what the server says it serves.

        Raises:
            EndpointError: it does not answer within 2 s; 10 s if it is another machine, whose list may be long.
        """
        await self.open()
        assert self._client is not None  # noqa: S101 - opened above
        return await self._client.models(timeout_s=2.0 if self._client.is_local else 10.0)

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Write one text."""
        await self.open()
        assert self._client is not None  # noqa: S101 - opened above
        _, generation = await _ask(self._client, self._candidate, trial, messages, concurrency, first_token_s)
        return generation

    async def judge(self, messages: Sequence[Message], top_logprobs: int, draw: int | None = None) -> Completion:
        """Have it judge; see `Judging`."""
        await self.open()
        assert self._client is not None  # noqa: S101 - opened above
        return await self._client.generate(
            messages, _judging(self._candidate, draw), draw or 0, top_logprobs=top_logprobs
        )

    async def measure(self) -> None:
        """Nothing is known of its memory."""

    async def close(self) -> None:
        """Close the connection pool."""
        if self._client is not None:
            await self._client.__aexit__(None, None, None)
            self._client = None


class RecordedWriter:
    """Texts that exist already. Nothing is generated, and nothing is timed but what the file says."""

    loads: Sequence[WorkerLoad] = ()

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._texts: RecordedTexts | None = None

    async def open(self) -> None:
        """Read the file."""
        if self._texts is None:
            self._texts = read_recorded(Path(self._candidate.model.location))

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Look the text up.

        Raises:
            TextMissing: the file has no text for this brief and replicate.
        """
        del messages, concurrency, first_token_s
        await self.open()
        found = None if self._texts is None else self._texts.get(trial.brief, trial.replicate)
        if found is None:
            raise TextMissing(
                f"{self._candidate.model.location} has no text for brief {trial.brief}, replicate {trial.replicate}",
                "add a line for it, or leave the brief out of the suite",
            )
        counted = found.prompt_tokens is not None or found.completion_tokens is not None
        timings = Timings(
            latency_s=found.latency_s,
            prompt_tokens=found.prompt_tokens,
            completion_tokens=found.completion_tokens,
            tokens_from="reported" if counted else None,
        )
        return trial.generation(text=found.text, finish_reason="stop", timings=timings, recorded=True)

    async def measure(self) -> None:
        """Nothing runs."""

    async def close(self) -> None:
        """Forget the texts."""
        self._texts = None


def _judging(judge: Candidate, draw: int | None) -> Sampling:
    warmth = judge.sampling.temperature if draw is None else DRAWN_AT
    return judge.sampling.model_copy(update={"temperature": warmth})


async def _ask(
    client: EndpointClient,
    candidate: Candidate,
    trial: Trial,
    messages: Sequence[Message],
    concurrency: int,
    first_token_s: float | None,
) -> tuple[Completion, Generation]:
    completion = await client.generate(messages, candidate.sampling, trial.seed, first_token_s=first_token_s)
    timings = completion.timings
    if concurrency > 1 and timings.itl_s is not None:  # its neighbours' too, and many
        timings = timings.model_copy(update={"itl_s": None, "itl_at": None})
    return completion, trial.generation(
        text=completion.text,
        finish_reason=completion.finish_reason,
        timings=timings,
        concurrency=concurrency,
    )


def _moves(facts: WorkerFacts, device: str | None, dtype: str | None, fallbacks: Sequence[str]) -> list[str]:
    """Return what is not as it was when the worker became ready."""
    moves = [each for each in fallbacks if each not in facts.fallbacks]
    if device != facts.device:
        moves.append(f"on {device} instead of {facts.device}")
    if dtype != facts.dtype:
        moves.append(f"in {dtype} instead of {facts.dtype}")
    return moves


def _api_key() -> str | None:
    """Return the key for endpoints, from the environment and from nowhere else; None where there is none.

    Raises:
        UsageError: no header could hold it. It is not quoted.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()  # a file's last line feed comes with it
    if not (key.isascii() and key.isprintable()):
        raise UsageError("OPENAI_API_KEY holds characters that no key has", "set it to the key alone, on one line")
    return key or None


def _load_record(candidate_id: str, started: Started) -> WorkerLoad:
    facts = started.worker.facts
    return WorkerLoad(
        candidate=candidate_id,
        load_s=facts.load_s,
        import_s=facts.import_s,
        calibration_s=facts.calibration_s,
        first_token_s=facts.first_token_s,
        device=facts.device,
        dtype=facts.dtype,
        engine_version=f"{facts.engine} {facts.engine_version}",
        peak_memory_bytes=facts.peak_rss_bytes,
        weight_bytes=facts.weight_bytes,
        start=secrets.token_hex(8),
        kernels=facts.kernels,
        kernels_reason=facts.kernels_reason,
        fallbacks=facts.fallbacks,
        cached_share=started.cached_share,
        node=started.node,
        unknown=facts.unknown,
    )
