"""What a writer is, and those that nothing is started for: somebody else's server, and a file of recorded texts.

A writer turns a trial into a generation or raises a typed error; what an error leads to is the runner's business. The writer
with a process of ours behind it is in `study.worker_writer`; which one a candidate gets is said in `study.writer_choice`.
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bakeoff.core.errors import EndpointError, EndpointRefused, TextMissing
from bakeoff.core.records import Generation, Timings, WorkerLoad
from bakeoff.core.spec import Candidate, Sampling
from bakeoff.engines.deadlines import Deadlines
from bakeoff.engines.endpoint_keys import EndpointKeys
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


Tell = Callable[[str, str], None]
"""Called with a kind of event and what happened."""
SAMPLED_OTHERWISE, NOT_LISTED = "sampled_otherwise", "name_not_listed"
"""Kinds of events: the server refuses what its texts were to be sampled with; it answers to a name that it does not list."""
_NO_SUCH_NAME = frozenset({400, 404, 422})
_MOST_LISTED = 8


class EndpointWriter:
    """Somebody else's server, which gets its key out of `keys`. `tell` hears once of each thing that is not as was asked."""

    loads: Sequence[WorkerLoad] = ()

    def __init__(self, candidate: Candidate, keys: EndpointKeys, tell: Tell) -> None:
        self._candidate = candidate
        self._keys = keys
        self._tell = tell
        self._client: EndpointClient | None = None
        self._listed: Sequence[str] = ()
        self._told: set[str] = set()

    async def open(self) -> None:
        """Make the connection pool."""
        from bakeoff.engines.client import EndpointClient

        if self._client is None:
            model = self._candidate.model
            key = self._keys.key_of(model)
            self._client = EndpointClient(model.location, self.remote_model, key, Deadlines.from_environment())
            await self._client.__aenter__()

    @property
    def remote_model(self) -> str:
        """The model's name at that URL."""
        return self._candidate.model.remote_model or self._candidate.model.name

    async def look_up(self) -> None:
        """Find out what the server lists, which is no proof of what it serves: some take names that they do not list.

        Raises:
            EndpointError: it does not answer within 2 s; 10 s if it is another machine, whose list may be long.
        """
        async with self._asking() as client:
            self._listed = await client.models(timeout_s=2.0 if client.is_local else 10.0)

    def is_wrong_name(self, error: EndpointError) -> bool:
        """Whether a server that refused a text may have refused the model's name: it does not list it."""
        is_unknown = isinstance(error, EndpointRefused) and error.status in _NO_SUCH_NAME
        return is_unknown and self._is_unlisted

    @property
    def _is_unlisted(self) -> bool:
        # Ollama lists "llama3.2" as "llama3.2:latest", and takes both.
        return bool(self._listed) and not {self.remote_model, f"{self.remote_model}:latest"} & set(self._listed)

    async def write(
        self, trial: Trial, messages: Sequence[Message], concurrency: int, first_token_s: float | None = None
    ) -> Generation:
        """Write one text."""
        async with self._asking() as client:
            completion, generation = await ask_for_text(
                client, self._candidate, trial, messages, concurrency, first_token_s
            )
        self._compare(client, completion)
        return generation

    async def judge(self, messages: Sequence[Message], top_logprobs: int, draw: int | None = None) -> Completion:
        """Have it judge; see `Judging`."""
        sampling = judging_sampling(self._candidate, draw)
        async with self._asking() as client:
            completion = await client.generate(messages, sampling, draw or 0, top_logprobs=top_logprobs)
        self._compare(client, completion)
        return completion

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[EndpointClient]:
        """Open, and say of a refusal what can be done about it."""
        await self.open()
        assert self._client is not None  # noqa: S101 - opened above
        try:
            yield self._client
        except EndpointRefused as error:
            if error.status in {401, 403}:
                error.hint = self._keys.advice(self._candidate.model)
            elif self.is_wrong_name(error):
                error.hint = self._right_names()
            raise

    def _right_names(self) -> str:
        near = difflib.get_close_matches(self.remote_model, self._listed, n=1)
        right = f"openai:{near[0] if near else self._listed[0]}@{self._candidate.model.location}"
        return f"its server lists {', '.join(self._listed[:_MOST_LISTED])}: write {right}"

    def _compare(self, client: EndpointClient, answer: Completion) -> None:
        """Tell what of an answer is not as was asked, and was not told yet."""
        if self._is_unlisted and NOT_LISTED not in self._told:
            self._told.add(NOT_LISTED)
            as_whom = f"as {answer.served_model!r}" if answer.served_model else "without saying as which model"
            self._tell(NOT_LISTED, f"its server does not list {self.remote_model!r}, and answers {as_whom}")
        fresh = client.left_out & {"temperature", "top_p"} - self._told
        if fresh:
            self._told |= fresh
            sampling, names = self._candidate.sampling, sorted(fresh)
            asked = " and ".join(f"{name} {getattr(sampling, name):g}" for name in names)
            self._tell(
                SAMPLED_OTHERWISE,
                f"its server refuses {' and '.join(names)}: it samples with its own, and not with {asked} as was asked",
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
