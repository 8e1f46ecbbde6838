"""What a writer is, and those that nothing is started for: somebody else's server, and a file of recorded texts.

A writer turns a trial into a generation or raises a typed error; what an error leads to is the runner's business. The writer
with a process of ours behind it is in `study.worker_writer`; which one a candidate gets is said in `study.writer_choice`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bakeoff.core.errors import TextMissing, UsageError
from bakeoff.core.records import Generation, Timings, WorkerLoad
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.recorded import RecordedTexts, read_recorded
from bakeoff.study.plan import Trial

if TYPE_CHECKING:
    from bakeoff.engines.client import EndpointClient
    from bakeoff.engines.reading import Completion

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
            EndpointError: it is ready, but a text that nobody counts, to warm it up, did not come; told once.
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
        _, generation = await ask_for_text(self._client, self._candidate, trial, messages, concurrency, first_token_s)
        return generation

    async def judge(self, messages: Sequence[Message], top_logprobs: int, draw: int | None = None) -> Completion:
        """Have it judge; see `Judging`."""
        await self.open()
        assert self._client is not None  # noqa: S101 - opened above
        return await self._client.generate(
            messages, judging_sampling(self._candidate, draw), draw or 0, top_logprobs=top_logprobs
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


def judging_sampling(judge: Candidate, draw: int | None) -> Sampling:
    """Return how a judge is asked: as it is set, or warm enough for answers to be drawn."""
    warmth = judge.sampling.temperature if draw is None else DRAWN_AT
    return judge.sampling.model_copy(update={"temperature": warmth})


async def ask_for_text(
    client: EndpointClient,
    candidate: Candidate,
    trial: Trial,
    messages: Sequence[Message],
    concurrency: int,
    first_token_s: float | None,
) -> tuple[Completion, Generation]:
    """Have a server write a trial's text; return its answer as it came too.

    Raises:
        EndpointError: the answer did not come, or was none.
    """
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


def _api_key() -> str | None:
    """Return the key for endpoints, from the environment and from nowhere else; None where there is none.

    Raises:
        UsageError: no header could hold it. It is not quoted.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()  # a file's last line feed comes with it
    if not (key.isascii() and key.isprintable()):
        raise UsageError("OPENAI_API_KEY holds characters that no key has", "set it to the key alone, on one line")
    return key or None
