"""Who is asked to judge, and how: a model by a question in words, a reward model by the text as an answer to its brief."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

from bakeoff.catalog.references import folder_spec, resolve
from bakeoff.core.errors import UnknownModel
from bakeoff.core.spec import Candidate, Record, Sampling
from bakeoff.core.thoughts import after_thoughts
from bakeoff.engines.endpoint_keys import EndpointKeys
from bakeoff.engines.reward import RewardModel, open_reward_model
from bakeoff.score.judge import (
    SAMPLES,
    TOP_LOGPROBS,
    Message,
    Verdict,
    read_grade,
    read_preference,
    sampled_grade,
)
from bakeoff.study.writer_choice import make_judge
from bakeoff.study.writers import Judging, Tell

if TYPE_CHECKING:
    from bakeoff.engines.reading import Completion

Kind = Literal["pairs", "grades", "rewards"]
REWARD = "reward"
"""What stands before a reference to a reward model, and the engine that its candidate has."""


class Question(NamedTuple):
    """One thing to ask: of one text, or of two in the order in which they are shown."""

    key: str
    kind: Kind
    brief: str
    trials: tuple[str, ...]
    messages: tuple[Message, ...]


class Judgement(Record):
    """What came of a question. `value` as in `score.judge.Verdict`, or a reward; None without a valid answer, or `error_kind`."""

    value: float | None
    mass: float | None = None
    answer: str | None = None
    error_kind: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None


class Asking(Protocol):
    """A judge that can be asked."""

    async def open(self) -> None:
        """Make ready.

        Raises:
            BakeoffError: it cannot be.
        """
        ...

    async def answer(self, question: Question) -> Judgement:
        """Return what it says.

        Raises:
            WorkerError: the process behind it is gone.
            EndpointError: the answer did not come, or was none.
        """
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class ModelJudge:
    """A model that writes its verdict.

    A grade is read off the probabilities of its first token; of a server that gives none, it is the mean of several answers that
    are drawn, since its likeliest answer alone is a digit of five.
    """

    def __init__(self, writer: Judging) -> None:
        self.writer = writer
        self._gives_none = False
        self.open, self.close = writer.open, writer.close

    async def answer(self, question: Question) -> Judgement:
        """Ask in words, and read the answer."""
        if question.kind == "grades" and self._gives_none:
            return await self._drawn(question, ())
        answer = await self.writer.judge(question.messages, TOP_LOGPROBS)
        if question.kind == "grades" and answer.first_logprobs is None:
            self._gives_none = True
            return await self._drawn(question, (answer,))
        read = read_grade if question.kind == "grades" else read_preference
        return _judgement(read(answer.text, answer.first_logprobs), (answer,), _said(answer))

    async def _drawn(self, question: Question, paid: tuple[Completion, ...]) -> Judgement:
        """Grade by several answers; `paid` came before and count towards the cost only."""
        drawn = [await self.writer.judge(question.messages, TOP_LOGPROBS, draw) for draw in range(1, SAMPLES + 1)]
        verdict = sampled_grade([read_grade(answer.text) for answer in drawn])
        return _judgement(verdict, (*paid, *drawn), " | ".join(_said(answer) for answer in drawn))


def _said(answer: Completion) -> str:
    """Return the answer behind its thoughts, or thoughts that did not end."""
    return after_thoughts(answer.text) or answer.text.strip()


def _judgement(verdict: Verdict, answers: Sequence[Completion], said: str) -> Judgement:
    """What came of a question, with the tokens and the time of all its answers."""
    timings = [answer.timings for answer in answers]
    return Judgement(
        value=verdict.value,
        mass=verdict.mass,
        answer=said[:200],
        prompt_tokens=_sum([each.prompt_tokens for each in timings]),
        completion_tokens=_sum([each.completion_tokens for each in timings]),
        latency_s=_sum([each.latency_s for each in timings]),
    )


_Number = TypeVar("_Number", int, float)


def _sum(counted: Sequence[_Number | None]) -> _Number | None:
    known = [number for number in counted if number is not None]
    return sum(known[1:], start=known[0]) if known and len(known) == len(counted) else None


class RewardJudge:
    """A reward model."""

    def __init__(self, model: RewardModel) -> None:
        self._model = model
        self.open, self.close = model.open, model.close

    async def answer(self, question: Question) -> Judgement:
        """Have it rate the text."""
        reward = await self._model.reward(question.messages)
        return Judgement(value=reward.value, prompt_tokens=reward.tokens, completion_tokens=0)


def make_asking(judge: Candidate, keys: EndpointKeys, tell: Tell, logs: Path) -> Asking:
    """Return what asks a judge; `tell` hears of what is not as was asked, and `logs` is where a worker's log goes.

    Raises:
        UsageError: recorded texts judge nothing.
    """
    if judge.engine == REWARD:
        model = judge.model
        return RewardJudge(open_reward_model(model.location, model.remote_model, keys.key_of(model)))
    return ModelJudge(make_judge(judge, keys, tell, logs))


def is_reward(reference: str) -> bool:
    """Whether a reference names a reward model: `reward:FOLDER` or `reward:MODEL@URL`."""
    return reference.startswith(f"{REWARD}:")


def reward_candidate(reference: str) -> Candidate:
    """Resolve `reward:FOLDER` or `reward:MODEL@URL`.

    Raises:
        UsageError: no such folder, or it is not what it should be.
    """
    rest = reference.removeprefix(f"{REWARD}:")
    folder = Path(rest).expanduser()
    if folder.is_dir():
        model = folder_spec(folder, reference, folder.resolve().name)
    elif "://" in rest:
        model = resolve(f"openai:{rest}").model_copy(update={"reference": reference})
    else:
        raise UnknownModel(
            f"{reference}: there is no such folder", "write reward:FOLDER or reward:MODEL@http://host:port/v1"
        )
    return Candidate(id=reference, model=model, engine=REWARD, sampling=Sampling(temperature=0.0, max_tokens=1))
